"""The payload of a re-page has the shape of what Alertmanager sends, as it was recorded at real servers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alertsync.models import Alert, AlertStatus, Repage
from alertsync.planner.payload import common, quote_meta, webhook
from tests.planner.world import NOW

AT = datetime(2026, 11, 23, 2, 47, 29, 851623, tzinfo=UTC)
REPAGE = Repage(
    debts=("I0/0",),
    alert_group_id="I0",
    title="One",
    integration_id="C1",
    receiver="oncall",
    group_labels={"alertname": "One"},
    external_url="http://alertmanager.example:9093",
    group_key='{}:{alertname="One"}',
    fingerprints=frozenset({"0aea6b0e2ebf34bb"}),
    reason="due",
    due_since=NOW,
)
SHARED = {"alertname": "One", "lab": "fast", "severity": "critical"}


def firing(instance: str, fingerprint: str, **more: Any) -> Alert:
    values: dict[str, Any] = {
        "fingerprint": fingerprint,
        "labels": {**SHARED, "instance": instance},
        "status": AlertStatus.ACTIVE,
        "annotations": {"summary": f"One {instance}"},
        "starts_at": AT,
        "generator_url": "http://prometheus.lab/graph",
    }
    return Alert(**(values | more))


A, B = firing("a", "0aea6b0e2ebf34bb"), firing("b", "fb98de2d7bff21a6")


def recorded() -> dict[str, Any]:
    """Find the webhook of two alerts in the recordings, without what IRM adds to it."""
    recordings = Path(__file__).parents[1] / "contract" / "recordings" / "oncall"
    texts = json.loads((recordings / "alert_groups.json").read_text())
    found: dict[str, Any] = next(_webhooks(texts))
    return {name: value for name, value in found.items() if name not in ("numFiring", "numResolved")}


def _webhooks(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get("groupKey") == REPAGE.group_key and len(value["alerts"]) == 2:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _webhooks(one)


def test_it_is_the_very_webhook_that_alertmanager_sent() -> None:
    expected = recorded()
    for alert in expected["alerts"]:
        # The API gives milliseconds where the webhook has nanoseconds.
        alert["startsAt"] = "2026-11-23T02:47:29.851623Z"
    assert webhook(REPAGE, [B, A]) == expected


def test_it_can_be_sent_as_json() -> None:
    assert json.loads(msgspec.json.encode(webhook(REPAGE, [A])))["version"] == "4"


def test_what_all_share_is_recomputed_for_those_that_are_active_now() -> None:
    alone = webhook(REPAGE, [A])
    assert alone["commonLabels"] == {**SHARED, "instance": "a"}
    assert alone["commonAnnotations"] == {"summary": "One a"}


@pytest.mark.parametrize(
    ("each", "shared"),
    [
        ([{"x": "1", "y": "2"}, {"x": "1", "y": "3"}], {"x": "1"}),
        ([{"x": "1"}, {"y": "1"}], {}),
        ([{"x": "1"}, {}], {}),
        ([{"x": ""}, {}], {}),
        ([{"x": "1"}], {"x": "1"}),
    ],
    ids=[
        "an equal pair",
        "other names",
        "one without any",
        "an empty value is not an absent one",
        "only one",
    ],
)
def test_common(each: list[dict[str, str]], shared: dict[str, str]) -> None:
    assert common(each) == shared


@pytest.mark.parametrize(
    ("receiver", "quoted"),
    [
        ("oncall", "oncall"),
        ("team.x+prod (1)", r"team\.x\+prod \(1\)"),
        ("a-b_c/d:e,f", "a-b_c/d:e,f"),
        (r"\.+*?()|[]{}^$", r"\\\.\+\*\?\(\)\|\[\]\{\}\^\$"),
        ("größe", "größe"),
    ],
)
def test_the_receiver_is_quoted_as_alertmanager_does(receiver: str, quoted: str) -> None:
    assert quote_meta(receiver) == quoted
    assert webhook(msgspec.structs.replace(REPAGE, receiver=receiver), [A])["receiver"] == quoted


def test_a_legacy_alert_gets_a_key_of_its_own() -> None:
    legacy = msgspec.structs.replace(REPAGE, receiver=None, group_labels={}, external_url="", group_key="")
    payload = webhook(legacy, [A])
    assert payload["receiver"] == "alertsync"
    assert payload["groupKey"] == "{}:alertsync/I0"


def test_what_is_not_known_is_written_as_go_writes_it() -> None:
    payload = webhook(REPAGE, [firing("a", "f", starts_at=None, generator_url="", annotations={})])
    assert payload["alerts"] == [
        {
            "status": "firing",
            "labels": {**SHARED, "instance": "a"},
            "annotations": {},
            "startsAt": "0001-01-01T00:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "",
            "fingerprint": "f",
        }
    ]
