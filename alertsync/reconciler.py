"""The program: `run_once` is what the loop, `POST /reconcile`, its button and the command line all call.

Read as a sentence: fetch, plan, brake, act, record. One run at a time on this host, whoever asks for it; what
could not be read whole is not acted upon; and whatever goes wrong, the run ends with a record that says so.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from alertsync import metrics, report
from alertsync.adoption import Adoption
from alertsync.clock import Deadline
from alertsync.errors import (
    RunBusyError,
    StoppedError,
    StoreDegradedError,
    UnknownAlertGroupError,
    UpstreamError,
)
from alertsync.executor import execute
from alertsync.executor.turns import Hands
from alertsync.locks import all_held
from alertsync.models import LeaseState, LedgerChange, Outcome, Owing, Run, RunStatus
from alertsync.observer import Observer
from alertsync.store import WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from alertsync.clients.irm import IrmClient
    from alertsync.clients.peers import Peers
    from alertsync.clients.tally import Tally
    from alertsync.clock import Clock
    from alertsync.models import Action, Explanation, Ledger, Plan, Policy
    from alertsync.store import Store

log = logging.getLogger(__name__)

_ATTACHED_FOR = timedelta(hours=1)
"""How long we believe that an alert group is attached; then it is tried again."""
_LOOK_FOR_CHILDREN = timedelta(seconds=10)
"""How soon after a resolve the next run looks for what IRM resolved with it."""
_LOOK_LATER = timedelta(seconds=60)
_RETRY_AFTER = timedelta(seconds=30)
"""How soon a run that could not look is followed, where somebody may have to be paged."""
_ASKED_FOR = frozenset({"http", "command line"})
_EXPLAIN_SECONDS = 60.0


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
    adopt_within: float = 86400.0


@dataclass(frozen=True)
class AlertMetrics:
    """The labels and annotations that each series of `alertmanager_alert_state` carries."""

    labels: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reconciler:
    """Reconciles one Alertmanager with one IRM, under the run lock at `lock_path`.

    `other_lock_path` is where the command line locks, if that is elsewhere. Between the runs of this
    process, `notes_read` names the alert groups whose notes adoption has read, and `read_in_vain` those whose deliveries
    (so many) keep them from being acted upon.
    """

    irm: IrmClient
    alertmanager: Peers
    store: Store
    policy: Policy
    limits: Limits
    alert_metrics: AlertMetrics
    lock_path: Path
    clock: Clock
    should_stop: Callable[[], bool]
    started_at: datetime
    tally: Tally
    other_lock_path: Path | None = None
    notes_read: set[str] = field(default_factory=set)
    read_in_vain: dict[str, int] = field(default_factory=dict)

    def run_once(  # noqa: PLR0913  each is one fact of who asked for the run, and how
        self,
        trigger: str,
        *,
        run_id: str | None = None,
        dry_run: bool = False,
        wait: float = 0.0,
        started: Callable[[], None] | None = None,
        lift: frozenset[str] = frozenset(),
    ) -> Run:
        """Run now, and give the record of it; a run that failed is a record too.

        `trigger` says who asked ("loop", "http", "command line"), `wait` for how many seconds to wait for
        another run to end (`RunBusyError` after that), `started` is called once it has. A `dry_run` acts on
        nothing and leaves ledger, metrics and published decisions alone. `lift` names brakes to lift for this run.
        """
        with all_held(self.lock_path, self.other_lock_path, self.clock, wait, self.should_stop) as taken:
            if not taken:
                raise RunBusyError("another run is going on", retry_after=max(int(wait), 5))
            policy = msgspec.structs.replace(self.policy, dry_run=self.policy.dry_run or dry_run, lifted=lift)
            begun = Run(
                run_id=run_id or new_run_id(self.clock.now()),
                trigger=trigger,
                dry_run=policy.dry_run,
                status=RunStatus.RUNNING,
                message="the run is going on",
                started_at=self.clock.now(),
                lifted=lift,
            )
            self.store.save_run(begun)
            if started is not None:
                started()
            return _Attempt(self, policy, begun, published=not dry_run).finish()

    def explain(self, alert_group_id: str) -> Explanation:
        """Tell why an alert group is decided as it is, by reading it, its deliveries and Alertmanager now.

        Raise `UnknownAlertGroupError` if IRM has no such alert group, `UpstreamError` if it cannot be read.
        """
        deadline = Deadline(self.clock, _EXPLAIN_SECONDS, self.should_stop)
        explained = self.observer(self.policy, deadline).explain(alert_group_id, self.store.ledger())
        if explained is None:
            raise UnknownAlertGroupError(f"IRM has no alert group {alert_group_id}")
        past = self.store.actions(limit=100, alert_group_id=alert_group_id)
        return msgspec.structs.replace(explained, actions=past.items)

    def observer(self, policy: Policy, deadline: Deadline) -> Observer:
        """Make the eyes of one run."""
        return Observer(
            self.irm,
            self.alertmanager,
            policy,
            self.clock,
            deadline,
            max_deliveries=self.limits.max_deliveries,
            max_delivery_pages=self.limits.max_delivery_pages,
            confirm_after=self.limits.confirm_after,
            in_vain=self.read_in_vain,
        )


class _Attempt:
    """One run, from its first request to its record."""

    def __init__(self, reconciler: Reconciler, policy: Policy, run: Run, *, published: bool) -> None:
        self._to = reconciler
        self._store = reconciler.store
        self._policy = policy
        self._run = run
        self._published = published
        self._clock = reconciler.clock
        self._deadline = Deadline(reconciler.clock, reconciler.limits.run_timeout, reconciler.should_stop)
        self._began = reconciler.clock.monotonic()
        self._observer = reconciler.observer(policy, self._deadline)
        self._follow_at: datetime | None = None
        self._unsure = ""

    def finish(self) -> Run:
        """Run to the end, whatever it is, and record it."""
        planned: Plan | None = None
        actions: tuple[Action, ...] = ()
        try:
            planned = self._look()
            actions = self._act(planned)
            told = report.outcome(planned, actions, self._policy, self._store.ledger())
            run = self._ended(*self._and_what_is_unsure(*told), planned, actions)
        except UpstreamError as error:
            done = "the run ended early" if actions else "nothing was done"
            run = self._ended(RunStatus.FAILED, f"{done}: {error}", planned, actions)
        except StoppedError as error:
            run = self._ended(RunStatus.INTERRUPTED, str(error))
        except Exception:
            log.exception("a run met an unexpected error", extra={"run_id": self._run.run_id})
            run = self._ended(
                RunStatus.FAILED, "an unexpected error ended the run: alertsync's log has the details"
            )
        self._record(run)
        return run

    def _and_what_is_unsure(self, status: RunStatus, message: str) -> tuple[RunStatus, str]:
        return (RunStatus.PARTIAL, f"{message}. {self._unsure}") if self._unsure else (status, message)

    def _look(self) -> Plan:
        """Read and plan; with a ledger that has never known anything, look first for what may be ours to adopt."""
        ledger = self._ledger()
        planned = self._observer.look(ledger)
        if not self._published:
            return planned
        adoption = Adoption(
            self._observer,
            self._policy,
            self._commit,
            self._clock,
            self._run.run_id,
            self._to.notes_read,
        )
        owes_more = adoption.look(ledger, planned, within=timedelta(seconds=self._to.limits.adopt_within))
        self._unsure = adoption.unsure
        if adoption.goes_on:
            # Not at the cost of what the next runs need of IRM's rate limit.
            soon = _LOOK_FOR_CHILDREN if self._to.irm.has_room() else _LOOK_LATER
            self._follow_at = self._clock.now() + soon
        if owes_more:
            # With the ledger as it was before, so that no run counts for two.
            planned = self._observer.look(self._ledger())
        self._commit(planned.change)
        self._observer.remember(self._ledger())
        return planned

    def _act(self, planned: Plan) -> tuple[Action, ...]:
        if self._policy.dry_run:
            return ()
        hands = Hands(
            self._to.irm,
            self._store,
            self._observer,
            self._clock,
            self._deadline,
            self._policy,
            self._run.run_id,
            credentials_refused=self._store.ledger().credentials is not None,
        )
        actions = execute(planned, hands)
        hands.settle_refusals()
        now = self._clock.now()
        if any(one.outcome is Outcome.RESOLVED for one in actions):
            self._follow_at = now + _LOOK_FOR_CHILDREN
        if hands.attached:
            known = self._ledger().attached
            self._commit(LedgerChange(attached=known | dict.fromkeys(hands.attached, now)))
        return actions

    def _ledger(self) -> Ledger:
        """Give the ledger, without what was attached long ago, or refused to another process.

        Who mends credentials starts anew, or asks for a run: that run tries them at once.
        """
        ledger, now = self._store.ledger(), self._clock.now()
        refused = ledger.credentials
        if refused is not None and (
            self._run.trigger in _ASKED_FOR or refused.refused_at < self._to.started_at
        ):
            ledger = msgspec.structs.replace(ledger, credentials=None)
        attached = {name: at for name, at in ledger.attached.items() if now - at < _ATTACHED_FOR}
        return msgspec.structs.replace(ledger, attached=attached)

    def _commit(self, change: LedgerChange) -> None:
        """Write down what is known; a store that cannot is told by `Ledger.degraded`, and keeps it in memory."""
        try:
            self._store.commit(change)
        except StoreDegradedError as error:
            log.error("the ledger cannot be written", extra={"reason": str(error)})  # noqa: TRY400  the reason says it all

    def _ended(
        self,
        status: RunStatus,
        message: str,
        planned: Plan | None = None,
        actions: tuple[Action, ...] = (),
    ) -> Run:
        counted = report.counts(planned, actions)
        if planned is None and status is RunStatus.FAILED:
            self._follow_at = self._retry_at()
        if self._follow_at is not None:
            counted["wake_at"] = min(counted.get("wake_at") or self._follow_at, self._follow_at)
        return msgspec.structs.replace(
            self._run,
            status=status,
            message=message,
            ended_at=self._clock.now(),
            duration_seconds=round(self._clock.monotonic() - self._began, 3),
            upstreams=self._observer.upstreams,
            **counted,
        )

    def _retry_at(self) -> datetime | None:
        """Give when a run that could not look should be followed: what is owed does not wait for the interval."""
        ledger, now = self._store.ledger(), self._clock.now()
        times = [
            lease.until for lease in ledger.leases if lease.state in (LeaseState.INTENDED, LeaseState.HELD)
        ]
        for debt in ledger.debts:
            if debt.is_open and debt.silenced_until is not None:
                times.append(debt.silenced_until)
            if debt.is_open and any(one.state in (Owing.DUE, Owing.POSTED) for one in debt.alerts):
                times.append(now)
        return max(min(times), now + _RETRY_AFTER) if times else None

    def _record(self, run: Run) -> None:
        """Write down the run, and publish how things stand after it, unless it was to leave them alone."""
        ledger, asked = self._store.ledger(), self._to.tally.take()
        report.log_run(run, self._policy, ledger)
        if not self._published or run.status is RunStatus.INTERRUPTED:
            self._store.save_run(report.abridged(run))
            self._store.count(asked)
            return
        standing = metrics.count(self._store.standing(patience=WAIT_SECONDS), run, ledger)
        standing = self._store.end_run(report.abridged(run), standing, asked)
        self._store.publish(
            metrics.render_standing(standing) + metrics.render_requests(self._store.requests())
        )
        seen = self._observer.snapshots
        if seen is not None and run.status is not RunStatus.FAILED:
            shown = self._to.alert_metrics
            page = metrics.render_alerts(seen.alertmanagers[0], shown.labels, shown.annotations)
            self._store.publish_decisions(run, page)
