"""Resolves alert groups: what that will owe is written down first, then a note, then the act, then the truth.

All debts of a run are committed in one transaction before its first request. A marker note stands in IRM before
the resolve, so that even a lost ledger can be made anew. If the answer of a resolve is lost, its debt stays in
doubt, and the next run looks at the alert group to settle it. So it is with the few whose truth waits to be written
together with that of others, should the process die first.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from alertsync.clients.http import ATTEMPTS
from alertsync.clients.irm import refusal
from alertsync.errors import LockLostError, StoppedError, StoreDegradedError, UpstreamError
from alertsync.executor.turns import ChangedError
from alertsync.models import ActionKind, LedgerChange, Operation, Outcome
from alertsync.planner.adopt import marker, withdrawal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from alertsync.executor.turns import Hands
    from alertsync.models import Action, Debt, Decision, Plan

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 1.0
_CLOCK_ERROR = timedelta(seconds=1)
"""IRM's `Date` is cut to whole seconds: what arrived in that second may have come before the resolve."""


_TOGETHER_SECONDS = 0.5
"""How long what is known of one resolve may wait to be written with that of others: a commit waits for the disk."""
_PERHAPS_OURS = frozenset({Outcome.RESOLVED, Outcome.ALREADY_RESOLVED})
_LOOK_SECONDS = 15.0
_STOPPING = "alertsync is stopping, and this was not begun"


class _ResolvedError(Exception):
    """The alert group is resolved, after an attempt of ours whose answer was lost."""


