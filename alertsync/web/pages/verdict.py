"""Is it working? One sentence, one word and one colour for it, and all that is wrong with what to do about it.

Somebody who was woken reads the first line and knows whether to read on. What is wrong is told worst first, and the
worst of it is what the first line says, on every page the same.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from alertsync.models import Summary
from alertsync.web.attention import Attention
from alertsync.web.pages.words import many

if TYPE_CHECKING:
    from collections.abc import Iterable


class Tone(StrEnum):
    """How loud something is, from the worst to the best; each has a colour and a picture."""

    BAD = "bad"
    WARN = "warn"
    WATCH = "watch"
    IDLE = "idle"
    GOOD = "good"


class Concern(msgspec.Struct, frozen=True):
    """Something that a person should know: what it is, what it means, what to do, and a command for that.

    `headline` is what the page says first if nothing is worse, `badge` the one word for it; both are "" where it is worth
    a line and no more. `lift` names a brake that may be lifted, `place` the page that tells more.
    """

    tone: Tone
    title: str
    text: str = ""
    todo: str = ""
    command: str = ""
    badge: str = ""
    headline: str = ""
    lift: str = ""
    place: str = ""
    missing: tuple[tuple[str, str], ...] = ()


class Facts(msgspec.Struct, frozen=True):
    """What the verdict rests on; `interval` in seconds, 0 with the loop off, `stuck_for` 0 while it moves.

    `failures` counts the runs in a row that failed as a whole, `left` the inconsistent alert groups that the last run left
    as they were.
    """

    missing: dict[str, str]
    attention: Attention
    last: Summary | None
    interval: float
    leads: bool
    dry_run: bool
    repage: bool
    stuck_for: float = 0.0
    failures: int = 0
    left: int = 0


class Verdict(msgspec.Struct, frozen=True):
    """What the first line says."""

    tone: Tone
    badge: str
    headline: str
    concerns: tuple[Concern, ...]


def verdict(facts: Facts, concerns: Iterable[Concern]) -> Verdict:
    """Judge how things stand, with all that is wrong (`concerns.of`)."""
    order = list(Tone)
    concerns = tuple(sorted(concerns, key=lambda one: order.index(one.tone)))
    worst = next((one for one in concerns if one.badge), None)
    if worst is not None:
        return Verdict(worst.tone, worst.badge, worst.headline, concerns)
    if facts.last is None:
        if facts.interval:
            return Verdict(Tone.IDLE, "Starting", "Starting: no run has ended yet.", concerns)
        return Verdict(
            Tone.IDLE, "Waiting", "Waiting: no run has ended yet, and none begins by itself.", concerns
        )
    return Verdict(Tone.GOOD, "Working", f"Working. {_story(facts)}", concerns)


def _story(facts: Facts) -> str:
    if facts.left:
        return f"{many(facts.left, 'alert group is', 'alert groups are')} left alone though silenced or gone."
    return "Alertmanager and IRM tell the same story."
