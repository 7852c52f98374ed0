"""The loop: runs the reconciler at an interval, in the one process that holds the leader lock.

It only schedules; the run itself is `Reconciler.run_once`, the same that a trigger calls. A run may ask to be
followed early (`Run.wake_at`): when a silence ends for which somebody must then be paged. And the watch over
Alertmanager's silences may want one in between, which leaves the others where they are. Every worker starts
a scheduler, and those that do not lead ask for the lock each second, so that another takes over within moments
when the leader's process dies.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from alertsync.errors import RunBusyError, SharedLockError, StateDirError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from alertsync.clock import Clock
    from alertsync.heartbeat import Heartbeat
    from alertsync.models import Run
    from alertsync.watch import Watch

_STANDBY_SECONDS = 1.0
_POLL_SECONDS = 0.2
_EARLIEST_SECONDS = 2.0
"""No run that was asked for follows sooner: whatever asks again and again must not use up IRM's rate limit."""
_ASK_SECONDS = 2.0
_BREATH_SECONDS = 0.5
"""Pause between two runs, however late the next one is: a trigger that waits for the run lock must get it."""

LOOP, WATCH = "loop", "watch"
"""What asks for a run: the clock, or a change of the silences."""

log = logging.getLogger(__name__)


class Lock(Protocol):
    """What one process has at a time: the file lock of a host, or one that hosts share."""

    def acquire(self) -> bool:
        """Take it if it is free; raise `StateDirError` or `SharedLockError` if that cannot be found out."""

    def holds(self) -> bool:
        """Tell whether it is held still."""

    def release(self) -> None:
        """Give it back, or the place in its queue."""


class Scheduler:
    """Calls `run` at once and then every `interval` seconds, while `should_stop` is false and it leads.

    `stand_by` is called each second while it does not lead. `run` is told what asks for it, `LOOP` or `WATCH`. `wanted` gives the time at which the last run that ended, whoever
    asked for it, wants to be followed at the latest.
    """

    def __init__(  # noqa: PLR0913  what to run, when, and what tells of it
        self,
        run: Callable[[str], Run],
        lock: Lock,
        interval: float,
        clock: Clock,
        should_stop: Callable[[], bool],
        *,
        wanted: Callable[[], datetime | None],
        heartbeat: Heartbeat,
        watch: Watch | None,
        stand_by: Callable[[], None] = lambda: None,
    ) -> None:
        self._run = run
        self._lock = lock
        self._interval = interval
        self._clock = clock
        self._should_stop = should_stop
        self._wanted = wanted
        self._heartbeat = heartbeat
        self._watch = watch
        self._stood_by = stand_by

    def serve(self) -> None:
        """Contend for the lock and lead until told to stop."""
        try:
            self._contend()
        finally:
            self._lock.release()

    def _contend(self) -> None:
        told = ""
        while not self._should_stop():
            try:
                leads = self._lock.acquire()
                told = ""
            except (StateDirError, SharedLockError) as error:
                # It is tried again each second: only what is new is told.
                if told != (told := str(error)):
                    log.error("the leader lock cannot be taken: %s", told)  # noqa: TRY400  the reason says it all
                leads = False
            if not leads:
                self._stand_by()
                continue
            log.info("this worker leads the reconciliation loop", extra={"interval_seconds": self._interval})
            try:
                self._lead()
            finally:
                self._heartbeat.rest()
                self._lock.release()

    def _lead(self) -> None:
        due, trigger = self._clock.monotonic(), LOOP
        if self._watch is not None:
            # What changes during the first run shows by comparing with what stood before it.
            self._watch.wants_run()
        while self._goes_on():
            if trigger == LOOP:
                # A run that was wanted earlier stands for the one that was due.
                due = min(due, self._clock.monotonic()) + self._interval
            wanted = self._run_guarded(trigger, due)
            # A run that took longer than the interval is followed by the next at once, not by all it delayed.
            due = max(due, self._clock.monotonic() + _BREATH_SECONDS)
            due = min(due, self._clock.monotonic() + self._seconds_until(wanted))
            trigger = self._await(due, wanted)

    def _await(self, due: float, wanted: datetime | None) -> str:
        """Wait until a run is due, or the watch wants one; give the name of what asks for it.

        `wanted` is known already. A run of another worker or of the command line may want an earlier one meanwhile.
        """
        asked = rested = self._clock.monotonic() + _BREATH_SECONDS
        while self._goes_on() and (left := due - self._clock.monotonic()) > 0:
            self._heartbeat.beat(self._clock, next_run_in=left)
            if self._clock.monotonic() >= asked:
                asked += _ASK_SECONDS
                if (now := self._wanted()) != wanted:
                    wanted = now
                    due = min(due, self._clock.monotonic() + self._seconds_until(wanted))
            if self._watch is not None and self._clock.monotonic() >= rested and self._watch.wants_run():
                return WATCH
            self._clock.sleep(min(left, _POLL_SECONDS))
        return LOOP

    def _goes_on(self) -> bool:
        return not self._should_stop() and self._lock.holds()

    def _seconds_until(self, wanted: datetime | None) -> float:
        """Seconds until the time for which a run asked to be followed; without bound if for none."""
        if wanted is None:
            return float("inf")
        return max((wanted - self._clock.now()).total_seconds(), _EARLIEST_SECONDS)

    def _run_guarded(self, trigger: str, due: float) -> datetime | None:
        """Run, and give when the next run should be at the latest, if there is a reason for it."""
        if self._watch is not None:
            self._watch.run_begins()
        self._heartbeat.beat(self._clock, next_run_in=due - self._clock.monotonic())
        try:
            return self._run(trigger).wake_at
        except RunBusyError as error:
            log.info("the loop let another run go first", extra={"reason": str(error)})
        except (StateDirError, SharedLockError) as error:
            log.error("no run is possible: %s", error)  # noqa: TRY400  the reason says it all
        except Exception:
            # The loop must outlive whatever one run meets; the next one tries again.
            log.exception("a run ended with an unexpected error")
        return None

    def _stand_by(self) -> None:
        self._stood_by()
        ends = self._clock.monotonic() + _STANDBY_SECONDS
        while not self._should_stop() and (left := ends - self._clock.monotonic()) > 0:
            self._clock.sleep(min(left, _POLL_SECONDS))
