"""The eyes of a run: reads both systems in the order that makes the reading safe, and plans on what it saw.

IRM is read before Alertmanager, and Alertmanager again after any delivery, so that an alert that a delivery
names and Alertmanager does not hold has ended rather than not yet begun. A first reading tells whether there is
anything to do; what is then acted upon rests on a second one, which is proven to lack no alert.
"""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from alertsync.errors import UpstreamError
from alertsync.inquiry import SILENT, Inquiry
from alertsync.models import (
    ActionKind,
    DecisionKind,
    Deliveries,
    Explanation,
    Ledger,
    Snapshots,
    Upstream,
    peer_name,
)
from alertsync.planner.adopt import debts_of
from alertsync.planner.membership import Indexes
from alertsync.planner.places import places, together
from alertsync.planner.plan import judge, plan, wanting
from alertsync.progress import UNWATCHED, Phase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from alertsync.clients.irm import IrmClient
    from alertsync.clients.peers import Peers, Readings
    from alertsync.clock import Clock, Deadline
    from alertsync.models import (
        AlertGroup,
        AlertmanagerSnapshot,
        Debt,
        Decision,
        IrmSnapshot,
        Plan,
        Policy,
        SilenceChange,
        WebhookEvent,
    )
    from alertsync.progress import Reporter

log = logging.getLogger(__name__)

_LONGEST_READING_SECONDS = 30.0
"""How much older than `confirm_after` a confirming reading may be once it is done: large ones take seconds."""


_MOST_SEARCHES = 4
_BATCH = 25
"""How many more deliveries each further batch reads: after each of them Alertmanager is read anew."""
_QUICK = 0.1
"""A reading of everything that takes less than this share of `confirm_after` serves many actions."""
_SERVES = 0.85
"""One that takes no more than this share still serves some, and is worth as much as the places read before it took."""
_FRESH_SECONDS = 2.0
"""A reading so young is read anew by nothing: several un-silences in a row share one."""


class _Confirmed(NamedTuple):
    """What came of confirming an alert group, and when the oldest of what that rests on was asked for (monotonic)."""

    asked: float
    decision: Decision
    owed: tuple[Debt, ...]


