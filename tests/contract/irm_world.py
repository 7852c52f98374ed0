"""A simulated IRM in known situations, and the exchanges recorded from a real one to hold it against.

The recordings were made with Grafana OnCall 2026-01. In their requests `{group}`, `{integration}`,
`{user}` and `{key}` stand for ids, and tokens are named after those who own them. Comparing whole
answers, with only ids and times made alike, finds the differences that nobody thought of.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import requests

from alertsync.simulator.irm_api import create_app
from alertsync.simulator.irm_model import Group, Integration, Irm
from alertsync.simulator.wire import Server

RECORDINGS = Path(__file__).parent / "recordings" / "oncall"
COMPARED_HEADERS = ("Content-Type", "Retry-After", "RateLimit-Reset")
TIMEOUT = 10

_ID = re.compile(r"\b([ACFIMRU])[A-Z0-9]{12}\b")
_TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_KEY = re.compile(r"(/integrations/v1/\w+/)[\w-]+/")


@dataclass(frozen=True)
class Exchange:
    """A recorded request and its response, as read from the file."""

    name: str
    request: dict[str, Any]
    response: dict[str, Any]

    @property
    def payloads(self) -> list[Any]:
        """What Alertmanager had sent before this was recorded, oldest first."""
        body = self.response["body"]
        if not isinstance(body, dict):
            return []
        shown = body.get("results", [body])
        alerts = [item.get("last_alert") or item for item in shown]
        return [_as_sent(alert["payload"]) for alert in reversed(alerts) if "payload" in alert]


def load() -> dict[str, Exchange]:
    """Read all recordings, by name."""
    return {
        name: Exchange(name, exchange["request"], exchange["response"])
        for path in sorted(RECORDINGS.glob("*.json"))
        for name, exchange in json.loads(path.read_text()).items()
    }


@dataclass
class Clock:
    """A clock that stands still until it is told to go on."""

    now: datetime = datetime(2026, 11, 23, 3, 0, 0, 123456, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class World:
    """An IRM with one user for each role and a server, and the ids that requests refer to."""

    clock: Clock = field(default_factory=Clock)
    names: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.irm = Irm(clock=self.clock)
        people = [(role, f"lab{role}@lab.invalid") for role in ("admin", "editor", "viewer", "none")]
        self.users = {
            role: self.irm.add_user(f"{role}-token", role=role, email=email) for role, email in people
        }
        self.irm.add_token(self.users["admin"], "admin-token-2")
        for role in ("editor", "viewer"):
            self.irm.add_user(f"glsa_{role}", role=role, kind="service_account")
        self.integration = self.irm.add_integration("lab-alertmanager")
        self.names |= {"user": self.users["editor"].id}
        self.use(self.integration)
        self.server = Server(create_app(self.irm), name="irm")
        self.session = requests.Session()

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()
        self.server.close()

    def use(self, integration: Integration) -> Integration:
        """Let `{integration}` and `{key}` stand for this integration."""
        self.names |= {"integration": integration.id, "key": integration.key}
        return integration

    def deliver(self, payload: object, integration: Integration | None = None) -> Group:
        """Let a payload come in; `{group}` stands for the alert group it went to."""
        group_id = self.irm.deliver(integration or self.integration, payload)
        assert group_id is not None
        self.names["group"] = group_id
        return self.irm.group(group_id)

    def firing(self, exchange: Exchange | None = None) -> Group:
        """Let the recorded payload of an exchange come in, or any."""
        payloads = exchange.payloads if exchange else []
        return self.deliver(payloads[0] if payloads else webhook("One"))

    def state(self) -> str:
        """Tell the state of the group that was used last."""
        return self.irm.group(self.names["group"]).state

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request as the admin, unless `headers` say otherwise."""
        options.setdefault("headers", {"Authorization": "admin-token"})
        url = self.server.url + path.format(**self.names)
        return self.session.request(method, url, timeout=TIMEOUT, allow_redirects=False, **options)

    def repeat(self, exchange: Exchange) -> requests.Response:
        """Send a recorded request."""
        request = exchange.request
        body = request.get("body")
        if isinstance(body, dict):
            body = json.dumps(body).replace("{group}", self.names.get("group", ""))
        return self.send(request["method"], request["path"], headers=request["headers"], data=body)


def webhook(name: str, *instances: str, status: str = "firing", **changes: Any) -> dict[str, Any]:
    """Build what Alertmanager sends for the aggregation group {alertname: name}."""
    alerts = [
        {
            "status": status,
            "labels": {"alertname": name, "instance": instance, "severity": "critical"},
            "annotations": {},
            "startsAt": "2026-11-23T02:47:29Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example/graph",
            "fingerprint": f"{name}-{instance}",
        }
        for instance in instances or ("a",)
    ]
    return {
        "receiver": "oncall",
        "status": status,
        "alerts": alerts,
        "groupLabels": {"alertname": name},
        "commonLabels": {"alertname": name, "severity": "critical"},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example:9093",
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{name}"}}',
        "truncatedAlerts": 0,
        **changes,
    }


def alike(value: Any) -> Any:
    """Replace ids, times and keys by their kind, except in payloads, which must come back untouched."""
    if isinstance(value, dict):
        return {key: item if key == "payload" else alike(item) for key, item in value.items()}
    if isinstance(value, list):
        return [alike(item) for item in value]
    if isinstance(value, str):
        return _KEY.sub(r"\1key/", _TIME.sub("time", _ID.sub(r"\1-id", value)))
    return value


def _as_sent(payload: Any) -> Any:
    """Take away what IRM adds to an Alertmanager payload."""
    if not isinstance(payload, dict):
        return payload
    return {name: value for name, value in payload.items() if name not in ("numFiring", "numResolved")}
