"""The store as the rest of the product sees it: it remembers first, and then writes down.

Whatever is handed over is kept in memory until it is durable. So a store that cannot write goes on telling this
process the truth, known debts are paid from memory, and once the cause is gone the next call writes down what
was missed. Reading takes no lock of this process: pages are served while a run waits for a slow disk.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from typing import TYPE_CHECKING, TypeVar

import msgspec

from alertsync.errors import InboxFullError, NewerStoreError, SharedLockError, StoreDegradedError
from alertsync.models import HandledEvent, LedgerChange, RunStatus, Standing
from alertsync.store import history, inbox, ledger_rows, memory
from alertsync.store.database import Stamp, open_database
from alertsync.store.faults import EXPECTED, Fault
from alertsync.store.glance import Glance
from alertsync.store.health import Health
from alertsync.store.hosts import is_led, leadership, pages_of, reserved
from alertsync.store.pages import Page, key_of, page
from alertsync.store.wanted import ALL_ACTIONS, ALL_RUNS
from alertsync.store.writer import Held, Unsaved, read_requests, read_standing, settle, settle_history

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime, timedelta
    from pathlib import Path

    from sqlalchemy import Connection

    from alertsync.clock import Clock, Hold
    from alertsync.exposition import Page as MetricsPage
    from alertsync.locks import FileLock
    from alertsync.models import Action, Debt, Ledger, Requests, Run, Summary, WebhookEvent
    from alertsync.store.session import Leadership
    from alertsync.store.wanted import WantedActions, WantedRuns

log = logging.getLogger(__name__)

_PRUNE_SECONDS = 3600.0
_PAGE_SECONDS = 0.5
"""Pages and probes do not wait for long; they say that the store is degraded."""
_NOT_OURS = "this host does not hold the run lock any more, and another one may know better"
_RUN_ID = re.compile(r"[0-9A-Za-z-]{1,64}")

T = TypeVar("T")


class Store:
    """The database `alertsync.db` in `state_dir`, and the pages in the directory `published`; or both at `url`.

    Any number of processes may open it; the holder of the run lock writes, all read. What is over is deleted
    after `retention`. Several hosts may share the PostgreSQL database at `url`.
    """

    def __init__(
        self,
        state_dir: Path,
        published: Path,
        clock: Clock,
        *,
        retention: timedelta,
        url: str | None = None,
    ) -> None:
        self._database = open_database(url, state_dir, clock, self._rescue)
        self._files = pages_of(self._database, published, clock)
        self._clock = clock
        self._retention = retention
        self._guard = threading.RLock()
        self._held = Held()
        self._unsaved = Unsaved()
        self._health = Health(self._database.path)
        self._rescued = False
        self._pruned_at: float | None = None
        self._glance: Glance[Standing] = Glance(clock.monotonic)

    @property
    def degraded(self) -> str:
        """Why what is handed over cannot be written down, in a sentence for a person; "" if it can."""
        return self._health.why or self._held.unreadable

    def refuse_newer(self) -> None:
        """Raise `NewerStoreError` if a later version of alertsync made the database; it is left as it is."""
        try:
            self._database.refuse_newer()
        except Fault as fault:
            raise NewerStoreError(str(fault)) from fault

    @property
    def place(self) -> object:
        """Where it is, as people are told."""
        return self._database.path

    @property
    def shared(self) -> bool:
        """Whether other hosts may use it too."""
        return self._database.shared

    # --- among hosts

    @contextlib.contextmanager
    def reserved(self, wait: float, give_up: Callable[[], bool]) -> Iterator[Hold | None]:
        """Keep the runs of other hosts out for the block; None if one did not end within `wait` seconds.

        What is not durable yet is written, and the ledger read, before the block begins. Raise `SharedLockError` where
        that is impossible.
        """
        with reserved(self._database, self._clock, wait, give_up) as hold:
            if hold is not None and self._database.shared:
                self._catch_up()
            yield hold

    def leadership(self, of_host: FileLock) -> FileLock | Leadership:
        """Give the lock of who leads among all hosts, made of that of who leads on this one."""
        return leadership(self._database, of_host)

    def is_led(self) -> bool:
        """Tell whether any of the hosts that share it leads the loop, as far as can be known. Never raises."""
        try:
            return is_led(self._database)
        except Fault as fault:
            self._health.fails(fault, writing=False)
            return False

    @property
    def keeps_back(self) -> bool:
        """Whether this host knows something of the ledger that it may write under the run lock alone."""
        return self._database.shared and self._held.pending is not None

    def _catch_up(self) -> None:
        with self._guard:
            try:
                if self._unsaved or self._held.pending is not None:
                    self._settle()
                self._refresh()
            except Fault as fault:
                self._health.fails(fault, writing=False)
                raise SharedLockError(str(fault)) from fault

    # --- the ledger

    def ledger(self) -> Ledger:
        """Give the ledger; while the database cannot be used, what this process knows of it. Never raises."""
        with self._guard:
            if self._health.unwritable or self._unsaved or self._held.pending is not None:
                self._settled()
            self._acquaint()
            if self._held.pending is not None:
                # What is over goes when it is read anew, which it cannot be now.
                ledger = memory.trim(self._held.ledger, self._oldest())
                self._held = msgspec.structs.replace(self._held, ledger=ledger)
            return msgspec.structs.replace(self._held.ledger, degraded=self.degraded)

    def commit(self, change: LedgerChange) -> None:
        """Write down a change in one transaction; it is durable when this returns.

        Raise `StoreDegradedError` where that is impossible: the change is then known to this process alone, and
        written down as soon as it can be.
        """
        with self._guard:
            if self._held.base is None and self._held.pending is None:
                self._acquaint()
            self._held = self._held.after(change)
            try:
                self._settle()
            except Fault as fault:
                raise StoreDegradedError(str(fault)) from fault
            if self._held.pending is not None:
                raise StoreDegradedError(_NOT_OURS)

    # --- the history

    def save_run(self, run: Run) -> None:
        """Write down a run, at its beginning and at its end. Never raises."""
        with self._guard:
            if run.status is RunStatus.RUNNING:
                # Once a run the ledger is read whatever its stamp says: one that was restored may have an old one.
                self._forget_what_is_whole()
            self._unsaved = self._unsaved.with_run(run)
            if self._settled() and run.status is not RunStatus.RUNNING:
                self._prune()

    def forget_run(self, run_id: str) -> None:
        """Drop the record of a run that never began and whose id nobody was given. Never raises."""
        with self._guard:
            self._unsaved = self._unsaved.without_run(run_id)
            self._settled()

    def run(self, run_id: str) -> Run | None:
        """Give a run; None if it is not known (any more). Old ones have lost their decisions."""
        if not _RUN_ID.fullmatch(run_id):
            return None
        kept = self._unsaved.runs.get(run_id)
        if kept is not None:
            return kept
        return self._read(lambda connection: history.read_run(connection, run_id))

    def runs(self, *, limit: int, before: str | None = None, wanted: WantedRuns = ALL_RUNS) -> Page[Summary]:
        """List runs, newest first; raise `ValueError` if the cursor is not understood."""
        key, kept = key_of(before), self._unsaved.runs
        most = limit + 1 + len(kept)
        found = self._read(lambda connection: history.read_runs(connection, most, key, wanted))
        rows = [row for row in found or () if row[1].run_id not in kept]
        return page([*history.run_rows(kept.values(), wanted), *rows], limit, key)

    def actions(
        self, *, limit: int, before: str | None = None, wanted: WantedActions = ALL_ACTIONS
    ) -> Page[Action]:
        """List actions, newest first; raise `ValueError` if the cursor is not understood."""
        key, kept = key_of(before), self._unsaved.runs
        found = self._read(lambda connection: history.read_actions(connection, limit + 1, key, wanted))
        return page([*history.action_rows(kept.values(), wanted), *(found or ())], limit, key)

    def debts(
        self,
        *,
        limit: int,
        before: str | None = None,
        open_only: bool = False,
        alert_group_id: str | None = None,
    ) -> Page[Debt]:
        """List debts, those made last first; raise `ValueError` if the cursor is not understood."""
        key, held = key_of(before), self._held
        pending = {debt.id: debt for debt in held.pending.debts} if held.pending is not None else {}
        wanted = limit + 1 + len(pending)
        found = self._read(
            lambda connection: history.read_debts(
                connection, wanted, key, alert_group_id, open_only=open_only
            )
        )
        known = held.ledger.debts if found is None else pending.values()
        rows = [row for row in found or () if row[1].id not in pending]
        return page([*history.debt_rows(known, alert_group_id, open_only=open_only), *rows], limit, key)

    # --- what IRM's webhooks told

    def receive(self, event: WebhookEvent) -> bool:
        """Keep an event until a run has looked; it is durable when this returns. False if it is known already.

        Raise `InboxFullError` where too many wait, and `StoreDegradedError` where it cannot be written down: it is
        then known to this process alone, and written down as soon as it can be.
        """
        with self._guard:
            try:
                return self._database.run(lambda connection, _: inbox.receive(connection, event), write=True)
            except inbox.Full:
                raise _full() from None
            except Fault as fault:
                self._health.fails(fault, writing=True)
                if len(self._unsaved.events) >= inbox.MOST_WAITING:
                    raise _full() from fault
                if event.id not in self._unsaved.events:
                    self._unsaved = self._unsaved.with_events([HandledEvent(event)])
                raise StoreDegradedError(str(fault)) from fault

    def waiting_events(self) -> tuple[WebhookEvent, ...]:
        """Give the events that no run has handled, oldest first. Never raises."""
        kept = self._unsaved.events
        found = self._read(inbox.waiting) or ()
        ours = [one.event for one in kept.values() if one.handled_at is None]
        events = [*(event for event in found if event.id not in kept), *ours]
        return tuple(sorted(events, key=lambda event: (event.received_at, event.id)))

    def count_waiting_events(self) -> int:
        """Count the events that no run has handled. Never raises."""
        ours = sum(one.handled_at is None for one in self._unsaved.events.values())
        return ours + (self._read(inbox.count_waiting) or 0)

    def is_looked_after(self, alert_group_id: str) -> bool:
        """Tell whether a person's silence of this alert group in IRM is looked after, or an event about it waits.

        Never raises; while nobody can tell, it may be.
        """
        followed = self._read(lambda connection: ledger_rows.looks_after(connection, alert_group_id))
        if followed is not False:
            return True
        ours = (one for one in self._held.ledger.irm_silences if one.alert_group_id == alert_group_id)
        if any(one.is_open for one in ours):
            return True
        return any(event.alert_group_id == alert_group_id for event in self.waiting_events())

    def handle(self, handled: Iterable[HandledEvent]) -> None:
        """Write down what became of events. Never raises."""
        with self._guard:
            self._unsaved = self._unsaved.with_events(handled)
            if self._unsaved.events:
                self._settled()

    def events_about(self, alert_group_id: str, *, most: int) -> tuple[HandledEvent, ...]:
        """Give the newest events about an alert group, at most so many, those received last first. Never raises."""
        found: list[HandledEvent] = []
        before = None
        while len(found) < most:
            page = self.events(limit=inbox.MOST_WAITING, before=before)
            found += [one for one in page.items if one.event.alert_group_id == alert_group_id]
            before = page.next
            if before is None:
                break
        return tuple(found[:most])

    def events(self, *, limit: int, before: str | None = None) -> Page[HandledEvent]:
        """List events, those received last first; raise `ValueError` if the cursor is not understood."""
        key, kept = key_of(before), self._unsaved.events
        wanted = limit + 1 + len(kept)
        found = self._read(lambda connection: inbox.read(connection, wanted, key))
        rows = [row for row in found or () if row[1].event.id not in kept]
        return page([*inbox.rows(kept.values()), *rows], limit, key)

    # --- how things stand, and the published pages

    def standing(self, *, patience: float = _PAGE_SECONDS) -> Standing:
        """Tell how things stand; all zero before the first run. Never raises.

        `patience` bounds how long another process that mends the database is waited for, in seconds.
        """
        known = [self._unsaved.standing, self._files.standing(), self._read(read_standing, patience)]
        if not any(known):
            known = [self._held.standing]
        # Counters only grow: whoever counted most runs knows the latest, and a kill may leave an older file behind.
        return max((one for one in known if one), key=lambda one: one.counters.runs, default=Standing())

    def standing_at_a_glance(self) -> Standing:
        """Tell how things stand as `standing` does, for those who ask all the time. Never raises.

        The database is read only if a run has ended, in whichever process, if it is another file or may be used in
        another way, if it could not be used last time, or if it was read some seconds ago.
        """
        stamp = (self._files.standing_stamp(), self._database.identity(), self.degraded)
        return self._glance.at(stamp, self.standing, keeps=lambda: not self.degraded)

    def end_run(self, run: Run, standing: Standing, requests: Requests) -> Standing:
        """Write down a run that ended, how things stand after it, and what was asked meanwhile, in one transaction.

        So a run is counted if it is known, however its process ends. Give how things stand, as it was written, or
        as this process alone knows it. Never raises.
        """
        with self._guard:
            self._unsaved = self._unsaved.with_run(run).with_requests(requests)
            self._unsaved = msgspec.structs.replace(self._unsaved, standing=standing)
            self._held = msgspec.structs.replace(self._held, standing=standing)
            # By who holds the run lock or not at all, as other hosts go on counting.
            if self._settled(fenced=True):
                self._prune()
                return standing
            if self._database.shared:
                return self._uncounted(run, standing)
            standing = msgspec.structs.replace(standing, degraded=self.degraded)
            self._unsaved = msgspec.structs.replace(self._unsaved, standing=standing)
            # The file stands in for the database: it is there only while that does not know the latest.
            self._files.stand_in(standing)
            return standing

    def _uncounted(self, run: Run, standing: Standing) -> Standing:
        """Let a run that could not be counted, as this host has lost the run lock, pass for interrupted."""
        message = f"{run.message}. {_NOT_OURS}: it is not counted"
        ended = msgspec.structs.replace(run, status=RunStatus.INTERRUPTED, message=message)
        self._unsaved = msgspec.structs.replace(self._unsaved.with_run(ended), standing=None)
        self._settled()
        return msgspec.structs.replace(standing, degraded=self.degraded or _NOT_OURS)

    def count(self, requests: Requests) -> None:
        """Count what was asked of the upstreams beside a run. Never raises."""
        if requests:
            with self._guard:
                self._unsaved = self._unsaved.with_requests(requests)
                self._settled()

    def requests(self) -> Requests:
        """Give what was ever asked of the upstreams. Never raises.

        What is not durable yet is told where nobody can read the database, and otherwise once it is: were this process
        killed before, a count that had been told would fall.
        """
        known = self._read(read_requests)
        if known is None:
            return self._held.requests + self._unsaved.requests
        return known.at_least(self._held.requests)

    def publish(self, metrics_page: bytes) -> None:
        """Publish the metrics page that tells how things stand after a run. Never raises."""
        self._files.publish(metrics_page)

    def publish_decisions(self, run: Run, alerts_page: bytes) -> None:
        """Publish the decisions of a run, and the metrics of the alerts that it saw. Never raises."""
        self._files.publish_decisions(run, alerts_page)

    def last_run(self) -> Run | None:
        """Give the last run that decided anything, with its decisions; None before there was one."""
        return self._files.last_run()

    def last_run_stamp(self) -> str:
        """Give a word that is another one whenever `last_run` gives another run; cheap, as that is not read."""
        return self._files.last_run_stamp()

    def metrics(self) -> tuple[MetricsPage, ...]:
        """Give the metrics as rendered after the last run, in parts; nothing before there was one."""
        return self._files.metrics()

    def close(self) -> None:
        """End what is kept open between two calls; it opens again by itself."""
        self._database.close()

    # --- how

    def _oldest(self) -> datetime:
        return self._clock.now() - self._retention

    def _read(self, work: Callable[[Connection], T], patience: float = _PAGE_SECONDS) -> T | None:
        """Read from the database; give None while that is impossible."""
        try:
            found = self._database.run(lambda connection, _: work(connection), patience=patience)
        except Fault as fault:
            self._health.fails(fault, writing=False)
            return None
        except (msgspec.DecodeError, UnicodeDecodeError):
            log.exception("a row of the history cannot be read, and is left out")
            return None
        self._health.works(writing=False)
        if self._rescued:
            with self._guard:
                self._settled()
        return found

    def _forget_what_is_whole(self) -> None:
        """Have the ledger read at the next occasion, whatever its stamp says."""
        self._held = msgspec.structs.replace(self._held, whole=False)

    def _refresh(self) -> None:
        """Read the ledger; write what this process knows first, if the database has lost it."""
        found = self._database.run(self._taken_over)
        if found is self._held and found.base is not None and self._database.holds:
            self._settle()
            found = self._database.run(self._taken_over)
        self._held = found
        self._health.works(writing=False)

    def _acquaint(self) -> None:
        """Learn what the database holds, so far as that is possible."""
        try:
            self._refresh()
        except Fault as fault:
            self._health.fails(fault, writing=False)
            self._salvage()

    def _salvage(self) -> None:
        """Where nothing is known yet and the database cannot be opened, read from a copy what is owed."""
        if self._held.base is not None:
            return
        try:
            self._held = self._database.salvage(self._taken_over)
        except Fault:
            return
        except (msgspec.DecodeError, UnicodeDecodeError):
            log.exception("the copy of the store cannot be read")
            return
        log.warning("the ledger was read from a copy, and cannot be written down")

    def _settled(self, *, fenced: bool = False) -> bool:
        """Try to write down all that is not durable yet; tell whether it is now."""
        try:
            self._settle(fenced=fenced)
        except Fault:
            return False
        return True

    def _settle(self, *, fenced: bool = False) -> None:
        """Write down all that is not durable yet, in one transaction; raise `Fault` if that is impossible.

        Without the run lock among all hosts that is the history alone; if `fenced`, nothing.
        """
        unsaved, now, holds = self._unsaved, self._clock.now(), fenced or self._database.holds

        def write(connection: Connection, stamp: Stamp) -> Held:
            # A rescue may have changed what is held since the first attempt.
            if not holds:
                settle_history(connection, unsaved)
                return self._held
            return settle(
                connection,
                stamp,
                self._held,
                unsaved,
                now=now,
                retention=self._retention,
                shared=self._database.shared,
            )

        try:
            self._held = self._database.run(write, write=True, fenced=holds)
        except Fault as fault:
            self._health.fails(fault, writing=True)
            raise
        self._unsaved = Unsaved()
        self._rescued = False
        if unsaved.standing is not None:
            self._files.drop_standing()
        self._health.works(writing=True)

    def _rescue(self) -> None:
        """Take the ledger out of a damaged database, if it can still be read and is news to this process."""
        # Whoever has the guard may wait for the gate, which we hold; it has its own memory, or comes again.
        if not self._guard.acquire(blocking=False):
            return
        try:
            self._held = self._database.glance(self._taken_over)
            self._rescued = True
        except (*EXPECTED, msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("of the damaged ledger nothing could be read", extra={"reason": str(error)})
        finally:
            self._guard.release()

    def _taken_over(self, connection: Connection, stamp: Stamp) -> Held:
        """Give what is held once the ledger is read; as it is, if that knows more."""
        if self._held.knows_more_than(stamp):
            return self._held
        standing, requests = read_standing(connection), read_requests(connection)
        if self._held.is_exactly(stamp):
            return self._held.still(self._oldest(), standing, requests)
        found = ledger_rows.read(connection, self._oldest(), fresh=stamp.fresh)
        return self._held.read(stamp, found, standing, requests)

    def _prune(self) -> None:
        """Delete what is older than retention, at most once an hour."""
        now = self._clock.monotonic()
        recently = self._pruned_at is not None and now - self._pruned_at < _PRUNE_SECONDS
        if recently or not self._database.holds:
            return
        oldest = self._oldest()

        def delete(connection: Connection, _: Stamp) -> None:
            history.prune(connection, oldest)
            ledger_rows.prune(connection, oldest)
            inbox.prune(connection, oldest)

        try:
            self._database.run(delete, write=True, fenced=True)
        except Fault as fault:
            self._health.fails(fault, writing=True)
        else:
            self._pruned_at = now
            self._forget_what_is_whole()


def _full() -> InboxFullError:
    return InboxFullError(
        f"{inbox.MOST_WAITING} events of IRM's webhooks wait for a run, and no more are kept. Look why no run handles "
        "them: is the loop on (RECONCILE_INTERVAL), and can both systems be reached?"
    )
