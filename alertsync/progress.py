"""How far the run is that goes on, for whoever watches it: one answer for the host, whichever process runs.

The run may be that of another worker's loop or trigger, or of the command line, so what is told of it lies in a small
file beside the locks, written by the holder of the run lock alone. It is decoration. Nothing is decided by it, no error
of it is worth a word, and a run must not become slower by it: the file is not synced, counts are written five times a
second at most, and less often where writing takes long. What a process left that was killed is known by its process.
"""

from __future__ import annotations

import contextlib
import os
import threading
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from alertsync.clock import Clock

_FILE = "progress.json"
_GAP_SECONDS = 0.2
_SHARE = 20
"""After a writing that took a second there is none for so many."""
_SIZE = 1024
"""Bytes of the file, what is told and blanks behind it, so that a short telling leaves nothing of a longer one."""
_WRITING = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Phase(StrEnum):
    """What a run does now."""

    WAITING = "waiting"
    READING_IRM = "reading_irm"
    READING_ALERTMANAGER = "reading_alertmanager"
    DECIDING = "deciding"
    ACTING = "acting"
    RECORDING = "recording"


class Progress(msgspec.Struct, frozen=True):
    """How far a run was at the time `at`.

    `pages_read` counts the pages of IRM's lists, `pages_total` those known by now to be there: it grows as further
    lists are begun, and is None before the first. `actions_total` is 0 until it is decided what is to be done.
    """

    run_id: str
    trigger: str
    dry_run: bool
    phase: Phase
    pages_read: int
    pages_total: int | None
    actions_done: int
    actions_total: int
    started_at: datetime
    at: datetime


class _Posted(msgspec.Struct, frozen=True):
    """What the file holds: `pid` and `born` name the process, `monotonic` is when it wrote, in seconds."""

    pid: int
    born: int | None
    monotonic: float
    progress: Progress


# Made here and not where it is used: two threads that use a struct of msgspec for the first time crash the process.
_read_posted = msgspec.json.Decoder(_Posted).decode


class Reporter:
    """What a run tells on its way; this one tells nobody."""

    def enter(self, phase: Phase) -> None:
        """Tell what the run does from now on."""

    def expect_pages(self, number: int) -> None:
        """Tell that so many more pages are to be read."""

    def page(self) -> None:
        """Tell that one more page was read."""

    def expect_actions(self, number: int) -> None:
        """Tell how many actions there are to do in all."""

    def acted(self) -> None:
        """Tell that one more action has an outcome."""


UNWATCHED = Reporter()
"""For whoever reads or acts while nobody watches."""


class Board:
    """Where the run that goes on is told of: a file in `directory`, that of the run lock."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._path = directory / _FILE
        self._clock = clock
        self._own: Progress | None = None

    @contextlib.contextmanager
    def reporting(
        self, run_id: str, trigger: str, started_at: datetime, *, dry_run: bool
    ) -> Iterator[Reporter]:
        """Tell of a run for the block, under the run lock; whatever cannot be written is not told elsewhere."""
        born = _born(os.getpid())
        with contextlib.ExitStack() as stack:
            fd = self._begin(stack)

            def post(progress: Progress) -> None:
                self._own = progress
                posted = _Posted(os.getpid(), born, self._clock.monotonic(), progress)
                with contextlib.suppress(OSError):
                    _write(fd, msgspec.json.encode(posted))

            first = Progress(run_id, trigger, dry_run, Phase.WAITING, 0, None, 0, 0, started_at, started_at)
            try:
                yield _Report(first, self._clock, post)
            finally:
                self._own = None

    def _begin(self, stack: contextlib.ExitStack) -> int:
        """Make the file, for as long as the stack lasts; give its number, -1 if it cannot be made."""
        try:
            # One that was left may be another user's.
            self._path.unlink(missing_ok=True)
            fd = os.open(self._path, _WRITING, 0o600)
        except OSError:
            return -1
        stack.callback(self._end, fd)
        return fd

    def _end(self, fd: int) -> None:
        with contextlib.suppress(OSError):
            os.close(fd)
            self._path.unlink(missing_ok=True)

    def read(self, longest: float) -> Progress | None:
        """Give how far the run is that goes on; None if none does.

        What is told counts only while the process lives that told it, and for `longest` seconds.
        """
        if (own := self._own) is not None:
            return own
        # Once more where it is being written over just now.
        posted = self._posted() or self._posted()
        if posted is None:
            return None
        fresh = 0 <= self._clock.monotonic() - posted.monotonic <= longest
        return posted.progress if fresh and _lives(posted) else None

    def _posted(self) -> _Posted | None:
        try:
            return _read_posted(self._path.read_bytes())
        except (OSError, ValueError):
            return None


class _Report(Reporter):
    """Tells of one run by `post`."""

    def __init__(self, first: Progress, clock: Clock, post: Callable[[Progress], None]) -> None:
        self._told = first
        self._clock = clock
        self._post = post
        self._phase = first.phase
        self._pages_read = 0
        self._pages_total: int | None = None
        self._actions_done = 0
        self._actions_total = 0
        self._not_before = 0.0
        # Lists are read, and actions done, side by side.
        self._guard = threading.Lock()

    def enter(self, phase: Phase) -> None:
        if phase is not self._phase:
            self._phase = phase
            # Always: nothing else may come for as long as a server takes to answer.
            self._tell()

    def expect_pages(self, number: int) -> None:
        with self._guard:
            self._pages_total = (self._pages_total or 0) + number

    def page(self) -> None:
        with self._guard:
            self._pages_read += 1
            self._tell_now_and_then()

    def expect_actions(self, number: int) -> None:
        self._actions_total = number
        self._tell_now_and_then()

    def acted(self) -> None:
        with self._guard:
            self._actions_done += 1
            self._tell_now_and_then()

    def _tell_now_and_then(self) -> None:
        if self._clock.monotonic() >= self._not_before:
            self._tell()

    def _tell(self) -> None:
        began = self._clock.monotonic()
        self._told = msgspec.structs.replace(
            self._told,
            phase=self._phase,
            pages_read=self._pages_read,
            pages_total=self._pages_total,
            actions_done=self._actions_done,
            actions_total=self._actions_total,
            at=self._clock.now(),
        )
        self._post(self._told)
        ended = self._clock.monotonic()
        self._not_before = ended + max(_GAP_SECONDS, _SHARE * (ended - began))


def _write(fd: int, content: bytes) -> None:
    """Write over what the file says, in one piece: each new file would cost the disk more than all that is told."""
    os.pwrite(fd, content.ljust(_SIZE), 0)


def _lives(posted: _Posted) -> bool:
    try:
        os.kill(posted.pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    # A container that starts anew gives its processes the numbers of those before them.
    return _born(posted.pid) == posted.born


def _born(pid: int) -> int | None:
    """Tell when a process began, in ticks since the host did; None if it is over, or the system does not tell."""
    try:
        state, *others = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return None if state == b"Z" else int(others[18])
    except (OSError, ValueError, IndexError):
        return None
