"""The plan: every open alert group decided, oldest first, then the policy, then the brake.

A closing action must rest on every delivery of its alert group. Where only the last of several was read, the
decision is held (`Held.DELIVERIES`); `wanting` lists those, so that the caller can read them, then Alertmanager
again, and plan anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertsync.models import ActionKind, Held, Plan
from alertsync.planner import context as contexts
from alertsync.planner import policy as policies
from alertsync.planner.decide import decide
from alertsync.planner.evidence import gather

if TYPE_CHECKING:
    from datetime import datetime

    from alertsync.models import Decision, Policy, Snapshots


def plan(snapshots: Snapshots, policy: Policy, now: datetime) -> Plan:
    """Decide about every open alert group; `now` is our time, of the clock of the snapshots' `read_at`."""
    context = contexts.build(snapshots, policy, now)
    decisions = []
    for group in sorted(snapshots.irm.alert_groups, key=lambda one: (one.created_at, one.id)):
        evidence = gather(group, snapshots.deliveries.get(group.id), snapshots.alertmanager.read_at)
        decisions.append(policies.apply(decide(group, evidence, context), policy, whole=evidence.whole))
    return Plan(decisions=policies.brake(decisions, policy), external_urls=context.ours)


def wanting(plan: Plan, policy: Policy) -> tuple[Decision, ...]:
    """Give the decisions whose deliveries are to be read next, oldest first.

    None once the plan holds as many actions as a run may take: what follows them waits for the next run.
    """
    ready = sum(
        decision.action is not ActionKind.NONE or decision.held in (Held.DRY_RUN, Held.POLICY)
        for decision in plan.decisions
    )
    room = max(policy.max_actions_per_run - ready, 0)
    return tuple(decision for decision in plan.decisions if decision.held is Held.DELIVERIES)[:room]
