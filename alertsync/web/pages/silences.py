"""The silences in Alertmanager that are ours, and what IRM's webhooks told, in the words of the pages."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from alertsync.models import EventOutcome, HandledEvent
from alertsync.web import own_silences
from alertsync.web.answers import Origin, OwnSilence, SilenceState
from alertsync.web.pages.verdict import Tone
from alertsync.web.pages.words import many, utc

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alertsync.models import Ledger

DURATIONS = (
    (1800, "30 minutes"),
    (3600, "1 hour"),
    (7200, "2 hours"),
    (14400, "4 hours"),
    (28800, "8 hours"),
    (86400, "1 day"),
    (604800, "1 week"),
)
"""What the form offers: seconds, and what they are called."""
USUAL = 7200

_BECAME = {
    None: (Tone.IDLE, "Waits for a run"),
    EventOutcome.FOLLOWED: (Tone.WATCH, "Alertmanager follows"),
    EventOutcome.STRANGER: (Tone.WARN, "Not followed"),
    EventOutcome.UNSILENCED: (Tone.WARN, "Un-silenced in IRM"),
    EventOutcome.OURS: (Tone.IDLE, "Our own"),
    EventOutcome.ENDED: (Tone.GOOD, "Silence ended"),
    EventOutcome.NOTHING: (Tone.IDLE, "Nothing to do"),
}
_DID = {"unsilence": "ended its silence", "acknowledge": "acknowledged it", "resolve": "resolved it"}
_BY_NOBODY = {"unsilence": "Its silence ran out.", "resolve": "Its source resolved it."}


class Shown(msgspec.Struct, frozen=True):
    """A silence of ours: `pill` says in a word how it stands, `text` in a sentence; `id` is "" if it cannot be ended."""

    id: str
    alert_group_id: str
    title: str
    url: str
    tone: Tone
    pill: str
    text: str
    made_at: datetime
    ends_at: datetime | None
    for_ever: bool
    ended_at: datetime | None
    silence_ids: tuple[str, ...]


class Told(msgspec.Struct, frozen=True):
    """An event that IRM told: who did what, and what became of it."""

    alert_group_id: str
    title: str
    at: datetime
    tone: Tone
    pill: str
    what: str
    why: str


def listing(ledger: Ledger, *, open_only: bool, alert_group_id: str | None = None) -> tuple[Shown, ...]:
    """Give those of the ledger, made last first."""
    found = own_silences.of(ledger, open_only=open_only, alert_group_id=alert_group_id)
    return tuple(map(shown, found))


def shown(one: OwnSilence) -> Shown:
    """Show a silence of ours."""
    tone, pill = _state(one)
    return Shown(
        id=(one.id or "") if one.state is not SilenceState.ENDED else "",
        alert_group_id=one.alert_group_id,
        title=one.title.strip() or one.alert_group_id,
        url=one.url or "",
        tone=tone,
        pill=pill,
        text=_text(one),
        made_at=one.made_at,
        ends_at=one.ends_at if one.state is SilenceState.ACTIVE else None,
        for_ever=one.until is None,
        ended_at=one.ended_at,
        silence_ids=tuple(mine.id for mine in one.silences),
    )


def _state(one: OwnSilence) -> tuple[Tone, str]:
    if one.state is SilenceState.ENDED:
        return (
            (Tone.WARN, "Is being ended")
            if one.origin is Origin.IRM and one.silences
            else (Tone.IDLE, "Over")
        )
    if one.state is SilenceState.REFUSED:
        return Tone.WARN, "Not in Alertmanager"
    if not one.silences:
        return Tone.IDLE, "Is being made"
    return Tone.WATCH, "Silenced"


def _text(one: OwnSilence) -> str:
    who = one.author or "somebody"
    if who in ("somebody", "a script"):
        who = who.capitalize()
    if one.origin is Origin.HAND:
        said = f"{who} silenced it here: «{one.comment}»"
    elif one.until is None:
        said = f"{who} silenced it in IRM for ever, which is renewed while it lasts"
    else:
        said = f"{who} silenced it in IRM until {utc(one.until)}"
    why = f". {one.why[:1].upper()}{one.why[1:]}" if one.why else ""
    several = f", by {many(len(one.silences), 'silence')} in Alertmanager" if len(one.silences) > 1 else ""
    return f"{said}{several}{why}."


def heard(events: Iterable[HandledEvent]) -> tuple[Told, ...]:
    """Show what IRM told."""
    return tuple(map(told, events))


def told(one: HandledEvent) -> Told:
    """Show an event."""
    tone, pill = _BECAME[one.outcome]
    event = one.event
    return Told(
        alert_group_id=event.alert_group_id,
        title=event.title.strip() or event.alert_group_id,
        at=event.received_at,
        tone=tone,
        pill=pill,
        what=_what(one),
        why=one.why,
    )


def _what(one: HandledEvent) -> str:
    event = one.event
    who = event.user_email or event.username or ("" if not event.user_id else f"User {event.user_id}")
    if event.kind == "silence":
        how_long = "for ever" if event.until is None else f"until {utc(event.until)}"
        return f"{who or 'Nobody that IRM names'} silenced it in IRM {how_long}."
    if not who:
        return _BY_NOBODY.get(event.kind, f"Nobody that IRM names: {event.kind}.")
    return f"{who} {_DID.get(event.kind, event.kind)} in IRM."
