"""What must hold in every world, however odd: hypothesis looks for one in which it does not."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from alertsync.models import (
    ActionKind,
    AggregationGroup,
    Alert,
    AlertGroup,
    AlertmanagerSnapshot,
    AlertStatus,
    Deliveries,
    Held,
    LegacyAlert,
    Policy,
    Snapshots,
    Unreadable,
    Webhook,
)
from alertsync.planner.plan import plan, wanting
from tests.planner.world import (
    INTEGRATION,
    NOW,
    OURS,
    THEIRS,
    alert,
    alert_group,
    alertmanager,
    deliveries,
    group,
    irm,
    silence,
    webhook,
)

if TYPE_CHECKING:
    import random

T = TypeVar("T")
NAMES = ("a", "b", "c", "d", "e")
PLACES = ("Disk", "Cpu", "Net")
INTEGRATIONS = (
    INTEGRATION,
    msgspec.structs.replace(INTEGRATION, id="C2", type="webhook"),
    msgspec.structs.replace(INTEGRATION, id="C3", in_maintenance=True),
    msgspec.structs.replace(INTEGRATION, id="C4", type="legacy_alertmanager"),
)

statuses = st.sampled_from((*AlertStatus, AlertStatus.SILENCED, AlertStatus.SILENCED))
alerts = st.builds(
    alert, st.sampled_from(NAMES), statuses, st.sampled_from((("s1",), ("s2",), ("s1", "s2"), ("lost",)))
)
contents: st.SearchStrategy[Webhook | LegacyAlert | Unreadable] = st.one_of(
    st.builds(
        lambda firing, resolved, url, place, cut: webhook(
            *firing, resolved=tuple(resolved - firing), url=url, truncated=cut, alertname=place
        ),
        st.sets(st.sampled_from(NAMES)),
        st.sets(st.sampled_from(NAMES)),
        st.sampled_from((OURS, OURS, OURS, THEIRS)),
        st.sampled_from(PLACES),
        st.sampled_from((0, 0, 0, 2)),
    ),
    st.builds(LegacyAlert, fingerprint=st.sampled_from(NAMES), firing=st.booleans()),
    st.just(Unreadable(why="its payload was wiped")),
)


@st.composite
def alertmanagers(draw: st.DrawFn) -> AlertmanagerSnapshot:
    groups = []
    for place in PLACES:
        for receiver in ("oncall", "other"):
            members = draw(st.lists(alerts, max_size=4, unique_by=lambda one: one.fingerprint))
            groups.append(group(*members, receiver=receiver, alertname=place))
    return alertmanager(
        *groups,
        silences=(silence("s1", draw(st.sampled_from((0.5, 60)))), silence("s2", 30)),
        started_at=NOW - draw(st.sampled_from((timedelta(minutes=1), timedelta(days=1)))),
        settled=draw(st.booleans()),
    )


@st.composite
def worlds(draw: st.DrawFn) -> Snapshots:
    groups: list[AlertGroup] = []
    read: dict[str, Deliveries] = {}
    for number in range(draw(st.integers(1, 5))):
        stories = draw(st.lists(contents, max_size=3))
        name = f"I{number}"
        groups.append(
            alert_group(
                stories[0] if stories else None,
                count=len(stories),
                id=name,
                state=draw(st.sampled_from(("firing", "firing", "acknowledged", "silenced"))),
                integration_id=draw(st.sampled_from(("C1", "C1", "C1", "C2", "C3", "C4", "C5"))),
                created_at=NOW - timedelta(minutes=draw(st.integers(0, 99))),
            )
        )
        if draw(st.booleans()) and stories:
            read[name] = deliveries(*stories, read_before=draw(st.sampled_from((-1, 1))))
    attached = draw(st.frozensets(st.sampled_from(("I0", "I1", "I2")), max_size=1))
    return Snapshots(irm(*groups, integrations=INTEGRATIONS), draw(alertmanagers()), read, attached)


policies = st.builds(
    Policy,
    states=st.sampled_from((frozenset({"firing"}), frozenset({"firing", "acknowledged"}))),
    external_urls=st.sampled_from((frozenset[str](), frozenset({OURS}))),
    max_actions_per_run=st.sampled_from((1, 2, 100)),
)


def stories_of(one: AlertGroup, snapshots: Snapshots) -> list[Webhook | LegacyAlert | Unreadable]:
    read: Deliveries | None = snapshots.deliveries.get(one.id)
    found = read.items if read else ((one.last_delivery,) if one.last_delivery else ())
    return [delivery.content for delivery in found]


def alerts_that_could_be_meant(one: AlertGroup, snapshots: Snapshots) -> list[Alert]:
    """Find, without the planner's help, every alert at a place that a delivery names."""
    places = [
        (story.receiver, story.group_labels)
        for story in stories_of(one, snapshots)
        if isinstance(story, Webhook)
    ]
    return [
        each
        for known in snapshots.alertmanager.groups
        if (known.receiver, known.labels) in places
        for each in known.alerts
    ]


