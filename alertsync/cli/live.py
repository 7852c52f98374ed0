"""One line on a terminal that tells what goes on, is written anew while it does, and is gone when it has ended.

It stands on stderr, so that what a command prints can be piped while a person watches. What is logged meanwhile goes
above it. Where stderr is no terminal, there is none.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
import threading
from typing import TYPE_CHECKING, TextIO

from alertsync.cli.paper import printable
from alertsync.cli.tables import cut
from alertsync.progress import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from alertsync.progress import Progress
    from alertsync.services import Services

_AGAIN_SECONDS = 0.1
_ERASE = "\r\x1b[K"
_DOING = {
    Phase.WAITING: "beginning",
    Phase.READING_IRM: "reading Grafana IRM",
    Phase.READING_ALERTMANAGER: "reading Alertmanager",
    Phase.DECIDING: "deciding",
    Phase.ACTING: "acting",
    Phase.RECORDING: "writing down what was found and done",
}
_ASKING = {"http": "somebody's request", "command line": "another command"}


def worded(progress: Progress) -> str:
    """Say how far a run is."""
    text = _DOING[progress.phase]
    if progress.phase is Phase.READING_IRM and progress.pages_total:
        return f"{text}: page {progress.pages_read} of {max(progress.pages_total, progress.pages_read)}"
    if progress.phase is Phase.ACTING and progress.actions_total:
        return f"{text}: {progress.actions_done} of {progress.actions_total} done"
    return text


@contextlib.contextmanager
def shown(services: Services, tell: Callable[[], str]) -> Iterator[None]:
    """Show for the block what `tell` says, and for how many seconds by now."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield
        return
    line = _Line(sys.stderr)
    ended = threading.Event()
    began = services.clock.monotonic()

    def keep_telling() -> None:
        while not ended.wait(_AGAIN_SECONDS):
            line.show(f"{printable(tell())} … {services.clock.monotonic() - began:.0f} s")

    thread = threading.Thread(target=keep_telling, name="live-line", daemon=True)
    thread.start()
    try:
        with _log_above(line):
            yield
    finally:
        ended.set()
        thread.join()
        line.erase()


def of_run(services: Services, own: Callable[[], bool]) -> Callable[[], str]:
    """Give what tells of the run of this command, or, until that is `own`, of the one that it waits for."""

    def tell() -> str:
        progress = services.progress()
        if own():
            return "beginning" if progress is None else worded(progress)
        if progress is None:
            return "waiting for another run to end"
        whose = _ASKING.get(progress.trigger, f"the {progress.trigger}")
        return f"waiting for the run of {whose} to end, which is {worded(progress)}"

    return tell


class _Line:
    """The last line of a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._guard = threading.Lock()

    def show(self, text: str) -> None:
        """Show a text, as much of it as the terminal is wide."""
        width = shutil.get_terminal_size((80, 24)).columns
        self._write(_ERASE + cut(text, width - 1))

    def erase(self) -> None:
        """Leave the line empty."""
        self._write(_ERASE)

    def write(self, text: str) -> int:
        """Write something that stays, in place of the line, which comes again below it."""
        self._write(_ERASE + text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: all is written at once."""

    def _write(self, text: str) -> None:
        with self._guard, contextlib.suppress(OSError):
            self._stream.write(text)
            self._stream.flush()


@contextlib.contextmanager
def _log_above(line: _Line) -> Iterator[None]:
    """Let what is logged to the terminal meanwhile stand above the line."""
    handlers = [
        one
        for one in logging.getLogger().handlers
        if isinstance(one, logging.StreamHandler) and one.stream is sys.stderr
    ]
    for handler in handlers:
        handler.setStream(line)
    try:
        yield
    finally:
        for handler in handlers:
            handler.setStream(sys.stderr)
