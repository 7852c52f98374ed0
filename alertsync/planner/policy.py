"""What is to be done about a decision: the operator's policy, and the brakes, as the last filter of a plan.

Policies only ever take away, and only new obligations: what we already owe is honoured whatever they say. A dry
run is a policy like any other, so that what it shows is what would be done.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from alertsync.models import ActionKind, Brake, DecisionKind, Held
from alertsync.planner import leases
from alertsync.planner.absence import absent_for_long
from alertsync.planner.remember import unpayable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alertsync.models import Decision, Lease, Policy
    from alertsync.planner.context import Context

_FEW = 5
"""So many may be gone at once without a word."""
_ASK_AGAIN = timedelta(minutes=15)
"""How long a refusal of our credentials stands before one action tries them again."""
_CLOSES = frozenset({ActionKind.RESOLVE, ActionKind.SILENCE})


def apply(
    decision: Decision, lease: Lease | None, context: Context, *, whole: bool, ours_to_close: bool
) -> Decision:
    """Give a decision its action, or what holds it; `whole` if it rests on every delivery."""
    if lease is not None:
        return leases.apply(decision, lease, context, whole=whole)
    if not _in_question(decision, context.policy, ours_to_close=ours_to_close):
        return decision
    if decision.alert_group.state not in context.policy.states and not ours_to_close:
        return _hold(decision, Held.STATE)
    decision = msgspec.structs.replace(decision, inconsistent=True)
    if not whole:
        return _hold(decision, Held.DELIVERIES)
    if decision.kind is DecisionKind.SILENCED:
        return _silenced(decision, context)
    return _close(decision, context)


def _in_question(decision: Decision, policy: Policy, *, ours_to_close: bool) -> bool:
    if decision.kind is DecisionKind.GONE:
        return policy.on_gone == "resolve" or ours_to_close
    return decision.kind is DecisionKind.SILENCED


def _silenced(decision: Decision, context: Context) -> Decision:
    if leases.taken(decision.alert_group, decision, context.leases):
        return _hold(decision, Held.PERSON)
    if context.policy.on_silenced == "report":
        return _hold(decision, Held.POLICY)
    if context.policy.on_silenced == "silence":
        return _lease(decision, context)
    return _close(decision, context)


def _close(decision: Decision, context: Context) -> Decision:
    if why := unpayable(decision, context):
        return _unpayable(decision, why, context)
    return msgspec.structs.replace(decision, action=ActionKind.RESOLVE)


def _unpayable(decision: Decision, why: str, context: Context) -> Decision:
    """Mirror what cannot be resolved without risk; where that is not possible either, report it."""
    silenced = decision.kind is DecisionKind.SILENCED
    decision = msgspec.structs.replace(
        decision, kind=DecisionKind.UNPAYABLE, reason=f"{decision.reason}; but {why}"
    )
    return _lease(decision, context) if silenced else _hold(decision, Held.POLICY)


def _lease(decision: Decision, context: Context) -> Decision:
    if context.ledger.degraded:
        return _hold(decision, Held.STORE)
    if decision.alert_group.state != "firing":
        # IRM refuses to silence what somebody acknowledged.
        return _hold(decision, Held.STATE)
    return msgspec.structs.replace(decision, action=ActionKind.SILENCE)


def brake(decisions: Sequence[Decision], context: Context) -> tuple[tuple[Decision, ...], frozenset[Brake]]:
    """Hold what the brakes hold, and everything in a dry run; tell which brakes are engaged."""
    policy = context.policy
    engaged = set()
    too_many_gone = _too_many_gone(decisions, context)
    actions = 0
    braked = []
    for decision in decisions:
        closes = decision.action in _CLOSES and not _renews(decision)
        if not closes:
            braked.append(quiet(decision, context))
            continue
        if too_many_gone and _newly_gone(decision, context):
            engaged.add(Brake.GONE_RATIO)
            braked.append(quiet(_brake(decision, Held.GONE_RATIO, context), context))
            continue
        actions += 1
        if actions > policy.max_actions_per_run and Brake.MAX_ACTIONS.value not in policy.lifted:
            engaged.add(Brake.MAX_ACTIONS)
            braked.append(quiet(_brake(decision, Held.MAX_ACTIONS, context), context))
        else:
            braked.append(quiet(decision, context))
    return tuple(braked), frozenset(engaged)


def _brake(decision: Decision, held: Held, context: Context) -> Decision:
    """Hold a closing action; what we hold silenced stays so meanwhile, or it would run out into a false page."""
    lease = leases.held(decision.alert_group, context.leases)
    if lease is not None and leases.may_renew(lease, decision, context):
        return msgspec.structs.replace(decision, action=ActionKind.SILENCE, held=held)
    return _hold(decision, held)


def quiet(decision: Decision, context: Context) -> Decision:
    """Hold an action in a dry run, and while IRM refuses our credentials."""
    if decision.action is ActionKind.NONE:
        return decision
    if context.policy.dry_run:
        return _hold(decision, Held.DRY_RUN)
    refused = context.ledger.credentials
    # The wall clock may have been set back since: then the age is negative, and proves nothing.
    # What we owe is never held: not even a refusal keeps an un-silence or a renewal from being tried.
    owed = decision.action is ActionKind.UNSILENCE or _renews(decision)
    if refused is not None and not owed and timedelta(0) <= context.now - refused.refused_at < _ASK_AGAIN:
        return _hold(decision, Held.CREDENTIALS)
    return decision


def _renews(decision: Decision) -> bool:
    return decision.action is ActionKind.SILENCE and decision.alert_group.state == "silenced"


def _too_many_gone(decisions: Sequence[Decision], context: Context) -> bool:
    if Brake.GONE_RATIO.value in context.policy.lifted:
        return False
    newly = sum(_newly_gone(decision, context) for decision in decisions)
    return newly > _FEW and newly > context.policy.max_gone_ratio * len(decisions)


def _newly_gone(decision: Decision, context: Context) -> bool:
    return (
        decision.kind is DecisionKind.GONE
        and decision.action is ActionKind.RESOLVE
        and not absent_for_long(decision.alert_group.id, context)
    )


def _hold(decision: Decision, held: Held) -> Decision:
    return msgspec.structs.replace(decision, action=ActionKind.NONE, held=held, would=decision.action)
