"""What a resolve will owe is worked out with the decision: each place, and each alert that IRM was told of there."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from alertsync.models import Debt, LegacyAlert, OwedAlert, Owing, Policy
from tests.planner.world import (
    NOW,
    OURS,
    RECEIVER,
    SILENCED,
    THEIRS,
    alert,
    alert_group,
    alertmanager,
    deliveries,
    group,
    planned,
    silence,
    webhook,
)

if TYPE_CHECKING:
    from alertsync.models import AlertGroup, AlertmanagerSnapshot

DISK = group(alert("a", SILENCED), alert("b", SILENCED, ("s2",)))
KNOWN = alertmanager(DISK, silences=(silence(), silence("s2", 30)))
POLICY = Policy(external_urls=frozenset({OURS}))


def owing(one: AlertGroup, known: AlertmanagerSnapshot = KNOWN, **more: Any) -> tuple[Debt, ...]:
    made = planned(one, **{"peers": (known,), "policy": POLICY, **more})
    return made.obligations.get(one.id, ())


def names(one: Debt) -> list[str]:
    return [alert.fingerprint for alert in one.alerts]


def test_a_debt_says_all_that_a_repage_will_need() -> None:
    one = alert_group(webhook("a", "b"), url="https://irm.example/I1")
    assert owing(one) == (
        Debt(
            id="I1/0",
            alert_group_id="I1",
            title="Disk",
            url="https://irm.example/I1",
            integration_id="C1",
            receiver=RECEIVER,
            group_labels={"alertname": "Disk"},
            external_url=OURS,
            group_key=webhook("a").group_key,
            alerts=(
                OwedAlert("a", {"alertname": "Disk", "instance": "a"}, Owing.OWED),
                OwedAlert("b", {"alertname": "Disk", "instance": "b"}, Owing.OWED),
            ),
            silences=("s2", "s1"),
            reason="all 2 alerts silenced by ana@example.org until 2026-11-23 12:30:00 UTC: «db migration»",
            run_id="",
            made_at=NOW,
            last_delivery_at=NOW - timedelta(minutes=30),
            silenced_until=NOW + timedelta(minutes=30),
        ),
    )


def test_an_alert_that_joined_silently_is_owed_too() -> None:
    [one] = owing(alert_group(webhook("a")))
    assert names(one) == ["a", "b"]


def test_an_alert_that_a_delivery_left_firing_and_that_has_ended_is_owed_too() -> None:
    [one] = owing(alert_group(webhook("a", "ended")))
    assert names(one) == ["a", "b", "ended"]
    assert one.alerts[-1].labels == {}


def test_an_alert_that_fires_elsewhere_now_is_owed_with_its_labels() -> None:
    known = msgspec.structs.replace(KNOWN, groups=(DISK, group(alert("c", SILENCED), receiver="other")))
    [one] = owing(alert_group(webhook("a", "c")), known)
    assert names(one) == ["a", "b", "c"]
    assert one.alerts[-1].labels == {"alertname": "Disk", "instance": "c"}


def test_an_alert_that_a_newer_delivery_resolved_is_not_owed() -> None:
    one = alert_group(webhook("a"), count=2)
    [made] = owing(one, deliveries={"I1": deliveries(webhook("a", resolved=("x",)), webhook("a", "x"))})
    assert names(made) == ["a", "b"]


def test_each_place_of_an_alert_group_is_a_debt_of_its_own() -> None:
    known = msgspec.structs.replace(KNOWN, groups=(DISK, group(alert("c", SILENCED), alertname="Cpu")))
    one = alert_group(webhook("a"), count=2)
    made = owing(one, known, deliveries={"I1": deliveries(webhook("a"), webhook("c", alertname="Cpu"))})
    assert [(debt.id, debt.group_labels["alertname"], names(debt)) for debt in made] == [
        ("I1/0", "Disk", ["a", "b"]),
        ("I1/1", "Cpu", ["c"]),
    ]
    assert made[1].last_delivery_at == NOW - timedelta(minutes=20)


def test_what_another_cluster_resolved_in_it_is_not_owed() -> None:
    one = alert_group(webhook("a"), count=2)
    made = owing(one, deliveries={"I1": deliveries(webhook("a"), webhook(resolved=("x",), url=THEIRS))})
    assert [debt.external_url for debt in made] == [OURS]


def test_a_legacy_alert_is_owed_without_a_place() -> None:
    [one] = owing(alert_group(LegacyAlert(fingerprint="a", firing=True)))
    assert (one.receiver, one.group_labels, one.external_url, one.group_key) == (None, {}, "", "")
    assert one.alerts == (OwedAlert("a", {"alertname": "Disk", "instance": "a"}),)


def test_only_what_will_be_resolved_owes() -> None:
    one = alert_group(webhook("a", "b"))
    for policy in (
        {"on_silenced": "silence"},
        {"on_silenced": "report"},
        {"dry_run": True},
        {"max_actions_per_run": 0},
    ):
        assert owing(one, policy=msgspec.structs.replace(POLICY, **policy)) == ()
    assert owing(one, alertmanager(group(alert("a"), alert("b")))) == ()
