"""The pulse of the loop: who leads, when the loop last moved, and when its next run is due.

It is what tells a loop that is stuck from one that has nothing to do, so it must be told apart from everything that
can be stuck, full or set back: a disk, a lock, the wall clock. It lives in memory that gunicorn's master shares with
the workers it forks, costs nothing to read, and counts in monotonic time, which all processes of a host have in
common and nobody can set.
"""

from __future__ import annotations

import mmap
import os
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from alertsync.clock import Clock

_LEADER, _BEAT, _NEXT_RUN = range(3)
_NANOSECONDS = 1_000_000_000


class Heartbeat:
    """Three numbers that every process forked from the one that made this shares; each is written in one piece.

    Whoever leads writes, all read. A leader that is killed leaves its number behind until another one leads, so
    what is read counts only while that process lives.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)
        self._numbers = memoryview(self._memory).cast("q")

    # The leader's side

    def beat(self, clock: Clock, *, next_run_in: float | None = None) -> None:
        """Tell that this process leads and moves, and in how many seconds the next run is due, if that is news."""
        now = clock.monotonic()
        if next_run_in is not None:
            self._numbers[_NEXT_RUN] = int((now + next_run_in) * _NANOSECONDS)
        self._numbers[_BEAT] = int(now * _NANOSECONDS)
        self._numbers[_LEADER] = os.getpid()

    def rest(self) -> None:
        """Tell that this process leads no more."""
        if self._numbers[_LEADER] == os.getpid():
            self._numbers[_LEADER] = 0

    # Everybody's side

    @property
    def leader(self) -> int | None:
        """The process that leads; None if none does."""
        pid = self._numbers[_LEADER]
        return pid if pid and _lives(pid) else None

    def age(self, clock: Clock) -> float | None:
        """Seconds since the leader's loop last moved; None while nobody leads."""
        if self.leader is None:
            return None
        return max(clock.monotonic() - self._numbers[_BEAT] / _NANOSECONDS, 0.0)

    def next_run_at(self, clock: Clock) -> datetime | None:
        """Give the time when the next run is due, by the wall clock as it is now; None while nobody leads."""
        if self.leader is None:
            return None
        return clock.now() + timedelta(seconds=self._numbers[_NEXT_RUN] / _NANOSECONDS - clock.monotonic())


SHARED = Heartbeat()
"""That of this gunicorn: its master imports this module before it forks a worker."""


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
