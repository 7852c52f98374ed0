"""A debt is written before its resolve: after a crash or a lost answer it is found out whether that happened."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from alertsync.models import AlertGroup, Debt, Delivery, LegacyAlert, Owing, Plan, Unreadable, Webhook
from tests.planner.owing import debt, reckon, told
from tests.planner.world import NOW, THEIRS, alert_group, webhook

AT = NOW - timedelta(minutes=2)
DOUBTFUL = debt(alert_group_id="I1", resolved_at=None, made_at=NOW - timedelta(minutes=3))
OLD = msgspec.structs.replace(DOUBTFUL, made_at=NOW - timedelta(minutes=6))
OPEN = alert_group(webhook("a"))
RESOLVED = alert_group(webhook("a"), state="resolved", resolved_at=AT, resolved_by="U1")


def settle(one: Debt, *groups: AlertGroup, **read: Any) -> tuple[Plan, Debt]:
    made = reckon(one, *groups, **read)
    [judged] = made.debts
    return made, judged


def test_it_is_not_open_any_more_so_it_is_to_be_looked_up() -> None:
    made, judged = settle(DOUBTFUL)
    assert made.search.ids == ("I1",)
    assert judged == DOUBTFUL
    assert made.repages == ()


def test_two_debts_of_one_alert_group_ask_once() -> None:
    made = reckon((DOUBTFUL, msgspec.structs.replace(DOUBTFUL, id="I1/1")))
    assert made.search.ids == ("I1",)


HAPPENED = [
    pytest.param({"found": {"I1": RESOLVED}}, AT, id="a user resolved it: it happened when IRM says"),
    pytest.param({"found": {"I1": msgspec.structs.replace(RESOLVED, resolved_by="U2")}}, AT, id="another user resolved it: tokens are shared and replaced, so it may have been us"),
    pytest.param({"found": {"I1": msgspec.structs.replace(RESOLVED, resolved_at=None)}}, NOW + timedelta(seconds=1), id="IRM does not say when: now, by its clock"),
    pytest.param({"found": {"I1": None}}, NOW + timedelta(seconds=1), id="it was deleted: what is owed too much is harmless"),
]  # fmt: skip


@pytest.mark.parametrize(("read", "at"), HAPPENED)
def test_the_resolve_happened(read: dict[str, Any], at: Any) -> None:
    made, judged = settle(DOUBTFUL, **read)
    assert judged.resolved_at == at
    assert judged.alerts[0].state is Owing.DUE, "and it is judged at once"
    assert made.change.debts == (judged,)


def resolved(content: Webhook | Unreadable | LegacyAlert) -> AlertGroup:
    """Make the alert group as a user resolved it two minutes ago; this was its last delivery a minute before."""
    last = Delivery(id="A9", created_at=AT - timedelta(minutes=1), content=content)
    return msgspec.structs.replace(RESOLVED, last_delivery=last)


JOINED = [
    pytest.param(["a", "b"], resolved(webhook("a", "b")), id="another joined before it was resolved: owed too"),
    pytest.param(["a", "b"], resolved(webhook("b", resolved=("a",))), id="another joined, and the first ended: both are owed"),
    pytest.param(["a"], resolved(webhook("a", resolved=("b",))), id="another ended: not owed"),
    pytest.param(["a"], resolved(webhook("a", "b", alertname="Cpu")), id="another joined at another place: not this debt's"),
    pytest.param(["a"], resolved(msgspec.structs.replace(webhook("a", "b"), receiver="other")), id="another joined for another receiver: not this debt's"),
    pytest.param(["a"], resolved(webhook("a", "b", url=THEIRS)), id="another cluster's joined: not ours"),
    pytest.param(["a"], resolved(LegacyAlert(fingerprint="b", firing=True)), id="a legacy delivery names no place: not this debt's"),
    pytest.param(["a"], resolved(Unreadable(why="wiped")), id="the delivery was wiped: nothing is known of it"),
    pytest.param(["a"], msgspec.structs.replace(RESOLVED, last_delivery=None), id="there is no delivery: nothing joined"),
]  # fmt: skip


@pytest.mark.parametrize(("owed", "group"), JOINED)
def test_what_was_delivered_between_the_writing_and_the_resolve_is_owed_too(
    owed: list[str], group: AlertGroup
) -> None:
    _, judged = settle(DOUBTFUL, found={"I1": group})
    assert [alert.fingerprint for alert in judged.alerts] == owed
    if len(owed) > 1:
        assert judged.last_delivery_at == AT - timedelta(minutes=1)


def test_alertmanager_resolved_it_so_nothing_is_owed() -> None:
    made, judged = settle(DOUBTFUL, found={"I1": msgspec.structs.replace(RESOLVED, resolved_by=None)})
    assert judged.void
    assert judged.closed_at == NOW
    assert not judged.is_open
    assert (made.repages, made.change.debts) == ((), (judged,))


def test_it_is_open_and_irm_may_still_carry_the_resolve_out_so_the_debt_stays_in_doubt() -> None:
    for minutes in (0, 3, 5):
        one = msgspec.structs.replace(DOUBTFUL, made_at=NOW - timedelta(minutes=minutes))
        made, judged = settle(one, OPEN)
        assert judged == one
        assert not made.search
        assert made.repages == ()


def test_it_is_still_open_after_five_minutes_so_the_resolve_did_not_happen() -> None:
    _, judged = settle(OLD, OPEN)
    assert judged.void
    assert judged.closed_at == NOW


def test_it_was_looked_up_and_is_open_so_the_next_run_sees_it() -> None:
    made, judged = settle(OLD, found={"I1": OPEN})
    assert judged == OLD
    assert made.repages == ()


def test_a_debt_in_doubt_pays_and_pages_nothing_and_asks_nothing_of_payments() -> None:
    made, judged = settle(DOUBTFUL, OPEN, told(webhook("a")), searched=False, later={})
    assert judged.alerts[0].state is Owing.OWED
    assert not made.search


def test_what_is_certain_is_not_asked_again() -> None:
    certain = debt(alert_group_id="I1")
    assert reckon(certain).search.ids == ()


@pytest.mark.parametrize("change", [{"void": True}, {"alerts": ()}], ids=["void", "nothing owed"])
def test_what_is_over_is_not_looked_up(change: dict[str, Any]) -> None:
    assert reckon(msgspec.structs.replace(DOUBTFUL, **change)).search.ids == ()
