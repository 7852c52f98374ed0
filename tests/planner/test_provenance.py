"""Which addresses are ours, and what may not teach it."""

from __future__ import annotations

from alertsync.models import DecisionKind, Policy, Snapshots
from alertsync.planner.plan import plan
from tests.planner.world import (
    NOW,
    OURS,
    SILENCED,
    THEIRS,
    alert,
    alert_group,
    alertmanager,
    decide,
    group,
    irm,
    webhook,
)

WATCHDOG = alertmanager(group(alert("dog"), alertname="Watchdog"), group(alert("a", SILENCED)))


def test_an_alert_that_fires_in_our_alertmanager_teaches_its_address() -> None:
    snapshots = Snapshots(irm(alert_group(webhook("a"))), WATCHDOG)
    assert plan(snapshots, Policy(), NOW).external_urls == {OURS}


def test_a_watchdog_that_two_clusters_share_teaches_nothing() -> None:
    ours = alert_group(webhook("dog", alertname="Watchdog"), id="I2")
    theirs = alert_group(webhook("dog", url=THEIRS, alertname="Watchdog"), id="I3")
    snapshots = Snapshots(irm(ours, theirs), WATCHDOG)
    assert plan(snapshots, Policy(), NOW).external_urls == frozenset()


def test_another_cluster_with_a_watchdog_like_ours_is_still_foreign() -> None:
    ours = alert_group(webhook("dog", alertname="Watchdog"), id="I2")
    theirs = alert_group(webhook("dog", url=THEIRS, alertname="Watchdog"), id="I3")
    live = alert_group(webhook("a", "y", url=THEIRS))
    other_of_ours = alert_group(webhook("a"), id="I4")
    assert decide(live, WATCHDOG, ours, theirs, other_of_ours).kind is DecisionKind.FOREIGN


def test_a_resolved_alert_teaches_nothing() -> None:
    snapshots = Snapshots(irm(alert_group(webhook(resolved=("a",)))), WATCHDOG)
    assert plan(snapshots, Policy(), NOW).external_urls == frozenset()


def test_the_operators_list_is_the_last_word() -> None:
    snapshots = Snapshots(irm(alert_group(webhook("a"))), WATCHDOG)
    policy = Policy(external_urls=frozenset({THEIRS}))
    assert plan(snapshots, policy, NOW).external_urls == {THEIRS}
