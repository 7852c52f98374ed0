"""Pays debts: posts to IRM what Alertmanager will not say again, and keeps count of it.

Alertmanager is read again immediately before every post, because a re-page for an alert that has just ended or
was silenced again is a noisy page that we made ourselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alertsync.clients.irm import refusal
from alertsync.errors import Reason, UpstreamError
from alertsync.executor.turns import ChangedError
from alertsync.models import ActionKind, AlertStatus, LedgerChange, Outcome, Owing
from alertsync.planner.context import heard
from alertsync.planner.payload import webhook
from alertsync.planner.reckoning import NO_LAST_RESORT

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from alertsync.executor.turns import Hands
    from alertsync.models import Action, Alert, Debt, OwedAlert, Plan, Repage

_LOST = frozenset(
    {Reason.NOT_FOUND, Reason.FORBIDDEN, Reason.UNAUTHORIZED, Reason.REJECTED, Reason.REDIRECTED}
)
"""Reasons that mean that the inbound URL itself is lost."""

_NOW_FIRES = (
    "alertsync opened it again: its alerts fire in Alertmanager, and IRM could not be told otherwise."
)


class Repaging:
    """Performs the re-pages of a plan."""

    def __init__(self, hands: Hands, planned: Plan) -> None:
        self._hands = hands
        self._debts = {debt.id: debt for debt in planned.debts}

    def perform(self, repage: Repage) -> Action:
        """Post one place again, or, as the last resort, open its alert group again."""
        if repage.last_resort:
            return self._hands.take_turn(repage, ActionKind.UNRESOLVE, lambda: self._unresolve(repage))
        # A token that may not act, or an API that is gone, does not close the inbound URL.
        hopeless, self._hands.hopeless = self._hands.hopeless, ""
        try:
            return self._hands.take_turn(repage, ActionKind.REPAGE, lambda: self._post(repage))
        finally:
            self._hands.hopeless = self._hands.hopeless or hopeless

    def _post(self, repage: Repage) -> tuple[Outcome, str, str]:
        hands = self._hands
        if not hands.irm.post_room(repage.integration_id):
            return (
                Outcome.NOT_ATTEMPTED,
                "half of what its integration takes in 5 minutes is used up: the rest waits",
                "",
            )
        active = self._active(repage)
        if not repage.fingerprints & active.keys():
            raise ChangedError("when its turn came, none of its alerts was active any more")
        try:
            hands.irm.post(repage.integration_id, webhook(repage, list(active.values())), hands.deadline)
        except UpstreamError as error:
            if error.reason in _LOST:
                alarm = f"its integration refuses the page: {error}"
                self._mark(repage, lambda one: msgspec.structs.replace(one, alarm=alarm))
            raise
        told, now = frozenset(active), hands.observer.irm_now()
        self._mark(repage, lambda one: _posted(one, now) if one.fingerprint in told else one, repaged=True)
        return Outcome.POSTED, f"{len(told)} active alert(s) posted to its integration", ""

    def _active(self, repage: Repage) -> dict[str, Alert]:
        """Read the place again, and give what is active there on any peer."""
        readings = self._hands.observer.place(repage.receiver, repage.group_labels)
        return {
            alert.fingerprint: alert
            for snapshot in heard(readings)
            for group in snapshot.groups
            for alert in group.alerts
            if alert.status is AlertStatus.ACTIVE
            and (
                alert.fingerprint in repage.fingerprints
                if repage.receiver is None
                else group.labels == repage.group_labels
            )
        }

    def _unresolve(self, repage: Repage) -> tuple[Outcome, str, str]:
        hands = self._hands
        active = self._active(repage)
        if not repage.fingerprints & active.keys():
            raise ChangedError("when its turn came, none of its alerts was active any more")
        try:
            hands.irm.unresolve(repage.alert_group_id, hands.deadline)
        except UpstreamError as error:
            if refusal(error) == "deleted":
                self._mark(repage, lambda one: msgspec.structs.replace(one, alarm=NO_LAST_RESORT))
            if refusal(error) != "unresolved":
                raise
        told, now = frozenset(active), hands.observer.irm_now()
        self._mark(repage, lambda one: _posted(one, now) if one.fingerprint in told else one, unresolved=True)
        hands.note(repage.alert_group_id, _NOW_FIRES)
        return Outcome.UNRESOLVED, "", ""

    def _mark(
        self,
        repage: Repage,
        change: Callable[[OwedAlert], OwedAlert],
        *,
        repaged: bool = False,
        unresolved: bool = False,
    ) -> None:
        marked = tuple(
            _marked(self._debts[debt_id], repage, change, repaged=repaged, unresolved=unresolved)
            for debt_id in repage.debts
        )
        self._debts |= {debt.id: debt for debt in marked}
        self._hands.commit(LedgerChange(debts=marked))


def _marked(
    debt: Debt, repage: Repage, change: Callable[[OwedAlert], OwedAlert], *, repaged: bool, unresolved: bool
) -> Debt:
    alerts = tuple(
        change(alert) if alert.fingerprint in repage.fingerprints and alert.state.is_open else alert
        for alert in debt.alerts
    )
    ours = unresolved and debt.alert_group_id == repage.alert_group_id
    return msgspec.structs.replace(
        debt, alerts=alerts, repaged=debt.repaged or repaged, unresolved=debt.unresolved or ours
    )


def _posted(alert: OwedAlert, now: datetime) -> OwedAlert:
    why = "it was posted to IRM again, and its delivery has not been seen yet"
    return msgspec.structs.replace(
        alert, state=Owing.POSTED, posts=alert.posts + 1, waited=0, posted_at=now, why=why, alarm=""
    )
