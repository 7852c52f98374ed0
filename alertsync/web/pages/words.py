"""Numbers, durations and times as a person reads them: the same on every page.

Times are written in UTC, short, with the whole of it in the title. The page's script writes them in the zone of the reader.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Iterator

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_WRITTEN = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")


def number(value: float) -> str:
    """Write a number with its thousands apart."""
    return f"{value:,}"


def many(count: int, one: str, more: str = "") -> str:
    """Write how many there are of something: `many(2, "alert")` is "2 alerts"."""
    return f"{number(count)} {one if count == 1 else more or f'{one}s'}"


def span(seconds: float) -> str:
    """Write how long something takes, in the one or two units that matter."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < _MINUTE:
        text = f"{seconds:.1f}" if seconds < 10 else f"{seconds:.0f}"  # noqa: PLR2004  as precise as is of use
        return f"{text.removesuffix('.0')} s"
    whole = int(seconds)
    if whole < _HOUR:
        return _two(whole, _MINUTE, "min", 1, "s")
    if whole < _DAY:
        return _two(whole, _HOUR, "h", _MINUTE, "min")
    return _two(whole, _DAY, "d", _HOUR, "h")


def age(seconds: float) -> str:
    """Write how long ago, or in how long, something is, in one unit: nobody needs more of an age."""
    whole = abs(int(seconds))
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (1, "s")):
        if whole >= size:
            text = f"{whole // size} {unit}"
            return f"{text} ago" if seconds > 0 else f"in {text}"
    return "now"


def iso(at: datetime) -> str:
    """Write a time for a machine."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def utc(at: datetime) -> str:
    """Write the whole of a time."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def short(at: datetime, now: datetime) -> str:
    """Write as much of a time as is needed to tell it from others around `now`."""
    there, here = at.astimezone(UTC), now.astimezone(UTC)
    if there.date() == here.date():
        return f"{there:%H:%M} UTC"
    if there.year == here.year:
        return f"{there.day} {there:%b %H:%M} UTC"
    return f"{there.day} {there:%b %Y %H:%M} UTC"


def moment(at: datetime, now: datetime) -> Markup:
    """Give the element that shows a time."""
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso(at), utc(at), short(at, now))


def ago(at: datetime, now: datetime) -> Markup:
    """Give the element that shows how long ago, or in how long, something is."""
    text = age((now - at).total_seconds())
    return Markup('<time datetime="{}" title="{}" data-age>{}</time>').format(iso(at), utc(at), text)


def exact(at: datetime, now: datetime) -> Markup:
    """Give the element that shows a time to the second, for what happens every few of them."""
    there = at.astimezone(UTC)
    same_day = there.date() == now.astimezone(UTC).date()
    text = f"{there:%H:%M:%S} UTC" if same_day else f"{there.day} {there:%b %H:%M:%S} UTC"
    return Markup('<time datetime="{}" title="{}" data-exact>{}</time>').format(iso(at), utc(at), text)


def sentence(text: str) -> str:
    """Make a sentence of a text that begins small and ends without a stop."""
    text = f"{text[:1].upper()}{text[1:]}".strip()
    return text if not text or text[-1] in ".!?…" else f"{text}."


def with_moments(text: str, now: datetime) -> Markup:
    """Escape a text, and show the times that are written in it, as in the reasons of decisions, like all others."""
    return Markup("").join(_parts(text, now))


def _parts(text: str, now: datetime) -> Iterator[Markup]:
    end = 0
    for found in _WRITTEN.finditer(text):
        try:
            at = datetime.strptime(found[0], "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
        except ValueError:
            continue
        yield escape(text[end : found.start()])
        yield moment(at, now)
        end = found.end()
    yield escape(text[end:])


def _two(value: int, size: int, unit: str, small: int, small_unit: str) -> str:
    rest = value % size // small
    return f"{value // size} {unit} {rest} {small_unit}" if rest else f"{value // size} {unit}"
