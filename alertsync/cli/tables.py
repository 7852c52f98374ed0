"""Plain tables for terminals, pipes and tired eyes.

Through a pipe each row is one line with every cell whole. On a terminal a table is never wider than that: its last
column, which says why, is wrapped beside the others, or below them where they leave it no room.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from alertsync.cli.paper import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alertsync.cli.paper import Paper

_GAP = 2
_ROOM = 32
"""Columns that the last cell must have at least to stand beside the others."""
_INDENT = 4
_NARROWEST = 6
_ELASTIC = "TITLE"
"""The column that is cut first: an id is to be copied, and a time to be read, whole."""


class Styled(NamedTuple):
    """A cell in a style of `Paper.paint`."""

    text: str
    style: str


Cell = str | Styled


def table(header: Sequence[str], rows: Sequence[Sequence[Cell]], paper: Paper) -> str:
    """Lay out rows under a header."""
    clean = [[_clean(cell) for cell in row] for row in rows]
    heads = [Styled(name, "bold") for name in header]
    sizes = [max(measure(row[column].text) for row in [heads, *clean]) for column in range(len(header))]
    if paper.width is None:
        return "\n".join(_line(row, sizes[:-1], paper) for row in [heads, *clean])
    elastic = header.index(_ELASTIC) if _ELASTIC in header[:-1] else None
    sizes = _fitting(sizes[:-1], paper.width, elastic)
    left = paper.width - sum(sizes) - _GAP * len(sizes)
    beside = left >= min(_ROOM, max((measure(row[-1].text) for row in clean), default=0))
    lay = _beside if beside else _below
    return "\n".join(line for row in [heads, *clean] for line in lay(row, sizes, paper))


def paragraph(text: str, paper: Paper, style: str = "") -> str:
    """Write a text of one paragraph, wrapped where it is read on a terminal."""
    lines = wrap(printable(text), paper.width) if paper.width else [printable(text)]
    return "\n".join(paper.paint(line, style) for line in lines)


def wrap(text: str, width: int) -> list[str]:
    """Break a text into lines of at most so many columns, between words where that is possible."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if measure(longer) <= width:
            line = longer
            continue
        lines += [line] if line else []
        line = word
        while measure(line) > width:
            head = _head(line, width)
            lines.append(head)
            line = line[len(head) :]
    return [*lines, line]


def cut(text: str, width: int) -> str:
    """Cut a text that is wider than so many columns, and show that it was."""
    return text if measure(text) <= width else f"{_head(text, max(width - 1, 0))}…"


def measure(text: str) -> int:
    """Count the columns that a text takes: some characters take two, and some none."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _head(text: str, width: int) -> str:
    """Give as much of the beginning of a text as fits, one character at least."""
    taken = 0
    for number, character in enumerate(text):
        taken += _columns(character)
        if taken > width and number:
            return text[:number]
    return text


def _clean(cell: Cell) -> Styled:
    text, style = cell if isinstance(cell, Styled) else (cell, "")
    return Styled(printable(text), style)


def _fitting(sizes: Sequence[int], width: int, elastic: int | None) -> list[int]:
    """Make columns narrower until all stand beside each other: the elastic one first, then whichever is the widest."""
    fitting = list(sizes)
    while sum(fitting) + _GAP * (len(fitting) - 1) > width and max(fitting) > _NARROWEST:
        narrower = fitting.index(max(fitting))
        if elastic is not None and fitting[elastic] > _NARROWEST:
            narrower = elastic
        fitting[narrower] -= 1
    return fitting


def _line(row: Sequence[Styled], sizes: Sequence[int], paper: Paper) -> str:
    """Write cells in one line, all but the last in columns of these sizes; the last one whole."""
    cells = []
    for cell, size in zip(row, sizes, strict=False):
        text = cut(cell.text, size)
        cells.append(paper.paint(text, cell.style) + " " * (size - measure(text)))
    if len(row) > len(sizes):
        cells.append(paper.paint(row[-1].text, row[-1].style))
    return (" " * _GAP).join(cells).rstrip()


def _beside(row: Sequence[Styled], sizes: Sequence[int], paper: Paper) -> Iterator[str]:
    start = sum(sizes) + _GAP * len(sizes)
    first, *others = wrap(row[-1].text, max((paper.width or 0) - start, 1))
    yield _line([*row[:-1], Styled(first, row[-1].style)], sizes, paper)
    for text in others:
        yield " " * start + paper.paint(text, row[-1].style)


def _below(row: Sequence[Styled], sizes: Sequence[int], paper: Paper) -> Iterator[str]:
    yield _line(row[:-1], sizes, paper)
    if row[-1].text:
        for text in wrap(row[-1].text, max((paper.width or 0) - _INDENT, 1)):
            yield " " * _INDENT + paper.paint(text, row[-1].style)
