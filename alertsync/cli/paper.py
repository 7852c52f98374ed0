"""What a command prints on: a terminal, which has a width, colours and somebody who reads now; or a pipe, which has none.

Through a pipe goes what scripts can rely on: nothing is cut, nothing is coloured, and no text depends on the time at
which it is read.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alertsync.clock import Clock

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_TWO_OF_A_UNIT = 2
_ROOMY = 120


@dataclass(frozen=True)
class Paper:
    """Where a command prints; `width` in columns and `now` are None where it is no terminal."""

    width: int | None = None
    colour: bool = False
    now: datetime | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether somebody reads it as it is printed."""
        return self.width is not None

    def paint(self, text: str, style: str) -> str:
        """Give a text in a style: bold, dim, red, green, yellow, or "" for none."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.colour and style and text else text

    def moment(self, when: datetime | None) -> str:
        """Write a time, and for somebody who reads it now how far that is; "" where there is none."""
        if when is None:
            return ""
        written = f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        return f"{written} ({_apart(when, self.now)})" if self.now else written

    def cell(self, when: datetime | None) -> str:
        """Write a time for a table, in which there is seldom room to say how far it is."""
        if self.width is None or self.width >= _ROOMY:
            return self.moment(when)
        return PIPE.moment(when)

    def age(self, since: datetime | None) -> str:
        """Write how long ago that was, as short as it gets; "" where it is not known."""
        return "" if since is None or self.now is None else _long((self.now - since).total_seconds())


PIPE = Paper()


def of(stream: TextIO, clock: Clock, environ: Mapping[str, str] = os.environ) -> Paper:
    """Tell what a stream prints on. NO_COLOR (of any value) and TERM=dumb take the colours away."""
    if not stream.isatty():
        return PIPE
    colour = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return Paper(shutil.get_terminal_size((80, 24)).columns, colour, clock.now())


def here(clock: Clock) -> Paper:
    """Tell what the output of this command is printed on."""
    return of(sys.stdout, clock)


def printable(text: str) -> str:
    """Blank out what could steer a terminal: labels, comments and answers come from anybody."""
    return "".join(character if character.isprintable() else " " for character in text)


def _apart(when: datetime, now: datetime) -> str:
    seconds = (when - now).total_seconds()
    return f"in {_long(seconds)}" if seconds > 0 else f"{_long(-seconds)} ago"


def _long(seconds: float) -> str:
    """Write a duration in its largest unit of which there are two at least."""
    whole = max(int(seconds), 0)
    for size, unit in _UNITS:
        if whole >= _TWO_OF_A_UNIT * size:
            return f"{whole // size} {unit}"
    return f"{whole} s"
