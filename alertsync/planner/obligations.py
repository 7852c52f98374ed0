"""Works out the debts that resolving an alert group makes: one for each place that it holds.

Owed is every alert that Alertmanager believes IRM knows: those at the place now, and those that a delivery left
firing, even if they have ended since, for Alertmanager would not notify them when they fire anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertsync.models import Debt, OwedAlert
from alertsync.planner.evidence import place

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from alertsync.models import AlertGroup, Decision
    from alertsync.planner.context import Context
    from alertsync.planner.evidence import Stream


def of_decision(decision: Decision, own: Sequence[Stream], context: Context) -> tuple[Debt, ...]:
    """Give the debts of resolving the alert group of a decision that rests on these streams."""
    return _debts(
        decision.alert_group,
        own,
        context,
        silences=tuple(silence.id for silence in decision.silences),
        reason=decision.reason,
        silenced_until=decision.silenced_until,
    )


def of_resolved(  # noqa: PLR0913  each is one fact of the resolve that makes the debt
    group: AlertGroup,
    own: Sequence[Stream],
    context: Context,
    *,
    origin: str,
    reason: str,
    resolved_at: datetime,
) -> tuple[Debt, ...]:
    """Give the debts of an alert group that was resolved already, by us or because of us (IRM's clock)."""
    return _debts(group, own, context, origin=origin, reason=reason, resolved_at=resolved_at)


def _debts(  # noqa: PLR0913  each is one fact of the resolve that makes the debt
    group: AlertGroup,
    own: Sequence[Stream],
    context: Context,
    *,
    reason: str,
    silences: tuple[str, ...] = (),
    origin: str = "resolve",
    resolved_at: datetime | None = None,
    silenced_until: datetime | None = None,
) -> tuple[Debt, ...]:
    return tuple(
        Debt(
            id=f"{group.id}/{number}",
            alert_group_id=group.id,
            title=group.title,
            url=group.url,
            integration_id=group.integration_id,
            receiver=stream.last_word.receiver if stream.last_word else None,
            group_labels=stream.last_word.group_labels if stream.last_word else {},
            external_url=stream.external_url or "",
            group_key=stream.last_word.group_key if stream.last_word else "",
            alerts=alerts,
            silences=silences,
            reason=reason,
            run_id="",
            made_at=context.now,
            last_delivery_at=stream.last_at,
            origin=origin,
            resolved_at=resolved_at,
            silenced_until=silenced_until,
        )
        for number, stream in enumerate(own)
        if (alerts := _owed(stream, context))
    )


def _owed(stream: Stream, context: Context) -> tuple[OwedAlert, ...]:
    labels: dict[str, dict[str, str]] = {fingerprint: {} for fingerprint in stream.firing}
    for view in context.views:
        if stream.last_word is not None:
            where = place(stream.last_word.receiver, stream.last_word.group_labels)
            labels |= {fingerprint: member.labels for fingerprint, member in view.alerts.at(where).items()}
        for fingerprint in stream.firing:
            member = view.alerts.anywhere(fingerprint)
            labels[fingerprint] = member.labels if member else labels[fingerprint]
    return tuple(OwedAlert(fingerprint, labels[fingerprint]) for fingerprint in sorted(labels))
