"""The table of decisions, row by row: each case is a sentence that an operator could check."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from alertsync.models import (
    ActionKind,
    AlertGroup,
    AlertmanagerSnapshot,
    DecisionKind,
    Held,
    Ledger,
    LegacyAlert,
    Unreadable,
)
from tests.planner.world import (
    ACTIVE,
    INTEGRATION,
    MUTED,
    NOW,
    SILENCED,
    THEIRS,
    alert,
    alert_group,
    alertmanager,
    decide,
    deliveries,
    group,
    silence,
    webhook,
)

KNOWN = alertmanager(group(alert("a", SILENCED), alert("b", SILENCED)), group(alert("w"), alertname="Other"))
"""An Alertmanager in which a and b of Disk are silenced, and something else is active."""

NONE_LEFT = alertmanager(group(alert("w"), alertname="Other"))
"""An Alertmanager that knows only something else, under the same address."""

WITNESS = alert_group(webhook("w", alertname="Other"), id="I-witness", created_at=NOW)
"""An alert group that teaches that OURS is our Alertmanager's address."""

K = DecisionKind


def row(
    sentence: str, expected: DecisionKind, one: AlertGroup, known: AlertmanagerSnapshot, **more: Any
) -> Any:
    return pytest.param(expected, one, known, more, id=sentence)


AB = alert_group(webhook("a", "b"))

