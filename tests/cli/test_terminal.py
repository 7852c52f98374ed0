"""The commands as a person meets them, on a pseudo-terminal, and as a script does, through pipes."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from typing import TYPE_CHECKING

import pytest

from alertsync.cli.tables import measure
from alertsync.simulator.wire import Fault
from tests.e2e.worlds import World, simulated_world
from tests.servers import free_port
from tests.service import ROOT, command, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(180)  # each takes seconds, where nothing else has to be done

_ERASE = "\r\x1b[K"
_STYLE = re.compile(r"\x1b\[\d+m")
_WITHIN = 40


class Terminal:
    """A command on a terminal of so many columns, both of its outputs; `printed` is what came so far."""

    def __init__(
        self, *arguments: str, home: Path, settings: dict[str, str], width: int = 80, piped: bool = False
    ) -> None:
        self.printed = ""
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "alertsync", *arguments],
            cwd=ROOT,
            env=environment(home, {"STATE_DIR": str(home / "state"), "TERM": "xterm", **settings}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if piped else theirs,
            stderr=theirs,
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        # A terminal whose other end is closed is an error to read.
        with contextlib.suppress(OSError):
            while part := os.read(self._ours, 4096):
                self.printed += part.decode()

    def until(self, text: str) -> None:
        """Wait until this was printed."""
        ends = time.monotonic() + _WITHIN
        while text not in self.printed:
            assert time.monotonic() < ends, self.printed
            time.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, as the terminal does for Ctrl-C."""
        self._process.send_signal(number)

    def end(self) -> tuple[int, str]:
        """Wait for its end; give the exit status, and what went through the pipe."""
        piped, _ = self._process.communicate(timeout=_WITHIN)
        self._reader.join(_WITHIN)
        os.close(self._ours)
        self.printed = self.printed.replace("\r\n", "\n")
        return self._process.returncode, (piped or b"").decode()

    @property
    def left(self) -> str:
        """What stands on the terminal in the end: without styles, and without what was erased."""
        return _STYLE.sub("", re.sub(r"\r\x1b\[K[^\n\r]*(?=\r\x1b\[K)", "", self.printed)).replace(_ERASE, "")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with simulated_world() as it:
        it.fire("Disk\x1b[2J\x9b31mFull", "a", "b")
        it.silence("Disk\x1b[2J\x9b31mFull", comment="db \x1b]0;owned\x07 migration, with a long story")
        it.fire("Net")
        it.irm.delivered("Net")
        yield it


def test_a_plan_on_a_terminal_is_told_in_words_that_fit_it(tmp_path: Path, world: World) -> None:
    # The lists are read side by side: there is a second page, so that some have come while it is waited for.
    world.irm.server.inject(Fault("delay", path="/api/v1/alert_groups", seconds=0.7, times=4))
    plan = Terminal("plan", home=tmp_path, settings=world.settings(IRM_PAGE_SIZE="1"))
    plan.until("reading Grafana IRM: page ")
    status, _ = plan.end()
    assert status == 0
    lines = plan.left.splitlines()
    assert lines[0].startswith("Plan of 20")
    assert lines[0].endswith("what a run would do now; nothing was done")
    assert max(map(measure, lines[1:])) <= 80
    for text in ("Would be done (1)", "would resolve", "Left alone (1)", "CONSISTENT", "success: 2 open"):
        assert text in plan.left
    assert "«python -m alertsync run» does this now" in plan.left
    assert "reading" not in plan.left
    assert plan.printed.count("\x1b[32mwould resolve\x1b[0m") == 1
    assert "\x1b[2J" not in plan.printed
    assert not {"\x9b", "\x07", "\x1b]"} & set(plan.printed)
    assert not set(re.sub(r"\x1b\[(?:\d+m|K)", "", plan.printed)) & {"\x1b", "\x9b", "\x07"}


def test_a_person_who_wants_no_colours_gets_none(tmp_path: Path, world: World) -> None:
    check = Terminal("check", home=tmp_path, settings=world.settings(NO_COLOR="1"), width=60)
    assert check.end()[0] == 0
    assert "\x1b" not in check.printed
    assert max(map(measure, check.printed.splitlines())) <= 60
    assert re.search(r"^ok        settings understood", check.printed, re.MULTILINE)


def test_what_is_piped_is_plain_while_a_person_watches(tmp_path: Path, world: World) -> None:
    world.irm.server.inject(Fault("delay", path="/api/v1/alert_groups", seconds=0.5, times=1))
    watched = Terminal("plan", home=tmp_path, settings=world.settings(), piped=True)
    status, piped = watched.end()
    assert status == 0
    assert "reading Grafana IRM" in watched.printed
    assert watched.left == ""
    alone = command("plan", home=tmp_path, settings=world.settings())
    assert (alone.stdout, alone.stderr) == (piped, "")
    header, first, *_ = piped.splitlines()
    assert header.split() == ["ALERT", "GROUP", "TITLE", "DECISION", "ACTION", "WHY"]
    assert first.endswith("with a long story»")
    assert piped.replace("\n", "").isprintable()


def test_ctrl_c_ends_a_run_in_order_and_everything_else_at_once(tmp_path: Path, world: World) -> None:
    slow = Fault("delay", path="/api/v1/", seconds=3, times=1)
    for name, arguments, wanted in (("plan", [], 1), ("explain", ["I1"], 130)):
        world.irm.server.inject(slow)
        ended = Terminal(name, *arguments, home=tmp_path, settings=world.settings(IRM_TIMEOUT="9"))
        ended.until("reading ")
        ended.signal(signal.SIGINT)
        if name == "plan":
            ended.until("stopping once what is under way has ended")
        status, _ = ended.end()
        assert status == wanted, ended.printed
        assert "Traceback" not in ended.printed
        world.irm.server.heal()


def test_who_has_read_enough_gets_no_traceback(tmp_path: Path, world: World) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "alertsync", "plan", "--json"],
        cwd=ROOT,
        env=environment(tmp_path, world.settings(STATE_DIR=str(tmp_path / "state"))),
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
        timeout=_WITHIN,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_terminal_that_knows_only_ascii_gets_the_whole_report(tmp_path: Path, world: World) -> None:
    settings = world.settings(PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    done = command("plan", home=tmp_path, settings=settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert r"\xabdb" in done.stdout


def test_the_demo_can_be_read_by_a_script(tmp_path: Path) -> None:
    done = command("demo", "--json", "--port", str(free_port()), "--seconds", "3", home=tmp_path, settings={})
    assert (done.returncode, done.stderr) == (0, "")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert any("/readyz" in address for address in told[0]["addresses"])
    assert {"demo", "story"} <= {one["who"] for one in told}
    assert all(one["time"] and one["text"] for one in told)