@given(worlds(), policies)
@settings(max_examples=400, deadline=None)
def test_no_alert_group_with_an_active_member_is_ever_closed(snapshots: Snapshots, policy: Policy) -> None:
    for decision in plan(snapshots, policy, NOW).actions:
        one = decision.alert_group
        assert all(each.status is AlertStatus.SILENCED for each in alerts_that_could_be_meant(one, snapshots))
        assert decision.members
        assert all(member.status is AlertStatus.SILENCED for member in decision.members)
        assert one.state in policy.states
        assert one.integration_id in ("C1", "C4")
        assert one.id not in snapshots.attached
        assert not any(isinstance(story, Unreadable) for story in stories_of(one, snapshots))
        assert len(stories_of(one, snapshots)) == one.alerts_count


@given(worlds(), policies)
@settings(max_examples=200, deadline=None)
def test_one_active_alert_is_enough_to_leave_an_alert_group_alone(
    snapshots: Snapshots, policy: Policy
) -> None:
    for decision in plan(snapshots, policy, NOW).actions:
        for member in decision.members:
            woken = msgspec.structs.replace(
                snapshots, alertmanager=wake(snapshots.alertmanager, member.fingerprint)
            )
            closed = {each.alert_group.id for each in plan(woken, policy, NOW).actions}
            assert decision.alert_group.id not in closed


def wake(known: AlertmanagerSnapshot, fingerprint: str) -> AlertmanagerSnapshot:
    def stir(one: Alert) -> Alert:
        return (
            msgspec.structs.replace(one, status=AlertStatus.ACTIVE, silenced_by=())
            if one.fingerprint == fingerprint
            else one
        )

    groups = tuple(
        AggregationGroup(receiver=each.receiver, labels=each.labels, alerts=tuple(map(stir, each.alerts)))
        for each in known.groups
    )
    return msgspec.structs.replace(known, groups=groups)


@given(worlds(), policies, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_the_order_of_the_input_does_not_matter(
    snapshots: Snapshots, policy: Policy, chance: random.Random
) -> None:
    def shuffled(values: tuple[T, ...]) -> tuple[T, ...]:
        return tuple(chance.sample(values, len(values)))

    known = snapshots.alertmanager
    mixed = msgspec.structs.replace(
        snapshots,
        irm=msgspec.structs.replace(snapshots.irm, alert_groups=shuffled(snapshots.irm.alert_groups)),
        alertmanager=msgspec.structs.replace(
            known, groups=shuffled(known.groups), silences=shuffled(known.silences)
        ),
    )
    before, after = plan(snapshots, policy, NOW), plan(mixed, policy, NOW)
    assert [(one.alert_group.id, one.kind, one.held, one.action) for one in before.decisions] == [
        (one.alert_group.id, one.kind, one.held, one.action) for one in after.decisions
    ]


@given(worlds(), policies)
@settings(max_examples=200, deadline=None)
def test_applied_again_and_again_a_plan_comes_to_rest(snapshots: Snapshots, policy: Policy) -> None:
    for _ in snapshots.irm.alert_groups:
        closed = {decision.alert_group.id for decision in plan(snapshots, policy, NOW).actions}
        open_still = tuple(one for one in snapshots.irm.alert_groups if one.id not in closed)
        snapshots = msgspec.structs.replace(
            snapshots, irm=msgspec.structs.replace(snapshots.irm, alert_groups=open_still)
        )
    assert plan(snapshots, policy, NOW).actions == ()


@given(worlds(), policies)
@settings(max_examples=200, deadline=None)
def test_a_dry_run_shows_exactly_what_would_be_done(snapshots: Snapshots, policy: Policy) -> None:
    real = plan(snapshots, policy, NOW)
    rehearsal = plan(snapshots, msgspec.structs.replace(policy, dry_run=True), NOW)
    assert rehearsal.actions == ()
    shown = [one.alert_group.id for one in rehearsal.decisions if one.held is Held.DRY_RUN]
    assert shown == [one.alert_group.id for one in real.actions]
    assert len(real.actions) <= policy.max_actions_per_run


@given(worlds(), policies)
@settings(max_examples=200, deadline=None)
def test_every_alert_group_is_decided_once_with_a_reason_and_at_most_one_way(
    snapshots: Snapshots, policy: Policy
) -> None:
    planned = plan(snapshots, policy, NOW)
    assert sorted(one.alert_group.id for one in planned.decisions) == sorted(
        one.id for one in snapshots.irm.alert_groups
    )
    for decision in planned.decisions:
        assert decision.reason
        assert (decision.action is ActionKind.NONE) or (
            decision.held is Held.NOT_HELD and decision.inconsistent
        )
    assert all(one.held is Held.DELIVERIES for one in wanting(planned, policy))
