"""One world for the suites that hold the simulated Alertmanager against the real one."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from alertsync.simulator.alertmanager_model import InhibitRule, Route
from alertsync.simulator.wire import Server
from tests.servers import AlertmanagerUnderTest, RealAlertmanager, SimulatedAlertmanager

KINDS = ("simulator", "real")
QUOTED = Route("team.x+prod (1)", ("alertname",), {"lab": 'a "quoted" one'})
CUT = Route("cut", ("alertname",), {"lab": "cut"})
TEAM_A = Route("team-a", ("alertname", "job"), {"lab": "twice"}, continue_=True)
TEAM_B = Route("team-b", ("alertname", "job"), {"lab": "twice"})
DEFAULT = Route("default", ("alertname",))
ROUTES = (QUOTED, CUT, TEAM_A, TEAM_B, DEFAULT)
OUTAGE = InhibitRule({"alertname": "Outage"}, {"severity": "minor"}, ("site",))
EXTERNAL_URL = "http://alertmanager.example:9093"
GROUP_INTERVAL_SECONDS = 1

Json = Any


@contextmanager
def webhook_receiver() -> Iterator[Server]:
    """Start a server that takes every webhook; what it took stands in `received`."""

    def take(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b'"Ok."']

    with Server(take, name="webhooks") as server:
        yield server


@contextmanager
def started(
    kind: str, tmp_path: Path, hooks: Server, version: str = "0.28.1", repeat_interval: str = "4h"
) -> Iterator[AlertmanagerUnderTest]:
    """Start a real or a simulated Alertmanager whose receivers all post to `hooks`."""
    settings: dict[str, Any] = {
        "routes": ROUTES,
        "inhibit_rules": (OUTAGE,),
        "webhooks": {route.receiver: f"{hooks.url}/hook" for route in ROUTES},
        "group_interval": f"{GROUP_INTERVAL_SECONDS}s",
        "repeat_interval": repeat_interval,
        "external_url": EXTERNAL_URL,
        "max_alerts": {"cut": 2},
    }
    if kind == "real":
        with RealAlertmanager(tmp_path, **settings) as real:
            yield real
    else:
        with SimulatedAlertmanager(**settings, version=version) as simulated:
            yield simulated


def ask(alertmanager: AlertmanagerUnderTest, method: str, path: str, body: Json = None) -> requests.Response:
    """Send a request and return the answer, whatever it is."""
    return requests.request(method, alertmanager.url + path, json=body, timeout=5)


def get(alertmanager: AlertmanagerUnderTest, path: str) -> Json:
    """Return the JSON of a good answer."""
    answer = ask(alertmanager, "GET", path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json()


def payloads(hooks: Server) -> list[dict[str, Json]]:
    """Return the webhooks received so far, oldest first."""
    return [json.loads(request.body) for request in hooks.received]


def labels_of(name: str, instance: str = "a", **more: str) -> dict[str, str]:
    """Return the labels of an alert."""
    return {"alertname": name, "instance": instance, **more}