TABLE = [
    row("all alerts silenced for long: SILENCED", K.SILENCED, AB, KNOWN),
    row("one alert silenced for long: SILENCED", K.SILENCED, alert_group(webhook("a")), alertmanager(group(alert("a", SILENCED)))),
    row("all silenced, but one silence ends within the minimum: SILENCE_ENDING", K.SILENCE_ENDING, AB,
        alertmanager(group(alert("a", SILENCED), alert("b", SILENCED, by=("s2",))), silences=(silence(), silence("s2", 0.9)))),
    row("all silenced, but the silence named is no longer listed: SILENCE_ENDING", K.SILENCE_ENDING, AB,
        alertmanager(group(alert("a", SILENCED), alert("b", SILENCED, by=("gone",))))),
    row("one alert active, one silenced: PARTIALLY_SILENCED", K.PARTIALLY_SILENCED, AB,
        alertmanager(group(alert("a", SILENCED), alert("b", ACTIVE)))),
    row("an alert that joined after the last delivery is active: PARTIALLY_SILENCED", K.PARTIALLY_SILENCED, AB,
        alertmanager(group(alert("a", SILENCED), alert("b", SILENCED), alert("c", ACTIVE)))),
    row("an alert of the delivery now fires in another aggregation group: PARTIALLY_SILENCED", K.PARTIALLY_SILENCED, AB,
        alertmanager(group(alert("a", SILENCED)), group(alert("b", ACTIVE), receiver="other"))),
    row("silenced at its place, active on another route to elsewhere: SILENCED", K.SILENCED, AB,
        alertmanager(group(alert("a", SILENCED), alert("b", SILENCED)), group(alert("b", ACTIVE), receiver="other"))),
    row("the same alert twice at its place, once active: PARTIALLY_SILENCED", K.PARTIALLY_SILENCED, AB,
        alertmanager(group(alert("a", SILENCED), alert("b", SILENCED)), group(alert("b", ACTIVE)))),
    row("sighted twice, each time under another silence: SILENCE_ENDING", K.SILENCE_ENDING, alert_group(webhook("a")),
        alertmanager(group(alert("a", SILENCED)), group(alert("a", SILENCED, by=("s2",))), silences=(silence(), silence("s2")))),
    row("some active, none silenced: CONSISTENT", K.CONSISTENT, AB, alertmanager(group(alert("a"), alert("b")))),
    row("one active, one muted, none silenced: CONSISTENT", K.CONSISTENT, AB, alertmanager(group(alert("a"), alert("b", MUTED)))),
    row("one active, one ended: CONSISTENT", K.CONSISTENT, AB, alertmanager(group(alert("a")))),
    row("all inhibited or muted: MUTED", K.MUTED, AB, alertmanager(group(alert("a", MUTED), alert("b", MUTED)))),
    row("one silenced, one inhibited: MUTED", K.MUTED, AB, alertmanager(group(alert("a", SILENCED), alert("b", MUTED)))),
    row("one silenced, one ended in an Alertmanager long up: SILENCED", K.SILENCED, AB, alertmanager(group(alert("a", SILENCED)))),
    row("one silenced, one absent soon after a restart: MEMBERS_UNPROVEN", K.MEMBERS_UNPROVEN, AB,
        alertmanager(group(alert("a", SILENCED)), started_at=NOW - timedelta(minutes=14))),
    row("one silenced, one absent while the cluster settles: MEMBERS_UNPROVEN", K.MEMBERS_UNPROVEN, AB,
        alertmanager(group(alert("a", SILENCED)), settled=False)),
    row("all silenced soon after a restart, none absent: SILENCED", K.SILENCED, AB,
        msgspec.structs.replace(KNOWN, started_at=NOW - timedelta(minutes=1))),
    row("alerts cut from the delivery, its aggregation group gone, soon after a restart: MEMBERS_UNPROVEN", K.MEMBERS_UNPROVEN,
        alert_group(webhook("a", truncated=3)),
        alertmanager(group(alert("a", SILENCED), receiver="other"), started_at=NOW - timedelta(minutes=1))),
    row("no alert of it left: GONE", K.GONE, AB, NONE_LEFT),
    row("no alert of it left, soon after a restart: GONE_UNPROVEN", K.GONE_UNPROVEN, AB,
        msgspec.structs.replace(NONE_LEFT, started_at=NOW - timedelta(minutes=1))),
    row("its delivery says that all has resolved, soon after a restart: GONE_UNPROVEN", K.GONE_UNPROVEN,
        alert_group(webhook(resolved=("a",))), msgspec.structs.replace(NONE_LEFT, started_at=NOW - timedelta(minutes=1))),
    row("two clusters share it, the other one left an alert firing: FOREIGN", K.FOREIGN, alert_group(webhook("a", "b"), count=3), KNOWN,
        read={"I1": deliveries(webhook("a", "b"), webhook(resolved=("x",), url=THEIRS), webhook("x", "y", url=THEIRS))}),
    row("two clusters share it, the other one's payload was cut: FOREIGN", K.FOREIGN, alert_group(webhook("a", "b"), count=2), KNOWN,
        read={"I1": deliveries(webhook("a", "b"), webhook(resolved=("x",), url=THEIRS, truncated=2))}),
    row("what the other cluster resolved says nothing of ours: SILENCED", K.SILENCED, alert_group(webhook("a", "b"), count=2),
        alertmanager(group(alert("a", SILENCED), alert("b", SILENCED)), group(alert("c"), alertname="Cpu")),
        read={"I1": deliveries(webhook("a", "b"), webhook(resolved=("x",), url=THEIRS, alertname="Cpu"))}),
    row("the integration is of another type: FOREIGN", K.FOREIGN, AB, KNOWN,
        integrations=(msgspec.structs.replace(INTEGRATION, type="webhook"),)),
    row("the integration is in maintenance: FOREIGN", K.FOREIGN, AB, KNOWN,
        integrations=(msgspec.structs.replace(INTEGRATION, in_maintenance=True),)),
    row("the integration is not listed by IRM: FOREIGN", K.FOREIGN, AB, KNOWN, integrations=()),
    row("the integration is not among IRM_INTEGRATION_IDS: FOREIGN", K.FOREIGN, AB, KNOWN, integration_ids=frozenset({"C2"})),
    row("the integration is among IRM_INTEGRATION_IDS: SILENCED", K.SILENCED, AB, KNOWN, integration_ids=frozenset({"C1"})),
    row("it comes from an address that nothing teaches to be ours: FOREIGN", K.FOREIGN, alert_group(webhook("x", url=THEIRS)), KNOWN),
    row("its address is not in ALERTMANAGER_EXTERNAL_URLS: FOREIGN", K.FOREIGN, AB, KNOWN, external_urls=frozenset({THEIRS})),
    row("its address is in ALERTMANAGER_EXTERNAL_URLS, its alerts unknown: GONE", K.GONE,
        alert_group(webhook("x", url=THEIRS, alertname="Elsewhere")), KNOWN, external_urls=frozenset({THEIRS})),
    row("IRM said that it is attached: ATTACHED", K.ATTACHED, AB, KNOWN, attached=frozenset({"I1"})),
    row("it has no delivery: UNKNOWN", K.UNKNOWN, alert_group(None, count=0), KNOWN),
    row("its delivery was wiped: UNKNOWN", K.UNKNOWN, alert_group(Unreadable(why="its payload was wiped")), KNOWN),
    row("an old delivery of several cannot be read: UNKNOWN", K.UNKNOWN, alert_group(webhook("a", "b"), count=2), KNOWN,
        read={"I1": deliveries(webhook("a", "b"), Unreadable(why="its payload is not an object"))}),
    row("it has more deliveries than may be read: UNKNOWN", K.UNKNOWN, alert_group(webhook("a", "b"), count=900), KNOWN,
        read={"I1": deliveries(webhook("a", "b"), complete=False)}),
    row("it has as many deliveries as may be read, and there may be more: UNKNOWN", K.UNKNOWN, alert_group(webhook("a", "b"), count=2), KNOWN,
        read={"I1": deliveries(webhook("a", "b"), webhook("a"), complete=False)}),
    row("it counts more deliveries than may be read: UNKNOWN, before any of them is read", K.UNKNOWN, alert_group(webhook("a", "b"), count=501), KNOWN),
    row("IRM lists none of its deliveries: UNKNOWN", K.UNKNOWN, alert_group(webhook("a", "b"), count=2), KNOWN, read={"I1": deliveries()}),
    row("IRM lists fewer deliveries than it counts: UNKNOWN", K.UNKNOWN, alert_group(webhook("a", "b"), count=3), KNOWN,
        read={"I1": deliveries(webhook("a", "b"), webhook("a"))}),
    row("a legacy alert that is silenced: SILENCED", K.SILENCED, alert_group(LegacyAlert(fingerprint="a", firing=True)), KNOWN),
    row("a legacy alert that is active: CONSISTENT", K.CONSISTENT, alert_group(LegacyAlert(fingerprint="w", firing=True)), KNOWN),
    row("a legacy alert that Alertmanager never held: FOREIGN", K.FOREIGN, alert_group(LegacyAlert(fingerprint="x", firing=True)), KNOWN,
        remembered=Ledger()),
    row("a legacy alert that was seen alive, and is no more: GONE", K.GONE, alert_group(LegacyAlert(fingerprint="x", firing=True)), KNOWN),
    row("a grouping template merged two aggregation groups, both silenced: SILENCED", K.SILENCED, alert_group(webhook("c", alertname="Cpu"), count=2),
        alertmanager(group(alert("a", SILENCED)), group(alert("c", SILENCED), alertname="Cpu")),
        read={"I1": deliveries(webhook("c", alertname="Cpu"), webhook("a"))}),
    row("a grouping template merged two aggregation groups, the older one active: PARTIALLY_SILENCED", K.PARTIALLY_SILENCED,
        alert_group(webhook("c", alertname="Cpu"), count=2),
        alertmanager(group(alert("a", ACTIVE)), group(alert("c", SILENCED), alertname="Cpu")),
        read={"I1": deliveries(webhook("c", alertname="Cpu"), webhook("a"))}),
    row("a grouping template merged two aggregation groups, an active alert that no delivery names joined one: PARTIALLY_SILENCED",
        K.PARTIALLY_SILENCED, alert_group(webhook("c", alertname="Cpu"), count=2),
        alertmanager(group(alert("a", SILENCED), alert("n", ACTIVE)), group(alert("c", SILENCED), alertname="Cpu")),
        read={"I1": deliveries(webhook("c", alertname="Cpu"), webhook("a"))}),
    row("a grouping template merged two aggregation groups, an alert of one is active at another place: PARTIALLY_SILENCED",
        K.PARTIALLY_SILENCED, alert_group(webhook("c", alertname="Cpu"), count=2),
        alertmanager(group(alert("a", ACTIVE), alertname="Net"), group(alert("c", SILENCED), alertname="Cpu")),
        read={"I1": deliveries(webhook("c", alertname="Cpu"), webhook("a"))}),
    row("a grouping template merged two aggregation groups, an alert of one is absent and not proven to have ended: MEMBERS_UNPROVEN",
        K.MEMBERS_UNPROVEN, alert_group(webhook("c", alertname="Cpu"), count=2),
        alertmanager(group(alert("c", SILENCED), alertname="Cpu"), started_at=NOW - timedelta(seconds=1)),
        read={"I1": deliveries(webhook("c", alertname="Cpu"), webhook("a"))}),
    row("two clusters share it, the other one fires: FOREIGN", K.FOREIGN, alert_group(webhook("a", "b"), count=2), KNOWN,
        read={"I1": deliveries(webhook("a", "b"), webhook("x", url=THEIRS))}),
    row("two clusters share it, the other one has resolved: SILENCED", K.SILENCED, alert_group(webhook("a", "b"), count=2), KNOWN,
        read={"I1": deliveries(webhook("a", "b"), webhook(resolved=("x",), url=THEIRS), webhook("x", url=THEIRS))}),
    row("an older delivery left an alert firing that now is active elsewhere: PARTIALLY_SILENCED", K.PARTIALLY_SILENCED,
        alert_group(webhook("a"), count=2), alertmanager(group(alert("a", SILENCED)), group(alert("b", ACTIVE), receiver="other")),
        read={"I1": deliveries(webhook("a"), webhook("a", "b"))}),
    row("an older delivery left an alert firing that is absent soon after a restart: MEMBERS_UNPROVEN", K.MEMBERS_UNPROVEN,
        alert_group(webhook("a"), count=2), alertmanager(group(alert("a", SILENCED)), started_at=NOW - timedelta(minutes=1)),
        read={"I1": deliveries(webhook("a"), webhook("a", "b"))}),
    row("an older delivery left an alert firing that a newer one resolved: SILENCED", K.SILENCED,
        alert_group(webhook("a"), count=3), alertmanager(group(alert("a", SILENCED)), started_at=NOW - timedelta(minutes=1)),
        read={"I1": deliveries(webhook("a"), webhook("a", resolved=("b",)), webhook("a", "b"))}),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "one", "known", "more"), TABLE)
