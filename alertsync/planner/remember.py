"""What the ledger says against a decision: what we did before must not be done again and again.

| what is remembered                                                   | decision   |
|----------------------------------------------------------------------|------------|
| we resolved it, and somebody opened it again                         | REOPENED   |
| re-paged before, and held only by silences that held it then         | FLAPPING   |
| an older open group at the same place as a newer one                 | SUPERSEDED |
| it would be resolved, but its debt could not be paid or written down | UNPAYABLE  |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alertsync.models import DecisionKind
from alertsync.planner.evidence import place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from alertsync.models import AlertGroup, Debt, Decision, Ledger
    from alertsync.planner.context import Context
    from alertsync.planner.evidence import Place, Stream

_SILENCED = frozenset({DecisionKind.SILENCED, DecisionKind.SILENCE_ENDING})
_OPEN = _SILENCED | {DecisionKind.CONSISTENT, DecisionKind.PARTIALLY_SILENCED, DecisionKind.MUTED}
_ALIVE = _OPEN - _SILENCED


class Memory:
    """What the ledger and the open alert groups, each with its own streams, tell about places and what we did there."""

    def __init__(
        self, ledger: Ledger, groups: Iterable[tuple[AlertGroup, Sequence[Stream]]], context: Context
    ) -> None:
        self._context = context
        self._resolved: dict[str, list[Debt]] = {}
        self._repaged: dict[tuple[str, Place], list[Debt]] = {}
        for debt in ledger.debts:
            if debt.void:
                continue
            self._resolved.setdefault(debt.alert_group_id, []).append(debt)
            if debt.repaged and debt.receiver is not None:
                where = place(debt.receiver, debt.group_labels)
                self._repaged.setdefault((debt.integration_id, where), []).append(debt)
        self._newest = _newest(groups)

    def ours_to_close(self, group: AlertGroup) -> bool:
        """Tell whether we opened this alert group again, so that nobody but us can close it."""
        return any(debt.unresolved for debt in self._resolved.get(group.id, ()))

    def correct(self, decision: Decision, own: Sequence[Stream]) -> Decision:
        """Give what the table says once the ledger is heard."""
        group = decision.alert_group
        done = [debt for debt in self._resolved.get(group.id, ()) if debt.resolved_at is not None]
        if done and not self.ours_to_close(group) and decision.kind in _OPEN:
            reason = f"alertsync resolved it, and somebody opened it again; it is left alone until it ends ({decision.reason})"
            return _as(decision, DecisionKind.REOPENED, reason)
        if decision.kind in _SILENCED and (debt := self._flapping(decision, own)):
            reason = (
                f"{decision.reason}; but it was paged again after alertsync had resolved alert group "
                f"{debt.alert_group_id} under the same silences"
            )
            return _as(decision, DecisionKind.FLAPPING, reason)
        if decision.kind in _ALIVE and (newer := self._superseded(group, own)):
            reason = f"the newer alert group {newer} is at the same place; {decision.reason}"
            return _as(decision, DecisionKind.SUPERSEDED, reason)
        return decision

    def _flapping(self, decision: Decision, own: Sequence[Stream]) -> Debt | None:
        holding = {silence.id for silence in decision.silences}
        for where in _places(own):
            for debt in self._repaged.get((decision.alert_group.integration_id, where), ()):
                if holding and holding <= set(debt.silences):
                    return debt
        return None

    def _superseded(self, group: AlertGroup, own: Sequence[Stream]) -> str:
        integration = self._context.integrations.get(group.integration_id)
        if integration is None or integration.merges:
            # A grouping template may well put one place into several alert groups.
            return ""
        newest = {
            self._newest.get((group.integration_id, where), (group.created_at, group.id))[1]
            for where in _places(own)
        }
        return "" if not newest or group.id in newest else min(newest)


def unpayable(decision: Decision, context: Context) -> str:
    """Say why the debt of resolving an alert group could not be paid; "" if it could."""
    if context.ledger.degraded:
        return f"what resolving it would owe cannot be written down: {context.ledger.degraded}"
    if decision.nameless:
        return "max_alerts cut alerts from its deliveries, so that not all that resolving it would owe can be named"
    integration = context.integrations.get(decision.alert_group.integration_id)
    if integration is not None and not integration.receives:
        return "its integration has no inbound URL, so that it could not be paged again when the silence ends"
    return ""


def _as(decision: Decision, kind: DecisionKind, reason: str) -> Decision:
    return msgspec.structs.replace(decision, kind=kind, reason=reason)


def _places(own: Sequence[Stream]) -> set[Place]:
    return {one.where for one in own if one.where is not None}


def _newest(
    groups: Iterable[tuple[AlertGroup, Sequence[Stream]]],
) -> Mapping[tuple[str, Place], tuple[datetime, str]]:
    newest: dict[tuple[str, Place], tuple[datetime, str]] = {}
    for group, own in groups:
        for where in _places(own):
            key, value = (group.integration_id, where), (group.created_at, group.id)
            newest[key] = max(newest.get(key, value), value)
    return newest
