"""Absence is proven, never assumed: each condition of the proof, and what a run remembers of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from alertsync.models import ActionKind, Decision, DecisionKind, Held, Ledger, Plan, Policy, Sighting
from tests.planner.owing import debt
from tests.planner.world import (
    ACTIVE,
    INTEGRATION,
    NOW,
    OURS,
    SILENCED,
    alert,
    alert_group,
    alertmanager,
    decide,
    decision_about,
    deliver,
    group,
    planned,
    webhook,
)

AB = alert_group(webhook("a", "b"))
OTHERS = alertmanager(group(alert("w"), alertname="Other"))
DOG = msgspec.structs.replace(alert("dog"), labels={"alertname": "Watchdog"})
WITH_DOG = msgspec.structs.replace(OTHERS, groups=(*OTHERS.groups, group(DOG, alertname="Watchdog")))
FROM_OURS = frozenset({OURS})
GONE, UNPROVEN = DecisionKind.GONE, DecisionKind.GONE_UNPROVEN


def saw(alive: float | None = 120, absent: float | None = 60, runs: int = 4) -> Sighting:
    """Make a sighting; minutes ago."""
    return Sighting(
        alive_at=None if alive is None else NOW - timedelta(minutes=alive),
        absent_since=None if absent is None else NOW - timedelta(minutes=absent),
        absent_runs=runs,
    )


def look(one: Any = AB, known: Any = OTHERS, sighting: Sighting | None = None, **more: Any) -> Decision:
    remembered = Ledger(sightings={"I1": sighting or saw()})
    return decide(one, known, **{"external_urls": FROM_OURS, "remembered": remembered, **more})


YOUNG = msgspec.structs.replace(AB, last_delivery=deliver(webhook("a", "b"), minutes_ago=14))
WHEN = [
    pytest.param(GONE, "none of its 2 alert(s)", {}, id="absent for an hour in each of five runs: GONE"),
    pytest.param(GONE, "all its alerts have ended", {"one": alert_group(webhook(resolved=("a",)))}, id="its delivery says that all has resolved: GONE"),
    pytest.param(GONE, "", {"sighting": saw(absent=15, runs=1)}, id="absent in two runs, just long enough apart: GONE"),
    pytest.param(UNPROVEN, "for the first time", {"sighting": saw(absent=None, runs=0)}, id="absent in this run only: GONE_UNPROVEN"),
    pytest.param(UNPROVEN, "for the first time", {"sighting": saw(absent=60, runs=0)}, id="absent for long, but in no run before this: GONE_UNPROVEN"),
    pytest.param(UNPROVEN, "absent for 840 s", {"sighting": saw(absent=14)}, id="absent in many runs, but not for long: GONE_UNPROVEN"),
    pytest.param(UNPROVEN, "absent for 0 s", {"sighting": saw(absent=-14)}, id="absent since a time yet to come: GONE_UNPROVEN"),
    pytest.param(UNPROVEN, "never saw it alive", {"sighting": saw(alive=None)}, id="never seen alive by us: GONE_UNPROVEN"),
    pytest.param(UNPROVEN, "last delivery is younger", {"one": YOUNG}, id="its last delivery is young: GONE_UNPROVEN"),
    pytest.param(UNPROVEN, "holds no alert at all", {"known": alertmanager()}, id="Alertmanager is empty, no watchdog is named: GONE_UNPROVEN"),
    pytest.param(UNPROVEN, "still settling", {"known": msgspec.structs.replace(OTHERS, settled=False)}, id="Alertmanager's cluster settles: GONE_UNPROVEN"),
    pytest.param(UNPROVEN, "up for 840 s", {"known": msgspec.structs.replace(OTHERS, started_at=NOW - timedelta(minutes=14))},
                 id="Alertmanager is up, but not for long: GONE_UNPROVEN"),
    pytest.param(GONE, "", {"known": msgspec.structs.replace(OTHERS, started_at=NOW - timedelta(minutes=15))}, id="Alertmanager is up just long enough: GONE"),
    pytest.param(UNPROVEN, "up for 0 s", {"known": msgspec.structs.replace(OTHERS, started_at=NOW + timedelta(minutes=14))},
                 id="Alertmanager's clock was set back since its start: GONE_UNPROVEN"),
    pytest.param(UNPROVEN, "Watchdog (ABSENCE_WATCHDOG)", {"absence_watchdog": "Watchdog"}, id="the watchdog alert is missing: GONE_UNPROVEN"),
    pytest.param(GONE, "", {"absence_watchdog": "Watchdog", "known": WITH_DOG}, id="the watchdog alert is there: GONE"),
    pytest.param(UNPROVEN, "holds no alert at all", {"known": alertmanager(), "absence_watchdog": "Watchdog"}, id="Alertmanager is empty, so is the watchdog: GONE_UNPROVEN"),
    pytest.param(UNPROVEN, "ABSENCE_AFTER (7200 s)", {"absence_after": timedelta(hours=2)}, id="absent for an hour, and two are wanted: GONE_UNPROVEN"),
    pytest.param(DecisionKind.CONSISTENT, "active", {"known": alertmanager(group(alert("b", ACTIVE)))}, id="one of two is left: CONSISTENT"),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "words", "more"), WHEN)
def test_proof_of_absence(expected: DecisionKind, words: str, more: dict[str, Any]) -> None:
    decision = look(**more)
    assert decision.kind is expected, decision.reason
    assert words in decision.reason
    assert decision.action is ActionKind.NONE, "ON_GONE=report"


def test_a_peer_that_does_not_answer_may_know_it() -> None:
    made = planned(AB, peers=(OTHERS,), configured=("", "two:9093"), remembered=Ledger(sightings={"I1": saw()}),
                   policy=Policy(external_urls=FROM_OURS))  # fmt: skip
    [decision] = made.decisions
    assert decision.kind is UNPROVEN
    assert "two:9093 did not answer" in decision.reason


@pytest.mark.parametrize(
    ("one", "policy", "action", "inconsistent"),
    [
        pytest.param(AB, {}, ActionKind.NONE, False, id="ON_GONE=report only says so"),
        pytest.param(AB, {"on_gone": "resolve"}, ActionKind.RESOLVE, True, id="ON_GONE=resolve resolves"),
        pytest.param(msgspec.structs.replace(AB, state="acknowledged"), {"on_gone": "resolve"}, ActionKind.NONE, False,
                     id="acknowledged is out of scope by default"),
        pytest.param(msgspec.structs.replace(AB, state="acknowledged"), {"on_gone": "resolve", "states": frozenset({"acknowledged"})},
                     ActionKind.RESOLVE, True, id="acknowledged is resolved where the operator says so"),
        pytest.param(msgspec.structs.replace(AB, alerts_count=2), {"on_gone": "resolve"}, ActionKind.NONE, True,
                     id="an older delivery has not been read: nothing is closed"),
        pytest.param(AB, {"on_gone": "resolve", "on_silenced": "report"}, ActionKind.RESOLVE, True, id="ON_SILENCED says nothing of what is gone"),
    ],
)  # fmt: skip
def test_what_policy_does_about_what_is_gone(
    one: Any, policy: dict[str, Any], action: ActionKind, inconsistent: bool
) -> None:
    decision = look(one, **policy)
    assert (decision.kind, decision.action, decision.inconsistent) == (GONE, action, inconsistent)


def test_what_we_opened_again_we_close_whatever_policy_says() -> None:
    ours = Ledger(sightings={"I1": saw()}, debts=(debt(alert_group_id="I1", unresolved=True),))
    assert look(remembered=ours).action is ActionKind.RESOLVE
    acknowledged = msgspec.structs.replace(AB, state="acknowledged")
    assert look(acknowledged, remembered=ours).action is ActionKind.RESOLVE


def test_what_cannot_be_paid_is_not_resolved_and_cannot_be_mirrored() -> None:
    no_link = (msgspec.structs.replace(INTEGRATION, receives=False),)
    decision = look(on_gone="resolve", integrations=no_link)
    assert (decision.kind, decision.action, decision.held) == (
        DecisionKind.UNPAYABLE,
        ActionKind.NONE,
        Held.POLICY,
    )


def remembered(made: Plan) -> Sighting | None:
    """Give what is remembered of I1 after a plan that began with `saw()`."""
    return made.change.sightings.get("I1", saw())


SILENT = alertmanager(group(alert("a", SILENCED), alert("b", SILENCED)))
SEEN = [
    pytest.param({"known": SILENT}, Sighting(alive_at=NOW), id="alive: no absence is remembered any more"),
    pytest.param({}, saw(runs=5), id="absent: one run more"),
    pytest.param({"known": msgspec.structs.replace(OTHERS, settled=False)}, Sighting(alive_at=saw().alive_at), id="a doubt: absence begins anew"),
    pytest.param({"integrations": (msgspec.structs.replace(INTEGRATION, in_maintenance=True),)}, Sighting(alive_at=saw().alive_at),
                 id="not judged: absence begins anew"),
    pytest.param({"integrations": (msgspec.structs.replace(INTEGRATION, receives=False),), "policy": {"on_gone": "resolve"}}, saw(runs=5),
                 id="absent, and not payable: one run more all the same"),
    pytest.param({"one": None}, Sighting(alive_at=saw().alive_at, missed=True), id="not listed: absence begins anew, should it only have moved between two lists"),
    pytest.param({"one": None, "before": Sighting(alive_at=NOW, missed=True)}, None, id="not listed a second time: forgotten"),
    pytest.param({"before": Sighting(alive_at=saw().alive_at, missed=True), "known": SILENT}, Sighting(alive_at=NOW), id="listed again: as if nothing had been"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "expected"), SEEN)
def test_what_a_run_remembers_of_an_alert_group(more: dict[str, Any], expected: Sighting | None) -> None:
    groups = (AB,) if more.get("one", AB) else ()
    made = planned(
        *groups,
        peers=(more.get("known", OTHERS),),
        integrations=more.get("integrations", (INTEGRATION,)),
        remembered=Ledger(sightings={"I1": more.get("before", saw())}),
        policy=Policy(external_urls=FROM_OURS, **more.get("policy", {})),
    )
    assert remembered(made) == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(None, Sighting(alive_at=NOW), id="never seen before: seen alive now"),
        pytest.param(Sighting(alive_at=NOW - timedelta(hours=2)), None, id="seen alive today: nothing new"),
        pytest.param(Sighting(alive_at=NOW - timedelta(days=1)), Sighting(alive_at=NOW), id="seen alive yesterday: written anew"),
    ],
)  # fmt: skip
def test_when_a_sighting_is_written(before: Sighting | None, after: Sighting | None) -> None:
    ledger = Ledger(sightings={"I1": before} if before else {})
    made = planned(AB, peers=(SILENT,), remembered=ledger)
    assert made.change.sightings == ({"I1": after} if after else {})


def test_absence_of_what_was_never_seen_alive_is_not_even_counted() -> None:
    made = planned(AB, peers=(OTHERS,), policy=Policy(external_urls=FROM_OURS))
    assert decision_about(AB, made).kind is UNPROVEN
    assert made.change.sightings == {}


def test_an_alert_group_is_gone_only_after_two_runs_that_are_far_enough_apart() -> None:
    """Live through it: alive, absent, absent for long; the ledger of each run is the next one's."""
    sightings = {"I1": Sighting(alive_at=NOW - timedelta(hours=1))}
    policy = Policy(external_urls=FROM_OURS)
    kinds = []
    for minutes in (0, 14, 16):
        now = NOW + timedelta(minutes=minutes)
        later = msgspec.structs.replace(OTHERS, clock=now)
        made = planned(AB, peers=(later,), remembered=Ledger(sightings=sightings), policy=policy)
        sightings |= {name: one for name, one in made.change.sightings.items() if one is not None}
        kinds.append(decision_about(AB, made).kind)
    assert kinds == [UNPROVEN, UNPROVEN, GONE]
    assert sightings["I1"].absent_runs == 3
