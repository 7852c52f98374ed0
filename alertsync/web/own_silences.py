"""The silences in Alertmanager that are ours, whichever way they began, as one list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertsync.models import IrmSilenceState
from alertsync.store import micros
from alertsync.web.answers import Origin, OwnSilence, SilenceState

if TYPE_CHECKING:
    from alertsync.models import Explanation, HandSilence, IrmSilence, Ledger
    from alertsync.store import Key

_STATES = {
    IrmSilenceState.FOLLOWED: SilenceState.ACTIVE,
    IrmSilenceState.REFUSED: SilenceState.REFUSED,
    IrmSilenceState.ENDED: SilenceState.ENDED,
}


def of(ledger: Ledger, *, open_only: bool, alert_group_id: str | None = None) -> list[OwnSilence]:
    """Give those of the ledger, made last first; those that are over too unless `open_only`."""
    followed = [of_irm(one) for one in ledger.irm_silences if one.is_open or not open_only]
    made = [by_hand(one) for one in ledger.hand_silences if one.is_open or not open_only]
    wanted = [one for one in (*followed, *made) if alert_group_id in (None, one.alert_group_id)]
    return sorted(wanted, key=key, reverse=True)


def about(explained: Explanation) -> list[OwnSilence]:
    """Give those for the alert group that is explained, made last first."""
    followed = [] if explained.irm_silence is None else [of_irm(explained.irm_silence)]
    return sorted([*followed, *map(by_hand, explained.hand_silences)], key=key, reverse=True)


def key(one: OwnSilence) -> Key:
    """Give what the list is sorted by; none of it ever changes."""
    own = f"{one.origin} {one.alert_group_id if one.origin is Origin.IRM else one.id}"
    return (micros(one.made_at), own, 0)


def by_hand(one: HandSilence) -> OwnSilence:
    """Show a silence that somebody made here."""
    return OwnSilence(
        id=one.id,
        origin=Origin.HAND,
        state=SilenceState.ACTIVE if one.is_open else SilenceState.ENDED,
        alert_group_id=one.alert_group_id,
        title=one.title,
        url=one.url,
        author=one.author,
        comment=one.comment,
        why="" if one.is_open else f"ended by {one.ended_by}" if one.ended_by else "it ran out",
        made_at=one.made_at,
        until=one.ends_at,
        ends_at=one.ends_at,
        ended_at=one.ended_at,
        ended_by=one.ended_by,
        silences=one.silences,
    )


def of_irm(one: IrmSilence) -> OwnSilence:
    """Show a person's silence in IRM that is looked after."""
    return OwnSilence(
        id=one.silences[0].id if one.silences else None,
        origin=Origin.IRM,
        state=_STATES[one.state],
        alert_group_id=one.alert_group_id,
        title=one.title,
        url=one.url,
        author=one.user_email or one.username,
        comment="",
        why=one.why,
        made_at=one.made_at,
        until=one.until,
        ends_at=min((mine.ends_at for mine in one.silences), default=None),
        ended_at=one.ended_at,
        ended_by="",
        silences=one.silences,
    )
