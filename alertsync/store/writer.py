"""Decides what of a process's memory goes into the database that it finds.

Mostly that is what changed. But the database may be another one than last time: new, after the old one was lost;
an older copy that somebody put back; or one into which another process has written since. Its stamp tells which,
for every commit of the ledger raises its serial. Nothing here changes the memory itself: it does so only once the
transaction is durable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import bindparam, select

from alertsync.models import HandledEvent, Ledger, LedgerChange, Requests, Run, RunStatus, Standing
from alertsync.store import history, inbox, ledger_rows, memory
from alertsync.store.database import Stamp
from alertsync.store.schema import facts

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from sqlalchemy import Connection

    from alertsync.store.ledger_rows import Found

_KEPT_RUNS = 20
"""How many runs wait in memory to be written down; with their decisions, each may take some megabytes."""

_KEPT_FORGOTTEN = 1000
_STANDING, _REQUESTS = "standing", "requests"
_decode_standing = msgspec.json.Decoder(Standing).decode
_decode_requests = msgspec.json.Decoder(Requests).decode
_FACT = select(facts.c.body).where(facts.c.name == bindparam("wanted"))


class Held(msgspec.Struct, frozen=True):
    """What a process knows of the database, and what the database does not know yet.

    `base` is the stamp under which it was last read or written, None if it never was; `ledger` includes `pending`,
    the changes that are not durable; `unreadable` tells of rows that cannot be decoded. `whole` if the database held
    nothing but what is known here when its stamp was that.
    """

    base: Stamp | None = None
    whole: bool = False
    ledger: Ledger = Ledger(fresh=True)
    pending: LedgerChange | None = None
    standing: Standing | None = None
    requests: Requests = Requests()
    unreadable: str = ""

    def after(self, change: LedgerChange) -> Held:
        """Remember a change that is still to be written."""
        return msgspec.structs.replace(
            self,
            ledger=memory.apply(self.ledger, change),
            pending=change if self.pending is None else memory.merge(self.pending, change),
        )

    def read(self, stamp: Stamp, found: Found, standing: Standing | None, requests: Requests) -> Held:
        """Take over what the database holds, and fill what nobody can decode from memory."""
        names = ", ".join(found.unreadable[:5])
        behind = self.pending is not None
        return Held(
            base=self.base if behind else stamp,
            whole=not behind and not names,
            ledger=memory.apply(found.ledger, self.pending) if self.pending is not None else found.ledger,
            pending=self.pending,
            standing=standing or self.standing,
            requests=requests or self.requests,
            unreadable=f"the store holds rows that cannot be read ({names}): restore alertsync.db, or delete them"
            if names
            else "",
        )

    def knows_more_than(self, stamp: Stamp) -> bool:
        """Tell whether the database lacks what this process knows: it is another one, or an older copy."""
        base = self.base
        return base is not None and (stamp.generation != base.generation or stamp.serial < base.serial)

    def is_exactly(self, stamp: Stamp) -> bool:
        """Tell whether the database holds the ledger that is known here, as every commit of it raises its serial."""
        return self.whole and stamp == self.base and self.pending is None

    def still(self, oldest: datetime, standing: Standing | None, requests: Requests) -> Held:
        """Keep the ledger but for what is over since before `oldest`, and take over what is no part of it."""
        return msgspec.structs.replace(
            self,
            ledger=memory.trim(self.ledger, oldest),
            standing=standing or self.standing,
            requests=requests or self.requests,
        )


class Unsaved(msgspec.Struct, frozen=True):
    """What of the history and the standing is not durable yet."""

    runs: dict[str, Run] = {}
    forgotten: tuple[str, ...] = ()
    standing: Standing | None = None
    requests: Requests = Requests()
    events: dict[str, HandledEvent] = {}

    def __bool__(self) -> bool:
        return bool(self.runs or self.forgotten or self.standing or self.requests or self.events)

    def with_events(self, events: Iterable[HandledEvent]) -> Unsaved:
        """Add events, received or handled; only the newest are kept."""
        known = self.events | {one.event.id: one for one in events}
        return msgspec.structs.replace(self, events=dict([*known.items()][-inbox.MOST_WAITING :]))

    def with_run(self, run: Run) -> Unsaved:
        """Add a run; only the newest are kept."""
        runs = {**self.runs, run.run_id: run}
        kept = sorted(runs.values(), key=lambda one: (one.started_at, one.run_id))[-_KEPT_RUNS:]
        return msgspec.structs.replace(self, runs={one.run_id: one for one in kept})

    def with_requests(self, requests: Requests) -> Unsaved:
        """Add what was asked of the upstreams."""
        return msgspec.structs.replace(self, requests=self.requests + requests)

    def without_run(self, run_id: str) -> Unsaved:
        """Add that a run is to be forgotten."""
        runs = {name: run for name, run in self.runs.items() if name != run_id}
        return msgspec.structs.replace(
            self, runs=runs, forgotten=(*self.forgotten, run_id)[-_KEPT_FORGOTTEN:]
        )


def settle_history(connection: Connection, unsaved: Unsaved, *, handled: bool = False) -> None:
    """Write what any host may write at any time: runs, what was asked of the upstreams, and events that came.

    That events are `handled` is written by who could write down what became of them. A run that was interrupted stays as it was written, if its end was, and only the answer to that was lost.
    """
    kept = [run for run in unsaved.runs.values() if not _ended_before(connection, run)]
    _write_history(connection, kept, unsaved.forgotten)
    inbox.write(connection, [one for one in unsaved.events.values() if handled or one.handled_at is None])
    if unsaved.requests:
        _count(connection, Held(), unsaved.requests, lost=False)


def _ended_before(connection: Connection, run: Run) -> bool:
    return run.status is RunStatus.INTERRUPTED and history.has_ended(connection, run.run_id)


def settle(  # noqa: PLR0913  what is found, what is known, and the rules of time
    connection: Connection,
    stamp: Stamp,
    held: Held,
    unsaved: Unsaved,
    *,
    now: datetime,
    retention: timedelta,
    shared: bool = False,
) -> Held:
    """Write what the database lacks, and give what is held once that is durable.

    Something is always written, so that a disk that takes nothing more is not taken for a sound one. In a `shared`
    database whoever wrote since was another host, and knew all that was written.
    """
    if shared:
        # What a run that was cut short took for handled is looked at once more, if others have written since.
        exact = held.base in (None, stamp)
        settle_history(connection, msgspec.structs.replace(unsaved, requests=Requests()), handled=exact)
    else:
        _write_history(connection, unsaved.runs.values(), unsaved.forgotten)
        inbox.write(connection, unsaved.events.values())
    lost = held.knows_more_than(stamp)
    standing = unsaved.standing or (held.standing if lost else None)
    if standing is not None and _is_news(standing, read_standing(connection)):
        ledger_rows.write_fact(connection, _STANDING, msgspec.json.encode(standing))
    if unsaved.requests or lost:
        held = msgspec.structs.replace(held, requests=_count(connection, held, unsaved.requests, lost=lost))
    if not lost and held.pending is None:
        ledger_rows.write_stamp(connection, stamp.serial, fresh=stamp.fresh)
        return held
    known = held.base.serial if held.base is not None else 0
    ledger, fresh, whole = held.ledger, held.ledger.fresh, False
    if held.base == stamp and held.pending is not None:
        ledger_rows.write(connection, held.pending, now)
        whole = held.whole
    elif stamp.serial <= known:
        ledger_rows.write(connection, memory.everything(ledger), now)
    else:
        # Another process has written since. Which of the two is right is not known: only what is owed is kept.
        missing = (None if lost else held.pending) or memory.everything(ledger)
        (ledger_rows.write_unknown if shared else ledger_rows.write_missing)(connection, missing)
        ledger, fresh = ledger_rows.read(connection, now - retention, fresh=stamp.fresh).ledger, stamp.fresh
    serial = max(stamp.serial, known) + 1
    ledger_rows.write_stamp(connection, serial, fresh=fresh)
    after = Stamp(stamp.generation, serial, fresh)
    return msgspec.structs.replace(held, base=after, whole=whole, ledger=ledger, pending=None)


def read_standing(connection: Connection) -> Standing | None:
    """Read how things stand; None where nobody has written it, or it cannot be read."""
    body = connection.scalar(_FACT, {"wanted": _STANDING})
    try:
        return None if body is None else _decode_standing(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def read_requests(connection: Connection) -> Requests:
    """Read what was ever asked of the upstreams; nothing where nobody has counted, or it cannot be read."""
    body = connection.scalar(_FACT, {"wanted": _REQUESTS})
    try:
        return Requests() if body is None else _decode_requests(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Requests()


def _count(connection: Connection, held: Held, requests: Requests, *, lost: bool) -> Requests:
    """Add to what every process has counted so far; to what this one remembers, if the database has lost that."""
    known = read_requests(connection)
    if lost:
        # Whoever made the new database may have counted in it already, and remembered less.
        known = known.at_least(held.requests)
    ledger_rows.write_fact(connection, _REQUESTS, msgspec.json.encode(known + requests))
    return known + requests


def _is_news(standing: Standing, known: Standing | None) -> bool:
    """Tell whether no later run than this was counted: another process may have gone on while we could not write."""
    return known is None or known.counters.runs <= standing.counters.runs


def _write_history(connection: Connection, runs: Iterable[Run], forgotten: Iterable[str]) -> None:
    for run_id in forgotten:
        history.forget_run(connection, run_id)
    for run in runs:
        history.save_run(connection, run)
