"""One run, from its first request to its record: fetch, plan, brake, act, record.

It knows nothing of locks or of who may ask for a run: `reconciler.py` sees to that. Whatever goes wrong, the run ends
with a record that says so.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from alertsync import irm_heartbeat, metrics, report
from alertsync.adoption import Adoption
from alertsync.clock import UNSHARED, Deadline
from alertsync.errors import LockLostError, StoppedError, StoreDegradedError, UpstreamError
from alertsync.executor import execute
from alertsync.executor.turns import Hands
from alertsync.models import LedgerChange, Outcome, Run, RunStatus
from alertsync.observer import Observer
from alertsync.planner.plan import retry_at
from alertsync.progress import UNWATCHED, Phase
from alertsync.store import WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from alertsync.clients.irm import IrmClient
    from alertsync.clients.peers import Peers
    from alertsync.clients.tally import Tally
    from alertsync.clock import Clock, Hold
    from alertsync.models import Action, Debt, IrmHeartbeat, Ledger, Plan, Policy
    from alertsync.progress import Reporter
    from alertsync.store import Store

log = logging.getLogger(__name__)

_ATTACHED_FOR = timedelta(hours=1)
"""How long we believe that an alert group is attached; then it is tried again."""
_LOOK_FOR_CHILDREN = timedelta(seconds=10)
"""How soon after a resolve the next run looks for what IRM resolved with it."""
_LOOK_LATER = timedelta(seconds=60)
_ASKED_FOR = frozenset({"http", "command line"})


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


@dataclass(frozen=True, kw_only=True)
class Means:
    """What a run works with.

    Between the runs of this process, `notes_read` names the alert groups whose notes adoption has read, and
    `read_in_vain` those whose deliveries (so many) keep them from being acted upon. `heartbeat_integration_id` names the
    integration whose heartbeat is sent, None if none is.
    """

    irm: IrmClient
    alertmanager: Peers
    store: Store
    policy: Policy
    limits: Limits
    alert_metrics: AlertMetrics
    clock: Clock
    should_stop: Callable[[], bool]
    started_at: datetime
    tally: Tally
    heartbeat_integration_id: str | None = None
    notes_read: set[str] = field(default_factory=set)
    read_in_vain: dict[str, int] = field(default_factory=dict)

    def observer(self, policy: Policy, deadline: Deadline, progress: Reporter = UNWATCHED) -> Observer:
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
            progress=progress,
        )


class Attempt:
    """One run, from its first request to its record."""

    def __init__(  # noqa: PLR0913  what to run, with what, and who is told
        self,
        means: Means,
        policy: Policy,
        run: Run,
        *,
        published: bool,
        progress: Reporter = UNWATCHED,
        hold: Hold = UNSHARED,
    ) -> None:
        self._to = means
        self._store = means.store
        self._policy = policy
        self._run = run
        self._published = published
        self._clock = means.clock
        self._deadline = Deadline(means.clock, means.limits.run_timeout, means.should_stop, hold)
        self._began = means.clock.monotonic()
        self._progress = progress
        self._observer = means.observer(policy, self._deadline, progress)
        self._follow_at: datetime | None = None
        self._unsure = ""
        self._ledger_after: Ledger | None = None

    def finish(self) -> Run:
        """Run to the end, whatever it is, and record it."""
        planned: Plan | None = None
        actions: tuple[Action, ...] = ()
        try:
            planned = self._look()
            actions = self._act(planned)
            self._deadline.hold.prove()
            self._ledger_after = self._store.ledger()
            told = report.outcome(planned, actions, self._policy, self._ledger_after)
            run = self._ended(*self._and_what_is_unsure(*told), planned, actions)
        except UpstreamError as error:
            done = "the run ended early" if actions else "nothing was done"
            run = self._ended(RunStatus.FAILED, f"{done}: {error}", planned, actions)
        except LockLostError as error:
            # What was done was done, and another host may have counted since.
            run = self._ended(RunStatus.INTERRUPTED, str(error), planned, actions)
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
        events = self._store.waiting_events()
        planned = self._observer.look(ledger, events)
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
            planned = self._observer.look(self._ledger(), events)
        if adoption.in_doubt:
            planned = _unsettled(planned, adoption.in_doubt)
        self._commit(planned.change)
        self._store.handle(planned.handled)
        self._observer.remember(self._ledger())
        return planned

    def _act(self, planned: Plan) -> tuple[Action, ...]:
        if self._policy.dry_run:
            return ()
        self._progress.enter(Phase.ACTING)
        hands = Hands(
            self._to.irm,
            self._to.alertmanager,
            self._store,
            self._observer,
            self._clock,
            self._deadline,
            self._policy,
            self._run.run_id,
            credentials_refused=self._store.ledger().credentials is not None,
            progress=self._progress,
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
        counted = report.counts(planned, actions, self._policy)
        if planned is None and status is RunStatus.FAILED:
            self._follow_at = retry_at(self._store.ledger(), self._clock.now())
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

    def _record(self, run: Run) -> None:
        """Write down the run, publish how things stand after it, unless it was to leave them alone, and say so."""
        self._progress.enter(Phase.RECORDING)
        ledger = self._ledger_after or self._store.ledger()
        if self._published and run.status is not RunStatus.INTERRUPTED:
            self._publish(run, ledger)
        else:
            self._store.save_run(report.abridged(run))
            self._store.count(self._to.tally.take())
        # Last, so that whoever reads of it in the log finds it on every page.
        report.log_run(run, self._policy, ledger)

    def _publish(self, run: Run, ledger: Ledger) -> None:
        standing = metrics.count(self._store.standing(patience=WAIT_SECONDS), run, ledger)
        standing = msgspec.structs.replace(standing, heartbeat=self._beat(run, standing.heartbeat))
        standing = self._store.end_run(report.abridged(run), standing, self._to.tally.take())
        self._store.publish(
            metrics.render_standing(standing) + metrics.render_requests(self._store.requests())
        )
        seen = self._observer.snapshots
        if seen is not None and run.status is not RunStatus.FAILED:
            shown = self._to.alert_metrics
            page = metrics.render_alerts(seen.alertmanagers[0], shown.labels, shown.annotations)
            self._store.publish_decisions(run, page)

    def _beat(self, run: Run, known: IrmHeartbeat) -> IrmHeartbeat:
        """Tell IRM that we work, if we do, before it is written down that it was told."""
        to = self._to
        return irm_heartbeat.beat(
            to.irm,
            to.heartbeat_integration_id,
            run.status,
            known,
            clock=to.clock,
            should_stop=to.should_stop,
        )


def _unsettled(planned: Plan, in_doubt: frozenset[str]) -> Plan:
    """Leave it in doubt that these alert groups were resolved, whatever else becomes of their debts."""

    def doubted(debts: tuple[Debt, ...]) -> tuple[Debt, ...]:
        return tuple(
            msgspec.structs.replace(debt, resolved_at=None) if debt.alert_group_id in in_doubt else debt
            for debt in debts
        )

    change = msgspec.structs.replace(planned.change, debts=doubted(planned.change.debts))
    return msgspec.structs.replace(planned, debts=doubted(planned.debts), change=change)
