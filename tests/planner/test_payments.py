"""What pays a debt: a delivery that was read back, after our resolve, at that place; and what must be read for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from alertsync.models import AlertGroup, Deliveries, LegacyAlert, Owing, Policy, Unreadable, Webhook
from tests.planner.owing import RESOLVED_AT, WITNESS, debt, judged, owed, reckon, told
from tests.planner.world import (
    INTEGRATION,
    NOW,
    OURS,
    SILENCED,
    THEIRS,
    alert,
    alertmanager,
    deliver,
    group,
    webhook,
)

OTHER_RECEIVER = msgspec.structs.replace(webhook("a"), receiver="other")
BY_US = msgspec.structs.replace(webhook("a"), group_key="key that we posted")


def read(*contents: tuple[Webhook | LegacyAlert | Unreadable, float], complete: bool = True) -> Deliveries:
    """Make deliveries, each with its age in minutes."""
    items = tuple(deliver(content, minutes_ago) for content, minutes_ago in contents)
    return Deliveries(items=items, read_at=NOW - timedelta(seconds=1), complete=complete)


PAYS = [
    pytest.param(True, told(webhook("a")), id="Alertmanager told IRM after the resolve: paid"),
    pytest.param(True, told(BY_US), id="we told IRM, with another groupKey: paid"),
    pytest.param(True, told(webhook("a", "b", "c")), id="it was told together with others: paid"),
    pytest.param(True, told(webhook("a"), state="silenced"), id="the alert group that took it is silenced: paid"),
    pytest.param(True, told(webhook("a"), state="acknowledged"), id="the alert group that took it is acknowledged: paid"),
    pytest.param(True, told(webhook("a"), created_at=NOW - timedelta(hours=3)), id="an old open alert group took it: paid"),
    pytest.param(False, told(webhook("b")), id="IRM was told of another alert: not paid"),
    pytest.param(False, told(webhook(resolved=("a",))), id="IRM was told that it ended: not paid"),
    pytest.param(False, told(webhook("a"), minutes_ago=11), id="IRM was told before the resolve: not paid"),
    pytest.param(False, told(webhook("a"), minutes_ago=10), id="IRM was told in the very moment of the resolve: not paid"),
    pytest.param(False, told(webhook("a", alertname="Cpu")), id="IRM was told of it at a place with other labels: not paid"),
    pytest.param(False, told(OTHER_RECEIVER), id="IRM was told of it for another receiver: not paid"),
    pytest.param(False, told(webhook("a"), integration_id="C2"), id="IRM was told of it at another integration: not paid"),
    pytest.param(False, told(LegacyAlert(fingerprint="a", firing=True)), id="a legacy delivery names no place: not paid"),
    pytest.param(False, told(Unreadable(why="its payload was wiped")), id="the delivery was wiped: not paid"),
]  # fmt: skip


@pytest.mark.parametrize(("pays", "one"), PAYS)
def test_what_pays_in_an_open_alert_group(pays: bool, one: AlertGroup) -> None:
    found = judged(reckon(debt(), one))
    assert found.state is (Owing.PAID if pays else Owing.DUE), found.why
    assert not pays or one.id in found.why


@pytest.mark.parametrize(("pays", "one"), PAYS)
def test_what_pays_in_an_alert_group_that_is_resolved_by_now(pays: bool, one: AlertGroup) -> None:
    gone = msgspec.structs.replace(one, state="resolved")
    found = judged(reckon(debt(), later={"C1": (), one.integration_id: (gone,)}))
    assert found.state is (Owing.PAID if pays else Owing.DUE), found.why


@pytest.mark.parametrize(("pays", "one"), PAYS)
def test_what_pays_where_a_template_merges_places(pays: bool, one: AlertGroup) -> None:
    merging = (msgspec.structs.replace(INTEGRATION, merges=True),)
    found = judged(reckon(debt(), one, integrations=merging))
    assert found.state is (Owing.PAID if pays else Owing.DUE), found.why


def test_a_delivery_of_another_cluster_pays_nothing() -> None:
    theirs = told(webhook("a", url=THEIRS))
    assert judged(reckon(debt(), theirs, policy=Policy(external_urls=frozenset({OURS})))).state is Owing.DUE
    peer = told(webhook("a", url=THEIRS))
    both = Policy(external_urls=frozenset({OURS, THEIRS}))
    assert judged(reckon(debt(), peer, policy=both)).state is Owing.PAID


def test_a_delivery_of_the_alert_group_that_we_resolved_is_no_payment() -> None:
    late = told(webhook("a"), id="I0", state="resolved")
    assert judged(reckon(debt(), later={"C1": (late,)})).state is Owing.DUE


@pytest.mark.parametrize("state", [Owing.OWED, Owing.DUE, Owing.POSTED])
def test_whatever_is_open_can_be_paid(state: Owing) -> None:
    assert judged(reckon(debt(owed(state=state)), told(webhook("a")))).state is Owing.PAID


@pytest.mark.parametrize("status", [SILENCED, None], ids=["silenced again", "ended"])
def test_what_irm_was_told_of_is_paid_whatever_it_is_now(status: Any) -> None:
    groups = (group(alert("a", status)),) if status else ()
    known = alertmanager(*groups, WITNESS)
    assert judged(reckon(debt(), told(webhook("a")), known=known)).state is Owing.PAID


def test_a_legacy_debt_is_paid_by_a_legacy_delivery_only() -> None:
    legacy = debt(receiver=None, group_labels={}, external_url="", group_key="")
    assert judged(reckon(legacy, told(LegacyAlert(fingerprint="a", firing=True)))).state is Owing.PAID
    assert judged(reckon(legacy, told(LegacyAlert(fingerprint="a", firing=False)))).state is Owing.DUE
    assert judged(reckon(legacy, told(LegacyAlert(fingerprint="b", firing=True)))).state is Owing.DUE
    assert judged(reckon(legacy, told(webhook("a")))).state is Owing.DUE


SEVERAL = told(webhook("b"), count=2)
IN_OLDER = [
    pytest.param(True, read((webhook("b"), 1), (webhook("a", "b"), 5)), id="an older delivery after the resolve names it: paid"),
    pytest.param(True, read((webhook("b", resolved=("a",)), 1), (webhook("a"), 5)), id="it was told, and has ended since: paid"),
    pytest.param(False, read((webhook("b"), 1), (webhook("a", "b"), 11)), id="only a delivery before the resolve names it: not paid"),
    pytest.param(False, read((webhook("b"), 1), (webhook("a", alertname="Cpu"), 5)), id="an older delivery names it at another place: not paid"),
    pytest.param(True, read((Unreadable(why="wiped"), 1), (webhook("a"), 5)), id="the last delivery was wiped, an older one names it: paid"),
]  # fmt: skip


@pytest.mark.parametrize(("pays", "deliveries"), IN_OLDER)
def test_older_deliveries_pay_too(pays: bool, deliveries: Deliveries) -> None:
    found = judged(reckon(debt(), SEVERAL, deliveries={"I2": deliveries}))
    assert found.state is (Owing.PAID if pays else Owing.DUE), found.why


def test_the_last_delivery_pays_although_none_could_be_read() -> None:
    unread = Deliveries(items=(), read_at=NOW, complete=False)
    assert judged(reckon(debt(), told(webhook("a"), count=2), deliveries={"I2": unread})).state is Owing.PAID
    assert judged(reckon(debt(), SEVERAL, deliveries={"I2": unread})).state is Owing.DUE


ASK: dict[str, Any] = {"searched": False}


def test_before_anything_is_posted_again_the_resolved_alert_groups_are_to_be_read() -> None:
    made = reckon(debt(), later={}, **ASK)
    assert made.search.integrations == {"C1": RESOLVED_AT}
    assert made.repages == ()
    assert judged(made).state is Owing.OWED, "nothing is called due before it is certain"


def test_of_several_debts_the_earliest_resolve_says_since_when() -> None:
    early = debt(id="I9/0", alert_group_id="I9", resolved_at=RESOLVED_AT - timedelta(hours=1))
    made = reckon((debt(), early), later={}, **ASK)
    assert made.search.integrations == {"C1": RESOLVED_AT - timedelta(hours=1)}


@pytest.mark.parametrize(
    ("one", "integration", "wanted"),
    [
        pytest.param(SEVERAL, INTEGRATION, True, id="several deliveries at the place, the last says nothing of it: read them"),
        pytest.param(told(webhook("b")), INTEGRATION, False, id="its only delivery is known: nothing to read"),
        pytest.param(told(webhook("b"), minutes_ago=11, count=2), INTEGRATION, False, id="its last delivery is older than the resolve: nothing to read"),
        pytest.param(told(webhook("b", alertname="Cpu"), count=2), INTEGRATION, False, id="it is of another place: nothing to read"),
        pytest.param(told(webhook("b", alertname="Cpu"), count=2), msgspec.structs.replace(INTEGRATION, merges=True), True,
                     id="a grouping template merges places: read them"),
    ],
)  # fmt: skip
def test_which_deliveries_are_to_be_read(one: AlertGroup, integration: Any, wanted: bool) -> None:
    made = reckon(debt(), one, integrations=(integration,), **ASK)
    assert [group.id for group in made.search.alert_groups] == (["I2"] if wanted else [])
    assert bool(made.repages) is not wanted


@pytest.mark.parametrize(
    ("known", "groups"),
    [
        pytest.param(alertmanager(group(alert("a", SILENCED)), WITNESS), (), id="it is silenced"),
        pytest.param(alertmanager(WITNESS), (), id="it has ended"),
        pytest.param(None, (told(webhook("a")),), id="it is paid already"),
    ],
)
def test_nothing_is_read_where_nothing_hangs_on_it(known: Any, groups: tuple[AlertGroup, ...]) -> None:
    assert not reckon(debt(), *groups, known=known, later={}, **ASK).search


def test_once_all_was_read_that_can_be_what_is_not_found_is_due() -> None:
    """A page too many is the lesser harm."""
    made = reckon(debt(), SEVERAL, later={})
    assert judged(made).state is Owing.DUE
    assert not made.search
