"""Tells which pages a plan sends again, in a record that people read and that stays small."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertsync.models import ActionKind, Held, PlannedRepage, RepagedAlert

if TYPE_CHECKING:
    from alertsync.models import Plan, Policy, Repage

_MOST_REPAGES = 100
_MOST_ALERTS = 20


def repages(planned: Plan, policy: Policy) -> tuple[tuple[PlannedRepage, ...], int]:
    """Give the pages that are due, those of the oldest debts first, and how many are left out of the record."""
    due = planned.repages or planned.withheld
    held = Held.NOT_HELD
    if planned.withheld:
        # Without the dry run they would still be held, if REPAGE is false.
        held = Held.DRY_RUN if policy.repage else Held.POLICY
    shown = due[:_MOST_REPAGES]
    wanted = {debt_id for one in shown for debt_id in one.debts}
    labels = {
        (debt.id, alert.fingerprint): alert.labels
        for debt in planned.debts
        if debt.id in wanted
        for alert in debt.alerts
    }
    return tuple(_recorded(one, labels, held) for one in shown), len(due) - len(shown)


def _recorded(one: Repage, labels: dict[tuple[str, str], dict[str, str]], held: Held) -> PlannedRepage:
    alerts = [
        RepagedAlert(name, next((found for debt in one.debts if (found := labels.get((debt, name)))), {}))
        for name in sorted(one.fingerprints)[:_MOST_ALERTS]
    ]
    return PlannedRepage(
        alert_group_id=one.alert_group_id,
        title=one.title,
        integration_id=one.integration_id,
        receiver=one.receiver,
        group_labels=one.group_labels,
        debts=one.debts,
        alerts=tuple(alerts),
        reason=one.reason,
        due_since=one.due_since,
        action=ActionKind.UNRESOLVE if one.last_resort else ActionKind.REPAGE,
        held=held,
        alerts_omitted=len(one.fingerprints) - len(alerts),
    )
