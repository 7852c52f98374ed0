"""The table of leases: what becomes of a silence that we set in IRM to mirror those of Alertmanager.

    | the alert group in IRM                         | the decision about it       | then                          |
    |------------------------------------------------|-----------------------------|-------------------------------|
    | silenced at the very time that we read         | all silenced                | renewed, or shortened         |
    | "                                              | some active, or muted       | UNSILENCE, at once            |
    | "                                              | gone                        | RESOLVE, whatever ON_GONE says |
    | "                                              | absent, not proven yet      | renewed while proof grows     |
    | "                                              | anything that proves little | runs out: IRM speaks again    |
    | ", and IRM silenced an active group with it    | any                         | UNSILENCE, and TAKEN          |
    | silenced at another time, or acknowledged      | any                         | TAKEN: a person's word stands |
    | firing before the lease was over               | any                         | TAKEN                         |
    | firing after it was over, resolved, or deleted | any                         | ENDED                         |

A lease is short, so that IRM speaks again by itself if we die: we fail towards noise. It is ours only while
`silenced_at` is what we read after setting it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from alertsync.models import ActionKind, DecisionKind, Held, LeaseState
from alertsync.planner.provenance import foreign_integration
from alertsync.planner.remember import unpayable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from alertsync.models import AlertGroup, Decision, Lease
    from alertsync.planner.context import Context

_SLACK = timedelta(seconds=2)
"""IRM's `Date` is cut to whole seconds, and its silences end a moment late."""
_SET_WITHIN = timedelta(seconds=60)
"""How long after we asked a silence may have been set and be the one we asked for."""
_TOGETHER = timedelta(seconds=2)
"""How soon after an alert group IRM silences what is attached to it."""
_SILENCED = frozenset({DecisionKind.SILENCED, DecisionKind.SILENCE_ENDING, DecisionKind.FLAPPING})
_SPEAKS = frozenset({DecisionKind.CONSISTENT, DecisionKind.PARTIALLY_SILENCED, DecisionKind.MUTED})


def follow(lease: Lease, group: AlertGroup | None, context: Context) -> Lease:
    """Tell what has become of a lease in IRM; `group` is None if its alert group is not open any more."""
    if lease.state not in (LeaseState.INTENDED, LeaseState.HELD):
        return lease
    if group is None:
        return _over(lease, LeaseState.ENDED, "its alert group is not open any more")
    if lease.state is LeaseState.INTENDED:
        return _settle(lease, group, context)
    if group.state == "silenced" and group.silenced_at == lease.silenced_at:
        return lease
    if group.state == "firing" and context.irm_now >= lease.until - _SLACK:
        return _over(lease, LeaseState.ENDED, "it ran out")
    return _over(lease, LeaseState.TAKEN, f"somebody changed it: the alert group is {group.state} in IRM")


def _settle(lease: Lease, group: AlertGroup, context: Context) -> Lease:
    """Find out whether a silence was set that we asked for before we could read it back."""
    at = group.silenced_at
    if group.state == "silenced" and at is not None and at == lease.silenced_at:
        # It was a renewal, and it was not set: what was there before still holds.
        return msgspec.structs.replace(lease, state=LeaseState.HELD)
    if (
        group.state == "silenced"
        and at is not None
        and lease.asked_at - _SET_WITHIN <= at <= lease.asked_at + _SET_WITHIN
    ):
        return msgspec.structs.replace(lease, state=LeaseState.HELD, silenced_at=at)
    if context.irm_now - lease.asked_at > _SET_WITHIN:
        return _over(lease, LeaseState.ENDED, "it was never set")
    return lease


def _over(lease: Lease, state: LeaseState, why: str) -> Lease:
    return msgspec.structs.replace(lease, state=state, why=why)


def held(group: AlertGroup, leases: Mapping[str, Lease]) -> Lease | None:
    """Give the lease that holds an alert group now, if it is ours."""
    lease = leases.get(group.id)
    return lease if lease is not None and lease.state is LeaseState.HELD else None


def apply(decision: Decision, lease: Lease, context: Context, *, whole: bool) -> Decision:
    """Give a decision about an alert group that we hold silenced its action."""
    if speaks(decision):
        return msgspec.structs.replace(decision, action=ActionKind.UNSILENCE)
    action = _due(decision, lease, context)
    integration = context.integrations.get(decision.alert_group.integration_id)
    # Where several places share an alert group, the last delivery alone does not tell who speaks.
    merges = integration is not None and integration.merges
    if (merges or action is not ActionKind.NONE) and not whole:
        return msgspec.structs.replace(decision, held=Held.DELIVERIES)
    closes = action is ActionKind.RESOLVE
    return msgspec.structs.replace(decision, action=action, inconsistent=closes)


