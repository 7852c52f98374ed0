"""Rows of tables that more than one command prints: silences that are ours, and what IRM's webhooks told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertsync.cli.tables import Styled
from alertsync.models import EventOutcome
from alertsync.web.answers import SilenceState

if TYPE_CHECKING:
    from alertsync.cli.paper import Paper
    from alertsync.cli.tables import Cell
    from alertsync.models import HandledEvent
    from alertsync.web.answers import OwnSilence

SILENCE_HEAD = ("MADE", "ID", "BY", "STATE", "ENDS", "WHY")
EVENT_HEAD = ("RECEIVED", "EVENT", "BY", "UNTIL", "BECAME", "WHY")
_STATES = {SilenceState.ACTIVE: "green", SilenceState.REFUSED: "yellow", SilenceState.ENDED: ""}
_POOR = frozenset({EventOutcome.STRANGER, EventOutcome.UNSILENCED})


def silence_row(one: OwnSilence, on: Paper) -> tuple[Cell, ...]:
    """Tell a silence in a row."""
    return (
        on.cell(one.made_at),
        one.id or "",
        f"{one.author or 'somebody'}{' in IRM' if one.origin == 'irm' else ''}",
        Styled(one.state.value, _STATES[one.state]),
        on.cell(one.ends_at) if one.state is SilenceState.ACTIVE else "",
        "; ".join(filter(None, (one.comment, one.why))),
    )


def event_row(one: HandledEvent, on: Paper) -> tuple[Cell, ...]:
    """Tell an event in a row."""
    event = one.event
    for_ever = "for ever" if event.kind == "silence" else ""
    return (
        on.cell(event.received_at),
        event.kind,
        event.user_email or event.username or event.user_id or "nobody",
        on.cell(event.until) if event.until else for_ever,
        Styled(one.outcome.value, "yellow" if one.outcome in _POOR else "")
        if one.outcome
        else "waits for a run",
        one.why,
    )
