"""What was measured, as a table for people and as JSON for whoever keeps it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """One figure. `target` is "" for what is only told; `ok` is None then. `value` is the bare number."""

    size: str
    what: str
    measured: str
    value: float
    target: str = ""
    ok: bool | None = None
    note: str = ""


def seconds(size: str, what: str, value: float, bound: float | None = None, note: str = "") -> Row:
    """Make a row of a time, in the unit that suits it."""
    return _bounded(Row(size, what, _time(value), value, note=note), bound, _time)


def megabytes(size: str, what: str, value: int, bound: int | None = None, note: str = "") -> Row:
    """Make a row of so many bytes."""
    return _bounded(Row(size, what, _memory(value), value, note=note), bound, _memory)


def number(size: str, what: str, value: int, wanted: int | None = None, note: str = "") -> Row:
    """Make a row of a count, which must be what is wanted exactly."""
    if wanted is None:
        return Row(size, what, str(value), value, note=note)
    return Row(size, what, str(value), value, f"= {wanted}", value == wanted, note)


def _bounded(row: Row, bound: float | None, shown: Callable[[float], str]) -> Row:
    if bound is None:
        return row
    return Row(row.size, row.what, row.measured, row.value, f"≤ {shown(bound)}", row.value <= bound, row.note)


def missed(rows: Sequence[Row]) -> list[Row]:
    """Give the rows whose target was missed."""
    return [row for row in rows if row.ok is False]


def text(rows: Sequence[Row]) -> str:
    """Write a table, a line a row."""
    verdicts = {None: "", True: "ok", False: "MISSED"}
    cells = [("", "what", "target", "measured", "", "")]
    cells += [(row.size, row.what, row.target, row.measured, verdicts[row.ok], row.note) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    lines = []
    for line in cells:
        padded = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        lines.append("  ".join([*padded, line[5]]).rstrip())
    rule = "-" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:]])


def as_json(rows: Sequence[Row]) -> str:
    """Write the rows as JSON."""
    return json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False)


def _time(value: float) -> str:
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1e3:.1f} ms" if value >= 1e-3 else f"{value * 1e6:.1f} µs"


def _memory(value: float) -> str:
    return f"{value / 1e6:.0f} MB"
