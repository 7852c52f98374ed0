"""The reasons of decisions in plain words: who silenced what until when, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertsync.models import AlertStatus

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from alertsync.models import Member, Silence
    from alertsync.planner.membership import Membership

_MAX_COMMENT = 120
_MAX_NAMED = 3


def silenced(members: Sequence[Member], silences: Sequence[Silence], until: datetime) -> str:
    """Say that all are silenced, by whom, until when and why."""
    return f"{_all(len(members))} silenced {_by(silences)} until {_time(until)}{_why(silences)}"


def ending(members: Sequence[Member], silences: Sequence[Silence], until: datetime) -> str:
    """Say that all are silenced, but not for long enough."""
    return f"{_all(len(members))} silenced {_by(silences)}, but only until {_time(until)}, which is too soon to act"


def partially(counts: dict[AlertStatus, int]) -> str:
    """Say how many of the members still speak."""
    total = sum(counts.values())
    return f"{counts[AlertStatus.SILENCED]} of {total} alerts silenced, {counts[AlertStatus.ACTIVE]} still active"


def consistent(counts: dict[AlertStatus, int]) -> str:
    """Say that it fires in both."""
    active, total = counts[AlertStatus.ACTIVE], sum(counts.values())
    if active == total:
        return f"{_all(total)} active in Alertmanager"
    return f"{active} of {total} alerts active in Alertmanager, none silenced"


def muted(counts: dict[AlertStatus, int]) -> str:
    """Say that inhibition or a mute time keeps some quiet."""
    total = sum(counts.values())
    return f"{_all(total)} suppressed, {counts[AlertStatus.MUTED]} of them by inhibition or a mute time, not by a silence"


def echo(members: Sequence[Member], silences: Sequence[Silence]) -> str:
    """Say that Alertmanager is silent because IRM is, which is no reason for IRM to be."""
    return (
        f"{_all(len(members))} silenced in Alertmanager {_by(silences)}, because somebody silenced it in IRM"
    )


def unproven(found: Membership, doubt: str) -> str:
    """Say which alerts cannot be told to have ended, and why."""
    missing = len(found.absent) + found.nameless
    what = (
        f"{missing} of its alerts not found in Alertmanager"
        if missing
        else "no alert of it found in Alertmanager"
    )
    return f"{what}, which does not prove that they have ended: {doubt}"


def gone(found: Membership) -> str:
    """Say that nothing of it is left."""
    count = len(found.absent)
    return (
        f"none of its {count} alert(s) is in Alertmanager any more" if count else "all its alerts have ended"
    )


def _all(count: int) -> str:
    return "its only alert is" if count == 1 else f"all {count} alerts"


def _by(silences: Sequence[Silence]) -> str:
    names = list(dict.fromkeys(silence.created_by or "somebody" for silence in silences))
    if not names:
        return "by a silence that has just gone"
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return f"by {', '.join(names[:_MAX_NAMED])}{more}"


def _why(silences: Sequence[Silence]) -> str:
    comments = [silence.said for silence in silences if silence.said]
    if not comments:
        return ""
    comment = comments[0] if len(comments[0]) <= _MAX_COMMENT else f"{comments[0][:_MAX_COMMENT]}…"
    return f": «{comment}»"


def _time(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"