def test_decision(
    expected: DecisionKind, one: AlertGroup, known: AlertmanagerSnapshot, more: dict[str, Any]
) -> None:
    others = () if "external_urls" in more else (WITNESS,)
    if not any(member.fingerprint == "w" for each in known.groups for member in each.alerts):
        known = msgspec.structs.replace(known, groups=(*known.groups, group(alert("w"), alertname="Other")))
    decision = decide(one, known, *others, **more)
    assert decision.kind is expected, decision.reason
    assert decision.reason
    acts = expected is DecisionKind.SILENCED
    assert (decision.action is ActionKind.RESOLVE) is acts
    assert decision.inconsistent is acts


def test_an_alertmanager_without_any_alert_proves_nothing() -> None:
    decision = decide(AB, alertmanager(), external_urls=frozenset({"http://alertmanager.example:9093"}))
    assert decision.kind is DecisionKind.GONE_UNPROVEN
    assert "holds no alert at all" in decision.reason


POLICIES = [
    pytest.param({"on_silenced": "report"}, {}, Held.POLICY, True, id="ON_SILENCED=report only reports"),
    pytest.param({"dry_run": True}, {}, Held.DRY_RUN, True, id="a dry run holds what it would do"),
    pytest.param({}, {"state": "acknowledged"}, Held.STATE, False, id="an acknowledged alert group is out of scope by default"),
    pytest.param({}, {"state": "silenced"}, Held.STATE, False, id="an alert group that is silenced in IRM too agrees with Alertmanager"),
    pytest.param({}, {"alerts_count": 2}, Held.DELIVERIES, True, id="without all its deliveries nothing is closed"),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "more", "held", "inconsistent"), POLICIES)
