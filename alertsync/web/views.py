"""The JSON that people and scripts see: stable names, times in RFC 3339, in one place.

The shapes stand in `answers.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from alertsync.models import LegacyAlert, RunStatus, Webhook
from alertsync.web import answers, own_silences

if TYPE_CHECKING:
    from datetime import datetime

    from alertsync.models import (
        Action,
        AlertGroup,
        Debt,
        Decision,
        Delivery,
        Explanation,
        Run,
        Silence,
        Summary,
        Upstream,
    )
    from alertsync.services import Services

R = TypeVar("R", "Run", "Summary")


def longest(services: Services) -> timedelta:
    """Give the time after which a run cannot be going on any more: waiting for its turn included."""
    settings = services.settings
    return timedelta(seconds=settings.run_timeout + settings.reconcile_wait + 60)


def as_of_now(one: R, services: Services) -> R:
    """Tell of a run whose process died: it cannot still be going on."""
    if one.status is RunStatus.RUNNING and services.clock.now() - one.started_at > longest(services):
        message = "its process ended before the run did; the next run mends what it left"
        return msgspec.structs.replace(one, status=RunStatus.INTERRUPTED, message=message)
    return one


def run(one: Run) -> dict[str, Any]:
    """Show a run with its decisions and actions."""
    return plain(
        answers.Run(
            status=one.status,
            message=one.message,
            inconsistencies_found=one.inconsistencies_found,
            inconsistencies_resolved=one.inconsistencies_resolved,
            inconsistencies_failed=one.inconsistencies_failed,
            duration_seconds=one.duration_seconds,
            run_id=one.run_id,
            trigger=one.trigger,
            dry_run=one.dry_run,
            lifted=tuple(sorted(one.lifted)),
            brakes=tuple(sorted(one.brakes)),
            started_at=one.started_at,
            ended_at=one.ended_at,
            wake_at=one.wake_at,
            actions=one.actions,
            decisions=tuple(map(of_decision, one.decisions)),
            decisions_omitted=one.decisions_omitted,
            repages=one.repages,
            repages_omitted=one.repages_omitted,
            silence_changes=one.silence_changes,
        )
    )


def decision(one: Decision) -> dict[str, Any]:
    """Show a decision: what the alert group is, why, and what is done about it."""
    return plain(of_decision(one))


def of_decision(one: Decision) -> answers.Decision:
    """Give the answer that shows a decision."""
    group = one.alert_group
    return answers.Decision(
        alert_group_id=group.id,
        title=group.title,
        state=group.state,
        integration_id=group.integration_id,
        created_at=group.created_at,
        url=group.url,
        decision=one.kind,
        reason=one.reason,
        inconsistent=one.inconsistent,
        action=one.action,
        held=one.held,
        would=one.would,
        silenced_until=one.silenced_until,
        members=tuple(
            answers.Member(member.fingerprint, member.status, member.labels, member.silenced_by)
            for member in one.members
        ),
        absent=one.absent,
        silences=tuple(map(_silence, one.silences)),
    )


def _alert_group(one: AlertGroup) -> answers.AlertGroup:
    return answers.AlertGroup(
        id=one.id,
        integration_id=one.integration_id,
        state=one.state,
        alerts_count=one.alerts_count,
        created_at=one.created_at,
        title=one.title,
        url=one.url,
        silenced_at=one.silenced_at,
        resolved_at=one.resolved_at,
        resolved_by=one.resolved_by,
    )


def _delivery(one: Delivery) -> answers.Delivery:
    said = one.content
    if isinstance(said, Webhook):
        return answers.WebhookDelivery(
            id=one.id,
            created_at=one.created_at,
            receiver=said.receiver,
            group_labels=said.group_labels,
            external_url=said.external_url,
            group_key=said.group_key,
            firing=tuple(sorted(said.firing)),
            resolved=tuple(sorted(said.resolved)),
            truncated=said.truncated,
        )
    if isinstance(said, LegacyAlert):
        return answers.LegacyDelivery(one.id, one.created_at, said.fingerprint, said.firing)
    return answers.UnreadableDelivery(one.id, one.created_at, said.why)


def debt(one: Debt) -> dict[str, Any]:
    """Show what a resolve of ours costs, alert by alert; `open` while something of it is still owed."""
    return plain(of_debt(one))


def of_debt(one: Debt) -> answers.Debt:
    """Give the answer that shows a debt."""
    return answers.Debt(**msgspec.structs.asdict(one), open=one.is_open)


def explanation(one: Explanation) -> dict[str, Any]:
    """Show why an alert group is decided as it is, and all that this rests on."""
    return plain(
        answers.Explanation(
            alert_group=_alert_group(one.alert_group),
            decision=of_decision(one.decision) if one.decision else None,
            deliveries=tuple(map(_delivery, one.deliveries)),
            deliveries_complete=one.complete,
            debts=tuple(map(of_debt, one.debts)),
            lease=one.lease,
            sighting=one.sighting,
            actions=one.actions,
            silences=tuple(own_silences.about(one)),
            events=one.events,
        )
    )


def silence(one: Silence) -> dict[str, Any]:
    """Show a silence: who, why, until when."""
    return plain(_silence(one))


def _silence(one: Silence) -> answers.Silence:
    return answers.Silence(one.id, one.created_by, one.comment, one.starts_at, one.ends_at)


def action(one: Action) -> dict[str, Any]:
    """Show an action and how it ended."""
    return plain(one)


def upstream(one: Upstream | None) -> dict[str, Any] | None:
    """Show how an upstream was last seen; None if it never was."""
    return None if one is None else plain(one)


def summary(one: Summary | None) -> dict[str, Any] | None:
    """Show the last run that ended, without its decisions; None if there was none."""
    return None if one is None else plain(one)


def time(moment: datetime | None) -> str | None:
    """Show a time; None if there is none."""
    shown: str | None = msgspec.to_builtins(moment)
    return shown


def plain(shape: msgspec.Struct) -> dict[str, Any]:
    """Give an answer as what JSON is made of."""
    shown: dict[str, Any] = msgspec.to_builtins(shape)
    return shown
