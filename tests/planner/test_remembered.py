"""What the ledger says against a decision: REOPENED, FLAPPING, SUPERSEDED and UNPAYABLE, row by row."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from alertsync.models import ActionKind, AlertGroup, Decision, DecisionKind, Held, Ledger, Policy
from tests.planner.owing import debt
from tests.planner.world import (
    ACTIVE,
    GONE_FOR_LONG,
    INTEGRATION,
    MUTED,
    NOW,
    OURS,
    SILENCED,
    THEIRS,
    alert,
    alert_group,
    alertmanager,
    decision_about,
    group,
    planned,
    silence,
    webhook,
)

A = alert_group(webhook("a"))
POLICY = Policy(external_urls=frozenset({OURS}))
K = DecisionKind


def look(*others: AlertGroup, status: Any = SILENCED, by: tuple[str, ...] = ("s1",), **more: Any) -> Decision:
    """Decide about A, whose alert has this status."""
    known = alertmanager(group(alert("a", status, by)), silences=(silence(), silence("s2")))
    debts = more.pop("debts", ())
    values = {"policy": POLICY, "remembered": Ledger(debts=debts), **more}
    return decision_about(A, planned(A, *others, peers=(known,), **values))


OURS_AGAIN = debt(alert_group_id="I1")
DOUBTFUL = msgspec.structs.replace(OURS_AGAIN, resolved_at=None, made_at=NOW - timedelta(minutes=1))


REOPENED = [
    pytest.param(K.REOPENED, SILENCED, (OURS_AGAIN,), id="we resolved it, and it is open and silenced: REOPENED"),
    pytest.param(K.REOPENED, ACTIVE, (OURS_AGAIN,), id="we resolved it, and it is open and active: REOPENED"),
    pytest.param(K.REOPENED, MUTED, (OURS_AGAIN,), id="we resolved it, and it is open and muted: REOPENED"),
    pytest.param(K.SILENCED, SILENCED, (), id="we never touched it: SILENCED"),
    pytest.param(K.SILENCED, SILENCED, (DOUBTFUL,), id="it is not known whether we resolved it: as it stands"),
    pytest.param(K.SILENCED, SILENCED, (msgspec.structs.replace(OURS_AGAIN, void=True),), id="our resolve did not happen: as it stands"),
    pytest.param(K.SILENCED, SILENCED, (msgspec.structs.replace(OURS_AGAIN, unresolved=True),), id="we opened it again ourselves: as it stands"),
    pytest.param(K.SILENCED, SILENCED, (debt(),), id="we resolved another one: as it stands"),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "status", "debts"), REOPENED)
def test_reopened(expected: DecisionKind, status: Any, debts: Any) -> None:
    decision = look(status=status, debts=debts)
    assert decision.kind is expected, decision.reason
    assert (decision.action is ActionKind.RESOLVE) is (expected is K.SILENCED)


REPAGED = debt(repaged=True)
FLAPPING = [
    pytest.param(K.FLAPPING, {"debts": (REPAGED,)}, id="re-paged at this place, held by the same silence: FLAPPING"),
    pytest.param(K.FLAPPING, {"debts": (msgspec.structs.replace(REPAGED, silences=("s1", "s9")),)}, id="held by some of the silences that held it then: FLAPPING"),
    pytest.param(K.SILENCED, {"debts": (REPAGED,), "by": ("s2",)}, id="held by a new silence: SILENCED"),
    pytest.param(K.SILENCED, {"debts": (REPAGED,), "by": ("s1", "s2")}, id="held by a new silence too: SILENCED"),
    pytest.param(K.SILENCED, {"debts": (debt(),)}, id="resolved there, but never re-paged: SILENCED"),
    pytest.param(K.SILENCED, {"debts": (msgspec.structs.replace(REPAGED, group_labels={"alertname": "Cpu"}),)}, id="re-paged at another place: SILENCED"),
    pytest.param(K.SILENCED, {"debts": (msgspec.structs.replace(REPAGED, integration_id="C2"),)}, id="re-paged at another integration: SILENCED"),
    pytest.param(K.SILENCED, {"debts": (msgspec.structs.replace(REPAGED, receiver=None, group_labels={}),)}, id="a legacy alert was re-paged: SILENCED"),
    pytest.param(K.SILENCED, {"debts": (msgspec.structs.replace(REPAGED, void=True),)}, id="the resolve did not happen: SILENCED"),
    pytest.param(K.CONSISTENT, {"debts": (REPAGED,), "status": ACTIVE}, id="it is active: CONSISTENT"),
    pytest.param(K.MUTED, {"debts": (REPAGED,), "status": MUTED}, id="it is muted: MUTED"),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "more"), FLAPPING)
def test_flapping(expected: DecisionKind, more: dict[str, Any]) -> None:
    decision = look(**more)
    assert decision.kind is expected, decision.reason
    assert (decision.action is ActionKind.RESOLVE) is (expected is K.SILENCED)


def test_what_is_over_still_tells_of_flapping() -> None:
    over = msgspec.structs.replace(REPAGED, closed_at=NOW, alerts=())
    assert look(debts=(over,)).kind is K.FLAPPING


def newer(minutes: float = 5, url: str = OURS, **more: Any) -> AlertGroup:
    """Make an alert group at the same place that IRM opened so many minutes ago."""
    return alert_group(webhook("a", url=url), id="I2", created_at=NOW - timedelta(minutes=minutes), **more)


SUPERSEDED = [
    pytest.param(K.SUPERSEDED, ACTIVE, (newer(),), {}, id="active, and a newer one is open at its place: SUPERSEDED"),
    pytest.param(K.SUPERSEDED, MUTED, (newer(),), {}, id="muted, and a newer one is open at its place: SUPERSEDED"),
    pytest.param(K.SILENCED, SILENCED, (newer(),), {}, id="silenced as the newer one is: SILENCED"),
    pytest.param(K.CONSISTENT, ACTIVE, (newer(90),), {}, id="the other one is older: CONSISTENT"),
    pytest.param(K.CONSISTENT, ACTIVE, (newer(integration_id="C2"),), {}, id="the newer one is of another integration: CONSISTENT"),
    pytest.param(K.CONSISTENT, ACTIVE, (alert_group(webhook("a", alertname="Cpu"), id="I2", created_at=NOW),), {},
                 id="the newer one is at another place: CONSISTENT"),
    pytest.param(K.CONSISTENT, ACTIVE, (newer(),), {"integrations": (msgspec.structs.replace(INTEGRATION, merges=True),)},
                 id="a grouping template decides what is grouped: CONSISTENT"),
    pytest.param(K.CONSISTENT, ACTIVE, (newer(url=THEIRS),), {}, id="the newer one comes from another cluster: CONSISTENT"),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "status", "others", "more"), SUPERSEDED)
def test_superseded(expected: DecisionKind, status: Any, others: Any, more: dict[str, Any]) -> None:
    decision = look(*others, status=status, **more)
    assert decision.kind is expected, decision.reason
    if expected is K.SUPERSEDED:
        assert decision.action is ActionKind.NONE
        assert "the newer alert group I2" in decision.reason


NO_LINK = (msgspec.structs.replace(INTEGRATION, receives=False),)
SILENCE_POLICY = msgspec.structs.replace(POLICY, on_silenced="silence")
UNPAYABLE = [
    pytest.param({"integrations": NO_LINK}, K.UNPAYABLE, ActionKind.SILENCE, Held.NOT_HELD, id="no inbound URL: mirrored instead of resolved"),
    pytest.param({"remembered": Ledger(degraded="the disk is full")}, K.UNPAYABLE, ActionKind.NONE, Held.STORE, id="the ledger cannot be written: neither"),
    pytest.param({"integrations": (msgspec.structs.replace(INTEGRATION, in_maintenance=True),)}, K.FOREIGN, ActionKind.NONE, Held.NOT_HELD,
                 id="the integration is in maintenance: not judged at all"),
    pytest.param({"integrations": NO_LINK, "policy": SILENCE_POLICY}, K.SILENCED, ActionKind.SILENCE, Held.NOT_HELD,
                 id="ON_SILENCED=silence owes nothing: SILENCED"),
    pytest.param({"remembered": Ledger(degraded="the disk is full"), "policy": SILENCE_POLICY}, K.SILENCED, ActionKind.NONE, Held.STORE,
                 id="ON_SILENCED=silence, and the lease cannot be written down: held"),
    pytest.param({"integrations": NO_LINK, "policy": msgspec.structs.replace(POLICY, on_silenced="report")}, K.SILENCED, ActionKind.NONE, Held.POLICY,
                 id="ON_SILENCED=report: only reported"),
    pytest.param({}, K.SILENCED, ActionKind.RESOLVE, Held.NOT_HELD, id="nothing is in the way: resolved"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "kind", "action", "held"), UNPAYABLE)
def test_unpayable(more: dict[str, Any], kind: DecisionKind, action: ActionKind, held: Held) -> None:
    decision = look(**more)
    assert (decision.kind, decision.action, decision.held) == (kind, action, held), decision.reason


def test_what_alertmanager_cut_from_a_delivery_cannot_be_named_in_a_debt() -> None:
    known = alertmanager(group(alert("a", SILENCED)))
    cut = alert_group(webhook("a", truncated=1))
    [decision] = planned(cut, peers=(known,), policy=POLICY).decisions
    assert (decision.kind, decision.action) == (K.UNPAYABLE, ActionKind.SILENCE)
    assert "max_alerts" in decision.reason


def test_what_somebody_acknowledged_is_neither_resolved_nor_mirrored_if_it_is_unpayable() -> None:
    one = msgspec.structs.replace(A, state="acknowledged")
    known = alertmanager(group(alert("a", SILENCED)))
    policy = msgspec.structs.replace(POLICY, states=frozenset({"acknowledged"}))
    [decision] = planned(one, peers=(known,), integrations=NO_LINK, policy=policy).decisions
    assert (decision.kind, decision.held) == (K.UNPAYABLE, Held.STATE)


def test_what_was_reopened_and_is_gone_by_now_is_gone_like_any_other() -> None:
    known = alertmanager(group(alert("w"), alertname="Other"))
    remembered = Ledger(debts=(OURS_AGAIN,), sightings={"I1": GONE_FOR_LONG})
    [decision] = planned(A, peers=(known,), policy=POLICY, remembered=remembered).decisions
    assert decision.kind is K.GONE
