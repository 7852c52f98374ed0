"""What must hold of the ledger in every world: nothing is forgotten, nothing is closed silently, and it comes to rest."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
from hypothesis import given

from alertsync.models import ActionKind, AlertStatus, Debt, Ledger, Owing, Plan, Policy, Webhook
from alertsync.planner.plan import plan
from alertsync.store.memory import apply
from tests.planner.truths import at_place, left_firing, stories_of
from tests.planner.world import NOW, OURS
from tests.planner.worlds import INTEGRATIONS, World, holds, policies, worlds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alertsync.models import AlertGroup, Delivery, Snapshots

RUNS_ELSEWHERE = 3
PAYABLE = {one.id for one in INTEGRATIONS if one.receives and not one.in_maintenance}


def planned(world: World, policy: Policy) -> Plan:
    return plan(world.snapshots, world.ledger, policy, NOW)


def searched(world: World) -> World:
    return world._replace(snapshots=msgspec.structs.replace(world.snapshots, searched=True))


def certain(world: World) -> list[Debt]:
    """Give the debts whose resolve happened, of alert groups that nobody opened again."""
    is_open = {one.id for one in world.snapshots.irm.alert_groups}
    return [
        one
        for one in world.ledger.debts
        if one.is_open and one.resolved_at is not None and one.alert_group_id not in is_open
    ]


def deliveries(snapshots: Snapshots) -> Iterator[tuple[AlertGroup, Delivery]]:
    for one in (*snapshots.irm.alert_groups, *(each for later in snapshots.later.values() for each in later)):
        last = (one.last_delivery,) if one.last_delivery else ()
        read = snapshots.deliveries.get(one.id)
        yield from ((one, delivery) for delivery in (read.items if read else last))


def told_of(owing: Debt, world: World) -> set[str]:
    """Find the fingerprints that IRM was told of at the place of a debt since it was resolved."""
    names: set[str] = set()
    for one, delivery in deliveries(world.snapshots):
        story = delivery.content
        if (
            isinstance(story, Webhook)
            and owing.resolved_at is not None
            and (one.integration_id, story.receiver, story.group_labels)
            == (owing.integration_id, owing.receiver, owing.group_labels)
            and delivery.created_at > owing.resolved_at
        ):
            names |= story.firing
    return names


def active_at(owing: Debt, world: World) -> set[str]:
    return {
        each.fingerprint
        for known in world.snapshots.alertmanagers
        for each in at_place(known, owing.receiver or "", owing.group_labels)
        if each.status is AlertStatus.ACTIVE
    }


@given(worlds(), policies)
@holds
def test_what_fires_where_it_was_resolved_and_was_told_nowhere_is_never_closed(
    world: World, policy: Policy
) -> None:
    world = searched(world)
    made = planned(world, policy)
    after = {one.id: one for one in made.debts}
    for before in certain(world):
        unknown = active_at(before, world) - told_of(before, world)
        for was, now in zip(before.alerts, after[before.id].alerts, strict=True):
            if was.state.is_open and was.fingerprint in unknown:
                assert now.state in (Owing.DUE, Owing.POSTED), now.why
                due = now.state is Owing.DUE and before.integration_id in PAYABLE
                assert not due or any(
                    before.id in repage.debts and now.fingerprint in repage.fingerprints
                    for repage in made.repages
                )


@given(worlds(), policies)
@holds
def test_nothing_is_over_without_its_reason(world: World, policy: Policy) -> None:
    made = planned(world, policy)
    before = {one.id: one for one in certain(world)}
    for after in made.debts:
        if after.id not in before:
            continue
        was = before[after.id]
        told = told_of(was, world)
        for alert in after.alerts:
            paid_before = next(one for one in was.alerts if one.fingerprint == alert.fingerprint)
            if not paid_before.state.is_open:
                assert alert == paid_before
            elif alert.state is Owing.PAID:
                assert alert.fingerprint in told
            elif alert.state is Owing.LAPSED:
                everywhere = [
                    each
                    for known in world.snapshots.alertmanagers
                    for one in known.groups
                    for each in one.alerts
                ]
                # What still stands somewhere lapses only if that is another place, and has been for some runs.
                if alert.fingerprint in {each.fingerprint for each in everywhere}:
                    assert paid_before.elsewhere + 1 >= RUNS_ELSEWHERE
                    assert alert.fingerprint not in active_at(was, world)
            assert alert.why or alert.state is paid_before.state


@given(worlds(), policies)
@holds
def test_nothing_is_posted_that_is_not_due(world: World, policy: Policy) -> None:
    owing = {one.id: one for one in world.ledger.debts}
    for repage in planned(world, policy).repages:
        debts = [owing[name] for name in repage.debts]
        assert {(one.integration_id, one.receiver) for one in debts} == {
            (repage.integration_id, repage.receiver)
        }
        assert all(one.group_labels == repage.group_labels for one in debts)
        assert repage.fingerprints <= {
            alert.fingerprint for one in debts for alert in one.alerts if alert.state.is_open
        }


@given(worlds(), policies)
@holds
def test_debts_disappear_never(world: World, policy: Policy) -> None:
    for rules in (policy, msgspec.structs.replace(policy, repage=False, dry_run=True)):
        made = planned(world, rules)
        assert {one.id for one in made.debts} == {one.id for one in world.ledger.debts if one.is_open}
        before = {one.id: {alert.fingerprint for alert in one.alerts} for one in world.ledger.debts}
        assert all({alert.fingerprint for alert in one.alerts} == before[one.id] for one in made.debts)


@given(worlds(), policies)
@holds
def test_every_resolve_owes_for_every_member_and_all_that_was_left_firing(
    world: World, policy: Policy
) -> None:
    made = planned(world, policy)
    resolves = [one for one in made.decisions if one.action is ActionKind.RESOLVE]
    assert {one.alert_group.id for one in resolves} == set(made.obligations)
    for decision in resolves:
        owed = {
            alert.fingerprint for one in made.obligations[decision.alert_group.id] for alert in one.alerts
        }
        stories = stories_of(decision.alert_group, world)
        assert {member.fingerprint for member in decision.members} <= owed
        assert set(decision.absent) <= owed
        assert left_firing(stories, OURS) <= owed
        assert all(one.is_open or not one.alerts for one in made.obligations[decision.alert_group.id])


@given(worlds(), policies)
@holds
def test_planning_is_deterministic(world: World, policy: Policy) -> None:
    assert planned(world, policy) == planned(world, policy)


@given(worlds(), policies)
@holds
def test_what_was_learned_changes_no_decision(world: World, policy: Policy) -> None:
    first = planned(world, policy)
    again = planned(world._replace(ledger=apply(world.ledger, first.change)), policy)
    assert [(one.kind, one.action, one.held) for one in again.decisions] == [
        (one.kind, one.action, one.held) for one in first.decisions
    ]


@given(worlds(), policies)
@holds
def test_applied_again_and_again_a_plan_comes_to_rest(world: World, policy: Policy) -> None:
    """Resolve what the plan resolves, owe what it owes: after a round for each alert group, nothing is left to do."""
    policy = msgspec.structs.replace(policy, on_silenced="resolve")
    world = world._replace(ledger=msgspec.structs.replace(world.ledger, leases=(), degraded=""))
    for _ in world.snapshots.irm.alert_groups:
        made = planned(world, policy)
        world = resolve(world, made)
    left = planned(world, policy)
    assert [one for one in left.decisions if one.action is ActionKind.RESOLVE] == []


def resolve(world: World, made: Plan) -> World:
    groups = tuple(one for one in world.snapshots.irm.alert_groups if one.id not in made.obligations)
    irm = msgspec.structs.replace(world.snapshots.irm, alert_groups=groups)
    debts = tuple(
        msgspec.structs.replace(one, resolved_at=NOW + timedelta(seconds=2))
        for owing in made.obligations.values()
        for one in owing
    )
    ledger: Ledger = apply(
        apply(world.ledger, made.change), msgspec.structs.replace(made.change, debts=debts)
    )
    return World(msgspec.structs.replace(world.snapshots, irm=irm), ledger)
