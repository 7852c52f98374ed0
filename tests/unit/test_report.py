"""What a run says of itself: the status, the sentence, the counts, and what a person must hear loudly."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from alertsync import report
from alertsync.models import (
    ActionKind,
    Brake,
    Credentials,
    Held,
    Ledger,
    Outcome,
    Owing,
    Plan,
    Policy,
    Repage,
    RunStatus,
)
from tests.unit.clocks import START
from tests.unit.ledgers import action, debt, decision, run

if TYPE_CHECKING:
    from alertsync.models import Debt

REPAGED = action(ActionKind.REPAGE, Outcome.POSTED)
ALARM = "posted to IRM 3 times, and IRM shows no delivery of it: somebody must look"


def a_plan(*decisions: Any, **more: Any) -> Plan:
    return Plan(decisions=decisions, **more)


def stuck(name: str = "I1", **more: Any) -> Debt:
    alarmed = debt(Owing.POSTED, name=name).alerts[0]
    return debt(name=name, alerts=(type(alarmed)("f0", {}, Owing.POSTED, posts=3, alarm=ALARM),), **more)


def a_repage(*debts: str, name: str = "I1") -> Repage:
    return Repage(
        debts=debts,
        alert_group_id=name,
        title="",
        integration_id="C1",
        receiver="oncall",
        group_labels={},
        external_url="",
        group_key="",
        fingerprints=frozenset({"f0"}),
        reason="",
        due_since=START,
    )


# --- counts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "outcome", "state", "resolved", "failed"),
    [
        (ActionKind.RESOLVE, Outcome.RESOLVED, "firing", 1, 0),
        (ActionKind.RESOLVE, Outcome.ALREADY_RESOLVED, "firing", 1, 0),
        (ActionKind.RESOLVE, Outcome.FAILED, "firing", 0, 1),
        (ActionKind.RESOLVE, Outcome.CANCELLED, "firing", 0, 0),
        (ActionKind.SILENCE, Outcome.SILENCED, "firing", 1, 0),
        (ActionKind.SILENCE, Outcome.SILENCED, "silenced", 0, 0),
        (ActionKind.SILENCE, Outcome.FAILED, "silenced", 0, 1),
        (ActionKind.SILENCE, Outcome.ALREADY_RESOLVED, "firing", 0, 0),
        (ActionKind.UNSILENCE, Outcome.UNSILENCED, "silenced", 0, 0),
        (ActionKind.REPAGE, Outcome.POSTED, "firing", 0, 0),
        (ActionKind.REPAGE, Outcome.FAILED, "firing", 0, 0),
        (ActionKind.UNRESOLVE, Outcome.UNRESOLVED, "firing", 0, 0),
    ],
)
def test_what_counts_as_resolved_or_failed(
    kind: ActionKind, outcome: Outcome, state: str, resolved: int, failed: int
) -> None:
    planned = a_plan(decision(state=state, inconsistent=True))
    found = report.counts(planned, [action(kind, outcome)])
    assert found["inconsistencies_resolved"] == resolved
    assert found["inconsistencies_failed"] == failed
    assert found["inconsistencies_found"] == 1


def test_the_record_carries_brakes_and_when_to_wake() -> None:
    found = report.counts(a_plan(brakes=frozenset({Brake.GONE_RATIO}), wake_at=START), [])
    assert found["brakes"] == {Brake.GONE_RATIO}
    assert found["wake_at"] == START
    assert report.counts(None, []) == {}


# --- the sentence -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actions", "said"),
    [
        ([action(ActionKind.RESOLVE, Outcome.RESOLVED)], "1 resolved"),
        ([REPAGED, REPAGED], "0 resolved, 2 re-paged"),
        ([action(ActionKind.UNSILENCE, Outcome.UNSILENCED)], "0 resolved, 1 un-silenced"),
        ([action(ActionKind.SILENCE, Outcome.SILENCED)], "0 resolved, 1 silenced"),
        ([action(ActionKind.SILENCE, Outcome.SILENCED, "I2")], "0 resolved, 1 kept silenced"),
        ([action(ActionKind.UNSILENCE, Outcome.ALREADY_RESOLVED)], "0 resolved, 1 resolved by somebody else"),
        ([action(ActionKind.UNRESOLVE, Outcome.UNRESOLVED)], "0 resolved, 1 opened again"),
        ([action(ActionKind.REPAGE, Outcome.CANCELLED)], "0 resolved, 1 cancelled"),
    ],
    ids=str,
)
def test_the_sentence_says_what_was_done(actions: list[Any], said: str) -> None:
    planned = a_plan(decision("I1"), decision("I2", state="silenced"))
    status, message = report.outcome(planned, actions)
    assert status is RunStatus.SUCCESS
    assert message == f"2 open alert groups, 0 inconsistent, {said}"


@pytest.mark.parametrize("held", [held for held in Held if held])
def test_the_sentence_says_for_each_reason_what_was_left_alone(held: Held) -> None:
    status, message = report.outcome(a_plan(decision(held=held, inconsistent=True)), [])
    assert message.startswith("1 open alert group, 1 inconsistent, 0 resolved, 1 ")
    due = held in (Held.CREDENTIALS, Held.STORE)
    assert status is (RunStatus.PARTIAL if due else RunStatus.SUCCESS)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.NOT_ATTEMPTED])
@pytest.mark.parametrize("kind", [ActionKind.RESOLVE, ActionKind.REPAGE, ActionKind.UNSILENCE])
def test_an_action_that_was_due_and_not_done_makes_a_run_partial(kind: ActionKind, outcome: Outcome) -> None:
    status, message = report.outcome(a_plan(), [action(kind, outcome, detail="IRM is down")])
    assert status is RunStatus.PARTIAL
    assert message.endswith(". IRM is down")


# --- debts ------------------------------------------------------------------------------------------------


def test_what_is_left_due_after_the_last_action_makes_a_run_partial() -> None:
    ledger = Ledger(debts=(debt(Owing.DUE, Owing.DUE, Owing.OWED), debt(Owing.DUE, name="I2", void=True)))
    status, message = report.outcome(a_plan(), [], Policy(), ledger)
    assert status is RunStatus.PARTIAL
    assert "2 alert(s) still to be re-paged" in message


def test_a_page_that_proved_needless_when_its_turn_came_is_not_left() -> None:
    planned = a_plan(repages=(a_repage("I1/0", "I2/0"),))
    cancelled = action(ActionKind.REPAGE, Outcome.CANCELLED, detail="it is silenced again")
    ledger = Ledger(debts=(debt(Owing.DUE), debt(Owing.DUE, name="I2")))
    assert report.outcome(planned, [cancelled], Policy(), ledger)[0] is RunStatus.SUCCESS
    ledger = Ledger(debts=(*ledger.debts, debt(Owing.DUE, name="I3")))
    assert report.outcome(planned, [cancelled], Policy(), ledger)[0] is RunStatus.PARTIAL


@pytest.mark.parametrize(
    ("policy", "said"), [({"dry_run": True}, "DRY RUN"), ({"repage": False}, "REPAGE=false")]
)
def test_pages_that_a_setting_holds_back_are_said_loudly(policy: dict[str, Any], said: str) -> None:
    ledger = Ledger(debts=(debt(Owing.DUE),))
    status, message = report.outcome(a_plan(debts=ledger.debts), [], Policy(**policy), ledger)
    assert status is RunStatus.SUCCESS
    assert said in message
    assert "1 alert(s)" in message
    assert "NOBODY IS PAGED" in message
    quiet = Ledger(debts=(debt(Owing.OWED),))
    assert said not in report.outcome(a_plan(debts=quiet.debts), [], Policy(**policy), quiet)[1]


def test_a_dry_run_says_what_it_found_due_though_the_ledger_does_not_know_yet() -> None:
    before = Ledger(debts=(debt(Owing.OWED),))
    message = report.outcome(a_plan(debts=(debt(Owing.DUE),)), [], Policy(dry_run=True), before)[1]
    assert "NOBODY IS PAGED" in message


def test_a_debt_that_cannot_be_paid_makes_a_run_partial_and_says_what_to_do() -> None:
    ledger = Ledger(debts=tuple(stuck(f"I{number}") for number in range(5)))
    status, message = report.outcome(a_plan(), [], Policy(), ledger)
    assert status is RunStatus.PARTIAL
    assert "NOBODY IS PAGED for «Disk of I0», «Disk of I1», «Disk of I2» and 2 more" in message
    assert ALARM in message
    assert "explain" in message
    assert report.outcome(a_plan(debts=ledger.debts), [])[0] is RunStatus.PARTIAL
    for over in (stuck(void=True), debt(Owing.PAID)):
        assert report.outcome(a_plan(), [], Policy(), Ledger(debts=(over,)))[0] is RunStatus.SUCCESS


# --- loudly -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("brake", Brake)
def test_an_engaged_brake_says_how_it_is_lifted(brake: Brake) -> None:
    status, message = report.outcome(a_plan(brakes=frozenset({brake})), [])
    assert status is RunStatus.SUCCESS
    assert f"BRAKE {brake}" in message
    assert f"POST /reconcile?lift={brake}" in message


def test_a_token_that_may_not_act_and_a_store_that_cannot_be_written_are_said() -> None:
    ledger = Ledger(credentials=Credentials(START, "Invalid token."), degraded="the disk is full")
    message = report.outcome(a_plan(), [], Policy(), ledger)[1]
    assert "Invalid token." in message
    assert "python -m alertsync check" in message
    assert message.endswith("the disk is full")


def test_the_log_warns_of_what_the_message_says_loudly(caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger(debts=(debt(Owing.DUE), stuck("I2")))
    with caplog.at_level(logging.INFO):
        report.log_run(run(brakes=frozenset(Brake)), Policy(repage=False), ledger)
    warned = [vars(one)["detail"] for one in caplog.records if one.getMessage() == "attention"]
    assert [one.split()[0] for one in warned] == ["BRAKE", "BRAKE", "REPAGE=false:", "NOBODY"]
    assert all(one.levelno == logging.WARNING for one in caplog.records if one.getMessage() == "attention")
    assert caplog.records[-1].getMessage() == "run ended"


def test_a_quiet_run_warns_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        report.log_run(run())
    assert [one.getMessage() for one in caplog.records] == ["run ended"]
