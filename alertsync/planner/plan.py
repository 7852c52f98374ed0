"""The plan: every open alert group decided, oldest first, every debt judged, then the policy, then the brakes.

A closing action must rest on every delivery of its alert group. Where only the last of several was read, the
decision is held (`Held.DELIVERIES`); `wanting` lists those, so that the caller can read them, then Alertmanager
again, and plan anew. What must be read to tell whether a debt is paid stands in `Plan.search`.
"""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING

from alertsync.models import ActionKind, Brake, Held, IrmSilenceState, LeaseState, LedgerChange, Owing, Plan
from alertsync.planner import context as contexts
from alertsync.planner import leases, obligations
from alertsync.planner import policy as policies
from alertsync.planner.absence import sightings
from alertsync.planner.decide import decide, divide
from alertsync.planner.evidence import gather
from alertsync.planner.inbox import holds
from alertsync.planner.reckoning import reckon
from alertsync.planner.remember import Memory
from alertsync.planner.silencing import follow_all

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping
    from datetime import datetime

    from alertsync.models import AlertGroup, Debt, Decision, Ledger, Policy, Snapshots
    from alertsync.planner.context import Context
    from alertsync.planner.evidence import Stream
    from alertsync.planner.membership import Indexes
    from alertsync.planner.reckoning import Reckoning
    from alertsync.planner.silencing import Silencing

_MOMENT = timedelta(seconds=1)
_RETRY_AFTER = timedelta(seconds=30)
"""How soon a run that could not look is followed, where somebody may have to be paged."""


def plan(
    snapshots: Snapshots, ledger: Ledger, policy: Policy, now: datetime, indexes: Indexes | None = None
) -> Plan:
    """Decide about every open alert group; `now` is our time, of the clock of the snapshots' `read_at`.

    With `indexes`, what was indexed for one plan is used again for the next.
    """
    context, decisions, streams, whole = _decide_all(snapshots, ledger, policy, now, indexes)
    braked, engaged = policies.brake(decisions, context)
    reckoning = reckon(snapshots, context)
    silencing = follow_all(snapshots, decisions, whole, context)
    return Plan(
        decisions=braked,
        external_urls=context.ours,
        repages=reckoning.repages,
        withheld=reckoning.withheld,
        debts=reckoning.debts,
        obligations={
            one.alert_group.id: obligations.of_decision(one, streams[one.alert_group.id], context)
            for one in braked
            if one.action is ActionKind.RESOLVE
        },
        change=_change(decisions, reckoning, silencing, context, snapshots),
        search=reckoning.search,
        brakes=engaged | {Brake.MAX_ACTIONS} if silencing.braked else engaged,
        wake_at=_wake_at(braked, reckoning, silencing, context),
        silence_changes=silencing.changes,
        unread=silencing.unread,
        handled=silencing.handled,
    )


def judge(
    snapshots: Snapshots, ledger: Ledger, policy: Policy, now: datetime, indexes: Indexes | None = None
) -> tuple[Decision, tuple[Debt, ...]]:
    """Decide about the only alert group in the snapshot, and tell what resolving it would owe.

    For confirming: the debts have been judged, and the brakes have had their say.
    """
    context, [decision], streams, _ = _decide_all(snapshots, ledger, policy, now, indexes)
    decision = policies.quiet(decision, context)
    if decision.action is not ActionKind.RESOLVE:
        return decision, ()
    return decision, obligations.of_decision(decision, streams[decision.alert_group.id], context)


def _decide_all(
    snapshots: Snapshots, ledger: Ledger, policy: Policy, now: datetime, indexes: Indexes | None
) -> tuple[Context, list[Decision], dict[str, list[Stream]], frozenset[str]]:
    """Decide about each alert group, oldest first.

    Give the streams that are ours, too, by alert group id, and the ids of those that are judged by all deliveries.
    """
    context = contexts.build(snapshots, ledger, policy, now, indexes)
    groups = sorted(snapshots.irm.alert_groups, key=lambda one: (one.created_at, one.id))
    is_open = {group.id: group for group in groups}
    followed = {
        lease.alert_group_id: leases.follow(lease, is_open.get(lease.alert_group_id), context)
        for lease in ledger.leases
    }
    context = dataclasses.replace(context, leases=followed)
    alertmanager_read_at = min(one.read_at for one in snapshots.alertmanagers)
    judged = []
    for group in groups:
        evidence = gather(
            group, snapshots.deliveries.get(group.id), alertmanager_read_at, policy.max_deliveries
        )
        judged.append((group, evidence, *divide(group, evidence.streams, context)))
    kept_quiet = _kept_quiet(ledger, is_open)
    memory = Memory(context.ledger, [(group, own) for group, _, own, _ in judged], context)
    decisions = []
    for group, evidence, own, foreign in judged:
        decision = memory.correct(decide(group, evidence, own, foreign, context), own)
        decision = policies.apply(
            decision,
            leases.held(group, context.leases),
            context,
            whole=evidence.whole,
            ours_to_close=memory.ours_to_close(group) or group.id in kept_quiet,
        )
        decisions.append(decision)
    decisions = leases.let_attached_speak(decisions, context)
    whole = frozenset(group.id for group, evidence, _, _ in judged if evidence.whole)
    return context, decisions, {group.id: own for group, _, own, _ in judged}, whole


