"""Time as a parameter, so that no test has to wait for it and no rule can reach for it in secret.

A `Clock` is what the edges read; the planner is only ever handed a `now`. A `Deadline` travels with a run
through every client call: it bounds the run, and it ends waiting early when the process is asked to stop.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from alertsync.errors import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SLICE = 0.2
"""Seconds a wait may go on after the process was asked to stop."""


class _WallClock:
    """The wall clock, which can be made to tick evenly for a while."""

    def __init__(self) -> None:
        self._since: tuple[datetime, float] | None = None

    def __call__(self) -> datetime:
        since = self._since
        if since is None:
            return datetime.now(tz=UTC)
        return since[0] + timedelta(seconds=time.monotonic() - since[1])

    @contextmanager
    def steady(self) -> Iterator[None]:
        self._since = datetime.now(tz=UTC), time.monotonic()
        try:
            yield
        finally:
            self._since = None


@dataclass(frozen=True)
class Clock:
    """The wall clock (aware, UTC), the monotonic clock (seconds) and the way to wait."""

    now: Callable[[], datetime] = field(default_factory=_WallClock)
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    @contextmanager
    def steady(self) -> Iterator[None]:
        """Let the wall clock tick evenly for the block, whoever sets it meanwhile.

        Servers' times are carried on by what has passed on ours: a jump in the middle of a run would let silences
        end, absences last and debts lapse that do not.
        """
        with self.now.steady() if isinstance(self.now, _WallClock) else nullcontext():
            yield


def never_stop() -> bool:
    """Tell that nobody asked us to stop; for command lines and tests."""
    return False


class Hold:
    """What a run must hold for as long as it does anything; this one is never lost, as no other host is there."""

    def check(self) -> None:
        """Raise `LockLostError` if its loss is known; costs nothing, and may be asked at any time."""

    def prove(self) -> None:
        """Ask whoever keeps it; raise `LockLostError` unless it is held. For right before something is done."""


UNSHARED = Hold()


class Deadline:
    """The end of a run's time, in seconds from now, the wish of the process to stop, and what the run must hold."""

    def __init__(
        self,
        clock: Clock,
        seconds: float,
        should_stop: Callable[[], bool] = never_stop,
        hold: Hold = UNSHARED,
    ) -> None:
        self._clock = clock
        self._ends = clock.monotonic() + seconds
        self.should_stop = should_stop
        self.hold = hold

    def remaining(self) -> float:
        """Seconds left; negative once it has passed."""
        return self._ends - self._clock.monotonic()

    def check(self) -> None:
        """Raise `StoppedError` if the process was asked to stop, or may not go on."""
        self.hold.check()
        if self.should_stop():
            raise StoppedError("alertsync is stopping, so this run ended before it was done")

    def part(self, at_most: float) -> Deadline:
        """Give a deadline for a part of the work: a quarter of what is left, and no more than `at_most` seconds."""
        return Deadline(self._clock, min(at_most, self.remaining() / 4), self.should_stop, self.hold)

    def without_stop(self, at_most: float) -> Deadline:
        """Give a deadline for what must not be left half done: no later than this one, deaf to a stop."""
        return Deadline(self._clock, min(at_most, self.remaining()), hold=self.hold)

    def sleep(self, seconds: float) -> None:
        """Wait `seconds`; raise `StoppedError` within moments if the process is asked to stop."""
        end = self._clock.monotonic() + seconds
        while (left := end - self._clock.monotonic()) > 0:
            self.check()
            self._clock.sleep(min(left, _SLICE))
