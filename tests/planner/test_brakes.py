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
from tests.planner.owing import debt, owed
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


def test_what_is_only_reported_counts_as_an_action_for_what_is_wanted() -> None:
    unread = msgspec.structs.replace(silenced(1), alerts_count=2)
    for policy in ({"dry_run": True}, {"on_silenced": "report"}):
        made = look(silenced(0), unread, **policy)
        assert made.decisions[0].held in (Held.DRY_RUN, Held.POLICY)
        assert wanting(made, msgspec.structs.replace(POLICY, max_actions_per_run=1)) == ()
        assert len(wanting(made, POLICY)) == 1