class Closing:
    """Resolves the alert groups of a plan, and keeps their debts true."""

    def __init__(self, hands: Hands, planned: Plan) -> None:
        self._hands = hands
        self._planned = planned
        self._debts: dict[str, tuple[Debt, ...]] = {}
        self._void: list[Debt] = []
        self._before: dict[str, Debt] = {}
        self._in_doubt = False
        self._doubtful: set[str] = set()
        self._perhaps: list[Debt] = []
        self._unwritten: list[Debt] = []
        self._unwritten_since = 0.0

    def prepare(self, decisions: Sequence[Decision]) -> None:
        """Write down what all these resolves will owe, before the first of them."""
        if not decisions:
            return
        self._before = {debt.id: debt for debt in self._hands.store.ledger().debts if not debt.void}
        self._debts = {
            decision.alert_group.id: self._ours(self._planned.obligations.get(decision.alert_group.id, ()))
            for decision in decisions
        }
        self._doubtful = {
            debt.alert_group_id for debt in self._planned.debts if debt.resolved_at is None and not debt.void
        }
        debts = tuple(debt for owed in self._debts.values() for debt in owed)
        if debts:
            now_open = (decision.alert_group.id for decision in self._planned.decisions)
            # What an earlier run left to be looked for stays so.
            before = tuple(dict.fromkeys((*self._hands.store.ledger().open_before, *now_open)))
            self._hands.commit(LedgerChange(debts=debts, open_before=before))

    def resolve(self, decision: Decision) -> Action:
        """Resolve one alert group."""
        self._in_doubt = False
        action = self._hands.take_turn(decision, ActionKind.RESOLVE, lambda: self._resolve(decision))
        # Somebody was faster: that may have been an earlier resolve of ours, whose answer was lost.
        doubtful = self._in_doubt or decision.alert_group.id in self._doubtful
        if action.outcome in _PERHAPS_OURS or doubtful:
            self._perhaps += self._debts.get(decision.alert_group.id, ())
        if action.outcome not in _PERHAPS_OURS and not doubtful:
            now = self._hands.clock.now()
            # What was known of an earlier resolve of it stands.
            self._void += [
                self._before.get(debt.id) or msgspec.structs.replace(debt, void=True, closed_at=now)
                for debt in self._debts.get(decision.alert_group.id, ())
            ]
        return action

    def clear(self) -> None:
        """Write down what is not written yet, and that resolves which did not happen owe nothing."""
        try:
            self._hands.deadline.hold.prove()
        except LockLostError:
            # Another host may have given up a resolve that came late: whatever may have happened is told again.
            self._unwritten[:0] = self._perhaps
        if self._unwritten or self._void:
            self._hands.commit(LedgerChange(debts=(*self._unwritten, *self._void)))

    def _resolve(self, decision: Decision) -> tuple[Outcome, str, str]:
        """Resolve, in a few attempts if need be.

        "Already resolved" after an attempt whose answer was lost means that it was us.
        """
        noted = False
        unclear: UpstreamError | None = None
        for attempt in range(1, ATTEMPTS + 1):
            try:
                if attempt > 1:
                    self._hands.deadline.sleep(_PAUSE_SECONDS * attempt)
                noted = self._ready(decision, noted=noted)
                return self._send(decision)
            except UpstreamError as error:
                if unclear is not None and refusal(error) == "resolved":
                    return self._it_was_us()
                if error.operation == Operation.RESOLVE and self._in_doubt:
                    unclear = error
                if not error.retryable or attempt == ATTEMPTS:
                    self._withdraw(decision, noted=noted)
                    raise
            except _ResolvedError:
                return self._it_was_us()
            except StoppedError:
                self._withdraw(decision, noted=noted)
                # An attempt was made, so its failure is the truth to tell.
                raise unclear or StoppedError(_STOPPING) from None
            except (ChangedError, StoreDegradedError):
                self._withdraw(decision, noted=noted)
                raise
        raise AssertionError("every attempt returns or raises")

    def _send(self, decision: Decision) -> tuple[Outcome, str, str]:
        """Resolve in one attempt. Until IRM says what came of it, it is in doubt whether it happened."""
        before, self._in_doubt = self._in_doubt, True
        try:
            at = self._hands.irm.resolve(decision.alert_group.id, self._hands.deadline)
        except UpstreamError as error:
            if error.never_arrived or refusal(error):
                self._in_doubt = before
            raise
        self._record(decision, at + _CLOCK_ERROR)
        return Outcome.RESOLVED, "", self._note_state()

    def _record(self, decision: Decision, at: datetime) -> None:
        """Write down, by looking, when exactly it happened, and what joined it at the last moment.

        Until then its debt stays in doubt, so that after a crash, or a look in vain, the next run looks.
        """
        owed = self._debts.get(decision.alert_group.id, ())
        deadline = self._hands.deadline.without_stop(_LOOK_SECONDS)
        try:
            exactly, joined = self._hands.observer.closed(decision.alert_group, deadline)
        except (UpstreamError, StoppedError) as error:
            log.warning(
                "what joined an alert group at the last moment is not known yet, and the next run looks",
                extra={"reason": str(error)},
            )
            return
        if joined and owed:
            known = {
                "silences": owed[0].silences,
                "silenced_until": owed[0].silenced_until,
                "reason": owed[0].reason,
            }
            joined = tuple(msgspec.structs.replace(debt, **known) for debt in self._ours(joined))
        self._write(joined or owed, exactly or at)

    def _write(self, debts: Iterable[Debt], at: datetime) -> None:
        now = self._hands.clock.monotonic()
        if not self._unwritten:
            self._unwritten_since = now
        self._unwritten += [msgspec.structs.replace(debt, resolved_at=at) for debt in debts]
        if now - self._unwritten_since >= _TOGETHER_SECONDS:
            self._hands.commit(LedgerChange(debts=tuple(self._unwritten)))
            self._unwritten.clear()

    def _it_was_us(self) -> tuple[Outcome, str, str]:
        return Outcome.RESOLVED, "an answer was lost, but it is resolved", self._note_state()

    def _ready(self, decision: Decision, *, noted: bool) -> bool:
        """Do all that comes before the act: wait, confirm, mark, and confirm again if that took long.

        All waiting is done before the decision is confirmed, for each attempt anew: a resolve that waited for
        the rate limit, or for a server to recover, would rest on what was true before.
        """
        hands = self._hands
        hands.irm.wait_for_turn(hands.deadline)
        self._confirm(decision)
        if hands.policy.notes and not noted:
            hands.irm.add_note(decision.alert_group.id, note_text(decision, hands.run_id), hands.deadline)
            noted = True
            try:
                self._confirm(decision)
            except (ChangedError, UpstreamError, StoppedError, StoreDegradedError):
                # The caller has not heard of the note yet.
                self._withdraw(decision, noted=True)
                raise
        return noted

    def _confirm(self, decision: Decision) -> None:
        """Make sure that the decision still holds, and that all that it would owe is written down."""
        now, owed = self._hands.observer.confirm(decision)
        if self._in_doubt and now.alert_group.state == "resolved":
            raise _ResolvedError
        if now.action is not ActionKind.RESOLVE:
            raise ChangedError(f"when its turn came it was {now.kind.value}: {now.reason}")
        known = self._debts.get(decision.alert_group.id, ())
        if owed and [debt.alerts for debt in owed] != [debt.alerts for debt in known]:
            self._debts[decision.alert_group.id] = self._ours(owed)
            self._hands.store.commit(LedgerChange(debts=self._debts[decision.alert_group.id]))

    def _withdraw(self, decision: Decision, *, noted: bool) -> None:
        """Take the marker back, where it is certain that the alert group was not resolved by us."""
        if noted and not self._in_doubt:
            text = f"alertsync did not resolve it after all. {withdrawal(self._hands.run_id)}"
            self._hands.note(decision.alert_group.id, text)

    def _ours(self, debts: Iterable[Debt]) -> tuple[Debt, ...]:
        return tuple(msgspec.structs.replace(debt, run_id=self._hands.run_id) for debt in debts)

    def _note_state(self) -> str:
        return "written" if self._hands.policy.notes else "off"


def note_text(decision: Decision, run_id: str) -> str:
    """Say in IRM who silenced what until when, and that it is alertsync that resolves it."""
    return f"Resolved by alertsync: in Alertmanager, {decision.reason}. {marker(run_id)}"
