"""The program: `run_once` is what the loop, `POST /reconcile`, its button and the command line all call.

Read as a sentence: fetch, plan, brake, act, record. One run at a time on this host, whoever asks for it; what
could not be read whole is not acted upon; and whatever goes wrong, the run ends with a record that says so.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec

from alertsync import metrics, report
from alertsync.clock import Deadline
from alertsync.errors import RunBusyError, StoppedError, UpstreamError
from alertsync.executor import Executor
from alertsync.locks import held
from alertsync.models import (
    DecisionKind,
    Outcome,
    Run,
    RunStatus,
    Snapshots,
    Upstream,
)
from alertsync.planner.plan import plan, wanting

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from alertsync.clients.alertmanager import AlertmanagerClient
    from alertsync.clients.irm import IrmClient
    from alertsync.clock import Clock
    from alertsync.models import (
        Action,
        AlertmanagerSnapshot,
        Decision,
        Deliveries,
        IrmSnapshot,
        Plan,
        Policy,
        Standing,
    )
    from alertsync.store.files import FileStore

log = logging.getLogger(__name__)

T = TypeVar("T")

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
        self._upstreams: dict[str, Upstream] = {}
        self._began = reconciler.clock.monotonic()
        self._snapshots: Snapshots | None = None

    def finish(self) -> Run:
        """Run to the end, whatever it is, and record it."""
        try:
            planned = self._look()
            executor = Executor(self._to.irm, self._clock, self._confirm, notes=self._to.limits.notes)
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

    def _look(self) -> Plan:
        """Read both systems and plan; read the deliveries that the plan wants, and plan again.

        Alertmanager is read after whatever was read of IRM, so that an alert that a delivery names and that
        Alertmanager does not hold has ended rather than not begun.
        """
        irm = self._read_irm()
        attached = self._known_attached()
        deliveries: dict[str, Deliveries] = {}
        while True:
            snapshots = Snapshots(irm, self._read_alertmanager(), deliveries, attached)
            planned = plan(snapshots, self._policy, self._clock.now())
            self._snapshots = snapshots
            unread = [one.alert_group.id for one in wanting(planned, self._policy)]
            if not unread:
                return planned
            at_most = self._to.limits.max_deliveries
            deliveries = deliveries | {
                group_id: self._to.irm.deliveries(group_id, self._deadline, at_most=at_most)
                for group_id in unread
            }

    def _confirm(self, decision: Decision) -> Decision:
        """Judge an alert group anew if what was read of it is older than `confirm_after`."""
        assert self._snapshots is not None  # noqa: S101  actions come from a plan, a plan from snapshots
        known, alert_group = self._snapshots, decision.alert_group
        oldest = min(known.irm.read_at, known.alertmanager.read_at)
        if (self._clock.now() - oldest).total_seconds() <= self._to.limits.confirm_after:
            return decision
        now = self._to.irm.alert_group(alert_group.id, self._deadline)
        if (now.alerts_count, now.state) != (alert_group.alerts_count, alert_group.state):
            why = "IRM has changed it since it was read"
            return msgspec.structs.replace(decision, kind=DecisionKind.UNKNOWN, reason=why)
        age = (self._clock.now() - known.alertmanager.read_at).total_seconds()
        if age > self._to.limits.confirm_after:
            known = msgspec.structs.replace(known, alertmanager=self._read_alertmanager())
            self._snapshots = known
        planned = plan(known, self._policy, self._clock.now())
        return next(one for one in planned.decisions if one.alert_group.id == alert_group.id)

    def _read_irm(self) -> IrmSnapshot:
        return self._seen("irm", lambda: self._to.irm.snapshot(self._deadline), lambda _: "")

    def _read_alertmanager(self) -> AlertmanagerSnapshot:
        return self._seen(
            "alertmanager",
            lambda: self._to.alertmanager.snapshot(self._deadline),
            lambda snapshot: snapshot.version,
        )

    def _seen(self, name: str, read: Callable[[], T], version: Callable[[T], str]) -> T:
        """Read an upstream, and note how it was seen."""
        began = self._clock.monotonic()
        try:
            value = read()
        except UpstreamError as error:
            self._upstreams[name] = Upstream(
                reachable=False,
                seen_at=self._clock.now(),
                seconds=round(self._clock.monotonic() - began, 3),
                error=str(error),
            )
            raise
        self._upstreams[name] = Upstream(
            reachable=True,
            seen_at=self._clock.now(),
            seconds=round(self._clock.monotonic() - began, 3),
            version=version(value),
        )
        return value

    def _known_attached(self) -> frozenset[str]:
        return frozenset(self._fresh_attached(self._standing))

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
            upstreams=self._upstreams,
            **report.counts(planned, actions),
        )

    def _record(self, run: Run) -> None:
        self._to.store.save_run(run)
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
        if self._snapshots is not None and run.status is not RunStatus.FAILED:
            labels = self._to.alert_metrics
            page = metrics.render_alerts(self._snapshots.alertmanager, labels.labels, labels.annotations)
            self._to.store.publish_decisions(run, page)
