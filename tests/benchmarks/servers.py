"""The process of the stand-in and of the tap, and the handle by which the benchmark speaks to it.

They are a process of their own, so that they answer while the benchmark itself is busy. Commands and answers are
lines of JSON on its standard input and output; it ends when its input does, so that it never outlives whoever
started it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from tests.benchmarks.irm import Irm
from tests.benchmarks.recording import Recorded
from tests.benchmarks.tap import Tap
from tests.benchmarks.world import World
from tests.service import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

_STOPPED_WITHIN_SECONDS = 10


class Servers:
    """A running process with the stand-in of a world and a tap before `alertmanager`, as a context manager."""

    def __init__(self, world: World, alertmanager: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.servers"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started = self._ask({**asdict(world), "epoch": world.epoch.isoformat(), "alertmanager": alertmanager})
        self.irm: str = started["irm"]
        self.alertmanager: str = started["alertmanager"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_STOPPED_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def taken(self) -> list[Recorded]:
        """Give the requests that both servers received since the last time, oldest first."""
        seen = [Recorded(**one) for one in self._ask("taken")]
        return sorted(seen, key=lambda one: one.began)

    def mark(self) -> None:
        """Remember what is open in IRM now."""
        self._ask("mark")

    def rewind(self) -> None:
        """Open again what was resolved since `mark`."""
        self._ask("rewind")

    def resolved(self) -> dict[str, float]:
        """Tell when each alert group was resolved, by the clock that processes share."""
        times: dict[str, float] = self._ask("resolved")
        return times

    def _ask(self, command: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the servers of the benchmark have ended; what they said stands above")
        return json.loads(answer)


def main() -> None:
    """Serve until the input ends."""
    settings = json.loads(sys.stdin.readline())
    alertmanager = settings.pop("alertmanager")
    world = World(**settings | {"epoch": datetime.fromisoformat(settings["epoch"])})
    irm, tap = Irm(world), Tap(alertmanager)
    commands: dict[str, Callable[[], object]] = {
        "taken": lambda: [*irm.taken(), *tap.taken()],
        "mark": irm.mark,
        "rewind": irm.rewind,
        "resolved": irm.resolved,
    }
    _say({"irm": irm.url, "alertmanager": tap.url})
    for line in sys.stdin:
        _say(commands[json.loads(line)]())


def _say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
