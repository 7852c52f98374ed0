"""The eyes of a run: reads both systems in the order that makes the reading safe, and plans on what it saw.

IRM is read before Alertmanager, and Alertmanager again after any delivery, so that an alert that a delivery
names and Alertmanager does not hold has ended rather than not yet begun. A first reading tells whether there is
anything to do; what is then acted upon rests on a second one, which is proven to lack no alert.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from alertsync.errors import UpstreamError
from alertsync.models import DecisionKind, Snapshots, Upstream
from alertsync.planner.plan import plan, wanting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from alertsync.clients.alertmanager import AlertmanagerClient
    from alertsync.clients.irm import IrmClient
    from alertsync.clock import Clock, Deadline
    from alertsync.models import (
        AlertGroup,
        AlertmanagerSnapshot,
        Decision,
        Deliveries,
        IrmSnapshot,
        Plan,
        Policy,
    )

T = TypeVar("T")

_LONGEST_READING_SECONDS = 30.0
"""How much older than `confirm_after` a confirming reading may be once it is done: large ones take seconds."""


class Observer:
    """Reads for one run, until `deadline`; `confirm_after` is in seconds.

    At most about `max_delivery_pages` requests go into deliveries, so that enough is left to act.

    `upstreams` tells how each system was last seen, `alertmanager` the last snapshot of it, if there is one.
    Every method raises `UpstreamError`.
    """

    def __init__(  # noqa: PLR0913  both systems, the rules and the bounds of a run
        self,
        irm: IrmClient,
        alertmanager: AlertmanagerClient,
        policy: Policy,
        clock: Clock,
        deadline: Deadline,
        *,
        max_deliveries: int,
        max_delivery_pages: int,
        confirm_after: float,
    ) -> None:
        self._irm = irm
        self._alertmanager = alertmanager
        self._policy = policy
        self._clock = clock
        self._deadline = deadline
        self._max_deliveries = max_deliveries
        self._pages_left = max_delivery_pages
        self._confirm_after = confirm_after
        self._snapshots: Snapshots | None = None
        self._asked: dict[str, float] = {}
        self.upstreams: dict[str, Upstream] = {}

    @property
    def alertmanager(self) -> AlertmanagerSnapshot | None:
        """The last snapshot of Alertmanager that a plan was made on."""
        return self._snapshots.alertmanager if self._snapshots else None

    def look(self, attached: frozenset[str]) -> Plan:
        """Read both systems and plan; read the deliveries that the plan wants, and plan again."""
        irm = self._read_irm()
        alertmanager, proven = self._read_alertmanager(proven=False), False
        deliveries: dict[str, Deliveries] = {}
        while True:
            self._snapshots = Snapshots(irm, alertmanager, deliveries, attached)
            planned = plan(self._snapshots, self._policy, self._clock.now())
            wanted = (decision.alert_group for decision in wanting(planned, self._policy))
            # Each is read once; what wants them still after that is held, and the next run's.
            unread = self._affordable([one for one in wanted if one.id not in deliveries])
            to_do = any(decision.inconsistent for decision in planned.decisions)
            if not unread and (proven or not to_do):
                return planned
            deliveries = deliveries | {one.id: self._read_deliveries(one.id) for one in unread}
            alertmanager, proven = self._read_alertmanager(proven=True), True

    def _affordable(self, alert_groups: Sequence[AlertGroup]) -> list[AlertGroup]:
        """Give those whose deliveries this run can still pay for, in their order."""
        chosen = []
        for one in alert_groups:
            pages = self._irm.pages_of(min(one.alerts_count, self._max_deliveries))
            if pages > self._pages_left:
                continue
            self._pages_left -= pages
            chosen.append(one)
        return chosen

    def confirm(self, decision: Decision) -> Decision:
        """Judge an alert group anew if what was read of it is older than `confirm_after`.

        One that IRM has changed in the meantime is UNKNOWN, and stands in the decision as it is now.
        """
        known, alert_group = self._snapshots, decision.alert_group
        if known is None or not (self._old("irm") or self._old("alertmanager")):
            return decision
        now = self._irm.alert_group(alert_group.id, self._deadline)
        if (now.alerts_count, now.state) != (alert_group.alerts_count, alert_group.state):
            why = "IRM has changed it since it was read"
            return msgspec.structs.replace(decision, alert_group=now, kind=DecisionKind.UNKNOWN, reason=why)
        if self._old("alertmanager"):
            known = msgspec.structs.replace(known, alertmanager=self._read_alertmanager(proven=True))
            self._snapshots = known
        if self._age("alertmanager") > self._confirm_after + _LONGEST_READING_SECONDS:
            why = "Alertmanager took too long to be read for the reading to be trusted"
            return msgspec.structs.replace(decision, kind=DecisionKind.UNKNOWN, reason=why)
        planned = plan(known, self._policy, self._clock.now())
        return next(one for one in planned.decisions if one.alert_group.id == alert_group.id)

    def _old(self, upstream: str) -> bool:
        """Tell whether a reading is old, by the clock that does not jump."""
        return self._age(upstream) > self._confirm_after

    def _age(self, upstream: str) -> float:
        return self._clock.monotonic() - self._asked[upstream]

    def _read_irm(self) -> IrmSnapshot:
        return self._seen("irm", lambda: self._irm.snapshot(self._deadline), lambda _: "")

    def _read_deliveries(self, alert_group_id: str) -> Deliveries:
        return self._irm.deliveries(alert_group_id, self._deadline, at_most=self._max_deliveries)

    def _read_alertmanager(self, *, proven: bool) -> AlertmanagerSnapshot:
        read = self._alertmanager.proven_snapshot if proven else self._alertmanager.snapshot
        return self._seen("alertmanager", lambda: read(self._deadline), lambda snapshot: snapshot.version)

    def _seen(self, name: str, read: Callable[[], T], version: Callable[[T], str]) -> T:
        """Read an upstream, and note when it was asked and how it was seen."""
        began = self._asked[name] = self._clock.monotonic()

        def note(*, reachable: bool, version: str = "", error: str = "") -> None:
            seconds = round(self._clock.monotonic() - began, 3)
            self.upstreams[name] = Upstream(reachable, self._clock.now(), seconds, version, error)

        try:
            value = read()
        except UpstreamError as error:
            note(reachable=False, error=str(error))
            raise
        note(reachable=True, version=version(value))
        return value
