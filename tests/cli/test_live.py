"""The line that tells what goes on: what it says, and that it leaves nothing behind."""

from __future__ import annotations

import logging
import sys
from datetime import timedelta
from io import StringIO
from typing import TYPE_CHECKING

import msgspec
import pytest

from alertsync import bootstrap
from alertsync.cli import live
from alertsync.progress import Board, Phase, Progress
from tests.docs import settings
from tests.servers import poll_until
from tests.unit.clocks import START

if TYPE_CHECKING:
    from pathlib import Path

    from alertsync.services import Services

READING = Progress("r1", "loop", False, Phase.READING_IRM, 0, None, 0, 0, START, START)


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return bootstrap.build(settings.load({"STATE_DIR": str(tmp_path)}))


def a_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Let stderr be a terminal; pytest has a hand in it until the test itself begins."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    it = Terminal()
    monkeypatch.setattr(sys, "stderr", it)
    return it


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "reading Grafana IRM"),
        ({"pages_read": 3, "pages_total": 12}, "reading Grafana IRM: page 3 of 12"),
        ({"pages_read": 4, "pages_total": 3}, "reading Grafana IRM: page 4 of 4"),
        ({"phase": Phase.ACTING, "actions_done": 1, "actions_total": 5}, "acting: 1 of 5 done"),
        ({"phase": Phase.ACTING}, "acting"),
        ({"phase": Phase.WAITING}, "beginning"),
    ],
)
def test_it_says_how_far_a_run_is(changes: dict[str, object], said: str) -> None:
    assert live.worded(msgspec.structs.replace(READING, **changes)) == said


def test_every_phase_has_words() -> None:
    for phase in Phase:
        assert live.worded(msgspec.structs.replace(READING, phase=phase))


def test_who_waits_is_told_for_whose_run_and_how_far_that_is(services: Services) -> None:
    begun = False
    tell = live.of_run(services, lambda: begun)
    assert tell() == "waiting for another run to end"
    other = Board(services.directory, services.clock)
    with other.reporting("r1", "http", START + timedelta(0), dry_run=False) as report:
        report.enter(Phase.READING_ALERTMANAGER)
        assert tell() == "waiting for the run of somebody's request to end, which is reading Alertmanager"
    begun = True
    assert tell() == "beginning"


def test_it_is_written_anew_never_wider_than_the_terminal_and_erased(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = a_terminal(monkeypatch)
    told = iter(["a\x1b[2Jb", "long " * 30])
    with live.shown(services, lambda: next(told, "last")):
        poll_until(lambda: "last … " in terminal.getvalue(), within=10, what="the line is written anew")
    shown = terminal.getvalue().split("\r\x1b[K")
    assert shown[1].startswith("a [2Jb … ")
    assert (len(shown[2]), shown[2][-1]) == (59, "…")
    assert shown[-1] == ""


def test_what_is_logged_meanwhile_stands_above_it(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = a_terminal(monkeypatch)
    handler = logging.StreamHandler(terminal)
    logging.getLogger().addHandler(handler)
    try:
        with live.shown(services, lambda: "going on"):
            poll_until(lambda: "going on" in terminal.getvalue(), within=10, what="the line is there")
            logging.getLogger("alertsync").warning("something happened")
        assert "\r\x1b[Ksomething happened\n" in terminal.getvalue()
        assert handler.stream is terminal
    finally:
        logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize("term", ["dumb", "xterm"])
def test_there_is_none_where_nobody_looks(
    services: Services, monkeypatch: pytest.MonkeyPatch, term: str
) -> None:
    stream = Terminal() if term == "dumb" else StringIO()
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys, "stderr", stream)
    with live.shown(services, lambda: pytest.fail("nobody asked")):
        pass
    assert stream.getvalue() == ""