class Observer:
    """Reads for one run, until `deadline`; `confirm_after` is in seconds.

    At most about `max_delivery_pages` requests go into deliveries, so that enough is left to act. `in_vain` remembers
    between runs whose deliveries, and how many of them, were read and changed nothing.

    `upstreams` tells how each system was last seen, `snapshots` what the last plan was made on, if there is one.
    Every method raises `UpstreamError`.
    """

    def __init__(  # noqa: PLR0913  both systems, the rules and the bounds of a run
        self,
        irm: IrmClient,
        alertmanager: Peers,
        policy: Policy,
        clock: Clock,
        deadline: Deadline,
        *,
        max_deliveries: int,
        max_delivery_pages: int,
        confirm_after: float,
        in_vain: dict[str, int],
        progress: Reporter = UNWATCHED,
    ) -> None:
        self._irm = irm
        self._alertmanager = alertmanager
        self._policy = policy
        self._clock = clock
        self._deadline = deadline
        self._max_deliveries = max_deliveries
        self._pages_left = max_delivery_pages
        self._confirm_after = confirm_after
        self._in_vain = in_vain
        self._progress = progress
        self._ledger = Ledger()
        self._asked: dict[str, float] = {}
        self._places_took = 0.0
        self._indexes = Indexes()
        # Not a method of ours: in a circle, all that is read would outlive the run (`_no_search_for_circles`).
        self._read_deliveries = partial(irm.deliveries, at_most=max_deliveries, progress=progress)
        self._one_confirms = threading.Lock()
        self._confirmed: dict[str, _Confirmed] = {}
        self.inquiry = Inquiry(irm, deadline, self._read_deliveries)
        self.snapshots: Snapshots | None = None
        self.upstreams: dict[str, Upstream] = {}

    def look(self, ledger: Ledger, events: tuple[WebhookEvent, ...] = ()) -> Plan:
        """Read both systems and plan; read what the plan wants to know, and plan again.

        `events` are those that were received before, so that what IRM shows is later than what they tell.
        """
        self._ledger = ledger
        self._progress.enter(Phase.READING_IRM)
        irm = self._read_irm()
        self._progress.enter(Phase.READING_ALERTMANAGER)
        read, proven = self._read_alertmanager(proven=False), False
        me = self.inquiry.me() if any(event.kind == "silence" for event in events) else ""
        known = Snapshots(irm, read, self._alertmanager.addresses, events=events, me=me)
        searches, at_least = 0, 0
        while True:
            self.snapshots = known
            self._progress.enter(Phase.DECIDING)
            planned = plan(known, ledger, self._policy, self._clock.now(), self._indexes)
            if planned.search and not known.searched:
                # An answer may lead to another question; what is still open after a few counts as not paid.
                searches += 1
                known = self.inquiry.answer(planned.search, known, self._affordable)
                known = msgspec.structs.replace(known, searched=searches == _MOST_SEARCHES)
                continue
            wanted = [
                *planned.unread,
                *(
                    decision.alert_group
                    for decision in wanting(planned, self._policy, in_vain=self._in_vain, at_least=at_least)
                ),
            ]
            # Each is read once; what wants them still after that is held, and the next run's.
            unread = [one for one in wanted if one.id not in known.deliveries and self._affordable(one)]
            to_do = bool(planned.repages or planned.silence_changes) or any(
                decision.inconsistent or decision.action is not ActionKind.NONE
                for decision in planned.decisions
            )
            if not unread and (proven or not to_do):
                self._learn_what_was_in_vain(planned, known)
                return planned
            at_least += _BATCH
            self._progress.enter(Phase.READING_IRM)
            read_now = self._deliveries_if_told(unread)
            self._progress.enter(Phase.READING_ALERTMANAGER)
            known = msgspec.structs.replace(known, deliveries=known.deliveries | read_now, alertmanagers=())
            # What stood on the first reading goes before the next one comes: there is no room for both.
            self.snapshots, self._indexes = known, Indexes()
            del read, planned, wanted, unread
            read, proven = self._read_alertmanager(proven=True), True
            known = msgspec.structs.replace(known, alertmanagers=read)

    def _learn_what_was_in_vain(self, planned: Plan, known: Snapshots) -> None:
        """Remember whose deliveries were read, and do not let them be acted upon, for as long as they are the same."""
        counts = {group.id: group.alerts_count for group in known.irm.alert_groups}
        for decision in planned.decisions:
            if decision.alert_group.id in known.deliveries and not decision.inconsistent:
                self._in_vain[decision.alert_group.id] = decision.alert_group.alerts_count
        for group_id in [one for one, count in self._in_vain.items() if counts.get(one) != count]:
            del self._in_vain[group_id]

    def _affordable(self, alert_group: AlertGroup) -> bool:
        """Tell whether this run can still pay for reading these deliveries, and put that aside."""
        pages = self._irm.pages_of(min(alert_group.alerts_count, self._max_deliveries))
        if pages > self._pages_left:
            return False
        self._pages_left -= pages
        return True

    def confirm(self, decision: Decision, *, anew: bool = False) -> tuple[Decision, tuple[Debt, ...]]:
        """Judge an alert group anew, `anew` or if what was last read of it is older than `confirm_after`.

        Give what holds now, and what resolving it would owe. One that IRM has changed in the meantime is UNKNOWN,
        and stands in the decision as it is now. Several may ask at a time, and are served in turn: what is read for
        one may be young enough for the next.
        """
        with self._one_confirms:
            return self._confirm(decision, anew=anew)

    def _confirm(self, decision: Decision, *, anew: bool) -> tuple[Decision, tuple[Debt, ...]]:
        known, alert_group = self.snapshots, decision.alert_group
        took = self.upstreams["alertmanager"].seconds if "alertmanager" in self.upstreams else 0.0
        anew = anew and self._age("alertmanager") > took + _FRESH_SECONDS
        if known is None or not (anew or self._old("irm") or self._old("alertmanager")):
            return decision, ()
        asked = self._clock.monotonic()
        before = self._confirmed.get(alert_group.id)
        if (
            before is not None
            and not anew
            # What all of Alertmanager has shown since is news.
            and before.asked >= self._asked["alertmanager"]
            and asked - before.asked <= self._confirm_after
        ):
            return before.decision, before.owed
        now = self._irm.alert_group(alert_group.id, self._deadline)
        # What is delivered meanwhile can only add members: no reason to keep anything silenced.
        grown = now.alerts_count != alert_group.alerts_count and decision.action is not ActionKind.UNSILENCE
        if grown or (now.state, now.silenced_at) != (alert_group.state, alert_group.silenced_at):
            return _unknown(decision, now, "IRM has changed it since it was read"), ()
        if anew or self._old("alertmanager"):
            known, read = self._read_again(known, alert_group)
        else:
            read = self._asked["alertmanager"]
        if self._clock.monotonic() - read > self._confirm_after + _LONGEST_READING_SECONDS:
            why = "Alertmanager took too long to be read for the reading to be trusted"
            return _unknown(decision, now, why), ()
        confirmed = _Confirmed(min(asked, read), *self._judge_alone(known, alert_group))
        self._confirmed[alert_group.id] = confirmed
        return confirmed.decision, confirmed.owed

    def _read_again(self, known: Snapshots, alert_group: AlertGroup) -> tuple[Snapshots, float]:
        """Read Alertmanager again, and give when that was begun (monotonic).

        Where reading all of it takes long, only the places of this alert group, if that is all that it rests on: else
        each reading would be old before the next action. Once the places have taken as long as all would, all of it is
        read if that serves the actions that follow: so no run takes more than twice as long as the better of the two.
        """
        began = self._clock.monotonic()
        wanted = places(alert_group, known.deliveries.get(alert_group.id), self._policy)
        if wanted is not None and not self._all_is_cheaper():
            readings = [
                self._alertmanager.place(receiver, labels, self._deadline, proven=True).snapshots
                for receiver, labels in wanted.where
            ]
            self._places_took += self._clock.monotonic() - began
            if (read := together(readings, wanted)) is not None:
                return msgspec.structs.replace(known, alertmanagers=read), began
        known = self.snapshots = msgspec.structs.replace(
            known, alertmanagers=self._read_alertmanager(proven=True)
        )
        self._places_took = 0.0
        return known, self._asked["alertmanager"]

    def _all_is_cheaper(self) -> bool:
        took = self.upstreams["alertmanager"].seconds
        serves = took <= self._confirm_after * _SERVES
        return took <= self._confirm_after * _QUICK or (serves and self._places_took >= took)

    def _judge_alone(self, known: Snapshots, alert_group: AlertGroup) -> tuple[Decision, tuple[Debt, ...]]:
        """Plan for one alert group: the brakes have had their say, and what others taught is remembered."""
        alone = msgspec.structs.replace(
            known, irm=msgspec.structs.replace(known.irm, alert_groups=(alert_group,)), searched=True
        )
        return judge(alone, self._ledger, self._policy, self._clock.now(), self._indexes)

    def confirm_silence(self, change: SilenceChange, *, fresh: bool, only_irm: bool = False) -> str:
        """Say why what follows a silence in IRM is not to be done (any more); "" if it is.

        IRM is asked, unless it was asked just now (`fresh`); where Alertmanager's reading is old, that is read again.
        """
        if not fresh or self._old("irm"):
            found = self.inquiry.find(change.alert_group_id)
            if found is None:
                return "its alert group was deleted in IRM"
            if (found.state, found.silenced_at) != ("silenced", change.silenced_at):
                return f"IRM showed another silence, or none: its alert group is {found.state}"
        if only_irm or self.snapshots is None or not self._old("alertmanager"):
            return ""
        known = msgspec.structs.replace(self.snapshots, alertmanagers=self._read_alertmanager(proven=True))
        self.snapshots = known = msgspec.structs.replace(known, searched=True, events=())
        planned = plan(known, self._ledger, self._policy, self._clock.now(), self._indexes)
        wanted = (change.kind, change.alert_group_id, change.matchers)
        still = {(one.kind, one.alert_group_id, one.matchers) for one in planned.silence_changes}
        return "" if wanted in still else "Alertmanager showed other alerts than before"

    def alertmanager_now(self) -> datetime:
        """Give Alertmanager's time: as it was last told, carried on by our clock."""
        now = self._clock.now()
        read = self.snapshots.alertmanagers if self.snapshots else ()
        return max((one.clock + (now - one.read_at) for one in read), default=now)

    def closed(self, alert_group: AlertGroup, deadline: Deadline) -> tuple[datetime | None, tuple[Debt, ...]]:
        """Look at an alert group that was just resolved: give when exactly that was, by IRM's clock.

        If more was delivered into it than its decision knew of, give also what resolving it owes after all.
        """
        now = self._irm.alert_group(alert_group.id, deadline)
        if self.snapshots is None or now.alerts_count <= alert_group.alerts_count:
            return now.resolved_at, ()
        read = self._irm.deliveries(alert_group.id, deadline, at_most=self._max_deliveries)
        owed = debts_of(
            [(now, read)],
            self.snapshots,
            self._ledger,
            self._policy,
            self._clock.now(),
            origin="resolve",
            reason="",
        )
        return now.resolved_at, owed

    def explain(self, alert_group_id: str, ledger: Ledger) -> Explanation | None:
        """Read one alert group and all that its decision rests on; None if there is no such alert group."""
        known = Snapshots(self._read_irm(), (), self._alertmanager.addresses, searched=True)
        here = {group.id: group for group in known.irm.alert_groups}
        group = here.get(alert_group_id) or self.inquiry.find(alert_group_id)
        if group is None:
            return None
        deliveries = self._read_deliveries(alert_group_id, self._deadline)
        decision = None
        if alert_group_id in here:
            known = msgspec.structs.replace(
                known,
                alertmanagers=self._read_alertmanager(proven=True),
                deliveries={alert_group_id: deliveries},
            )
            self.snapshots = known
            planned = plan(known, ledger, self._policy, self._clock.now(), self._indexes)
            decision = next(one for one in planned.decisions if one.alert_group.id == alert_group_id)
        return Explanation(
            alert_group=group,
            decision=decision,
            deliveries=deliveries.items,
            complete=deliveries.complete,
            debts=tuple(debt for debt in ledger.debts if debt.alert_group_id == alert_group_id),
            lease=next((one for one in ledger.leases if one.alert_group_id == alert_group_id), None),
            sighting=ledger.sightings.get(alert_group_id),
        )

    def remember(self, ledger: Ledger) -> None:
        """Confirm with this ledger from now on: it knows what the plan learned."""
        self._ledger = ledger

    def place(
        self, receiver: str | None, group_labels: Mapping[str, str]
    ) -> tuple[AlertmanagerSnapshot, ...]:
        """Read one place again, from every peer that answers; everything for a legacy alert, which names none."""
        if receiver is None:
            return self._alertmanager.snapshots(self._deadline, proven=False, detailed=True).snapshots
        return self._alertmanager.place(receiver, group_labels, self._deadline).snapshots

    def irm_now(self) -> datetime:
        """Give IRM's time: as it was last told, carried on by our clock."""
        now = self._clock.now()
        if self.snapshots is None:
            return now
        irm = self.snapshots.irm
        return irm.clock + (now - irm.read_at)

    def lease_seconds(self, decision: Decision) -> int:
        """Tell for how many whole seconds a lease for this decision is to be asked; one at least."""
        longest = self._policy.silence_lease
        if decision.silenced_until is not None and self.snapshots is not None:
            now = self._clock.now()
            clocks = [one.clock + (now - one.read_at) for one in self.snapshots.alertmanagers]
            longest = min(longest, decision.silenced_until - max(clocks))
        return max(int(longest / timedelta(seconds=1)), 1)

    def vanished(self, before: Sequence[str]) -> list[str]:
        """Tell which of these alert groups were not open any more when IRM was last read."""
        still_open = {group.id for group in self.snapshots.irm.alert_groups} if self.snapshots else set()
        return [group_id for group_id in before if group_id not in still_open]

    def _old(self, upstream: str) -> bool:
        """Tell whether a reading is old, by the clock that does not jump."""
        return self._age(upstream) > self._confirm_after

    def _age(self, upstream: str) -> float:
        return self._clock.monotonic() - self._asked[upstream]

    def _read_irm(self) -> IrmSnapshot:
        began = self._clock.monotonic()
        try:
            snapshot = self._irm.snapshot(self._deadline, self._progress)
        except UpstreamError as error:
            self._seen("irm", began, reachable=False, error=str(error))
            raise
        self._seen("irm", began, reachable=True)
        return snapshot

    def _deliveries_if_told(self, alert_groups: Sequence[AlertGroup]) -> dict[str, Deliveries]:
        """Read the deliveries of alert groups, for a part of the run's time; what cannot be read cannot be judged."""
        deadline = self._deadline.part(self._deadline.remaining())
        unread = Deliveries(items=(), read_at=self._clock.now(), complete=False)
        read: dict[str, Deliveries] = {}
        for one in alert_groups:
            try:
                read[one.id] = self._read_deliveries(one.id, deadline)
            except UpstreamError as error:
                log.warning(
                    "the deliveries of an alert group cannot be read, so that it is left alone",
                    extra={"alert_group": one.id, "reason": str(error)},
                )
                if error.reason in SILENT:
                    # The others are held until the next run.
                    self._pages_left = 0
                    break
                read[one.id] = unread
        return read

    def _read_alertmanager(self, *, proven: bool) -> tuple[AlertmanagerSnapshot, ...]:
        began = self._clock.monotonic()
        try:
            readings = self._alertmanager.snapshots(self._deadline, proven=proven)
        except UpstreamError as error:
            self._seen("alertmanager", began, reachable=False, error=str(error))
            raise
        silent = "; ".join(str(one) for one in readings.errors.values())
        versions = ", ".join(dict.fromkeys(one.version for one in readings.snapshots))
        self._seen("alertmanager", began, reachable=True, version=versions, error=silent)
        if len(self._alertmanager.addresses) > 1:
            self._seen_apart(readings)
        return readings.snapshots

    def _seen_apart(self, readings: Readings) -> None:
        """Tell of each peer what came of reading it; all are read side by side, and each is said to take as long as all."""
        whole = self.upstreams["alertmanager"]
        versions = {one.peer: one.version for one in readings.snapshots}
        for address in self._alertmanager.addresses:
            error = readings.errors.get(address)
            self.upstreams[peer_name(address)] = msgspec.structs.replace(
                whole, reachable=error is None, version=versions.get(address, ""), error=str(error or "")
            )

    def _seen(self, name: str, began: float, *, reachable: bool, version: str = "", error: str = "") -> None:
        if reachable:
            # Only now: however a reading fails, what was read before is no younger for that.
            self._asked[name] = began
        seconds = round(self._clock.monotonic() - began, 3)
        self.upstreams[name] = Upstream(reachable, self._clock.now(), seconds, version, error)


def _unknown(decision: Decision, alert_group: AlertGroup, why: str) -> Decision:
    return msgspec.structs.replace(
        decision, alert_group=alert_group, kind=DecisionKind.UNKNOWN, reason=why, action=ActionKind.NONE
    )
