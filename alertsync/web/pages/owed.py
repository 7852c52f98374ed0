"""What was resolved because of a silence that still runs, when that ends, and what cannot wait."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from alertsync.models import Debt, OwedAlert, Owing
from alertsync.web.pages.phrases import OWING
from alertsync.web.pages.verdict import Tone
from alertsync.web.pages.words import many

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_ALERTS = 20
_FAR = float("inf")
_ORIGINS = {"adopted": "taken over by its note in IRM", "child": "resolved by IRM together with its root"}


class Owed(msgspec.Struct, frozen=True):
    """A debt: `state` in words, `until` when the first of its silences ends, `alarm` why it cannot be paid."""

    id: str
    alert_group_id: str
    title: str
    url: str
    tone: Tone
    state: str
    until: datetime | None
    alarm: str
    reason: str
    origin: str
    resolved_at: datetime
    closed_at: datetime | None
    alerts: tuple[tuple[OwedAlert, str], ...]
    alert_count: int


class Listing(msgspec.Struct, frozen=True):
    """Debts, those that cannot wait first; `due` are they, `waiting` those that are still silenced, `over` the others."""

    due: tuple[Owed, ...]
    waiting: tuple[Owed, ...]
    over: tuple[Owed, ...]


def listing(debts: Iterable[Debt]) -> Listing:
    """Sort debts by how soon somebody must be paged for them."""
    shown = [owed(debt) for debt in debts]
    waiting = [one for one in shown if one.closed_at is None and one.tone is Tone.IDLE]
    waiting.sort(key=lambda one: one.until.timestamp() if one.until else _FAR)
    due = [one for one in shown if one.tone in (Tone.BAD, Tone.WARN)]
    due.sort(key=lambda one: one.tone is not Tone.BAD)
    return Listing(tuple(due), tuple(waiting), tuple(one for one in shown if one.tone is Tone.GOOD))


def owed(debt: Debt) -> Owed:
    """Show a debt."""
    alarm = next((alert.alarm for alert in debt.alerts if alert.state.is_open and alert.alarm), "")
    due = any(alert.state in (Owing.DUE, Owing.POSTED) for alert in debt.alerts)
    tone = Tone.GOOD if not debt.is_open else Tone.BAD if alarm else Tone.WARN if due else Tone.IDLE
    return Owed(
        id=debt.id,
        alert_group_id=debt.alert_group_id,
        title=debt.title.strip() or debt.alert_group_id,
        url=debt.url or "",
        tone=tone,
        state=state(debt),
        until=debt.silenced_until if debt.is_open else None,
        alarm=alarm if debt.is_open else "",
        reason=debt.reason,
        origin=_ORIGINS.get(debt.origin, ""),
        resolved_at=debt.resolved_at or debt.made_at,
        closed_at=debt.closed_at if not debt.is_open else None,
        alerts=tuple((alert, OWING[alert.state]) for alert in debt.alerts[:_MOST_ALERTS]),
        alert_count=len(debt.alerts),
    )


def state(debt: Debt) -> str:
    """Say how it stands with the alerts of a debt."""
    if debt.void:
        return "Void: the resolve did not happen"
    states = [alert.state for alert in debt.alerts]
    parts = [f"{states.count(one)} {OWING[one]}" for one in Owing if one in states]
    return f"{many(len(states), 'alert')}: {', '.join(parts)}"
