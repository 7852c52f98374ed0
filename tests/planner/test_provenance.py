"""Which addresses are ours, and what may not teach it."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from alertsync.models import Address, AlertGroup, DecisionKind, Ledger, LegacyAlert, Plan, Policy
from tests.planner.world import (
    NOW,
    OURS,
    SILENCED,
    THEIRS,
    alert,
    alert_group,
    alertmanager,
    decide,
    decision_about,
    deliveries,
    group,
    planned,
    webhook,
)

WATCHDOG = alertmanager(group(alert("dog"), alertname="Watchdog"), group(alert("a", SILENCED)))
DOG = webhook("dog", alertname="Watchdog")
THEIR_DOG = webhook("dog", url=THEIRS, alertname="Watchdog")
AGO = NOW - timedelta(days=3)


def seen(
    *groups: AlertGroup, remembered: dict[str, Address] | None = None, policy: Policy | None = None
) -> Plan:
    return planned(*groups, peers=(WATCHDOG,), remembered=Ledger(addresses=remembered or {}), policy=policy)


def test_an_alert_that_fires_in_our_alertmanager_teaches_its_address() -> None:
    assert seen(alert_group(webhook("a"))).external_urls == {OURS}


def test_an_older_delivery_teaches_too() -> None:
    one = alert_group(webhook(resolved=("a",)), count=2)
    read = {"I1": deliveries(webhook(resolved=("a",)), webhook("a"))}
    assert planned(one, peers=(WATCHDOG,), deliveries=read).external_urls == {OURS}


def test_a_resolved_alert_teaches_nothing() -> None:
    assert seen(alert_group(webhook(resolved=("a",)))).external_urls == frozenset()


def test_an_alert_that_our_alertmanager_does_not_hold_teaches_nothing() -> None:
    assert seen(alert_group(webhook("x"))).external_urls == frozenset()


def test_a_legacy_alert_names_no_address_and_teaches_none() -> None:
    assert seen(alert_group(LegacyAlert(fingerprint="a", firing=True))).external_urls == frozenset()


def test_the_operators_list_is_the_last_word() -> None:
    policy = Policy(external_urls=frozenset({THEIRS}))
    assert seen(alert_group(webhook("a")), policy=policy).external_urls == {THEIRS}


def test_a_watchdog_that_two_clusters_share_teaches_nothing() -> None:
    made = seen(alert_group(DOG, id="I2"), alert_group(THEIR_DOG, id="I3"))
    assert made.external_urls == frozenset()
    assert made.change.addresses is not None
    assert all(address.rival for address in made.change.addresses.values())


def test_another_cluster_with_a_watchdog_like_ours_is_still_foreign() -> None:
    ours, theirs = alert_group(DOG, id="I2"), alert_group(THEIR_DOG, id="I3")
    live = alert_group(webhook("a", "y", url=THEIRS))
    other_of_ours = alert_group(webhook("a"), id="I4")
    assert decide(live, WATCHDOG, ours, theirs, other_of_ours).kind is DecisionKind.FOREIGN


def test_of_rivals_none_is_ours_and_the_reason_says_what_helps() -> None:
    decision = decide(
        alert_group(webhook("a")), WATCHDOG, alert_group(DOG, id="I2"), alert_group(THEIR_DOG, id="I3")
    )
    assert decision.kind is DecisionKind.FOREIGN
    assert "name them in ALERTMANAGER_EXTERNAL_URLS" in decision.reason


def test_once_a_rival_always_a_rival_even_on_a_day_on_which_ours_is_quiet() -> None:
    rivals = {url: Address(seen_at=AGO, known=True, rival=True) for url in (OURS, THEIRS)}
    live = alert_group(webhook("a", url=THEIRS))
    made = seen(live, remembered=rivals)
    assert made.external_urls == frozenset()
    assert decision_about(live, made).kind is DecisionKind.FOREIGN


def test_as_many_rivals_as_peers_are_the_peers_themselves() -> None:
    ours, theirs = alert_group(DOG, id="I2"), alert_group(THEIR_DOG, id="I3")
    peers = tuple(msgspec.structs.replace(WATCHDOG, peer=name) for name in ("one:9093", "two:9093"))
    assert planned(ours, theirs, peers=peers).external_urls == {OURS, THEIRS}
    third = alert_group(webhook("dog", url="http://third.example", alertname="Watchdog"), id="I5")
    assert planned(ours, theirs, third, peers=peers).external_urls == frozenset()


def test_a_stranger_without_any_alert_of_ours_is_no_rival() -> None:
    made = seen(alert_group(webhook("a")), alert_group(webhook("x", url=THEIRS), id="I2"))
    assert made.external_urls == {OURS}


@pytest.mark.parametrize("known", [True, False], ids=["learned before: ours", "only seen before: not ours"])
def test_what_was_learned_is_remembered(known: bool) -> None:
    made = seen(remembered={OURS: Address(seen_at=AGO, known=known)})
    assert made.external_urls == ({OURS} if known else frozenset())


def test_when_an_address_was_seen_is_brought_up_to_date() -> None:
    made = seen(alert_group(webhook("x")), remembered={OURS: Address(seen_at=AGO, known=True)})
    assert made.change.addresses == {OURS: Address(seen_at=NOW - timedelta(minutes=30), known=True)}


def test_a_plan_that_learned_nothing_writes_nothing() -> None:
    assert seen(remembered={OURS: Address(seen_at=AGO, known=True)}).change.addresses is None
