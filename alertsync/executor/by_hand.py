"""Makes and ends silences in Alertmanager for somebody who asks for it here, under the run lock of its caller.

What is asked for rests on a reading of its own, and stands in the ledger before the first request. What came of it is a
run in the history like any other, with an action for each silence.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import msgspec

from alertsync import metrics
from alertsync.errors import StoppedError, StoreDegradedError, UpstreamError
from alertsync.executor.silencing import BEFORE
from alertsync.models import (
    Action,
    ActionKind,
    HandAnswer,
    HandResult,
    HandSilence,
    LedgerChange,
    OurSilence,
    Outcome,
    Run,
    RunStatus,
    Silence,
)
from alertsync.planner import by_hand
from alertsync.planner.matchers import to_matchers

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from alertsync.clients.irm import IrmClient
    from alertsync.clients.peers import Peers
    from alertsync.clients.tally import Tally
    from alertsync.clock import Clock, Deadline
    from alertsync.models import AlertGroup, IrmSilence, Matcher, Policy
    from alertsync.observer import Observer
    from alertsync.store import Store

log = logging.getLogger(__name__)

T = TypeVar("T")

TRIGGER = "by hand"
_NOTE_SECONDS = 15.0


@dataclass
class ByHand:
    """Does what one person asks for. Every method raises `UpstreamError` where one of both cannot be read."""

    irm: IrmClient
    alertmanager: Peers
    store: Store
    observer: Observer
    policy: Policy
    clock: Clock
    deadline: Deadline
    tally: Tally
    run_id: str
    actions: list[Action] = field(default_factory=list)

    def silence(self, alert_group_id: str, duration: timedelta, comment: str, author: str) -> HandResult:
        """Silence exactly the alerts of an alert group."""
        ledger = self.store.ledger()
        explained = self.observer.explain(alert_group_id, ledger)
        if explained is None:
            return HandResult(HandAnswer.NOT_FOUND, f"IRM has no alert group {alert_group_id}")
        group, seen = explained.alert_group, self.observer.snapshots
        if seen is None:
            return HandResult(HandAnswer.REFUSED, "it is resolved in IRM: there is nothing to silence")
        found = by_hand.wanted(explained.decision, seen, ledger, self.policy, self.clock.now())
        if found.refused:
            return HandResult(HandAnswer.REFUSED, found.refused)
        now = self.observer.alertmanager_now()
        wanted = HandSilence(
            id=f"{self.clock.now():%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
            alert_group_id=group.id,
            title=group.title.strip(),
            author=author,
            comment=comment,
            made_at=self.clock.now(),
            ends_at=now + duration,
            url=group.url,
        )
        try:
            self.store.commit(LedgerChange(hand_silences=(wanted,)))
        except StoreDegradedError as error:
            return HandResult(HandAnswer.REFUSED, f"what is made could not be written down: {error}")
        return self._make(wanted, group, [to_matchers(one) for one in found.silences])

    def _make(
        self, wanted: HandSilence, group: AlertGroup, all_matchers: list[tuple[Matcher, ...]]
    ) -> HandResult:
        silence = wanted
        for matchers in all_matchers:
            made, failure = self._turn(
                silence, ActionKind.CREATE_SILENCE, partial(self._post, wanted, matchers)
            )
            if made is not None:
                silence = msgspec.structs.replace(silence, silences=(*silence.silences, made))
            self._commit(silence)
            if failure:
                if not silence.silences:
                    silence = msgspec.structs.replace(silence, ended_at=self.clock.now())
                    self._commit(silence)
                return HandResult(HandAnswer.FAILED, failure, silence)
        until = f"{silence.ends_at:%Y-%m-%d %H:%M:%S} UTC"
        self._note(
            group.id,
            f"Silenced in Alertmanager by {wanted.author}, with alertsync, until {until}: {wanted.comment}",
        )
        return HandResult(HandAnswer.MADE, f"{len(silence.silences)} silence(s) until {until}", silence)

    def _post(self, wanted: HandSilence, matchers: tuple[Matcher, ...]) -> OurSilence:
        begins = self.observer.alertmanager_now() - BEFORE
        comment = by_hand.marked(wanted.comment, wanted.id, wanted.alert_group_id)
        silence = Silence("", "", matchers, begins, wanted.ends_at, wanted.author, comment)
        made = self.alertmanager.post_silence(silence, begins, self.deadline)
        return OurSilence(made, matchers, wanted.ends_at)

    def end(self, silence_id: str, author: str) -> HandResult:
        """End a silence of ours: one that was made by hand, or one that follows IRM, by our id or Alertmanager's."""
        ledger = self.store.ledger()
        if self.policy.dry_run:
            return HandResult(HandAnswer.REFUSED, "DRY_RUN=true: alertsync acts on nothing")
        for one in ledger.hand_silences:
            if one.is_open and silence_id in (one.id, *(mine.id for mine in one.silences)):
                return self._end_by_hand(one, author)
        for other in ledger.irm_silences:
            if silence_id in (mine.id for mine in other.silences):
                return self._end_followed(other, author)
        return HandResult(HandAnswer.NOT_FOUND, f"alertsync has no silence {silence_id} that may still hold")

    def _end_by_hand(self, silence: HandSilence, author: str) -> HandResult:
        if failure := self._expire(silence, silence.silences):
            return HandResult(HandAnswer.FAILED, failure, silence)
        ended = msgspec.structs.replace(silence, ended_at=self.clock.now(), ended_by=author)
        self._commit(ended)
        self._note(
            silence.alert_group_id, f"Its silence in Alertmanager was ended by {author}, with alertsync."
        )
        return HandResult(HandAnswer.ENDED, f"{len(silence.silences)} silence(s) ended", ended)

    def _end_followed(self, silence: IrmSilence, author: str) -> HandResult:
        """End what follows a silence in IRM: until that is silenced anew, a person's word stands."""
        why = f"{author} ended its silence in Alertmanager, with alertsync"
        ended = msgspec.structs.replace(silence, for_good=True, why=why)
        with contextlib.suppress(StoreDegradedError):
            self.store.commit(LedgerChange(irm_silences=(ended,)))
        if failure := self._expire(silence, silence.silences):
            return HandResult(HandAnswer.FAILED, failure)
        self._note(silence.alert_group_id, f"{why}. In IRM it is still silenced.")
        return HandResult(
            HandAnswer.ENDED, f"{len(silence.silences)} silence(s) ended; IRM is still silenced"
        )

    def _expire(self, silence: HandSilence | IrmSilence, ours: tuple[OurSilence, ...]) -> str:
        """End these in Alertmanager; say what kept one of them from it."""
        for one in ours:
            _, failure = self._turn(
                silence,
                ActionKind.EXPIRE_SILENCE,
                partial(self.alertmanager.expire_silence, one.id, self.deadline),
            )
            if failure:
                return failure
        return ""

    def _turn(
        self, silence: HandSilence | IrmSilence, kind: ActionKind, work: Callable[[], T]
    ) -> tuple[T | None, str]:
        """Do `work`, make an action of what came of it, and give that, or say what went wrong."""
        made, failure = None, ""
        outcome = Outcome.CREATED if kind is ActionKind.CREATE_SILENCE else Outcome.EXPIRED
        try:
            made = work()
        except (UpstreamError, StoppedError) as error:
            outcome, failure = Outcome.FAILED, str(error)
        action = Action(
            silence.alert_group_id,
            kind,
            outcome,
            failure,
            at=self.clock.now(),
            title=silence.title,
            reason="somebody asked for it here",
            run_id=self.run_id,
        )
        self.actions.append(action)
        log.info(
            "action",
            extra={
                "run_id": self.run_id,
                "alert_group": action.alert_group_id,
                "title": action.title,
                "action": kind.value,
                "outcome": outcome.value,
                "reason": action.reason,
                "detail": failure,
            },
        )
        return made, failure

    def _commit(self, silence: HandSilence) -> None:
        # What cannot be written is kept in memory, and known again by its marker.
        with contextlib.suppress(StoreDegradedError):
            self.store.commit(LedgerChange(hand_silences=(silence,)))

    def _note(self, alert_group_id: str, text: str) -> None:
        if not self.policy.notes:
            return
        try:
            self.irm.add_note(alert_group_id, text, self.deadline.without_stop(_NOTE_SECONDS))
        except (UpstreamError, StoppedError) as error:
            log.warning(
                "a note could not be written", extra={"alert_group": alert_group_id, "reason": str(error)}
            )

    def record(self, began: Run, result: HandResult) -> None:
        """Write down what was done, and count it."""
        run = msgspec.structs.replace(
            began,
            status=RunStatus.SUCCESS if result.answer is not HandAnswer.FAILED else RunStatus.PARTIAL,
            message=result.why,
            ended_at=self.clock.now(),
            actions=tuple(self.actions),
        )
        standing = metrics.count_actions(self.store.standing(), run.actions, self.store.ledger())
        standing = self.store.end_run(run, standing, self.tally.take())
        self.store.publish(metrics.render_standing(standing) + metrics.render_requests(self.store.requests()))
