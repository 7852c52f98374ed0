"""Runs that somebody asked for over HTTP.

The run has a thread of its own, so that an answer can be given before it ends. At most one trigger a worker
waits for the run lock; others are told at once that they come too late, so that the probes always find a thread. And
however many are asked for, they leave enough of IRM's rate limit to the runs of the loop, which send what is due.
"""

from __future__ import annotations

import logging
import math
import os
import threading
from typing import TYPE_CHECKING

import msgspec

from alertsync.errors import AlertsyncError, NotReadyError, RunBusyError
from alertsync.models import Run, RunStatus
from alertsync.reconciler import new_run_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from alertsync.reconciler import Reconciler
    from alertsync.services import Services

log = logging.getLogger(__name__)

_GAP_SECONDS = 60.0
"""Where half of IRM's limit is used up, the time from one run that was asked for to the next."""


class Trigger:
    """One run that was asked for: `run` once it has ended, or `error` if it could not be."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.run: Run | None = None
        self.error: Exception | None = None
        self.given_away = False
        self._ended = threading.Event()

    def end(self) -> None:
        """Wake who waits."""
        self._ended.set()

    def wait(self, seconds: float | None) -> Run | None:
        """Wait for the end, at most `seconds`; give the run, None if it goes on, or raise its error."""
        self.given_away = not self._ended.wait(seconds)
        if self.error is not None:
            raise self.error
        return self.run


class Triggers:
    """Starts runs for requests of this worker."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._waiting = threading.BoundedSemaphore(1)
        self._begun_at = float("-inf")

    def start(self, *, dry_run: bool, lift: frozenset[str] = frozenset(), trigger: str = "http") -> Trigger:
        """Start a run that lifts these brakes; raise `NotReadyError` or `RunBusyError` if there can be none now.

        `trigger` is "http", or "plan" where a plan is asked for, which can be found by that.
        """
        reconciler = self._services.reconciler
        if reconciler is None:
            missing = "; ".join(f"{name} {text}" for name, text in self._services.missing.items())
            raise NotReadyError(missing)
        self.leave_it_to_the_leader()
        self._leave_room(reconciler)
        wait = self._services.settings.reconcile_wait
        if not self._waiting.acquire(blocking=False):
            raise RunBusyError(
                "another trigger already waits for a run to end", retry_after=max(int(wait), 5)
            )
        try:
            return self._begin(reconciler, wait, trigger, dry_run=dry_run, lift=lift)
        except BaseException:
            self._waiting.release()
            raise

    def leave_it_to_the_leader(self) -> None:
        """Raise `RunBusyError` if what is owed is remembered by the leader's process alone, and that is another."""
        leader = self._services.heartbeat.leader
        if self._services.state_is_lent and leader not in (None, os.getpid()):
            raise RunBusyError(
                "STATE_DIR cannot be used, so only the worker that leads the loop may run, and another one answers you",
                retry_after=1,
            )

    def _leave_room(self, reconciler: Reconciler) -> None:
        """Raise `RunBusyError` if runs that were asked for would use up what IRM allows, and the loop's would wait.

        A person's run is never refused for this, as it is the first in a while.
        """
        left = self._begun_at + _GAP_SECONDS - self._services.clock.monotonic()
        if left > 0 and not reconciler.irm.has_room():
            raise RunBusyError(
                "a run was asked for less than a minute ago, and half of the requests that IRM allows are used up: the "
                "rest is kept for the loop, and for those who ask later",
                retry_after=math.ceil(left),
            )

    def _begin(
        self, reconciler: Reconciler, wait: float, asked: str, *, dry_run: bool, lift: frozenset[str]
    ) -> Trigger:
        self._begun_at = self._services.clock.monotonic()
        now = self._services.clock.now()
        trigger = Trigger(new_run_id(now))
        waiting = Run(
            run_id=trigger.run_id,
            trigger=asked,
            dry_run=dry_run,
            status=RunStatus.RUNNING,
            message="the run waits for its turn",
            started_at=now,
            lifted=lift,
        )
        self._services.store.save_run(waiting)
        threading.Thread(
            target=self._run, args=(reconciler, trigger, waiting, wait), name=f"run-{trigger.run_id}"
        ).start()
        return trigger

    def _run(self, reconciler: Reconciler, trigger: Trigger, waiting: Run, wait: float) -> None:
        release = _Once(self._waiting.release)
        try:
            trigger.run = reconciler.run_once(
                waiting.trigger,
                run_id=trigger.run_id,
                dry_run=waiting.dry_run,
                wait=wait,
                started=release,
                lift=waiting.lifted,
            )
        except Exception as error:  # noqa: BLE001  it is raised again where the request waits
            trigger.error = error
            self._leave_word(trigger, error)
        finally:
            release()
            trigger.end()

    def _leave_word(self, trigger: Trigger, error: Exception) -> None:
        """Record a run that never began, if its address has been given away."""
        if not isinstance(error, AlertsyncError):
            log.error("a triggered run met an unexpected error", exc_info=error)
        if not trigger.given_away:
            self._services.store.forget_run(trigger.run_id)
            return
        waiting = self._services.store.run(trigger.run_id)
        if waiting is not None:
            message = f"the run never began: {error}"
            ended = msgspec.structs.replace(
                waiting, status=RunStatus.FAILED, message=message, ended_at=self._services.clock.now()
            )
            self._services.store.save_run(ended)


class _Once:
    """Calls `release` the first time only."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release = release
        self._done = False

    def __call__(self) -> None:
        if not self._done:
            self._done = True
            self._release()
