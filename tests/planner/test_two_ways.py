"""Both directions together come to rest from every start, and neither keeps the other alive."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertsync.models import ActionKind, DecisionKind, IrmSilenceState, LeaseState, Ledger, Matcher, Policy
from alertsync.planner.silences import matches
from tests.planner.two_ways import ANN, EVE, RECEIVERS, TwoWays

if TYPE_CHECKING:
    from alertsync.models import Plan

NAMES = ("Disk", "Cpu")
LABELS = st.fixed_dictionaries(
    {"alertname": st.sampled_from(NAMES)},
    optional={"job": st.sampled_from(["a", "b"]), "instance": st.sampled_from(["1", "2", "3"])},
)
GROUPS = st.sampled_from([f"{receiver}-{name}" for receiver in RECEIVERS for name in NAMES])
DEEDS = st.one_of(
    st.tuples(
        st.just("irm"),
        GROUPS,
        st.sampled_from([ANN, ANN, EVE, "alertsync"]),
        st.sampled_from([0.0, 60.0, 3000.0]),
        st.booleans(),
    ),
    st.tuples(st.just("unsilence"), GROUPS, st.booleans()),
    st.tuples(st.just("acknowledge"), GROUPS),
    st.tuples(
        st.just("alertmanager"),
        st.sampled_from(
            [Matcher("alertname", "Disk"), Matcher("job", "a"), Matcher("instance", "1|2", is_regex=True)]
        ),
    ),
    st.tuples(st.just("expire"), st.integers(0, 5)),
    st.tuples(st.just("fire"), LABELS),
    st.tuples(st.just("end"), st.integers(0, 5)),
    st.tuples(st.just("forget")),
    st.tuples(st.just("run")),
)


def fingerprint(labels: dict[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))


def do(world: TwoWays, deed: tuple[object, ...]) -> None:  # noqa: C901, PLR0912  one line for each thing that can happen
    match deed:
        case ("irm", str(group), str(by), float(minutes), bool(told)):
            if group in world.groups and world.groups[group].state != "resolved":
                world.silence_in_irm(group, by, minutes=minutes, told=told)
        case ("unsilence", str(group), bool(told)):
            if group in world.groups:
                world.unsilence(group, told=told)
        case ("acknowledge", str(group)):
            if group in world.groups and world.groups[group].state != "resolved":
                world.unsilence(group, told=False)
                world.groups[group].state = "acknowledged"
        case ("alertmanager", Matcher() as matcher):
            world.silence_in_alertmanager(matcher)
        case ("expire", int(number)):
            for name in sorted(world.silences)[number : number + 1]:
                del world.silences[name]
        case ("fire", dict(labels)):
            world.alerts[fingerprint(labels)] = labels
        case ("end", int(number)):
            for name in sorted(world.alerts)[number : number + 1] if len(world.alerts) > 1 else ():
                del world.alerts[name]
        case ("forget",):
            world.ledger = Ledger()
        case ("run",):
            world.run()


def worlds(deeds: list[tuple[object, ...]], alerts: list[dict[str, str]], on_silenced: str) -> TwoWays:
    policy = Policy(
        on_silenced=on_silenced,
        silencers=frozenset({"*@example.org"}),
        strangers="unsilence" if len(deeds) % 2 else "ignore",
        max_silence=timedelta(hours=4),
    )
    world = TwoWays(policy, {fingerprint(one): one for one in alerts})
    for deed in deeds:
        do(world, deed)
    return world


def settle(world: TwoWays) -> Plan:
    """Run until nothing is done any more; it must not take long."""
    for _ in range(8):
        made = world.run()
        if not made.silence_changes and not made.actions and not world.events:
            return made
    raise AssertionError(f"it does not come to rest: {made.silence_changes} {made.actions} {world.events}")


STARTS = {
    "deeds": st.lists(DEEDS, max_size=8),
    "alerts": st.lists(LABELS, min_size=1, max_size=5),
    "on_silenced": st.sampled_from(["resolve", "silence", "report"]),
}


@settings(max_examples=150, deadline=None)
@given(**STARTS)
def test_from_every_start_both_come_to_rest_and_only_what_people_silenced_is_silent(
    deeds: list[tuple[object, ...]], alerts: list[dict[str, str]], on_silenced: str
) -> None:
    world = worlds(deeds, alerts, on_silenced)
    settle(world)
    followed = {
        one.alert_group_id for one in world.ledger.irm_silences if one.state is IrmSilenceState.FOLLOWED
    }
    for name in followed:
        group = world.groups[name]
        assert (group.state, group.by) == ("silenced", ANN), "only for those who may"
        for labels in world.members(group):
            assert any(matches(one, labels) for one in world.silences.values())
    wanted = [labels for name in followed for labels in world.members(world.groups[name])]
    for one in world.ours():
        assert all(labels in wanted for labels in world.alerts.values() if matches(one, labels)), (
            "never an alert of another alert group"
        )
    for lease in world.ledger.leases:
        if lease.state is LeaseState.HELD:
            by_people = [one for one in world.silences.values() if one not in world.ours()]
            for labels in world.members(world.groups[lease.alert_group_id]):
                assert any(matches(one, labels) for one in by_people), (
                    "IRM is silent for what a person silenced in Alertmanager, never for an echo"
                )


@settings(max_examples=150, deadline=None)
@given(**STARTS)
def test_when_people_take_back_what_they_silenced_nothing_stays_silent(
    deeds: list[tuple[object, ...]], alerts: list[dict[str, str]], on_silenced: str
) -> None:
    world = worlds(deeds, alerts, on_silenced)
    settle(world)
    ours = {one.id for one in world.ours()}
    world.silences = {name: one for name, one in world.silences.items() if name in ours}
    leased = {one.alert_group_id for one in world.ledger.leases if one.state is LeaseState.HELD}
    for name in world.groups.keys() - leased:
        world.unsilence(name, told=len(deeds) % 3 > 0)
    settle(world)
    assert world.silences == {}
    # What Alertmanager holds no alert of is not ours to judge; a lease on it runs out.
    names = {labels["alertname"] for labels in world.alerts.values()}
    assert {one.state for one in world.groups.values() if one.name in names} <= {
        "firing",
        "acknowledged",
        "resolved",
    }


@pytest.mark.parametrize("on_silenced", ["resolve", "silence", "report"])
def test_an_echo_is_neither_resolved_nor_leased_also_in_another_alert_group(on_silenced: str) -> None:
    world = worlds([("irm", "oncall-Disk", ANN, 60.0, True)], [{"alertname": "Disk"}], on_silenced)
    settle(world)
    made = world.run()
    assert {one.alert_group.id: one.kind for one in made.decisions} == {
        "oncall-Disk": DecisionKind.SILENCED_IN_IRM,
        "audit-Disk": DecisionKind.SILENCED_IN_IRM,
    }
    assert made.actions == ()
    assert world.groups["audit-Disk"].state == "firing"


def test_what_is_over_in_irm_is_over_in_alertmanager() -> None:
    world = worlds([("irm", "oncall-Disk", ANN, 60.0, True)], [{"alertname": "Disk"}], "report")
    settle(world)
    assert len(world.ours()) == 1
    world.unsilence("oncall-Disk", told=False)
    settle(world)
    assert world.ours() == []


def test_a_persons_silence_beside_an_echo_counts_for_as_long_as_it_lasts_itself() -> None:
    world = worlds([("irm", "oncall-Disk", ANN, 0.0, True)], [{"alertname": "Disk"}], "report")
    settle(world)
    world.silence_in_alertmanager(Matcher("alertname", "Disk"))
    [decision] = [one for one in world.run().decisions if one.alert_group.id == "audit-Disk"]
    assert decision.kind is DecisionKind.SILENCED
    assert decision.silenced_until is not None
    assert decision.silenced_until - world.now <= timedelta(hours=2), "not for as long as the echo"
    assert [one.created_by for one in decision.silences] == ["ana@example.org"]


def test_an_alert_that_comes_into_reach_is_set_free_by_the_next_run_and_the_others_stay_silenced() -> None:
    alerts = [{"alertname": "Disk", "job": "a", "instance": "1"}, {"alertname": "Disk", "job": "b"}]
    world = worlds([("irm", "oncall-Disk", ANN, 60.0, True)], alerts, "report")
    settle(world)
    assert caught(world) == [["alertname=Disk"]]
    stranger = {"alertname": "Disk", "instance": "3"}
    do(world, ("fire", stranger))
    made = world.run()
    assert [one.kind for one in made.silence_changes] == [
        ActionKind.EXPIRE_SILENCE,
        ActionKind.CREATE_SILENCE,
        ActionKind.CREATE_SILENCE,
    ]
    assert caught(world) == [["alertname=Disk", "instance=1", "job=a"], ["alertname=Disk", "job=b"]]
    do(world, ("fire", {"alertname": "Disk", "job": "b", "instance": "3"}))
    world.run()
    assert caught(world) == [["alertname=Disk", "instance=1", "job=a"]], "b can not be told apart any more"
    [silence] = world.ledger.irm_silences
    assert silence.state is IrmSilenceState.REFUSED
    assert "another alert has all labels" in silence.why


def test_what_is_silenced_by_many_silences_is_silenced_by_one_once_a_new_member_makes_them_anew() -> None:
    alerts = [{"alertname": "Disk", "job": "a"}, {"alertname": "Disk", "job": "b"}]
    stranger = {"alertname": "Disk", "instance": "3"}
    world = worlds([], [*alerts, stranger], "report")
    world.silence_in_irm("oncall-Disk", ANN)
    settle(world)
    assert len(world.ours()) == 2
    del world.alerts[fingerprint(stranger)]
    world.run()
    assert len(world.ours()) == 2, "what does is left as it is"
    do(world, ("fire", {"alertname": "Disk", "job": "c"}))
    made = world.run()
    assert [(one.kind, one.replaced) for one in made.silence_changes] == [
        (ActionKind.CREATE_SILENCE, False),
        (ActionKind.EXPIRE_SILENCE, True),
        (ActionKind.EXPIRE_SILENCE, True),
    ]
    assert caught(world) == [["alertname=Disk"]]


def caught(world: TwoWays) -> list[list[str]]:
    return sorted([f"{one.name}={one.value}" for one in each.matchers] for each in world.ours())
