"""Plain tables for terminals, pipes and tired eyes."""

from __future__ import annotations

import shutil
from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

_MIN_LAST = 20


def table(header: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """Lay out rows under a header; the last column is cut to fit `width`, the terminal's if None."""
    width = width or shutil.get_terminal_size((160, 24)).columns
    clean = [[printable(cell) for cell in row] for row in (header, *rows)]
    sizes = [max(len(row[column]) for row in clean) for column in range(len(header))]
    last = max(width - sum(sizes[:-1]) - 2 * (len(header) - 1), _MIN_LAST)
    lines = []
    for row in clean:
        cells = [cell.ljust(size) for cell, size in zip(row[:-1], sizes[:-1], strict=True)]
        end = row[-1] if len(row[-1]) <= last else f"{row[-1][: last - 1]}…"
        lines.append("  ".join([*cells, end]).rstrip())
    return "\n".join(lines)


def moment(when: datetime | None) -> str:
    """Write a time; "" where there is none."""
    return "" if when is None else f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def printable(cell: str) -> str:
    """Drop what could steer a terminal: labels and comments come from anybody."""
    return "".join(character if character.isprintable() else " " for character in cell)
