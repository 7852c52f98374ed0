"""Performs a plan: first what is owed, then what is to be closed, each action with an outcome.

Re-pages and ends of silences come before everything else, because behind them somebody is not paged who should be.
What closes comes after its debts are written down. An alert group that fails does not stop the others; a token
that may not act does, and so does an IRM that has gone away: every further attempt would fail alike, and one
clear message is worth more than a hundred. Nothing is left half done: a wish to stop is heard between actions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alertsync.executor.closing import Closing
from alertsync.executor.leasing import Leasing
from alertsync.executor.repaging import Repaging
from alertsync.executor.silencing import Silencing
from alertsync.models import ActionKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from alertsync.executor.turns import Hands
    from alertsync.models import Action, Decision, Plan

__all__ = ["execute"]


def execute(planned: Plan, hands: Hands) -> tuple[Action, ...]:
    """Do all that a plan says; give one action with an outcome for each thing it says."""
    leasing, closing, repaging = Leasing(hands), Closing(hands, planned), Repaging(hands, planned)
    silencing = Silencing(hands, planned)
    expected = len(planned.repages) + len(planned.actions) + len(planned.silence_changes)
    hands.progress.expect_actions(expected)
    # Posts need nothing of IRM's API, whose rate limit an un-silence may have to wait for.
    actions = [repaging.perform(repage) for repage in planned.repages]
    actions += silencing.expire()
    actions += _each(_of(planned, ActionKind.UNSILENCE), leasing.unsilence)
    actions += silencing.let_strangers_speak()
    closes = _of(planned, ActionKind.RESOLVE)
    if hands.credentials_refused:
        # Not the same alert group each time: it may be the only one that we may not act on.
        closes.reverse()
    closing.prepare(closes)
    renewals = [one for one in _of(planned, ActionKind.SILENCE) if one.alert_group.state == "silenced"]
    actions += _each(renewals, leasing.silence)
    actions += closing.resolve(closes)
    # What follows may have to wait for long.
    closing.clear()
    first = [one for one in _of(planned, ActionKind.SILENCE) if one.alert_group.state != "silenced"]
    actions += _each(first, leasing.silence)
    actions += silencing.create()
    written = hands.write_notes()
    return tuple(
        msgspec.structs.replace(one, note=written[one.alert_group_id])
        if one.alert_group_id in written and not one.note
        else one
        for one in actions
    )


def _of(planned: Plan, kind: ActionKind) -> list[Decision]:
    return [decision for decision in planned.decisions if decision.action is kind]


def _each(decisions: Iterable[Decision], perform: Callable[[Decision], Action]) -> list[Action]:
    return [perform(decision) for decision in decisions]
