"""Lets many use the database at once, and one alone make, change or replace it.

Whoever uses the database holds the gate shared for that moment; whoever moves a damaged file aside, or changes
the tables, holds it alone. So nobody ever has the old file open beside the write-ahead log of the new one, and two
processes that find the same damage mend it once. SQLite's own locks cannot do that: they live in the file.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from alertsync import locks
from alertsync.clock import never_stop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from alertsync.clock import Clock

WAIT_SECONDS = 5.0
"""How long anybody waits at the gate. What is done behind it takes moments."""

_POLL_SECONDS = 0.02


class GateClosedError(OSError):
    """Another process works on the database for longer than anybody waits."""


class Gate:
    """The lock file at `path`, which is made where it is missing and never removed."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    @contextlib.contextmanager
    def shared(self, wait: float = WAIT_SECONDS) -> Iterator[None]:
        """Hold the gate beside others for the block; raise `OSError` if that is impossible within `wait` seconds."""
        fd = locks.open_file(self._path)
        try:
            ends = self._clock.monotonic() + wait
            while not _locked(fd):
                if self._clock.monotonic() >= ends:
                    raise GateClosedError(f"another process works on it (holding {self._path})")
                self._clock.sleep(_POLL_SECONDS)
            yield
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the gate alone for the block; raise `StateDirError` or `OSError` if that is impossible."""
        with locks.held(self._path, self._clock, WAIT_SECONDS, never_stop) as taken:
            if not taken:
                raise GateClosedError(f"other processes work with it (holding {self._path})")
            yield


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
