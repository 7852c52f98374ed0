"""The program: `run_once` is what the loop, `POST /reconcile`, its button and the command line all call.

Read as a sentence: fetch, plan, brake, act, record (`attempt.py`). One run at a time, whoever asks for it and wherever;
what could not be read whole is not acted upon; and whatever goes wrong, the run ends with a record that says so.
"""

from __future__ import annotations

import contextlib
import gc
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from alertsync.allocator import giving_back
from alertsync.attempt import Attempt, Means
from alertsync.clock import Deadline
from alertsync.errors import RunBusyError, SharedLockError, StateDirError, UnknownAlertGroupError
from alertsync.executor.by_hand import TRIGGER, ByHand
from alertsync.locks import all_held
from alertsync.models import Run, RunStatus
from alertsync.store import WantedActions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime, timedelta
    from pathlib import Path

    from alertsync.clock import Hold
    from alertsync.models import Explanation, HandResult
    from alertsync.progress import Board

_EXPLAIN_SECONDS = 60.0
_MOST_EVENTS = 100


def new_run_id(now: datetime) -> str:
    """Make an id that sorts by time and that no two runs share."""
    return f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


@contextlib.contextmanager
def _no_search_for_circles() -> Iterator[None]:
    """Keep Python's collector quiet for the time of a run, which is bounded.

    Everything that a run reads is alive until it ends, so that looking through it again and again finds nothing: with
    tens of thousands of alerts that took a third of the time, in which no other thread could answer a probe.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@dataclass(frozen=True, kw_only=True)
class Reconciler(Means):
    """Reconciles one Alertmanager with one IRM, under the run lock at `lock_path`.

    `other_lock_path` is where the command line locks, if that is elsewhere. `board` is where a run tells how far it is.
    """

    lock_path: Path
    board: Board
    other_lock_path: Path | None = None

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

        `trigger` says who asked ("loop", "watch", "http", "plan", "command line"), `wait` for how many seconds to wait for
        another run to end (`RunBusyError` after that), `started` is called once it has. A `dry_run` acts on
        nothing and leaves ledger, metrics and published decisions alone. `lift` names brakes to lift for this run.
        """
        with self._alone(wait) as hold:
            if hold is None:
                raise RunBusyError("another run is going on", retry_after=max(int(wait), 5))
            with self.clock.steady(), giving_back(), _no_search_for_circles():
                policy = msgspec.structs.replace(
                    self.policy, dry_run=self.policy.dry_run or dry_run, lifted=lift
                )
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
                told = self.board.reporting(begun.run_id, trigger, begun.started_at, dry_run=begun.dry_run)
                with told as progress:
                    # It has no name, so that all that it read is free once it has given its record.
                    return Attempt(
                        self, policy, begun, published=not dry_run, progress=progress, hold=hold
                    ).finish()

    @contextlib.contextmanager
    def _alone(self, wait: float) -> Iterator[Hold | None]:
        """Keep every other run out for the block, on this host and those that share its database; None if one goes on.

        Raise `StateDirError` or `SharedLockError` if nothing would keep them out.
        """
        ends = self.clock.monotonic() + wait
        with all_held(self.lock_path, self.other_lock_path, self.clock, wait, self.should_stop) as taken:
            if not taken:
                yield None
                return
            left = max(ends - self.clock.monotonic(), 0.0)
            with self.store.reserved(left, self.should_stop) as hold:
                yield hold

    def hand_in(self) -> None:
        """Write down what this host could not while it held the run lock, if no run goes on anywhere."""
        if self.store.keeps_back:
            with contextlib.suppress(SharedLockError, StateDirError), self._alone(0.0):
                pass

    def silence(
        self,
        alert_group_id: str,
        duration: timedelta,
        comment: str,
        author: str,
        *,
        wait: float = 0.0,
    ) -> HandResult:
        """Silence, in Alertmanager, exactly the alerts of an alert group; `wait` as in `run_once`, in seconds.

        Raise `RunBusyError` while a run goes on, `UpstreamError` if one of both cannot be read.
        """
        return self._by_hand(lambda hand: hand.silence(alert_group_id, duration, comment, author), wait)

    def end_silence(self, silence_id: str, author: str, *, wait: float = 0.0) -> HandResult:
        """End a silence of ours in Alertmanager, by its id there or by ours; raise as `silence` does."""
        return self._by_hand(lambda hand: hand.end(silence_id, author), wait)

    def _by_hand(self, work: Callable[[ByHand], HandResult], wait: float) -> HandResult:
        with self._alone(wait) as hold:
            if hold is None:
                raise RunBusyError("a run is going on", retry_after=max(int(wait), 5))
            with self.clock.steady():
                deadline = Deadline(self.clock, _EXPLAIN_SECONDS, self.should_stop, hold)
                begun = Run(
                    run_id=new_run_id(self.clock.now()),
                    trigger=TRIGGER,
                    dry_run=self.policy.dry_run,
                    status=RunStatus.RUNNING,
                    message="",
                    started_at=self.clock.now(),
                )
                hand = ByHand(
                    self.irm,
                    self.alertmanager,
                    self.store,
                    self.observer(self.policy, deadline),
                    self.policy,
                    self.clock,
                    deadline,
                    self.tally,
                    begun.run_id,
                )
                result = work(hand)
                if hand.actions:
                    hand.record(begun, result)
                return result

    def explain(self, alert_group_id: str) -> Explanation:
        """Tell why an alert group is decided as it is, by reading it, its deliveries and Alertmanager now.

        Raise `UnknownAlertGroupError` if IRM has no such alert group, `UpstreamError` if it cannot be read.
        """
        deadline = Deadline(self.clock, _EXPLAIN_SECONDS, self.should_stop)
        ledger = self.store.ledger()
        explained = self.observer(self.policy, deadline).explain(alert_group_id, ledger)
        if explained is None:
            raise UnknownAlertGroupError(f"IRM has no alert group {alert_group_id}")
        past = self.store.actions(limit=100, wanted=WantedActions(alert_group_id=alert_group_id))
        from_irm = (one for one in ledger.irm_silences if one.alert_group_id == alert_group_id)
        return msgspec.structs.replace(
            explained,
            actions=past.items,
            irm_silence=next(from_irm, None),
            hand_silences=tuple(one for one in ledger.hand_silences if one.alert_group_id == alert_group_id),
            events=self.store.events_about(alert_group_id, most=_MOST_EVENTS),
        )
