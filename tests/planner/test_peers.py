"""Several Alertmanager peers: silenced only if all say so, gone only if every one answered and none knows it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alertsync.models import (
    ActionKind,
    AlertmanagerSnapshot,
    Decision,
    DecisionKind,
    Ledger,
    Plan,
    Policy,
)
from tests.planner.world import (
    ACTIVE,
    GONE_FOR_LONG,
    MUTED,
    NOW,
    OURS,
    SILENCED,
    alert,
    alert_group,
    alertmanager,
    group,
    planned,
    silence,
    webhook,
)

A = alert_group(webhook("a"))
BOTH = ("one:9093", "two:9093")
WITNESS = group(alert("w"), alertname="Other")
K = DecisionKind


def peer(number: int, *status: Any, **more: Any) -> AlertmanagerSnapshot:
    """Make a peer in which a has this status; without one it does not know a."""
    groups = [group(alert("a", *status))] if status else []
    return alertmanager(*groups, WITNESS, peer=BOTH[number], **more)


def ask(*peers: AlertmanagerSnapshot, last_answer: dict[str, Any] | None = None, **policy: Any) -> Plan:
    """Plan with two peers configured."""
    ledger = Ledger(sightings={"I1": GONE_FOR_LONG}, peers=last_answer or {})
    urls = Policy(external_urls=frozenset({OURS}), **policy)
    return planned(A, peers=peers, configured=BOTH, remembered=ledger, policy=urls)


def only(made: Plan) -> Decision:
    [decision] = made.decisions
    return decision


TABLE = [
    pytest.param(K.SILENCED, (SILENCED,), (SILENCED,), id="both say silenced: SILENCED"),
    pytest.param(K.PEERS_DISAGREE, (SILENCED,), (ACTIVE,), id="one says silenced, one active: PEERS_DISAGREE"),
    pytest.param(K.PEERS_DISAGREE, (ACTIVE,), (SILENCED,), id="the other way round: PEERS_DISAGREE"),
    pytest.param(K.PEERS_DISAGREE, (SILENCED,), (MUTED,), id="one says silenced, one muted: PEERS_DISAGREE"),
    pytest.param(K.PEERS_DISAGREE, (SILENCED,), (), id="one says silenced, one does not know it: PEERS_DISAGREE"),
    pytest.param(K.PEERS_DISAGREE, (ACTIVE,), (), id="one says active, one does not know it: PEERS_DISAGREE"),
    pytest.param(K.CONSISTENT, (ACTIVE,), (ACTIVE,), id="both say active: CONSISTENT"),
    pytest.param(K.MUTED, (MUTED,), (MUTED,), id="both say muted: MUTED"),
    pytest.param(K.GONE, (), (), id="none knows it: GONE"),
    pytest.param(K.SILENCE_ENDING, (SILENCED,), (SILENCED, ("lost",)), id="at one of them the silence ends: SILENCE_ENDING"),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "first", "second"), TABLE)
def test_what_two_peers_say(expected: DecisionKind, first: tuple[Any, ...], second: tuple[Any, ...]) -> None:
    decision = only(ask(peer(0, *first), peer(1, *second)))
    assert decision.kind is expected, decision.reason
    assert (decision.action is ActionKind.RESOLVE) is (expected is K.SILENCED)


def test_the_reason_names_each_peer_and_what_it_says() -> None:
    decision = only(ask(peer(0, SILENCED), peer(1, ACTIVE)))
    assert decision.reason == "one:9093 says SILENCED; two:9093 says CONSISTENT"
    assert [member.status for member in decision.members] == [ACTIVE], "the wakeful view is shown"


def test_of_two_ends_the_earlier_counts() -> None:
    second = peer(1, SILENCED, ("s2",), silences=(silence("s2", 20),))
    assert only(ask(peer(0, SILENCED), second)).silenced_until == NOW + timedelta(minutes=20)


MISSING = [
    pytest.param(K.PEERS_DISAGREE, (SILENCED,), 14, id="it answered within ABSENCE_AFTER: its word still counts"),
    pytest.param(K.PEERS_DISAGREE, (SILENCED,), None, id="it has never been asked before: it may well answer"),
    pytest.param(K.SILENCED, (SILENCED,), 15, id="it has not answered for ABSENCE_AFTER: the others decide"),
    pytest.param(K.GONE_UNPROVEN, (), 15, id="nothing is gone while any peer does not answer, however long"),
    pytest.param(K.GONE_UNPROVEN, (), 9999, id="not even after days"),
    pytest.param(K.CONSISTENT, (ACTIVE,), 1, id="one that says active is enough"),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "first", "minutes"), MISSING)
def test_a_peer_that_does_not_answer(
    expected: DecisionKind, first: tuple[Any, ...], minutes: float | None
) -> None:
    last = {} if minutes is None else {BOTH[1]: NOW - timedelta(minutes=minutes)}
    decision = only(ask(peer(0, *first), last_answer=last))
    assert decision.kind is expected, decision.reason


def test_members_are_unproven_while_a_peer_that_may_hold_the_absent_one_does_not_answer() -> None:
    one = alert_group(webhook("a", "b"))
    ledger = Ledger(peers={BOTH[1]: NOW - timedelta(days=1)})
    made = planned(one, peers=(peer(0, SILENCED),), configured=BOTH, remembered=ledger)
    assert only(made).kind is K.MEMBERS_UNPROVEN


def test_an_empty_peer_proves_nothing_for_the_others_either() -> None:
    empty = alertmanager(peer=BOTH[1])
    assert only(ask(peer(0), empty)).kind is K.GONE_UNPROVEN


def test_a_young_peer_proves_nothing_for_the_others_either() -> None:
    young = peer(1, started_at=NOW - timedelta(minutes=1))
    decision = only(ask(peer(0), young))
    assert decision.kind is K.GONE_UNPROVEN
    assert "up for 60 s" in decision.reason


def test_who_answered_is_remembered_and_who_never_did_since_it_was_first_asked() -> None:
    before = NOW - timedelta(minutes=5)
    assert ask(peer(0, ACTIVE)).change.peers == {BOTH[0]: NOW, BOTH[1]: NOW}
    assert ask(peer(0, ACTIVE), last_answer={BOTH[1]: before}).change.peers == {BOTH[0]: NOW, BOTH[1]: before}
    both = ask(peer(0, ACTIVE), peer(1, ACTIVE), last_answer={BOTH[1]: before})
    assert both.change.peers == {BOTH[0]: NOW, BOTH[1]: NOW}


def test_what_resolving_would_owe_names_what_any_peer_holds_at_the_place() -> None:
    first = alertmanager(group(alert("a", SILENCED), alert("late", SILENCED)), WITNESS, peer=BOTH[0])
    made = planned(
        A, peers=(peer(1, SILENCED), first), configured=BOTH, policy=Policy(external_urls=frozenset({OURS}))
    )
    [debt] = made.obligations["I1"]
    assert [alert.fingerprint for alert in debt.alerts] == ["a", "late"]
