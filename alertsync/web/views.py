"""The JSON that people and scripts see: stable names, times in RFC 3339, in one place."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from alertsync.models import RunStatus, Webhook

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


def as_of_now(one: R, services: Services) -> R:
    """Tell of a run whose process died: it cannot still be going on."""
    settings = services.settings
    longest = timedelta(seconds=settings.run_timeout + settings.reconcile_wait + 60)
    if one.status is RunStatus.RUNNING and services.clock.now() - one.started_at > longest:
        message = "its process ended before the run did; the next run mends what it left"
        return msgspec.structs.replace(one, status=RunStatus.INTERRUPTED, message=message)
    return one


def run(one: Run) -> dict[str, Any]:
    """Show a run with its decisions and actions."""
    return {
        "status": one.status.value,
        "message": one.message,
        "inconsistencies_found": one.inconsistencies_found,
        "inconsistencies_resolved": one.inconsistencies_resolved,
        "inconsistencies_failed": one.inconsistencies_failed,
        "duration_seconds": one.duration_seconds,
        "run_id": one.run_id,
        "trigger": one.trigger,
        "dry_run": one.dry_run,
        "lifted": sorted(one.lifted),
        "brakes": sorted(one.brakes),
        "started_at": _plain(one.started_at),
        "ended_at": _plain(one.ended_at),
        "wake_at": _plain(one.wake_at),
        "actions": [action(each) for each in one.actions],
        "decisions": [decision(each) for each in one.decisions],
        "decisions_omitted": one.decisions_omitted,
    }


def decision(one: Decision) -> dict[str, Any]:
    """Show a decision: what the alert group is, why, and what is done about it."""
    group = one.alert_group
    return {
        "alert_group_id": group.id,
        "title": group.title,
        "state": group.state,
        "integration_id": group.integration_id,
        "created_at": _plain(group.created_at),
        "url": group.url,
        "decision": one.kind.value,
        "reason": one.reason,
        "inconsistent": one.inconsistent,
        "action": one.action.value,
        "held": one.held.value,
        "silenced_until": _plain(one.silenced_until),
        "members": [
            {
                "fingerprint": member.fingerprint,
                "status": member.status.value,
                "labels": member.labels,
                "silenced_by": list(member.silenced_by),
            }
            for member in one.members
        ],
        "absent": list(one.absent),
        "silences": [silence(each) for each in one.silences],
    }


def alert_group(one: AlertGroup) -> dict[str, Any]:
    """Show what IRM says of an alert group, without its last delivery."""
    shown: dict[str, Any] = msgspec.to_builtins(one)
    del shown["last_delivery"]
    return shown


def delivery(one: Delivery) -> dict[str, Any]:
    """Show a delivery and what it said; `type` is "webhook", "legacy" or "unreadable"."""
    said: dict[str, Any] = msgspec.to_builtins(one.content)
    if isinstance(one.content, Webhook):
        said |= {"firing": sorted(one.content.firing), "resolved": sorted(one.content.resolved)}
    return {"id": one.id, "created_at": _plain(one.created_at), **said}


def debt(one: Debt) -> dict[str, Any]:
    """Show what a resolve of ours costs, alert by alert; `open` while something of it is still owed."""
    shown: dict[str, Any] = msgspec.to_builtins(one)
    return {"id": shown.pop("id"), "open": one.is_open, **shown}


def explanation(one: Explanation) -> dict[str, Any]:
    """Show why an alert group is decided as it is, and all that this rests on."""
    return {
        "alert_group": alert_group(one.alert_group),
        "decision": decision(one.decision) if one.decision else None,
        "deliveries": [delivery(each) for each in one.deliveries],
        "deliveries_complete": one.complete,
        "debts": [debt(each) for each in one.debts],
        "lease": _plain(one.lease),
        "sighting": _plain(one.sighting),
        "actions": [action(each) for each in one.actions],
    }


def silence(one: Silence) -> dict[str, Any]:
    """Show a silence: who, why, until when."""
    return {
        "id": one.id,
        "created_by": one.created_by,
        "comment": one.comment,
        "starts_at": _plain(one.starts_at),
        "ends_at": _plain(one.ends_at),
    }


def action(one: Action) -> dict[str, Any]:
    """Show an action and how it ended."""
    shown: dict[str, Any] = msgspec.to_builtins(one)
    return shown


def upstream(one: Upstream | None) -> dict[str, Any] | None:
    """Show how an upstream was last seen; None if it never was."""
    shown: dict[str, Any] | None = msgspec.to_builtins(one)
    return shown


def summary(one: Summary | None) -> dict[str, Any] | None:
    """Show the last run that ended, without its decisions; None if there was none."""
    shown: dict[str, Any] | None = msgspec.to_builtins(one)
    return shown


def time(moment: datetime | None) -> str | None:
    """Show a time; None if there is none."""
    shown: str | None = _plain(moment)
    return shown


def _plain(value: object) -> Any:  # noqa: ANN401  text or None
    return msgspec.to_builtins(value)
