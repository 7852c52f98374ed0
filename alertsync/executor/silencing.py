"""Makes Alertmanager follow people's silences in IRM: creates, renews and expires our silences there.

What a person silenced stands in the ledger before the first request, and what each request made right after it. If the
answer is lost, the next run knows the silence by its marker. One is struck from the ledger before it is expired, so
that it cannot be taken for one that a person ended; if that fails it stands there again.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING

import msgspec

from alertsync.clients.irm import refusal
from alertsync.errors import Reason, StoppedError, UpstreamError
from alertsync.executor.turns import ChangedError
from alertsync.models import (
    Action,
    ActionKind,
    EventOutcome,
    HandledEvent,
    IrmSilence,
    IrmSilenceState,
    LedgerChange,
    OurSilence,
    Outcome,
    Silence,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from alertsync.executor.turns import Hands
    from alertsync.models import Plan, SilenceChange

log = logging.getLogger(__name__)

BEFORE = timedelta(minutes=1)
"""A new silence asks to have begun a moment ago: Alertmanager lets it begin when it arrives, and never later."""
_HOPELESS = frozenset(
    {
        Reason.DNS,
        Reason.UNREACHABLE,
        Reason.TLS,
        Reason.PROXY,
        Reason.TIMEOUT,
        Reason.DEADLINE,
        Reason.UNAUTHORIZED,
    }
)
_DONE = frozenset({Outcome.CREATED, Outcome.EXTENDED})
_UNDONE = frozenset({Outcome.FAILED, Outcome.NOT_ATTEMPTED})


class Silencing:
    """Performs the silence changes of a plan; `hopeless` says why nothing more is asked of Alertmanager."""

    def __init__(self, hands: Hands, planned: Plan) -> None:
        self._hands = hands
        self._changes = planned.silence_changes
        self._open = {decision.alert_group.id for decision in planned.decisions}
        self._waiting = (
            {} if not planned.silence_changes else {event.id: event for event in hands.store.waiting_events()}
        )
        self._hopeless = ""
        self._incomplete: set[str] = set()
        self._confirmed: set[str] = set()
        self._told: set[str] = set()

    @cached_property
    def _silences(self) -> dict[str, IrmSilence]:
        """What is known of each, as this run leaves it: most runs have nothing to do about any."""
        return {one.alert_group_id: one for one in self._hands.store.ledger().irm_silences}

    def expire(self) -> list[Action]:
        """End what has no reason any more, or catches too much: behind it somebody may not be paged."""
        gone = [one for one in self._of(ActionKind.EXPIRE_SILENCE) if not one.replaced]
        return [self._turn(one, self._expire) for one in gone]

    def let_strangers_speak(self) -> list[Action]:
        """End the silences in IRM of those who may not silence, where that is wanted, and say why."""
        actions = []
        for change in self._of(ActionKind.UNSILENCE):
            action = self._hands.take_turn(change, ActionKind.UNSILENCE, partial(self._unsilence, change))
            actions.append(action)
            event = self._waiting.get(change.event_id)
            if event is not None and action.outcome not in _UNDONE:
                outcome = (
                    EventOutcome.UNSILENCED if action.outcome is Outcome.UNSILENCED else EventOutcome.NOTHING
                )
                why = action.detail or change.reason
                self._hands.store.handle([HandledEvent(event, self._hands.clock.now(), outcome, why)])
        return actions

    def create(self) -> list[Action]:
        """Make and renew silences, then end those that new ones took the place of; write the notes about them."""
        actions = [self._turn(one, self._extend) for one in self._of(ActionKind.EXTEND_SILENCE)]
        for change in self._of(ActionKind.CREATE_SILENCE):
            action = self._turn(change, self._create)
            actions.append(action)
            if action.outcome not in _DONE:
                self._incomplete.add(change.alert_group_id)
        replaced = [one for one in self._of(ActionKind.EXPIRE_SILENCE) if one.replaced]
        actions += [
            self._turn(one, self._expire) for one in replaced if one.alert_group_id not in self._incomplete
        ]
        for change in self._of(ActionKind.NOTE):
            self._hands.note(change.alert_group_id, change.text)
            actions.append(self._ended(change, Outcome.NOTED))
        return actions

    def _of(self, kind: ActionKind) -> list[SilenceChange]:
        return [change for change in self._changes if change.kind is kind]

    def _create(self, change: SilenceChange) -> tuple[Outcome, str]:
        self._confirm(change)
        asked = self._hands.observer.alertmanager_now() - BEFORE
        made = self._post(change, asked)
        silence = self._known(change)
        self._keep(silence, [*silence.silences, made])
        self._tell(
            change,
            f"Silenced in Alertmanager too by alertsync, for as long as it is silenced here: {change.reason}.",
        )
        return Outcome.CREATED, f"silence {made.id} until {_time(made.ends_at)}"

    def _extend(self, change: SilenceChange) -> tuple[Outcome, str]:
        self._confirm(change)
        made = self._post(change, change.starts_at or self._hands.observer.alertmanager_now())
        silence = self._known(change)
        self._keep(silence, [*(one for one in silence.silences if one.id != change.silence_id), made])
        return Outcome.EXTENDED, f"silence {made.id} until {_time(made.ends_at)}"

    def _post(self, change: SilenceChange, starts_at: datetime) -> OurSilence:
        ends_at = change.ends_at or starts_at
        wanted = Silence(
            change.silence_id,
            "",
            change.matchers,
            starts_at,
            ends_at,
            change.created_by,
            change.comment,
        )
        made = self._hands.alertmanager.post_silence(wanted, starts_at, self._hands.deadline)
        return OurSilence(made, change.matchers, ends_at)

    def _expire(self, change: SilenceChange) -> tuple[Outcome, str]:
        silence = self._known(change)
        before = silence.silences
        self._keep(silence, [one for one in before if one.id != change.silence_id])
        try:
            there = self._hands.alertmanager.expire_silence(change.silence_id, self._hands.deadline)
        except (UpstreamError, StoppedError):
            self._keep(silence, before)
            raise
        if not change.replaced and change.alert_group_id in self._open:
            self._tell(change, f"No longer silenced in Alertmanager by alertsync: {change.reason}.")
        return Outcome.EXPIRED, f"silence {change.silence_id}" if there else "it was gone already"

    def _confirm(self, change: SilenceChange) -> None:
        """Make sure that the silence in IRM still holds, and that ours would still catch what it should."""
        if degraded := self._hands.store.degraded:
            raise ChangedError(f"what is made cannot be written down: {degraded}")
        fresh = change.alert_group_id in self._confirmed
        if why := self._hands.observer.confirm_silence(change, fresh=fresh):
            raise ChangedError(f"when its turn came, {why}")
        self._confirmed.add(change.alert_group_id)

    def _unsilence(self, change: SilenceChange) -> tuple[Outcome, str, str]:
        hands = self._hands
        hands.irm.wait_for_turn(hands.deadline)
        if why := hands.observer.confirm_silence(change, fresh=False, only_irm=True):
            raise ChangedError(f"when its turn came, {why}")
        try:
            hands.irm.unsilence(change.alert_group_id, hands.deadline)
        except UpstreamError as error:
            if refusal(error) != "unsilenced":
                raise
        hands.note(change.alert_group_id, change.text)
        return Outcome.UNSILENCED, "", ""

    def _known(self, change: SilenceChange) -> IrmSilence:
        silence = self._silences.get(change.alert_group_id)
        if silence is None:
            raise ChangedError("the ledger knows nothing of it")
        return silence

    def _keep(self, silence: IrmSilence, ours: Iterable[OurSilence]) -> None:
        changed = msgspec.structs.replace(silence, silences=tuple(sorted(ours, key=lambda one: one.id)))
        if changed.state is IrmSilenceState.ENDED and changed.ended_at is None:
            changed = msgspec.structs.replace(changed, ended_at=self._hands.clock.now())
        self._silences[changed.alert_group_id] = changed
        self._hands.commit(LedgerChange(irm_silences=(changed,)))

    def _tell(self, change: SilenceChange, text: str) -> None:
        """Write one note an alert group about it."""
        if change.alert_group_id not in self._told:
            self._told.add(change.alert_group_id)
            self._hands.note(change.alert_group_id, text)

    def _turn(self, change: SilenceChange, work: Callable[[SilenceChange], tuple[Outcome, str]]) -> Action:
        """Do `work`, and make an action of what came of it; what fails keeps nothing else from being done."""
        if self._hopeless:
            return self._ended(change, Outcome.NOT_ATTEMPTED, self._hopeless)
        try:
            self._hands.deadline.check()
            return self._ended(change, *work(change))
        except ChangedError as changed:
            return self._ended(change, Outcome.CANCELLED, str(changed))
        except UpstreamError as error:
            if error.reason in _HOPELESS:
                self._hopeless = str(error)
            return self._ended(change, Outcome.FAILED, str(error))
        except StoppedError as error:
            self._hopeless = self._hands.hopeless = str(error)
            return self._ended(change, Outcome.NOT_ATTEMPTED, str(error))
        except Exception:
            log.exception("a silence met an unexpected error", extra={"run_id": self._hands.run_id})
            return self._ended(change, Outcome.FAILED, "an unexpected error: alertsync's log has the details")

    def _ended(self, change: SilenceChange, outcome: Outcome, detail: str = "") -> Action:
        return self._hands.ended(change, change.kind, outcome, detail)


def _time(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"
