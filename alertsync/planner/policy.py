"""What is to be done about a decision: the operator's policy, and the brake, as the last filter of a plan.

Policies only ever take away. A dry run is a policy like any other, so that what it shows is what would be done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alertsync.models import ActionKind, DecisionKind, Held

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alertsync.models import Decision, Policy


def apply(decision: Decision, policy: Policy, *, whole: bool) -> Decision:
    """Give a decision its action, or what holds it; `whole` if it rests on every delivery."""
    if decision.kind is not DecisionKind.SILENCED:
        return decision
    if decision.alert_group.state not in policy.states:
        return msgspec.structs.replace(decision, held=Held.STATE)
    decision = msgspec.structs.replace(decision, inconsistent=True)
    if not whole:
        return msgspec.structs.replace(decision, held=Held.DELIVERIES)
    if policy.on_silenced != "resolve":
        return msgspec.structs.replace(decision, held=Held.POLICY)
    return msgspec.structs.replace(decision, action=ActionKind.RESOLVE)


def brake(decisions: Iterable[Decision], policy: Policy) -> tuple[Decision, ...]:
    """Hold all but the first `max_actions_per_run` actions, and those too in a dry run."""
    actions = 0
    braked = []
    for decision in decisions:
        acts = decision.action is not ActionKind.NONE
        actions += acts
        if acts and actions > policy.max_actions_per_run:
            braked.append(_hold(decision, Held.MAX_ACTIONS))
        elif acts and policy.dry_run:
            braked.append(_hold(decision, Held.DRY_RUN))
        else:
            braked.append(decision)
    return tuple(braked)


def _hold(decision: Decision, held: Held) -> Decision:
    return msgspec.structs.replace(decision, action=ActionKind.NONE, held=held)
