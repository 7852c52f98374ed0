"""Payloads: what is certainly Alertmanager's is read, and nothing is guessed of the rest."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from alertsync.clients.deliveries import WireDelivery, delivery, unquote_meta
from alertsync.models import LegacyAlert, Unreadable, Webhook

ALERT = {"status": "firing", "labels": {"alertname": "One"}, "fingerprint": "0aea6b0e2ebf34bb", "startsAt": "2026-11-23T02:47:29.851623689Z"}  # fmt: skip
WEBHOOK: dict[str, Any] = {
    "receiver": r"team\.x\+prod \(1\)",
    "status": "firing",
    "alerts": [ALERT, {**ALERT, "status": "resolved", "fingerprint": "fb98de2d7bff21a6"}],
    "groupLabels": {"alertname": "One"},
    "externalURL": "http://alertmanager.example:9093",
    "version": "4",
    "groupKey": '{}:{alertname="One"}',
    "truncatedAlerts": 3,
    "numFiring": 1,
}


def read(payload: object) -> Webhook | LegacyAlert | Unreadable:
    wire = {"id": "A1", "created_at": "2026-11-23T02:47:31.145950Z", "payload": payload}
    return delivery(msgspec.json.decode(json.dumps(wire), type=WireDelivery)).content


def test_a_webhook_is_read() -> None:
    assert read(WEBHOOK) == Webhook(
        receiver="team.x+prod (1)",
        group_labels={"alertname": "One"},
        external_url="http://alertmanager.example:9093",
        group_key='{}:{alertname="One"}',
        firing=frozenset({"0aea6b0e2ebf34bb"}),
        resolved=frozenset({"fb98de2d7bff21a6"}),
        truncated=3,
    )


def test_a_legacy_alert_is_read() -> None:
    assert read(ALERT) == LegacyAlert(fingerprint="0aea6b0e2ebf34bb", firing=True)


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in WEBHOOK.items() if key != name}


STRANGE = [
    pytest.param(None, id="null"),
    pytest.param({}, id="wiped"),
    pytest.param([ALERT], id="a list"),
    pytest.param("firing", id="text"),
    pytest.param({"message": "hello"}, id="somebody else's object"),
    *(pytest.param(without(name), id=f"without {name}") for name in WEBHOOK if name not in ("truncatedAlerts", "numFiring")),
    pytest.param({**WEBHOOK, "version": "5"}, id="a version to come"),
    pytest.param({**WEBHOOK, "groupKey": ""}, id="an empty groupKey"),
    pytest.param({**WEBHOOK, "groupLabels": {"a": 1}}, id="labels that are no text"),
    pytest.param({**WEBHOOK, "status": "unknown"}, id="a status to come"),
    pytest.param({**WEBHOOK, "alerts": [{**ALERT, "fingerprint": ""}]}, id="an alert without fingerprint"),
    pytest.param({**WEBHOOK, "alerts": [{"status": "firing"}]}, id="an alert that names none"),
    pytest.param({**ALERT, "fingerprint": ""}, id="a legacy alert without fingerprint"),
    pytest.param({"status": "firing", "fingerprint": "x"}, id="a legacy alert without labels"),
]  # fmt: skip


@pytest.mark.parametrize("payload", STRANGE)
def test_anything_else_is_unreadable(payload: object) -> None:
    content = read(payload)
    assert isinstance(content, Unreadable)
    assert content.why


NAMES = {
    r"oncall": "oncall",
    r"a\.b": "a.b",
    r"\\d": r"\d",
    r"\[x\]\{y\}\^\$\|\*\?": "[x]{y}^$|*?",
    r"team\-x": r"team\-x",
}


@pytest.mark.parametrize(("quoted", "plain"), NAMES.items())
def test_a_receiver_is_unquoted_as_go_quotes_it(quoted: str, plain: str) -> None:
    assert unquote_meta(quoted) == plain
