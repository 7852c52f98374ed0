"""The runs as a picture: what they found, resolved and failed to resolve, and how long they took, over time.

It is drawn here, in numbers that a template puts into SVG, so that it needs neither a script nor a library. It is stretched to
the width of the window, so that all that is text stands beside it.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from alertsync.models import RunStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alertsync.models import Summary

WIDTH, HEIGHT = 1000.0, 100.0
_MOST_COLUMNS = 120
_LEAST_PLACES = 40
"""A few runs stand at the right, where there is now, and are not stretched over all of the time."""
_GAP = 0.2
_BAD = frozenset({RunStatus.FAILED, RunStatus.INTERRUPTED})


class Column(msgspec.Struct, frozen=True):
    """One run, or several that follow one another: the most found and the longest, and the sums of the others."""

    x: float
    width: float
    found: float
    resolved: float
    failed: float
    duration: float
    bad: bool
    said: str


class Chart(msgspec.Struct, frozen=True):
    """The picture, oldest run first; `most` and `longest` are what its full height stands for.

    Each column stands for `each` runs; it is `full` unless there are fewer of them than places.
    """

    columns: tuple[Column, ...]
    most: int
    longest: float
    full: bool
    first: datetime
    last: datetime
    runs: int
    each: int
    found: int
    resolved: int
    failed: int
    bad: int


def chart(newest_first: Sequence[Summary]) -> Chart | None:
    """Draw runs that have ended; None if there are too few to see anything in."""
    runs = [one for one in reversed(newest_first) if one.status is not RunStatus.RUNNING]
    if len(runs) < 2:  # noqa: PLR2004  one run makes no line
        return None
    each = -(-len(runs) // _MOST_COLUMNS)
    parts = [runs[start : start + each] for start in range(0, len(runs), each)]
    most = nice(max(_tall(part) for part in parts))
    longest = max((one.duration_seconds for one in runs), default=0.0) or 1.0
    places = max(len(parts), _LEAST_PLACES)
    step = WIDTH / places
    empty = places - len(parts)
    return Chart(
        columns=tuple(
            _column(part, (empty + place) * step, step, most, longest) for place, part in enumerate(parts)
        ),
        most=most,
        longest=longest,
        full=not empty,
        first=runs[0].started_at,
        last=runs[-1].started_at,
        runs=len(runs),
        each=each,
        found=max(one.inconsistencies_found for one in runs),
        resolved=sum(one.inconsistencies_resolved for one in runs),
        failed=sum(one.inconsistencies_failed for one in runs),
        bad=sum(one.status in _BAD for one in runs),
    )


def nice(most: int) -> int:
    """Give a round number that is not less: 1, 2 or 5 with noughts."""
    size = 1
    while size * 10 <= most:
        size *= 10
    return next(size * step for step in (1, 2, 5, 10) if size * step >= most)


def _tall(part: Sequence[Summary]) -> int:
    return max([_resolved(part) + _failed(part), *(one.inconsistencies_found for one in part)])


def _column(part: Sequence[Summary], x: float, step: float, most: int, longest: float) -> Column:
    found = max(one.inconsistencies_found for one in part)
    duration = max(one.duration_seconds for one in part)
    return Column(
        x=round(x + step * _GAP / 2, 2),
        width=round(step * (1 - _GAP), 2),
        found=_high(found, most),
        resolved=_high(_resolved(part), most),
        failed=_high(_failed(part), most),
        duration=_high(duration, longest),
        bad=any(one.status in _BAD for one in part),
        said=f"{part[-1].started_at:%H:%M:%S} UTC: {found} found, {_resolved(part)} resolved, {_failed(part)} failed, {duration:.1f} s",
    )


def _resolved(part: Sequence[Summary]) -> int:
    return sum(one.inconsistencies_resolved for one in part)


def _failed(part: Sequence[Summary]) -> int:
    return sum(one.inconsistencies_failed for one in part)


def _high(value: float, full: float) -> float:
    return round(HEIGHT * value / full, 2)
