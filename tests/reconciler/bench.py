"""The reconciler between two simulated servers over real HTTP, on one clock that tests move by hand."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from alertsync import bootstrap, config
from alertsync.simulator import alertmanager_api, irm_api
from alertsync.simulator.alertmanager_model import Alertmanager, Route
from alertsync.simulator.irm_model import Irm
from alertsync.simulator.wire import Server
from tests.simulation.wire import InTurn
from tests.unit.clocks import FakeTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import pytest
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from alertsync.clients.alertmanager import AlertmanagerClient
    from alertsync.models import Owing, Run
    from alertsync.reconciler import Reconciler
    from alertsync.services import Services
    from alertsync.simulator.irm_records import Group, Integration

_TICK_SECONDS = 30.0
TOKEN = "token-of-an-editor"


@dataclass
class _Event:
    """Something that happens in the world when a request comes: before it is answered, or after."""

    do: Callable[[], object]
    request: tuple[str, str, str]
    after: bool
    times: int

    def happen(self, method: str, path: str, query: str, *, after: bool) -> None:
        """Happen, if it is meant for this request, and has not happened often enough."""
        wanted, its_path, its_query = self.request
        if self.after is not after or self.times == 0:
            return
        if wanted in ("", method) and path.endswith(its_path) and its_query in query:
            self.times -= 1
            self.do()


@dataclass
class Meanwhile:
    """A server's application, and what happens in the world just before and just after it answers."""

    app: WSGIApplication
    events: list[_Event] = field(default_factory=list)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        asked = (environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", ""))
        for event in list(self.events):
            event.happen(*asked, after=False)
        answer = self.app(environ, start_response)
        for event in list(self.events):
            event.happen(*asked, after=True)
        return answer

    def before(
        self, path: str, do: Callable[[], object], *, method: str = "", query: str = "", times: int = 1
    ) -> None:
        """Let something happen when a request to a path that ends so has come; -1 times is always."""
        self.events.append(_Event(do, (method, path, query), after=False, times=times))

    def after(
        self, path: str, do: Callable[[], object], *, method: str = "", query: str = "", times: int = 1
    ) -> None:
        """Let something happen when such a request was carried out, and its answer is on its way."""
        self.events.append(_Event(do, (method, path, query), after=True, times=times))


@dataclass
class Bench:
    """Both servers, the services between them, and their time."""

    time: FakeTime
    irm: Irm
    integration: Integration
    alertmanager: Alertmanager
    irm_server: Server
    alertmanager_server: Server
    services: Services
    monkeypatch: pytest.MonkeyPatch
    at_irm: Meanwhile
    at_alertmanager: Meanwhile

    @property
    def reconciler(self) -> Reconciler:
        """The reconciler; there is one, as IRM is configured."""
        assert self.services.reconciler is not None
        return self.services.reconciler

    @property
    def peer(self) -> AlertmanagerClient:
        """The client of the only Alertmanager."""
        [client] = self.reconciler.alertmanager._clients.values()
        return client

    def run(self, *, dry_run: bool = False, lift: frozenset[str] = frozenset()) -> Run:
        """Run once."""
        return self.reconciler.run_once("test", dry_run=dry_run, lift=lift)

    def restart(self, **settings: str) -> None:
        """Stop alertsync and start it again, with these settings changed; what is on disk stays."""
        for name, value in settings.items():
            self.monkeypatch.setenv(name, value)
        self.services = bootstrap.build(config.load(), self.time.clock)

    def owed(self) -> dict[str, Owing]:
        """Tell how it stands with each alert that is or was owed, by its instance."""
        debts = [debt for debt in self.services.store.ledger().debts if not debt.void]
        return {
            alert.labels.get("instance", alert.fingerprint): alert.state
            for debt in debts
            for alert in debt.alerts
        }

    def posts(self) -> int:
        """Count the posts to the integration since its server was cleared, whoever sent them."""
        return sum(one.path.startswith("/integrations/") for one in self.irm_server.received)

    def fire(self, name: str, *instances: str) -> Group:
        """Let alerts of one aggregation group fire and be delivered; give their alert group."""
        for instance in instances or ("a",):
            self.alertmanager.fire({"alertname": name, "instance": instance})
        self.pass_time(6)
        return self.group(name)

    def group(self, name: str) -> Group:
        """Give the newest alert group of that alert name."""
        return next(group for group in reversed(self.irm.groups()) if (group.title or "").strip() == name)

    def silence(self, name: str, *, minutes: float = 60, **labels: str) -> str:
        """Silence alerts of that name."""
        return self.alertmanager.silence(
            {"alertname": name, **labels},
            duration=timedelta(minutes=minutes),
            created_by="ana@example.org",
            comment="db migration",
        )

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and Alertmanager notify in the course of it."""
        while seconds > 0:
            self.time.sleep(min(seconds, _TICK_SECONDS))
            self.alertmanager.tick()
            seconds -= _TICK_SECONDS

    def resolves(self) -> list[str]:
        """List the alert groups that IRM was asked to resolve, in that order."""
        paths = [one.path for one in self.irm_server.received if one.path.endswith("/resolve/")]
        return [path.split("/")[4] for path in paths]


@contextlib.contextmanager
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **settings: str) -> Iterator[Bench]:
    """Set up the bench with these settings."""
    time = FakeTime()
    irm = Irm(clock=time.clock.now)
    irm.add_user(TOKEN)
    integration = irm.add_integration("production")
    at_irm = Meanwhile(irm_api.create_app(irm))
    with contextlib.ExitStack() as stack:
        irm_server = stack.enter_context(Server(at_irm, name="irm"))
        irm.api_url = irm_server.url
        alertmanager = Alertmanager(
            clock=time.clock.now,
            routes=(Route("oncall", ("alertname",)),),
            webhooks={"oncall": irm_server.url + integration.path},
        )
        at_alertmanager = Meanwhile(alertmanager_api.create_app(alertmanager))
        alertmanager_server = stack.enter_context(Server(at_alertmanager, name="alertmanager"))
        variables = {
            "ALERTMANAGER_HOST": alertmanager_server.url,
            "GRAFANA_IRM_URL": irm_server.url,
            "GRAFANA_IRM_TOKEN": TOKEN,
            "STATE_DIR": str(tmp_path / "state"),
            **settings,
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        # What happens between two requests must not depend on which of two threads was quicker.
        monkeypatch.setattr("alertsync.clients.abreast.ThreadPoolExecutor", InTurn)
        services = bootstrap.build(config.load(), time.clock)
        yield Bench(
            time,
            irm,
            integration,
            alertmanager,
            irm_server,
            alertmanager_server,
            services,
            monkeypatch,
            at_irm,
            at_alertmanager,
        )
