"""A simulated IRM, what serves it, and our client, for the suites that hold our client against the simulator."""

from __future__ import annotations

import random
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alertsync.clients.http import Endpoint, HeaderAuth, Http
from alertsync.clients.irm import IrmClient
from alertsync.clients.limiter import Limiter
from alertsync.clock import Deadline
from alertsync.simulator.irm_api import create_app
from alertsync.simulator.irm_model import Irm
from alertsync.simulator.wire import Server
from tests.unit.clocks import FakeTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from alertsync.config_parsers import RateLimit
    from alertsync.simulator.irm_records import Group, Integration

TOKEN = "token-of-an-editor"


@dataclass
class World:
    """IRM, what serves it, and a client with three alert groups a page."""

    irm: Irm
    server: Server
    time: FakeTime
    integration: Integration

    def client(self, token: str = TOKEN, limit: RateLimit | None = None) -> IrmClient:
        endpoint = Endpoint("irm", self.server.url, HeaderAuth(token), {}, timeout=10)
        limiter = None if limit is None else Limiter(limit, self.time.clock)
        http = Http(endpoint, self.time.clock, limiter=limiter, jitter=random.Random(1))
        return IrmClient(http, page_size=3)

    def deadline(self) -> Deadline:
        return Deadline(self.time.clock, 300)

    def deliver(self, name: str, *firing: str, resolved: tuple[str, ...] = ()) -> Group:
        alerts = [{"status": "firing", "fingerprint": one, "labels": {"alertname": name}} for one in firing]
        alerts += [
            {"status": "resolved", "fingerprint": one, "labels": {"alertname": name}} for one in resolved
        ]
        payload = {
            "receiver": "oncall",
            "status": "firing" if firing else "resolved",
            "alerts": alerts,
            "groupLabels": {"alertname": name},
            "commonLabels": {"alertname": name},
            "commonAnnotations": {},
            "externalURL": "http://alertmanager.example:9093/",
            "version": "4",
            "groupKey": f'{{}}:{{alertname="{name}"}}',
            "truncatedAlerts": 0,
        }
        self.time.sleep(1)
        group_id = self.irm.deliver(self.integration, payload)
        assert group_id is not None
        return self.irm.group(group_id)

    def pages_asked(self) -> list[str]:
        return [
            one.query
            for one in self.server.received
            if one.path == "/api/v1/alert_groups/" and "state=new" in one.query
        ]


@contextmanager
def started(
    *, page_cap: int | None = None, before: Callable[[Any], Any] = lambda app: app
) -> Iterator[World]:
    """Start an IRM that knows itself by another name, with what stands `before` it.

    With `page_cap`, no page of its lists holds more.
    """
    time = FakeTime()
    irm = Irm(clock=time.clock.now, api_url="http://irm.another-name.example/oncall")
    irm.add_user(TOKEN)
    app: Any = before(create_app(irm))
    with Server(app if page_cap is None else _capped(app, page_cap), name="irm") as server:
        yield World(irm, server, time, irm.add_integration("production"))


def meeting(app: Any, *queries: str) -> Callable[[dict[str, Any], Any], Any]:
    """Put a gateway before IRM that answers the requests with these in their queries once all of them are there."""
    all_there = threading.Barrier(len(queries))

    def met(environ: dict[str, Any], start_response: Any) -> Any:
        if any(one in environ.get("QUERY_STRING", "") for one in queries):
            # Who sends one only after the other was answered waits here, and fails.
            all_there.wait(timeout=5)
        return app(environ, start_response)

    return met


def _capped(app: Any, cap: int) -> Callable[[dict[str, Any], Any], Any]:
    """Put a gateway before IRM that lets nobody ask for larger pages."""

    def capped(environ: dict[str, Any], start_response: Any) -> Any:
        query = re.sub(r"perpage=[0-9]+", f"perpage={cap}", environ.get("QUERY_STRING", ""))
        return app({**environ, "QUERY_STRING": query}, start_response)

    return capped