def _due(decision: Decision, lease: Lease, context: Context) -> ActionKind:
    closes = decision.kind is DecisionKind.GONE or (
        decision.kind is DecisionKind.SILENCED and context.policy.on_silenced == "resolve"
    )
    # What could not be paid, or is out of scope by now, is not resolved, but goes on being mirrored.
    out_of_scope = foreign_integration(decision.alert_group, context.integrations, context.policy)
    if closes and not out_of_scope and not unpayable(decision, context):
        return ActionKind.RESOLVE
    until = wanted_until(decision, context)
    if until is None or context.ledger.degraded:
        return ActionKind.NONE
    if _must_shorten(lease, decision, context) or _may_renew(lease, until, context):
        return ActionKind.SILENCE
    return ActionKind.NONE


def wanted_until(decision: Decision, context: Context) -> datetime | None:
    """Give when a lease should end, by IRM's clock; None where it should only run out."""
    longest = context.irm_now + context.policy.silence_lease
    if decision.kind in _SILENCED and decision.silenced_until is not None:
        left = decision.silenced_until - min(view.now for view in context.views)
        return min(longest, context.irm_now + max(left, timedelta(seconds=1)))
    if decision.kind is DecisionKind.GONE:
        return longest
    sighting = context.ledger.sightings.get(decision.alert_group.id)
    if decision.kind is DecisionKind.GONE_UNPROVEN and not context.absence_doubt and sighting is not None:
        # Its alerts ended in the silence: without renewal it would page before that is proven.
        return longest if sighting.alive_at is not None else None
    return None


def _must_shorten(lease: Lease, decision: Decision, context: Context) -> bool:
    until = wanted_until(decision, context)
    return decision.silenced_until is not None and until is not None and lease.until > until + _SLACK * 2


def may_renew(lease: Lease, decision: Decision, context: Context) -> bool:
    """Tell whether a lease is to go on whose closing a brake holds."""
    until = wanted_until(decision, context)
    return until is not None and not context.ledger.degraded and _may_renew(lease, until, context)


def _may_renew(lease: Lease, until: datetime, context: Context) -> bool:
    """Renew when a third is used up, and only where policy still wants leases."""
    if context.policy.on_silenced == "report":
        return False
    used_up = lease.until - context.irm_now < context.policy.silence_lease * 2 / 3
    return used_up and until > lease.until + _SLACK * 2


def speaks(decision: Decision) -> bool:
    """Tell whether an alert group is not to be silenced for its own sake, whatever is attached to it."""
    return decision.kind in _SPEAKS or _someone_is_active(decision)


def _someone_is_active(decision: Decision) -> bool:
    return any(member.status.sleep == 0 for member in decision.members)


def let_attached_speak(decisions: list[Decision], context: Context) -> list[Decision]:
    """End those of our leases with which IRM silenced another alert group that has an active alert.

    IRM silences what is attached to an alert group together with it, a moment later, and does not show what that is.
    Should a person have silenced the other one at that very moment, our lease ends for nothing: noise, the lesser harm.
    """
    ours = [lease for lease in context.leases.values() if lease.state is LeaseState.HELD]
    hidden: dict[str, Decision] = {}
    for decision in decisions:
        group = decision.alert_group
        if group.state == "silenced" and not held(group, context.leases) and _someone_is_active(decision):
            near = [lease for lease in ours if _silenced_with(lease, group)]
            if near:
                root = max(near, key=lambda lease: (lease.silenced_at, lease.alert_group_id))
                hidden[root.alert_group_id] = decision
    if not hidden:
        return decisions
    return [
        _speak_for(one, hidden[one.alert_group.id]) if one.alert_group.id in hidden else one
        for one in decisions
    ]


def _silenced_with(lease: Lease, group: AlertGroup) -> bool:
    if lease.silenced_at is None or group.silenced_at is None:
        return False
    return timedelta(0) <= group.silenced_at - lease.silenced_at <= _TOGETHER


def _speak_for(decision: Decision, attached: Decision) -> Decision:
    title = attached.alert_group.title or attached.alert_group.id
    return msgspec.structs.replace(
        decision,
        action=ActionKind.UNSILENCE,
        held=Held.NOT_HELD,
        inconsistent=False,
        reason=f"{decision.reason}; but IRM silenced «{title}» with it, which has an active alert",
    )


def taken(group: AlertGroup, decision: Decision, leases: Mapping[str, Lease]) -> bool:
    """Tell whether a person ended our lease while the silences that it mirrored were the same as now."""
    lease = leases.get(group.id)
    if lease is None or lease.state is not LeaseState.TAKEN:
        return False
    return {silence.id for silence in decision.silences} <= set(lease.silences)


def earliest_renewal(leases: Iterable[Lease], context: Context) -> datetime | None:
    """Give when (by our clock) a lease should be looked at again at the latest: to be renewed, or once it is over."""
    third = context.policy.silence_lease / 3
    left = [lease.until - context.irm_now for lease in leases if lease.state is LeaseState.HELD]
    waits = [one - third if one > third else one + _SLACK for one in left]
    return context.now + max(min(waits), _SLACK) if waits else None
