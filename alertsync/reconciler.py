"""The program: `run_once` is what the loop, `POST /reconcile`, its button and the command line all call.

Read as a sentence: fetch, plan, brake, act, record. One run at a time on this host, whoever asks for it; what
could not be read whole is not acted upon; and whatever goes wrong, the run ends with a record that says so.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from alertsync import metrics, report
from alertsync.clock import Deadline
from alertsync.errors import RunBusyError, StoppedError, UpstreamError
from alertsync.executor import Executor
from alertsync.locks import held
from alertsync.models import (
    Outcome,
    Run,
    RunStatus,
)
from alertsync.observer import Observer

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from alertsync.clients.alertmanager import AlertmanagerClient
    from alertsync.clients.irm import IrmClient
    from alertsync.clock import Clock
    from alertsync.models import (
        Action,
        Plan,
        Policy,
        Standing,
    )
    from alertsync.store.files import FileStore

log = logging.getLogger(__name__)

_ATTACHED_FOR_SECONDS = 3600
"""How long we believe that an alert group is attached; then it is tried again."""


def new_run_id(now: datetime) -> str:
    """Make an id that sorts by time and that no two runs share."""
    return f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


@dataclass(frozen=True)
class Limits:
    """Bounds of a run; times in seconds. `confirm_after` is the age at which a reading is read again."""

    run_timeout: float = 300.0
    confirm_after: float = 10.0
    max_deliveries: int = 500
    max_delivery_pages: int = 150
    notes: bool = True


@dataclass(frozen=True)
class AlertMetrics:
    """The labels and annotations that each series of `alertmanager_alert_state` carries."""

    labels: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reconciler:
    """Reconciles one Alertmanager with one IRM, under the run lock at `lock_path`."""

    irm: IrmClient
    alertmanager: AlertmanagerClient
    store: FileStore
    policy: Policy
    limits: Limits
    alert_metrics: AlertMetrics
    lock_path: Path
    clock: Clock
    should_stop: Callable[[], bool]

    def run_once(
        self,
        trigger: str,
        *,
        run_id: str | None = None,
        dry_run: bool = False,
        wait: float = 0.0,
        started: Callable[[], None] | None = None,
    ) -> Run:
        """Run now, and give the record of it; a run that failed is a record too.

        `trigger` says who asked ("loop", "http", "command line"), `wait` for how many seconds to wait for
        another run to end (`RunBusyError` after that), `started` is called once it has. A `dry_run` acts on
        nothing and leaves metrics and published decisions alone.
        """
        with held(self.lock_path, self.clock, wait, self.should_stop) as taken:
            if not taken:
                raise RunBusyError("another run is going on", retry_after=max(int(wait), 5))
            policy = msgspec.structs.replace(self.policy, dry_run=self.policy.dry_run or dry_run)
            begun = Run(
                run_id=run_id or new_run_id(self.clock.now()),
                trigger=trigger,
                dry_run=policy.dry_run,
                status=RunStatus.RUNNING,
                message="the run is going on",
                started_at=self.clock.now(),
            )
            self.store.save_run(begun)
            if started is not None:
                started()
            return _Attempt(self, policy, begun, published=not dry_run).finish()


class _Attempt:
    """One run, from its first request to its record."""

    def __init__(self, reconciler: Reconciler, policy: Policy, run: Run, *, published: bool) -> None:
        self._to = reconciler
        self._policy = policy
        self._run = run
        self._published = published
        self._clock = reconciler.clock
        self._deadline = Deadline(reconciler.clock, reconciler.limits.run_timeout, reconciler.should_stop)
        self._standing = reconciler.store.standing()
        self._began = reconciler.clock.monotonic()
        self._observer = Observer(
            reconciler.irm,
            reconciler.alertmanager,
            policy,
            reconciler.clock,
            self._deadline,
            max_deliveries=reconciler.limits.max_deliveries,
            max_delivery_pages=reconciler.limits.max_delivery_pages,
            confirm_after=reconciler.limits.confirm_after,
        )

    def finish(self) -> Run:
        """Run to the end, whatever it is, and record it."""
        try:
            planned = self._observer.look(frozenset(self._fresh_attached(self._standing)))
            executor = Executor(
                self._to.irm, self._clock, self._observer.confirm, notes=self._to.limits.notes
            )
            actions = executor.execute(planned.actions, self._run.run_id, self._deadline)
            run = self._ended(*report.outcome(planned, actions), planned, actions)
        except UpstreamError as error:
            run = self._ended(RunStatus.FAILED, f"nothing was done: {error}")
        except StoppedError as error:
            run = self._ended(RunStatus.INTERRUPTED, str(error))
        except Exception:
            log.exception("a run met an unexpected error", extra={"run_id": self._run.run_id})
            run = self._ended(
                RunStatus.FAILED, "an unexpected error ended the run: alertsync's log has the details"
            )
        self._record(run)
        return run

    def _fresh_attached(self, standing: Standing) -> dict[str, datetime]:
        now = self._clock.now()
        return {
            group_id: at
            for group_id, at in standing.attached.items()
            if (now - at).total_seconds() < _ATTACHED_FOR_SECONDS
        }

    def _ended(
        self,
        status: RunStatus,
        message: str,
        planned: Plan | None = None,
        actions: tuple[Action, ...] = (),
    ) -> Run:
        return msgspec.structs.replace(
            self._run,
            status=status,
            message=message,
            ended_at=self._clock.now(),
            duration_seconds=round(self._clock.monotonic() - self._began, 3),
            upstreams=self._observer.upstreams,
            **report.counts(planned, actions),
        )

    def _record(self, run: Run) -> None:
        self._to.store.save_run(report.abridged(run))
        report.log_run(run)
        if not self._published or run.status is RunStatus.INTERRUPTED:
            return
        standing = metrics.count(self._standing, run)
        attached = self._fresh_attached(standing) | {
            action.alert_group_id: self._clock.now()
            for action in run.actions
            if action.outcome is Outcome.ATTACHED
        }
        standing = msgspec.structs.replace(standing, attached=attached)
        self._to.store.publish(standing, metrics.render_standing(standing))
        seen = self._observer.alertmanager
        if seen is not None and run.status is not RunStatus.FAILED:
            shown = self._to.alert_metrics
            page = metrics.render_alerts(seen, shown.labels, shown.annotations)
            self._to.store.publish_decisions(run, page)