def _kept_quiet(ledger: Ledger, is_open: Mapping[str, AlertGroup]) -> frozenset[str]:
    """Give the alert groups that Alertmanager cannot close, because we silenced it where a person silenced IRM."""
    return frozenset(
        one.alert_group_id
        for one in ledger.irm_silences
        if one.silences
        and (group := is_open.get(one.alert_group_id)) is not None
        and holds(one, group)
        and one.state is IrmSilenceState.FOLLOWED
    )


def _wake_at(
    decisions: Iterable[Decision], reckoning: Reckoning, silencing: Silencing, context: Context
) -> datetime | None:
    """Give when (by our clock) the next run should be at the latest: an owed silence ends, a lease must go on."""
    behind = min(view.now for view in context.views)
    closing = (one.silenced_until for one in decisions if one.action is ActionKind.RESOLVE)
    times = [context.now + (until - behind) + _MOMENT for until in closing if until is not None]
    times += [
        at
        for at in (
            reckoning.wake_at,
            silencing.wake_at,
            leases.earliest_renewal(context.leases.values(), context),
        )
        if at
    ]
    if any(one.action is ActionKind.SILENCE for one in decisions):
        times.append(context.now + context.policy.silence_lease * 2 / 3)
    return min(times, default=None)


def retry_at(ledger: Ledger, now: datetime) -> datetime | None:
    """Give when a run that could not look should be followed: what is owed does not wait for the interval."""
    times = [lease.until for lease in ledger.leases if lease.state in (LeaseState.INTENDED, LeaseState.HELD)]
    for debt in ledger.debts:
        if debt.is_open and debt.silenced_until is not None:
            times.append(debt.silenced_until)
        if debt.is_open and any(one.state in (Owing.DUE, Owing.POSTED) for one in debt.alerts):
            times.append(now)
    return max(min(times), now + _RETRY_AFTER) if times else None


def _change(
    decisions: list[Decision],
    reckoning: Reckoning,
    silencing: Silencing,
    context: Context,
    snapshots: Snapshots,
) -> LedgerChange:
    """Tell what is known better than the ledger did."""
    ledger = context.ledger
    known = {lease.alert_group_id: lease for lease in ledger.leases}
    answered = [view.peer for view in context.views]
    peers = {peer: ledger.peers.get(peer, context.now) for peer in snapshots.configured}
    return LedgerChange(
        debts=reckoning.changed,
        leases=tuple(lease for name, lease in context.leases.items() if lease != known[name]),
        irm_silences=silencing.silences,
        hand_silences=silencing.by_hand,
        sightings=sightings(decisions, context),
        addresses=dict(context.addresses) if context.addresses != ledger.addresses else None,
        peers=peers | dict.fromkeys(answered, context.now),
    )


def wanting(
    plan: Plan, policy: Policy, *, in_vain: Container[str] = (), at_least: int = 0
) -> tuple[Decision, ...]:
    """Give the decisions whose deliveries are to be read next, oldest first.

    None once the plan holds as many actions as a run may take: what follows them waits for the next run. Those that
    were read `in_vain` before come last, so that they starve nobody. `at_least` so many at once, where there are: for
    each batch Alertmanager is read anew.
    """
    ready = sum(
        decision.action is not ActionKind.NONE or decision.held in (Held.DRY_RUN, Held.POLICY)
        for decision in plan.decisions
    )
    room = max(policy.max_actions_per_run - ready, 0)
    unread = [decision for decision in plan.decisions if decision.held is Held.DELIVERIES]
    # What we hold silenced comes first: not renewed, it would page.
    ours = [decision for decision in unread if decision.alert_group.state == "silenced"]
    others = [decision for decision in unread if decision.alert_group.state != "silenced"]
    if not room:
        return tuple(ours)
    others.sort(key=lambda one: one.alert_group.id in in_vain)
    return (*ours, *others[: max(room, at_least)])
