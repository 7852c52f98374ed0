"""Measures inside the service how long its other threads ever stand still.

A thread that only wants to sleep a moment wakes late when another one does not let go of the interpreter: what a
single long call costs every probe, scrape and page. It measures only while a file asks for it, so that it does not
disturb what else is measured.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ASKED = "BENCH_STALLS"
"""The environment variable that names the file by which `watch` is asked."""

_TICK_SECONDS = 0.002
_LOOK_SECONDS = 0.05
_ANSWER_WITHIN_SECONDS = 60


def watch(asked: Path) -> None:
    """Start the watching thread in this process."""
    threading.Thread(target=_watch, args=(asked,), name="stall-watch", daemon=True).start()


def _watch(asked: Path) -> None:
    while True:
        time.sleep(_LOOK_SECONDS)
        if asked.exists():
            _answer_of(asked).write_text(repr(_longest(asked)))


def _longest(asked: Path) -> float:
    longest, looked = 0.0, time.monotonic()
    while True:
        began = time.monotonic()
        time.sleep(_TICK_SECONDS)
        now = time.monotonic()
        longest = max(longest, now - began - _TICK_SECONDS)
        if now - looked > _LOOK_SECONDS:
            looked = now
            if not asked.exists():
                return longest


class Stall:
    """The longest stall, in seconds, once the context that gave it has ended."""

    longest = float("inf")


@contextmanager
def measured(asked: Path) -> Iterator[Stall]:
    """Have the service measure its stalls while the context lasts."""
    stall = Stall()
    _answer_of(asked).unlink(missing_ok=True)
    asked.touch()
    time.sleep(2 * _LOOK_SECONDS)
    try:
        yield stall
    finally:
        asked.unlink()
    deadline = time.monotonic() + _ANSWER_WITHIN_SECONDS
    while not (text := _answer_of(asked).read_text() if _answer_of(asked).exists() else ""):
        if time.monotonic() > deadline:
            raise RuntimeError("the service does not tell how long its threads stood still")
        time.sleep(_LOOK_SECONDS)
    stall.longest = float(text)


def _answer_of(asked: Path) -> Path:
    return asked.with_suffix(".longest")
