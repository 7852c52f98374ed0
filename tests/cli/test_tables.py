"""Tables as they are read: whole through a pipe, and never wider than a terminal."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertsync.cli import paper
from alertsync.cli.paper import PIPE, Paper, printable
from alertsync.cli.tables import Styled, cut, measure, paragraph, table, wrap
from tests.unit.clocks import START, FakeTime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alertsync.cli.tables import Cell

HEADER = ("ALERT GROUP", "TITLE", "DECISION", "WHY")
ROWS: list[Sequence[Cell]] = [
    (
        "IPGQOUSLM4JUA",
        "DiskFull on a machine of a long name",
        Styled("SILENCED", "green"),
        "silenced by ana " * 6,
    ),
    ("IZNOXAGMIWN5U", "Net", "CONSISTENT", ""),
]


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_through_a_pipe_nothing_is_cut_coloured_or_wrapped() -> None:
    header, first, second = table(HEADER, ROWS, PIPE).split("\n")
    assert header.split() == ["ALERT", "GROUP", "TITLE", "DECISION", "WHY"]
    assert ("silenced by ana " * 6).strip() in first
    assert second.split() == ["IZNOXAGMIWN5U", "Net", "CONSISTENT"]


@pytest.mark.parametrize("width", range(20, 200, 7))
def test_on_a_terminal_no_line_is_wider_than_that_and_no_reason_is_cut(width: int) -> None:
    lines = table(HEADER, ROWS, Paper(width)).split("\n")
    assert max(map(measure, lines)) <= max(width, 30)
    told = " ".join(" ".join(lines).split())
    assert told.count("silenced") >= 6
    assert width < 40 or "IPGQOUSLM4JUA" in told


def test_a_reason_stands_beside_its_row_where_there_is_room_and_else_below() -> None:
    wide, narrow = (table(HEADER, ROWS, Paper(width)).split("\n") for width in (120, 70))
    assert wide[1].index("silenced by") == wide[2].index(
        "ana" if wide[2].strip().startswith("ana") else "silenced by"
    )
    assert narrow[3].startswith("    silenced by ana")


def test_colours_take_no_room() -> None:
    plain, coloured = (table(HEADER, ROWS, Paper(90, colour=colour)) for colour in (False, True))
    assert "\x1b[32mSILENCED\x1b[0m" in coloured
    for style in ("\x1b[1m", "\x1b[32m", "\x1b[0m"):
        coloured = coloured.replace(style, "")
    assert coloured == plain


def test_characters_of_two_columns_and_of_none_are_counted_as_a_terminal_does() -> None:
    assert (measure("磁盘"), measure("e\u0301"), cut("磁盘已满", 5)) == (4, 1, "磁盘…")
    lines = table(("A", "B"), [("磁盘", "x"), ("abcd", "y")], Paper(40)).split("\n")
    assert [measure(line) for line in lines[1:]] == [7, 7]


@given(st.text(), st.integers(2, 40))
def test_wrapping_loses_nothing_but_blanks_and_keeps_to_the_width(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert all(measure(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@given(st.text())
def test_nothing_from_outside_steers_a_terminal(text: str) -> None:
    assert printable(text).isprintable()
    for on in (PIPE, Paper(40)):
        shown = table(("A", "B"), [(text, text)], on) + paragraph(text, on)
        assert shown.replace("\n", "").isprintable()


def test_what_a_stream_is_decides_about_colour_width_and_nearness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "66")
    clock = FakeTime().clock
    assert paper.of(StringIO(), clock) == PIPE
    assert paper.of(Terminal(), clock, {}) == Paper(66, colour=True, now=START)
    for environ in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert paper.of(Terminal(), clock, environ) == Paper(66, colour=False, now=START)
    assert paper.of(Terminal(), clock, {"NO_COLOR": ""}).colour


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s ago"), (-119, "119 s ago"), (-120, "2 min ago"), (7199, "in 119 min"), (3 * 86400, "in 3 d")],
)
def test_a_person_reads_how_far_a_time_is_and_a_pipe_does_not(seconds: int, said: str) -> None:
    when = START + timedelta(seconds=seconds)
    assert Paper(80, now=START).moment(when) == f"{PIPE.moment(when)} ({said})"
    assert PIPE.moment(START) == "2026-11-23 12:00:00 UTC"
    assert (PIPE.moment(None), PIPE.age(START), Paper(80, now=START).age(None)) == ("", "", "")
