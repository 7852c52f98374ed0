"""The brakes hold closing actions only: so many a run, and not many gone at once; a person lifts them by name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from alertsync.models import (
    ActionKind,
    AlertGroup,
    Brake,
    Credentials,
    Decision,
    Held,
    Ledger,
    Plan,
    Policy,
    Sighting,
)
from alertsync.planner.plan import wanting
from tests.planner.owing import SET_AT, debt, lease, owed
from tests.planner.world import (
    NOW,
    OURS,
    SILENCED,
    alert,
    alert_group,
    alertmanager,
    group,
    planned,
    webhook,
)

POLICY = Policy(external_urls=frozenset({OURS}), on_gone="resolve")
KNOWN = alertmanager(group(alert("s", SILENCED)), group(alert("w"), alertname="Other"))
SEEN = Sighting(alive_at=NOW - timedelta(hours=9), absent_since=NOW - timedelta(minutes=59), absent_runs=9)
FOR_LONG = msgspec.structs.replace(SEEN, absent_since=NOW - timedelta(minutes=60))


def gone(number: int) -> AlertGroup:
    """Make an alert group that is gone; the higher its number, the younger it is."""
    content = webhook("x", alertname=f"Gone{number}")
    return alert_group(content, id=f"G{number}", created_at=NOW - timedelta(hours=9 - number / 100))


def silenced(number: int) -> AlertGroup:
    return alert_group(webhook("s"), id=f"S{number}", created_at=NOW - timedelta(hours=5 - number / 100))


def alive(number: int) -> AlertGroup:
    return alert_group(webhook("w", alertname="Other"), id=f"W{number}", created_at=NOW - timedelta(hours=2))


def look(*groups: AlertGroup, sighting: Sighting = SEEN, **policy: Any) -> Plan:
    rules = msgspec.structs.replace(POLICY, **policy)
    seen = {one.id: sighting for one in groups if one.id.startswith("G")}
    return planned(*groups, peers=(KNOWN,), remembered=Ledger(sightings=seen), policy=rules)


def held(made: Plan) -> list[str]:
    """Give, oldest first, what holds each alert group; "resolve" where nothing does."""
    return [_what(decision) for decision in made.decisions]


def _what(decision: Decision) -> str:
    return decision.action.value if decision.action is not ActionKind.NONE else decision.held.value


GONE6, GONE5 = tuple(map(gone, range(6))), tuple(map(gone, range(5)))


@pytest.mark.parametrize("action", ["resolve", "silence"])
def test_at_most_so_many_actions_a_run_the_oldest_first_the_rest_waits(action: str) -> None:
    made = look(*map(silenced, (2, 0, 1)), max_actions_per_run=2, on_silenced=action)
    assert [decision.alert_group.id for decision in made.decisions] == ["S0", "S1", "S2"]
    assert held(made) == [action, action, "max_actions"]
    assert made.brakes == {Brake.MAX_ACTIONS}
    assert made.decisions[-1].inconsistent
    assert "S2" not in made.obligations


def test_exactly_so_many_actions_engage_no_brake() -> None:
    made = look(*map(silenced, range(2)), max_actions_per_run=2)
    assert held(made) == ["resolve", "resolve"]
    assert made.brakes == frozenset()


def test_what_is_held_for_another_reason_takes_nobodys_turn() -> None:
    acknowledged = msgspec.structs.replace(silenced(0), state="acknowledged")
    made = look(acknowledged, alive(1), silenced(1), max_actions_per_run=1)
    assert held(made) == ["state", "resolve", ""]


def test_a_repage_is_never_braked_however_many() -> None:
    debts = tuple(
        debt(owed(f"a{number}"), id=f"D{number}/0", group_labels={"alertname": f"N{number}"})
        for number in range(9)
    )
    groups = [group(alert(f"a{number}"), alertname=f"N{number}") for number in range(9)]
    made = planned(peers=(alertmanager(*groups),), remembered=Ledger(debts=debts), searched=True, later={"C1": ()},
                   policy=msgspec.structs.replace(POLICY, max_actions_per_run=1))  # fmt: skip
    assert len(made.repages) == 9


@pytest.mark.parametrize(
    ("lifted", "expected", "brakes"),
    [
        pytest.param(frozenset[str](), ["resolve", "max_actions"], {Brake.MAX_ACTIONS}, id="not lifted: held"),
        pytest.param(frozenset({"max_actions"}), ["resolve", "resolve"], set(), id="lifted by its name: not held"),
        pytest.param(frozenset({"gone_ratio"}), ["resolve", "max_actions"], {Brake.MAX_ACTIONS}, id="another lifted: held"),
    ],
)  # fmt: skip
def test_lifting_max_actions(lifted: frozenset[str], expected: list[str], brakes: set[Brake]) -> None:
    made = look(silenced(0), silenced(1), max_actions_per_run=1, lifted=lifted)
    assert held(made) == expected
    assert set(made.brakes) == brakes


HELD6, GO6 = ["gone_ratio"] * 6, ["resolve"] * 6
RATIO = [
    pytest.param(HELD6, GONE6, {}, id="six of six are newly gone: none is closed"),
    pytest.param(["resolve"] * 5, GONE5, {}, id="five of five are newly gone: five are few"),
    pytest.param(HELD6 + [""] * 23, (*GONE6, *map(alive, range(23))), {}, id="six of 29, more than a fifth: none is closed"),
    pytest.param(GO6 + [""] * 24, (*GONE6, *map(alive, range(24))), {}, id="six of 30, a fifth: all are closed"),
    pytest.param([*HELD6, "resolve"], (*GONE6, silenced(0)), {}, id="what is silenced is closed all the same"),
    pytest.param(GO6, GONE6, {"sighting": FOR_LONG}, id="absent for four times ABSENCE_AFTER: closed"),
    pytest.param(HELD6, GONE6, {"sighting": FOR_LONG, "absence_after": timedelta(seconds=901)}, id="absent for not quite four times ABSENCE_AFTER: held"),
    pytest.param(GO6, GONE6, {"lifted": frozenset({"gone_ratio"})}, id="lifted by its name: closed"),
    pytest.param(HELD6, GONE6, {"lifted": frozenset({"max_actions"})}, id="another lifted: held"),
    pytest.param(GO6, GONE6, {"max_gone_ratio": 1.0}, id="MAX_GONE_RATIO=1: closed"),
    pytest.param([""] * 6, GONE6, {"on_gone": "report"}, id="ON_GONE=report: nothing to brake"),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "groups", "more"), RATIO)
def test_not_many_are_closed_as_gone_at_once(
    expected: list[str], groups: tuple[AlertGroup, ...], more: dict[str, Any]
) -> None:
    made = look(*groups, **more)
    assert held(made) == expected
    assert (Brake.GONE_RATIO in made.brakes) is ("gone_ratio" in expected)


def look_at_leased(*groups: AlertGroup, minutes: float = 4, degraded: str = "", **policy: Any) -> Plan:
    """Plan for alert groups that we hold silenced, by leases that end in so many minutes."""
    ledger = Ledger(
        sightings={one.id: SEEN for one in groups},
        leases=tuple(lease(alert_group_id=one.id, until=NOW + timedelta(minutes=minutes)) for one in groups),
        degraded=degraded,
    )
    ours = (msgspec.structs.replace(one, state="silenced", silenced_at=SET_AT) for one in groups)
    rules = msgspec.structs.replace(POLICY, **policy)
    return planned(*ours, peers=(KNOWN,), remembered=ledger, policy=rules)


MAX_0 = {"max_actions_per_run": 0}
RENEWED = [
    pytest.param(["silence"] * 6, GONE6, {}, Held.GONE_RATIO, id="six are newly gone: held, and renewed meanwhile"),
    pytest.param(HELD6, GONE6, {"minutes": 11}, Held.GONE_RATIO, id="not a third is used up: held, and nothing to renew yet"),
    pytest.param(HELD6, GONE6, {"on_silenced": "report"}, Held.GONE_RATIO, id="ON_SILENCED=report wants no leases: they run out"),
    pytest.param(["dry_run"] * 6, GONE6, {"dry_run": True}, Held.DRY_RUN, id="a dry run renews nothing"),
    pytest.param(["silence"], (silenced(0),), MAX_0, Held.MAX_ACTIONS, id="silenced, and too many actions: held, and renewed meanwhile"),
    pytest.param(["silence"], (gone(0),), MAX_0, Held.MAX_ACTIONS, id="gone, and too many actions: held, and renewed meanwhile"),
    pytest.param(["max_actions"], (gone(0),), {"minutes": 11, **MAX_0}, Held.MAX_ACTIONS, id="too many actions, not a third is used up: held"),
    pytest.param(["resolve"], (gone(0),), {}, Held.NOT_HELD, id="no brake: closed"),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "groups", "more", "by"), RENEWED)
def test_what_we_hold_silenced_goes_on_being_silenced_while_a_brake_keeps_it_from_being_closed(
    expected: list[str], groups: tuple[AlertGroup, ...], more: dict[str, Any], by: Held
) -> None:
    made = look_at_leased(*groups, **more)
    assert held(made) == expected
    assert {decision.held for decision in made.decisions} == {by}


def test_what_cannot_be_written_down_is_not_renewed_under_a_brake_either() -> None:
    made = look_at_leased(*GONE6, degraded="the disk is full")
    assert {decision.action for decision in made.decisions} == {ActionKind.NONE}


def test_what_the_gone_ratio_holds_takes_nobodys_turn() -> None:
    made = look(*GONE6, silenced(0), max_actions_per_run=1)
    assert held(made) == [*HELD6, "resolve"]


def test_a_dry_run_shows_which_brake_would_hold() -> None:
    made = look(silenced(0), silenced(1), dry_run=True, max_actions_per_run=1)
    assert held(made) == ["dry_run", "max_actions"]


AGE = [
    pytest.param(0, "credentials", id="IRM has just refused our credentials: held"),
    pytest.param(14, "credentials", id="IRM refused them 14 minutes ago: held"),
    pytest.param(15, "resolve", id="IRM refused them a quarter of an hour ago: tried again"),
    pytest.param(-1, "resolve", id="refused at a time yet to come, so the clock was set back: tried again"),
]  # fmt: skip


@pytest.mark.parametrize(("minutes", "expected"), AGE)
def test_refused_credentials(minutes: float, expected: str) -> None:
    refused = Credentials(refused_at=NOW - timedelta(minutes=minutes), message="may not resolve")
    made = planned(silenced(0), peers=(KNOWN,), remembered=Ledger(credentials=refused), policy=POLICY)
    assert held(made) == [expected]


def test_no_more_deliveries_are_wanted_than_actions_are_allowed() -> None:
    unread = [msgspec.structs.replace(silenced(number), alerts_count=2) for number in range(1, 4)]
    made = look(silenced(0), *unread, max_actions_per_run=3)
    assert held(made) == ["resolve", "deliveries", "deliveries", "deliveries"]
    rules = msgspec.structs.replace(POLICY, max_actions_per_run=3)
    assert [one.alert_group.id for one in wanting(made, rules)] == ["S1", "S2"]
    assert wanting(made, msgspec.structs.replace(POLICY, max_actions_per_run=1)) == ()


def test_what_was_read_in_vain_is_wanted_last_and_what_we_hold_silenced_first() -> None:
    unread = [msgspec.structs.replace(silenced(number), alerts_count=2) for number in range(4)]
    made = look(*unread)
    for most, expected in ((9, ["S1", "S3", "S0", "S2"]), (3, ["S1", "S3", "S0"]), (2, ["S1", "S3"])):
        rules = msgspec.structs.replace(POLICY, max_actions_per_run=most)
        found = wanting(made, rules, in_vain={"S0", "S2"})
        assert [one.alert_group.id for one in found] == expected
    ours = msgspec.structs.replace(silenced(5), alerts_count=2, state="silenced", silenced_at=SET_AT)
    mixed = planned(
        *unread, ours, peers=(KNOWN,), remembered=Ledger(leases=(lease(alert_group_id="S5"),)), policy=POLICY
    )
    found = wanting(mixed, msgspec.structs.replace(POLICY, max_actions_per_run=1), in_vain={"S0", "S5"})
    assert [one.alert_group.id for one in found] == ["S5", "S1"]


def test_a_batch_is_as_large_as_asked_for_and_none_is_wanted_once_there_is_enough_to_do() -> None:
    unread = [msgspec.structs.replace(silenced(number), alerts_count=2) for number in range(1, 6)]
    rules = msgspec.structs.replace(POLICY, max_actions_per_run=2)
    made = look(silenced(0), *unread, max_actions_per_run=2)
    for at_least, expected in ((0, 1), (1, 1), (3, 3), (25, 5)):
        assert len(wanting(made, rules, at_least=at_least)) == expected
    enough = look(silenced(0), *unread, max_actions_per_run=1)
    assert wanting(enough, msgspec.structs.replace(rules, max_actions_per_run=1), at_least=25) == ()


def test_what_is_only_reported_counts_as_an_action_for_what_is_wanted() -> None:
    unread = msgspec.structs.replace(silenced(1), alerts_count=2)
    for policy in ({"dry_run": True}, {"on_silenced": "report"}):
        made = look(silenced(0), unread, **policy)
        assert made.decisions[0].held in (Held.DRY_RUN, Held.POLICY)
        assert wanting(made, msgspec.structs.replace(POLICY, max_actions_per_run=1)) == ()
        assert len(wanting(made, POLICY)) == 1
