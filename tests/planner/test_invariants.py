"""What must hold of every decision in every world, however odd: hypothesis looks for one in which it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from alertsync.models import (
    ActionKind,
    AlertStatus,
    DecisionKind,
    Held,
    LeaseState,
    Ledger,
    Plan,
    Policy,
    Unreadable,
    Webhook,
)
from alertsync.planner.plan import plan, wanting
from tests.planner.truths import anywhere, at_place, left_firing, stories_of, wake, with_peers
from tests.planner.world import NOW, OURS, THEIRS
from tests.planner.worlds import JUDGED, World, holds, policies, worlds

if TYPE_CHECKING:
    import random

    from alertsync.models import Alert, Decision

T = TypeVar("T")
K = DecisionKind
CLOSES = frozenset({ActionKind.RESOLVE, ActionKind.SILENCE})


def planned(world: World, policy: Policy) -> Plan:
    return plan(world.snapshots, world.ledger, policy, NOW)


def closing(made: Plan) -> list[Decision]:
    return [decision for decision in made.decisions if decision.action in CLOSES]


def closed(world: World, policy: Policy) -> set[str]:
    return {decision.alert_group.id for decision in closing(planned(world, policy))}


def held_by_us(decision: Decision, world: World) -> bool:
    return decision.alert_group.state == "silenced" and any(
        lease.alert_group_id == decision.alert_group.id
        and lease.state in (LeaseState.HELD, LeaseState.INTENDED)
        for lease in world.ledger.leases
    )


def alerts_that_could_be_meant(decision: Decision, world: World) -> list[Alert]:
    """Find every alert, at any peer, at a place that a delivery names, or else left firing by one."""
    found: list[Alert] = []
    stories = stories_of(decision.alert_group, world)
    for known in world.snapshots.alertmanagers:
        here = [
            each
            for story in stories
            if isinstance(story, Webhook)
            for each in at_place(known, story.receiver, story.group_labels)
        ]
        names = {each.fingerprint for each in here}
        found += here
        found += [each for name in left_firing(stories, OURS) - names for each in anywhere(known, name)]
    return found


@given(worlds(), policies)
@holds
def test_nothing_with_an_active_member_at_any_peer_is_ever_closed(world: World, policy: Policy) -> None:
    for decision in closing(planned(world, policy)):
        meant = alerts_that_could_be_meant(decision, world)
        assert all(each.status is AlertStatus.SILENCED for each in meant)
        assert all(member.status is AlertStatus.SILENCED for member in decision.members)
        if decision.kind in (K.GONE, K.GONE_UNPROVEN):
            assert not meant
            assert not decision.members
        elif decision.kind is not K.UNPAYABLE:
            assert decision.members


@given(worlds(), policies)
@holds
def test_nothing_in_any_doubt_is_ever_closed(world: World, policy: Policy) -> None:
    snapshots = world.snapshots
    answered = {peer.peer for peer in snapshots.alertmanagers}
    for decision in closing(planned(world, policy)):
        one, stories = decision.alert_group, stories_of(decision.alert_group, world)
        assert one.integration_id in JUDGED
        assert one.id not in world.ledger.attached
        assert not any(isinstance(story, Unreadable) for story in stories)
        assert len(stories) == one.alerts_count, "every delivery was read"
        if one.id in snapshots.deliveries and one.alerts_count > 1:
            read_at = snapshots.deliveries[one.id].read_at
            assert all(read_at <= peer.read_at for peer in snapshots.alertmanagers)
        if policy.external_urls:
            assert not left_firing(stories, THEIRS), "another cluster's alert fires in it"
        if decision.absent or not decision.members:
            assert set(snapshots.configured) <= answered
            assert all(peer.settled for peer in snapshots.alertmanagers)


@given(worlds(), policies)
@holds
def test_only_what_is_in_scope_and_nobody_elses_is_closed(world: World, policy: Policy) -> None:
    ours_again = {debt.alert_group_id for debt in world.ledger.debts if debt.unresolved}
    for decision in planned(world, policy).actions:
        one = decision.alert_group
        if decision.action is ActionKind.UNSILENCE:
            assert held_by_us(decision, world)
        elif not held_by_us(decision, world):
            assert one.state in policy.states or one.id in ours_again
            assert decision.action is ActionKind.RESOLVE or one.state == "firing"
        if decision.action is ActionKind.RESOLVE:
            assert not world.ledger.degraded
            assert one.integration_id != "C6", "it has no inbound URL"


@given(worlds(), policies)
@holds
def test_what_is_proven_gone_was_gone_before(world: World, policy: Policy) -> None:
    for decision in planned(world, policy).decisions:
        if decision.kind is K.GONE:
            sighting = world.ledger.sightings[decision.alert_group.id]
            assert sighting.alive_at is not None
            assert sighting.absent_since is not None
            assert NOW - sighting.absent_since >= policy.absence_after


@given(worlds(), policies)
@holds
def test_one_active_alert_is_enough_to_leave_an_alert_group_alone(world: World, policy: Policy) -> None:
    for decision in closing(planned(world, policy)):
        for member in decision.members:
            woken = with_peers(
                world, [wake(peer, member.fingerprint) for peer in world.snapshots.alertmanagers]
            )
            assert decision.alert_group.id not in closed(woken, policy)


@given(worlds(), policies, st.sampled_from("abcd"))
@holds
def test_more_active_alerts_never_make_more_closing_actions(world: World, policy: Policy, name: str) -> None:
    policy = msgspec.structs.replace(policy, max_actions_per_run=100)
    woken = with_peers(world, [wake(peer, name) for peer in world.snapshots.alertmanagers])
    assert closed(woken, policy) <= closed(world, policy)


STRICTER = st.fixed_dictionaries(
    {},
    optional={
        "on_silenced": st.just("report"),
        "on_gone": st.just("report"),
        "states": st.just(frozenset[str]()),
        "integration_ids": st.just(frozenset({"C1"})),
        "min_silence_remaining": st.just(msgspec.convert("PT2H", type=type(NOW - NOW))),
        "max_actions_per_run": st.sampled_from((0, 1)),
        "dry_run": st.just(True),
    },
)


@given(worlds(), policies, STRICTER)
@holds
def test_a_stricter_policy_only_takes_away(world: World, policy: Policy, stricter: dict[str, object]) -> None:
    loose = msgspec.structs.replace(policy, max_actions_per_run=100)
    assert closed(world, msgspec.structs.replace(loose, **stricter)) <= closed(world, loose)


@given(worlds(), policies, st.randoms(use_true_random=False))
@holds
def test_the_order_of_the_input_does_not_matter(world: World, policy: Policy, chance: random.Random) -> None:
    def shuffled(values: tuple[T, ...]) -> tuple[T, ...]:
        return tuple(chance.sample(values, len(values)))

    known = world.snapshots
    mixed = msgspec.structs.replace(
        known,
        irm=msgspec.structs.replace(known.irm, alert_groups=shuffled(known.irm.alert_groups)),
        alertmanagers=tuple(
            msgspec.structs.replace(one, groups=shuffled(one.groups), silences=shuffled(one.silences))
            for one in known.alertmanagers
        ),
    )
    before, after = planned(world, policy), planned(world._replace(snapshots=mixed), policy)
    assert [(one.alert_group.id, one.kind, one.held, one.action) for one in before.decisions] == [
        (one.alert_group.id, one.kind, one.held, one.action) for one in after.decisions
    ]
    assert {one.debts for one in before.repages} == {one.debts for one in after.repages}


@given(worlds(), policies)
@holds
def test_a_dry_run_shows_exactly_what_would_be_done(world: World, policy: Policy) -> None:
    real, rehearsal = planned(world, policy), planned(world, msgspec.structs.replace(policy, dry_run=True))
    assert rehearsal.actions == ()
    assert rehearsal.repages == ()
    shown = [(one.alert_group.id, one.would) for one in rehearsal.decisions if one.held is Held.DRY_RUN]
    assert shown == [(one.alert_group.id, one.action) for one in real.actions]
    assert rehearsal.withheld == real.repages or not policy.repage


@given(worlds(), policies)
@holds
def test_every_alert_group_is_decided_once_with_a_reason_and_at_most_one_way(
    world: World, policy: Policy
) -> None:
    made = planned(world, policy)
    assert sorted(one.alert_group.id for one in made.decisions) == sorted(
        one.id for one in world.snapshots.irm.alert_groups
    )
    for decision in made.decisions:
        assert decision.reason
        assert decision.action is ActionKind.NONE or decision.held is Held.NOT_HELD
        assert decision.action is not ActionKind.RESOLVE or decision.inconsistent
    first = [one for one in closing(made) if not held_by_us(one, world)]
    assert len([one for one in first if one.alert_group.state != "silenced"]) <= policy.max_actions_per_run
    assert all(one.held is Held.DELIVERIES for one in wanting(made, policy))


@given(worlds(), policies)
@holds
def test_without_a_past_nothing_is_gone_reopened_or_flapping(world: World, policy: Policy) -> None:
    kinds = {one.kind for one in planned(world._replace(ledger=Ledger()), policy).decisions}
    assert not kinds & {K.GONE, K.REOPENED, K.FLAPPING, K.ATTACHED}
