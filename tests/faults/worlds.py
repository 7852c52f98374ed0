"""Both upstreams as simulators on real ports, the product's own parts between them, and a clock that leaps.

Faults are broken connections, so requests go over real HTTP. Waiting, on the other hand, proves nothing by
taking long: the clock leaps over what the product would sleep, and counts it.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

from alertsync import bootstrap, config, exposition
from alertsync.clock import Clock
from alertsync.models import Run
from alertsync.services import Services
from alertsync.simulator import alertmanager_api, irm_api
from alertsync.simulator.alertmanager_config import Route
from alertsync.simulator.alertmanager_model import Alertmanager
from alertsync.simulator.irm_model import Group, Irm
from alertsync.simulator.wire import Received, Server
from tests.service import value

TOKEN = "irm-token-zr8w5c1y6p"


class LeapingClock:
    """The true time, but for sleeping: that takes no time, and is counted in `waited` (seconds).

    `on_leap` is called after each sleep, so that a test can let something happen meanwhile.
    """

    def __init__(self) -> None:
        self.waited = 0.0
        self.on_leap: Callable[[], None] = lambda: None
        self.clock = Clock(now=self._now, monotonic=self._monotonic, sleep=self.leap)

    def leap(self, seconds: float) -> None:
        """Let time pass."""
        self.waited += seconds
        self.on_leap()

    def _now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.waited)

    def _monotonic(self) -> float:
        return time.monotonic() + self.waited


class World:
    """An Alertmanager and an IRM on ports of their own; a webhook arrives the moment it is sent."""

    def __init__(self, directory: Path, access: Mapping[str, str]) -> None:
        self._directory = directory
        self.time = LeapingClock()
        self.irm = Irm()
        self.user = self.irm.add_user(TOKEN, role="editor")
        self.integration = self.irm.add_integration("production")
        self.alertmanager = Alertmanager(
            clock=lambda: datetime.now(UTC),
            routes=(Route("irm", ("alertname",)),),
            webhooks={"irm": "delivered without a wire"},
            group_wait=timedelta(0),
            send=lambda _, payload: self.irm.deliver(self.integration, payload) is not None,
        )
        self.prefix = access.get("prefix", "")
        self.irm_server = Server(irm_api.create_app(self.irm), name="irm")
        self.alertmanager_server = Server(
            alertmanager_api.create_app(self.alertmanager, **access), name="alertmanager"
        )

    def server(self, upstream: str) -> Server:
        """Give the server of "irm" or "alertmanager"."""
        return {"irm": self.irm_server, "alertmanager": self.alertmanager_server}[upstream]

    # What happens in it

    def fire(self, *names: str) -> list[Group]:
        """Let an alert of each name fire and be delivered, in this order; give their alert groups."""
        groups = []
        for name in names:
            self.alertmanager.fire({"alertname": name})
            self.alertmanager.tick()
            groups.append(self.irm.groups()[-1])
        return groups

    def silence(self, *names: str) -> None:
        """Silence alerts for an hour."""
        for name in names:
            self.alertmanager.silence(
                {"alertname": name}, duration=timedelta(hours=1), created_by="ann", comment="upgrade"
            )

    def silenced(self, *names: str) -> list[Group]:
        """Let alerts fire, be delivered and then be silenced; give their alert groups."""
        groups = self.fire(*names)
        self.silence(*names)
        return groups

    # The product

    def services(self, **settings: str) -> Services:
        """Make the product's services as a process with these settings and no other would."""
        environment = {
            "ALERTMANAGER_HOST": self.alertmanager_server.url + self.prefix,
            "GRAFANA_IRM_URL": self.irm_server.url,
            "GRAFANA_IRM_TOKEN": TOKEN,
            "IRM_RATE_LIMIT": "100000/second",
            "STATE_DIR": str(self._directory / "state"),
            **settings,
        }
        with mock.patch.dict(os.environ, environment, clear=True):
            return bootstrap.build(config.load(), self.time.clock)

    # What came of it

    @property
    def resolves(self) -> list[str]:
        """The ids of the alert groups that IRM was asked to resolve, one for each request."""
        return [one.path.split("/")[-3] for one in self.asked("POST", "/resolve/")]

    def asked(self, method: str, path: str = "", query: str = "") -> list[Received]:
        """Give the requests that IRM received."""
        return [
            one
            for one in self.irm_server.received
            if one.method == method and path in one.path and query in one.query
        ]


@contextmanager
def world_of(directory: Path, **access: str) -> Iterator[World]:
    """Start both servers; `access` is what Alertmanager demands (prefix, username, password, token, tenant)."""
    world = World(directory, access)
    with ExitStack() as stack:
        stack.enter_context(world.irm_server)
        stack.enter_context(world.alertmanager_server)
        yield world


def run(services: Services) -> Run:
    """Run once."""
    assert services.reconciler is not None
    return services.reconciler.run_once("test")


def metric(services: Services, name: str) -> float | None:
    """Give a published metric."""
    page = exposition.plain(services.store.metrics())
    return value(page.decode(), name) if page else None
