"""Resolves the alert groups of a plan, and keeps true what that owes: written down before the first act, and after each.

All debts of a run are committed in one transaction before its first request. Each is in doubt until it is known when its
resolve happened. So are the few whose truth waits to be written together with that of others, should the process die
first; the next run looks.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from alertsync.errors import LockLostError
from alertsync.executor.resolving import Resolving
from alertsync.models import ActionKind, LedgerChange, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from alertsync.executor.turns import Hands
    from alertsync.models import Action, Debt, Decision, Plan

_TOGETHER_SECONDS = 0.5
"""How long what is known of one resolve may wait to be written with that of others: a commit waits for the disk."""
_PERHAPS_OURS = frozenset({Outcome.RESOLVED, Outcome.ALREADY_RESOLVED})


class Closing:
    """Resolves the alert groups of a plan, several at a time."""

    def __init__(self, hands: Hands, planned: Plan) -> None:
        self._hands = hands
        self._planned = planned
        self._debts: dict[str, tuple[Debt, ...]] = {}
        self._before: dict[str, Debt] = {}
        self._doubtful: set[str] = set()
        self._guard = threading.Lock()
        self._void: list[Debt] = []
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

    def resolve(self, decisions: Sequence[Decision]) -> list[Action]:
        """Resolve alert groups: one after the other until an action has worked, then several at a time.

        What is wrong with IRM, or with our token, shows at the first, and nobody wants to hear it several times.
        """
        done: list[Action] = []
        while len(done) < len(decisions) and not self._hands.acted:
            done.append(self._resolve(decisions[len(done)], abreast=False))
        others = decisions[len(done) :]
        return done + self._hands.irm.take_turns(partial(self._resolve, one, abreast=True) for one in others)

    def clear(self) -> None:
        """Write down what is not written yet, and that resolves which did not happen owe nothing."""
        try:
            self._hands.deadline.hold.prove()
        except LockLostError:
            # Another host may have given up a resolve that came late: whatever may have happened is told again.
            self._unwritten[:0] = self._perhaps
        if self._unwritten or self._void:
            self._hands.commit(LedgerChange(debts=(*self._unwritten, *self._void)))

    def owed(self, decision: Decision) -> tuple[Debt, ...]:
        """Give what resolving this alert group owes, as it is written down."""
        return self._debts.get(decision.alert_group.id, ())

    def owes(self, decision: Decision, debts: Iterable[Debt]) -> None:
        """Write down that resolving this alert group owes something else; raise `StoreDegradedError`."""
        self._debts[decision.alert_group.id] = self._ours(debts)
        self._hands.store.commit(LedgerChange(debts=self._debts[decision.alert_group.id]))

    def happened(self, at: datetime, debts: Iterable[Debt]) -> None:
        """Write down that what owes these debts was resolved at this time, soon or at once."""
        now = self._hands.clock.monotonic()
        with self._guard:
            if not self._unwritten:
                self._unwritten_since = now
            self._unwritten += [msgspec.structs.replace(debt, resolved_at=at) for debt in self._ours(debts)]
            if now - self._unwritten_since >= _TOGETHER_SECONDS:
                self._hands.commit(LedgerChange(debts=tuple(self._unwritten)))
                self._unwritten.clear()

    def _resolve(self, decision: Decision, *, abreast: bool) -> Action:
        resolving = Resolving(decision, self._hands, self, abreast=abreast)
        action = self._hands.take_turn(decision, ActionKind.RESOLVE, resolving.perform)
        # Somebody was faster: that may have been an earlier resolve of ours, whose answer was lost.
        doubtful = resolving.in_doubt or decision.alert_group.id in self._doubtful
        with self._guard:
            if action.outcome in _PERHAPS_OURS or doubtful:
                self._perhaps += self.owed(decision)
            else:
                now = self._hands.clock.now()
                # What was known of an earlier resolve of it stands.
                self._void += [
                    self._before.get(debt.id) or msgspec.structs.replace(debt, void=True, closed_at=now)
                    for debt in self.owed(decision)
                ]
        return action

    def _ours(self, debts: Iterable[Debt]) -> tuple[Debt, ...]:
        return tuple(msgspec.structs.replace(debt, run_id=self._hands.run_id) for debt in debts)
