"""Several gunicorns on one machine that pass for hosts: each has a STATE_DIR and a way to PostgreSQL of its own.

IRM's side tells them apart by a header that each sends, and is asked what they must not do: act while another one does.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import requests

from tests.e2e.processes import PATIENCE, service_of
from tests.e2e.worlds import RECEIVER, ROUTES, World, irm_under_test
from tests.proxy import Proxy
from tests.servers import SimulatedAlertmanager, poll_until
from tests.service import Service, value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from alertsync.simulator.wire import Received
    from tests.postgresql import PostgresServer

API = "/api/v1/"
_ALERTMANAGERS = "from=alertmanager"
_numbers = itertools.count()


@contextmanager
def watched_world() -> Iterator[World]:
    """Start a simulated world in which what Alertmanager posts to IRM can be told from what hosts post."""
    with irm_under_test() as its:
        webhooks = {RECEIVER: f"{its.inbound()}?{_ALERTMANAGERS}"}
        with SimulatedAlertmanager(
            routes=ROUTES, webhooks=webhooks, group_wait="0s", group_interval="1s"
        ) as alertmanager:
            yield World(alertmanager, its)


class Host:
    """One gunicorn of one worker, and the proxy on its way to PostgreSQL."""

    def __init__(self, name: str, service: Service, proxy: Proxy) -> None:
        self.name = name
        self.service = service
        self.proxy = proxy

    def leads(self) -> bool:
        """Tell whether it says that it leads; one that does not answer does not."""
        try:
            return value(self.service.metrics(), "alertsync_leader") == 1
        except requests.RequestException:
            return False

    def kill(self) -> None:
        """Kill all of its processes at once, as if its power was cut."""
        os.killpg(self.service.pid, signal.SIGKILL)
        self.service.wait_for_exit(PATIENCE)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its worker."""
        for pid in self.service.workers():
            os.kill(pid, number)


class Cluster:
    """So many hosts between a world and one PostgreSQL, as a context manager."""

    def __init__(
        self, directory: Path, world: World, postgres: PostgresServer, number: int = 3, **settings: str
    ) -> None:
        self._stack = ExitStack()
        self.world = world
        self.postgres = postgres
        self.hosts: list[Host] = []
        schema = f"cluster{os.getpid()}_{next(_numbers)}"
        postgres.make_schema(schema)
        for name in "abcdef"[:number]:
            proxy = self._stack.enter_context(Proxy(postgres.port))
            (directory / name).mkdir()
            own = {
                "DATABASE_URL": postgres.url(schema, port=proxy.port),
                "GRAFANA_STACK_URL": f"https://{name}.example",
                "RECONCILE_INTERVAL": "1",
                "WATCH_INTERVAL": "1",
                "WATCH_MIN_GAP": "1",
                **settings,
            }
            self.hosts.append(Host(name, service_of(directory / name, world, **own), proxy))

    def __enter__(self) -> Self:
        for host in self.hosts:
            self._stack.enter_context(host.service)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def leader(self, *, within: float = PATIENCE, other_than: Host | None = None) -> Host:
        """Wait until exactly one host leads, and it is another one, and give it."""

        def found() -> Host | None:
            leading = [host for host in self.hosts if host.leads()]
            return leading[0] if len(leading) == 1 and leading[0] is not other_than else None

        leader = poll_until(found, within=within, what="one host leads")
        assert leader is not None
        return leader

    # What IRM saw

    def begun(self) -> list[float]:
        """Give when runs began, whoever's: each reads the integrations once, and first."""
        return [ask.at for ask in asks(self.world) if ask.begins]


class Ask(NamedTuple):
    """One request of a host: when it came, whose it is, and whether it begins a run, or does something."""

    at: float
    host: str
    begins: bool
    acts: bool
    path: str


def asks(world: World) -> list[Ask]:
    """Give all that hosts asked of IRM's API, in the order in which it came."""
    return [
        Ask(
            one.at,
            one.headers.get("X-Grafana-URL", ""),
            begins=(one.method, one.path) == ("GET", f"{API}integrations/"),
            acts=one.method == "POST",
            path=one.path,
        )
        for one in world.irm.server.received
        if one.path.startswith(API)
    ]


def overlapping(seen: list[Ask]) -> list[tuple[str, list[Ask]]]:
    """Give, for each run that was overtaken by another host's, what it did after that; more than one is one too many."""
    found, running, late = list[tuple[str, list[Ask]]](), "", dict[str, list[Ask]]()
    for ask in seen:
        if ask.begins:
            running = ask.host
            if done := late.pop(ask.host, None):
                found.append((ask.host, done))
        elif ask.acts and ask.host != running:
            late.setdefault(ask.host, []).append(ask)
    return found + list(late.items())


def paid_twice(world: World) -> list[str]:
    """Name the posts of ours that told nothing that another one had not told since the last resolve.

    A post names all alerts of its place that are active, so that one may stand in several, each sent for another.
    """
    told: set[tuple[str, str]] = set()
    twice = []
    for one in world.irm.server.received:
        if one.method != "POST":
            continue
        if one.path.endswith("/resolve/"):
            title = (world.irm.model.group(one.path.split("/")[-3]).title or "").strip()
            told = {pair for pair in told if pair[0] != title}
        elif one.path.startswith("/integrations/") and _is_ours(one):
            named = set(_alerts(one))
            if named <= told:
                twice.append(", ".join(sorted(f"{name} {instance}" for name, instance in named)))
            told |= named
    return twice


def _is_ours(one: Received) -> bool:
    return _ALERTMANAGERS not in one.query


def _alerts(one: Received) -> list[tuple[str, str]]:
    payload: Any = json.loads(one.body)
    return [(alert["labels"]["alertname"], alert["labels"]["instance"]) for alert in payload["alerts"]]
