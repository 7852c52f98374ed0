"""The loop: runs the reconciler at an interval, in the one process that holds the leader lock.

It only schedules; the run itself is `Reconciler.run_once`, the same that a trigger calls. A run may ask to be
followed early (`Run.wake_at`): when a silence ends for which somebody must then be paged. Every worker starts
a scheduler, and those that do not lead ask for the lock each second, so that another takes over within moments
when the leader's process dies.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from alertsync.errors import RunBusyError, StateDirError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from alertsync.clock import Clock
    from alertsync.locks import FileLock
    from alertsync.models import Run

_STANDBY_SECONDS = 1.0
_POLL_SECONDS = 0.2
_EARLIEST_SECONDS = 2.0
"""No run that was asked for follows sooner: whatever asks again and again must not use up IRM's rate limit."""
_BREATH_SECONDS = 0.5
"""Pause between two runs, however late the next one is: a trigger that waits for the run lock must get it."""

log = logging.getLogger(__name__)


class Scheduler:
    """Calls `run` at once and then every `interval` seconds, while `should_stop` is false and it leads."""

    def __init__(
        self,
        run: Callable[[], Run],
        lock: FileLock,
        interval: float,
        clock: Clock,
        should_stop: Callable[[], bool],
    ) -> None:
        self._run = run
        self._lock = lock
        self._interval = interval
        self._clock = clock
        self._should_stop = should_stop

    def serve(self) -> None:
        """Contend for the lock and lead until told to stop."""
        while not self._should_stop():
            try:
                leads = self._lock.acquire()
            except StateDirError:
                log.exception("the leader lock cannot be taken")
                leads = False
            if not leads:
                self._pause(_STANDBY_SECONDS)
                continue
            log.info("this worker leads the reconciliation loop", extra={"interval_seconds": self._interval})
            try:
                self._lead()
            finally:
                self._lock.release()

    def _lead(self) -> None:
        due = self._clock.monotonic()
        while not self._should_stop():
            wanted = self._run_guarded()
            # A run that took longer than the interval is followed by the next at once, not by all it delayed.
            due = max(due + self._interval, self._clock.monotonic() + _BREATH_SECONDS)
            due = min(due, self._clock.monotonic() + self._seconds_until(wanted))
            self._pause(due - self._clock.monotonic())

    def _seconds_until(self, wanted: datetime | None) -> float:
        """Seconds until the time for which a run asked to be followed; without bound if for none."""
        if wanted is None:
            return float("inf")
        return max((wanted - self._clock.now()).total_seconds(), _EARLIEST_SECONDS)

    def _run_guarded(self) -> datetime | None:
        """Run, and give when the next run should be at the latest, if there is a reason for it."""
        try:
            return self._run().wake_at
        except RunBusyError as error:
            log.info("the loop let another run go first", extra={"reason": str(error)})
        except Exception:
            # The loop must outlive whatever one run meets; the next one tries again.
            log.exception("a run ended with an unexpected error")
        return None

    def _pause(self, seconds: float) -> None:
        ends = self._clock.monotonic() + seconds
        while not self._should_stop() and (left := ends - self._clock.monotonic()) > 0:
            self._clock.sleep(min(left, _POLL_SECONDS))