def test_policy_holds(policy: dict[str, Any], more: dict[str, Any], held: Held, inconsistent: bool) -> None:
    decision = decide(msgspec.structs.replace(AB, **more), KNOWN, **policy)
    assert decision.kind is DecisionKind.SILENCED
    assert (decision.held, decision.action, decision.inconsistent) == (held, ActionKind.NONE, inconsistent)


def test_an_acknowledged_alert_group_is_resolved_if_the_operator_asks_for_it() -> None:
    one = msgspec.structs.replace(AB, state="acknowledged")
    assert decide(one, KNOWN, states=frozenset({"acknowledged"})).action is ActionKind.RESOLVE


def test_deliveries_that_were_read_after_alertmanager_close_nothing() -> None:
    one = alert_group(webhook("a", "b"), count=2)
    late = {"I1": deliveries(webhook("a", "b"), webhook("a"), read_before=-1)}
    assert decide(one, KNOWN, read=late).held is Held.DELIVERIES
    early = {"I1": deliveries(webhook("a", "b"), webhook("a"), read_before=1)}
    assert decide(one, KNOWN, read=early).action is ActionKind.RESOLVE


def test_the_reason_says_who_silenced_until_when_and_why() -> None:
    assert decide(AB, KNOWN).reason == (
        "all 2 alerts silenced by ana@example.org until 2026-11-23 13:00:00 UTC: «db migration»"
    )


def test_a_silence_that_is_gone_holds_nothing_however_little_has_to_remain() -> None:
    known = alertmanager(group(alert("a", SILENCED, by=("gone",))))
    decision = decide(alert_group(webhook("a")), known, min_silence_remaining=timedelta(0))
    assert decision.kind is DecisionKind.SILENCE_ENDING


def test_a_jump_of_our_own_clock_proves_no_absence() -> None:
    young = alertmanager(
        group(alert("a", SILENCED)),
        group(alert("w"), alertname="Other"),
        started_at=NOW - timedelta(minutes=1),
    )
    known = msgspec.structs.replace(young, read_at=NOW - timedelta(hours=1))
    assert (
        decide(msgspec.structs.replace(AB), known, WITNESS, on_silenced="resolve").kind
        is DecisionKind.MEMBERS_UNPROVEN
    )
