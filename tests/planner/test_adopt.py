"""Debts of what is resolved already: by us before the ledger was lost, or by IRM because of us."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from alertsync.models import AlertGroup, Debt, Deliveries, Ledger, LegacyAlert, Policy, Snapshots, Unreadable
from alertsync.planner.adopt import debts_of, is_marked, marker, withdrawal
from tests.planner.world import (
    INTEGRATION,
    NOW,
    OURS,
    SILENCED,
    THEIRS,
    alert,
    alert_group,
    alertmanager,
    deliveries,
    group,
    irm,
    webhook,
)

AT = NOW - timedelta(hours=3)
CLOSED = alert_group(webhook("a", "x"), state="resolved", resolved_at=AT, resolved_by="U1")
KNOWN = alertmanager(group(alert("a", SILENCED), alert("joined", SILENCED)))
IDS = ("20261123T120000-a1b2c3", "20261123T130000-d4e5f6")

NOTES = [
    pytest.param(True, [f"Resolved by alertsync: all silenced. {marker(IDS[0])}"], id="our marker: marked"),
    pytest.param(True, ["looking into it", f"Resolved. {marker(IDS[0])}", "done"], id="our marker among others' notes: marked"),
    pytest.param(False, [], id="no note: not marked"),
    pytest.param(False, ["alertsync run yesterday looked fine"], id="a person's words about us: not marked"),
    pytest.param(False, [f"Resolved. {marker(IDS[0])}", f"Not after all. {withdrawal(IDS[0])}"], id="our marker, taken back: not marked"),
    pytest.param(False, [f"Not after all. {withdrawal(IDS[0])}", f"Resolved. {marker(IDS[0])}"], id="in whatever order IRM lists them: not marked"),
    pytest.param(True, [marker(IDS[0]), withdrawal(IDS[0]), marker(IDS[1])], id="taken back once, marked by a later run: marked"),
    pytest.param(False, [withdrawal(IDS[0])], id="a withdrawal alone: not marked"),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "notes"), NOTES)
def test_marks(expected: bool, notes: list[str]) -> None:
    assert is_marked(notes) is expected


def adopt(
    *resolved: tuple[AlertGroup, Deliveries],
    integrations: Any = (INTEGRATION,),
    origin: str = "adopted",
    **policy: Any,
) -> tuple[Debt, ...]:
    rules = Policy(**{"external_urls": frozenset({OURS}), **policy})
    known = Snapshots(irm(integrations=integrations), (KNOWN,))
    return debts_of(resolved, known, Ledger(), rules, NOW, origin=origin, reason="it was us")


def test_it_owes_all_that_its_deliveries_left_firing_and_what_stands_at_its_place() -> None:
    [one] = adopt((CLOSED, deliveries(webhook("a", "x"))))
    assert [alert.fingerprint for alert in one.alerts] == ["a", "joined", "x"]
    assert (one.origin, one.reason, one.resolved_at) == ("adopted", "it was us", AT)
    assert (one.alert_group_id, one.made_at) == ("I1", NOW)
    assert one.is_open


def test_where_irm_does_not_say_when_it_was_resolved_it_is_now() -> None:
    [one] = adopt((msgspec.structs.replace(CLOSED, resolved_at=None), deliveries(webhook("a"))))
    assert one.resolved_at == NOW + timedelta(seconds=1), "by IRM's clock, carried on"


def test_each_of_its_places_is_a_debt_and_so_is_each_alert_group() -> None:
    two = msgspec.structs.replace(CLOSED, alerts_count=2)
    other = msgspec.structs.replace(CLOSED, id="I2")
    made = adopt(
        (two, deliveries(webhook("a"), webhook("c", alertname="Cpu"))), (other, deliveries(webhook("a")))
    )
    assert [debt.id for debt in made] == ["I1/0", "I1/1", "I2/0"]


CHILD = {"origin": "child"}
LEGACY = deliveries(LegacyAlert(fingerprint="x", firing=True))
NOTHING = [
    pytest.param(CLOSED, deliveries(Unreadable(why="wiped")), {}, id="its delivery was wiped"),
    pytest.param(CLOSED, deliveries(webhook("a")), {"integration_ids": frozenset({"C2"})}, id="its integration is out of scope"),
    pytest.param(CLOSED, deliveries(webhook("a")), {"integrations": ()}, id="its integration is deleted"),
    pytest.param(CLOSED, deliveries(webhook("a", url=THEIRS)), CHILD, id="resolved with ours, but another cluster's"),
    pytest.param(CLOSED, LEGACY, CHILD, id="resolved with ours, but a legacy alert that Alertmanager does not hold"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "read", "more"), NOTHING)
def test_what_cannot_be_judged_owes_nothing(one: AlertGroup, read: Deliveries, more: dict[str, Any]) -> None:
    assert adopt((one, read), **more) == ()


NAMED = [
    pytest.param(CLOSED, deliveries(webhook("a"), complete=False), id="it has too many deliveries"),
    pytest.param(msgspec.structs.replace(CLOSED, alerts_count=2), deliveries(webhook("a")), id="a delivery is missing"),
    pytest.param(CLOSED, deliveries(Unreadable(why="wiped"), webhook("a")), id="the newest was wiped"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "read"), NAMED)
@pytest.mark.parametrize("origin", ["adopted", "child"])
def test_what_can_be_read_is_owed_even_if_others_cannot(
    one: AlertGroup, read: Deliveries, origin: str
) -> None:
    [made] = adopt((one, read), origin=origin)
    assert {alert.fingerprint for alert in made.alerts} == {"a", "joined"}


def test_what_we_marked_was_judged_ours_even_if_nothing_is_left_to_show_it() -> None:
    nothing_learned: dict[str, Any] = {"external_urls": frozenset()}
    [one] = adopt((CLOSED, deliveries(webhook("x", alertname="Elsewhere"))), **nothing_learned)
    assert one.external_url == OURS
    [legacy] = adopt((CLOSED, LEGACY), **nothing_learned)
    assert legacy.receiver is None


def test_its_own_deliveries_teach_whose_it_is() -> None:
    [one] = adopt((CLOSED, deliveries(webhook("a"))), origin="child", external_urls=frozenset())
    assert (one.origin, one.external_url) == ("child", OURS)


@pytest.mark.parametrize("origin", ["adopted", "child"])
def test_of_a_mixed_alert_group_only_our_places_are_owed(origin: str) -> None:
    two = msgspec.structs.replace(CLOSED, alerts_count=2)
    [one] = adopt((two, deliveries(webhook(resolved=("y",), url=THEIRS), webhook("a"))), origin=origin)
    assert one.external_url == OURS


def test_a_legacy_alert_that_fires_is_owed() -> None:
    [one] = adopt((CLOSED, deliveries(LegacyAlert(fingerprint="a", firing=True))), origin="child")
    assert (one.receiver, [alert.fingerprint for alert in one.alerts]) == (None, ["a"])
