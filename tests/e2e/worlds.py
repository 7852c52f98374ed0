"""The servers that the service stands between: a real Alertmanager and an IRM that it really posts to."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from alertsync.simulator.alertmanager_config import InhibitRule, Route
from alertsync.simulator.irm_api import create_app
from alertsync.simulator.irm_model import Group, Integration, Irm
from alertsync.simulator.wire import Received, Server
from tests.servers import AlertmanagerUnderTest, RealAlertmanager, SimulatedAlertmanager, poll_until

TOKEN = "irm-token-kh2v7q9x4m"
RECEIVER = "irm"
ROUTES = (Route(RECEIVER, ("alertname",)),)
AUTHOR, COMMENT = "ann@example.com", "database upgrade"


class IrmUnderTest:
    """The simulated IRM on a port of its own, with one integration and one user who may act."""

    def __init__(self, *, type: str = "alertmanager", grouping: str | None = None) -> None:  # noqa: A002  IRM's word
        self.model = Irm()
        self.user = self.model.add_user(TOKEN, role="editor")
        self.integration = self.model.add_integration("production", type=type, grouping=grouping)
        self.server = Server(create_app(self.model), name="irm")
        self.model.api_url = self.server.url

    def inbound(self, integration: Integration | None = None) -> str:
        """Give the address that Alertmanager posts to."""
        return self.server.url + (integration or self.integration).path

    def asked(self, method: str, path: str) -> list[Received]:
        """Give the requests received so far with this method and this text in their path."""
        return [one for one in self.server.received if one.method == method and path in one.path]

    @property
    def resolves(self) -> list[str]:
        """The ids of the alert groups that somebody asked to resolve through the API, one for each request."""
        return [one.path.split("/")[-3] for one in self.asked("POST", "/resolve/")]

    def group(self, title: str) -> Group:
        """Give the newest alert group of this title (the alertname); KeyError if there is none."""
        for group in reversed(self.model.groups()):
            if (group.title or "").strip() == title:
                return group
        raise KeyError(title)

    def delivered(self, title: str, *, firing: int = 1, deliveries: int = 1, within: float = 15) -> Group:
        """Wait until an alert group of this title has so many deliveries, its last naming so many firing alerts."""

        def arrived() -> list[Group]:
            found = [group for group in self.model.groups() if (group.title or "").strip() == title]
            if not found or len(found[-1].deliveries) < deliveries:
                return []
            payload: Any = found[-1].deliveries[-1].payload
            # A legacy delivery is one alert, which counts nothing.
            return found if payload.get("numFiring", 1) >= firing else []

        return poll_until(arrived, within=within, what=f"{title} is delivered to IRM")[-1]

    def state(self, title: str) -> str:
        """Tell the state of the newest alert group of this title."""
        return self.group(title).state

    def until_resolved(self, title: str, *, within: float = 15) -> Group:
        """Wait until the alert group of this title is resolved, and give it."""
        poll_until(lambda: self.state(title) == "resolved", within=within, what=f"{title} is resolved")
        return self.group(title)


class World:
    """An Alertmanager whose webhooks reach an IRM; both are members, to be used directly."""

    def __init__(self, alertmanager: AlertmanagerUnderTest, irm: IrmUnderTest) -> None:
        self.alertmanager = alertmanager
        self.irm = irm

    def settings(self, **more: str) -> dict[str, str]:
        """Give the settings that lead the service to both."""
        return {
            "ALERTMANAGER_HOST": self.alertmanager.url,
            "GRAFANA_IRM_URL": self.irm.server.url,
            "GRAFANA_IRM_TOKEN": TOKEN,
            "IRM_RATE_LIMIT": "1000/second",
            **more,
        }

    def fire(self, name: str, *instances: str, **labels: str) -> Group:
        """Let alerts of this name fire, and wait until IRM has heard of all of them."""
        for instance in instances or ("a",):
            self.alertmanager.fire(
                {"alertname": name, "instance": instance, **labels}, {"summary": f"{name} is bad"}
            )
        return self.irm.delivered(name, firing=len(instances or ("a",)))

    def silence(
        self, name: str, *, by: str = AUTHOR, comment: str = COMMENT, hours: float = 2, **labels: str
    ) -> str:
        """Silence the alerts of this name (and of these labels); return the silence's id."""
        return self.alertmanager.silence(
            {"alertname": name, **labels}, duration=timedelta(hours=hours), created_by=by, comment=comment
        )


@contextmanager
def irm_under_test(**settings: Any) -> Iterator[IrmUnderTest]:
    """Start an IRM."""
    irm = IrmUnderTest(**settings)
    with irm.server:
        yield irm


@contextmanager
def real_world(
    directory: Path,
    *,
    routes: Sequence[Route] = ROUTES,
    inhibit_rules: Sequence[InhibitRule] = (),
    irm: Mapping[str, Any] | None = None,
    external_url: str = "",
) -> Iterator[World]:
    """Start a real Alertmanager and an IRM that its webhooks reach."""
    directory.mkdir(parents=True, exist_ok=True)
    with (
        irm_under_test(**(irm or {})) as its,
        RealAlertmanager(
            directory,
            routes=routes,
            inhibit_rules=inhibit_rules,
            webhooks={route.receiver: its.inbound() for route in routes},
            external_url=external_url,
        ) as alertmanager,
    ):
        yield World(alertmanager, its)


@contextmanager
def simulated_world() -> Iterator[World]:
    """Start a simulated Alertmanager and an IRM, for tests about neither of them; delivery takes no time."""
    with (
        irm_under_test() as its,
        SimulatedAlertmanager(
            routes=ROUTES, webhooks={RECEIVER: its.inbound()}, group_wait="0s", group_interval="1s"
        ) as alertmanager,
    ):
        yield World(alertmanager, its)


def expect(what: str, probe: Callable[[], object], *, within: float = 15) -> None:
    """Wait until something holds."""
    poll_until(lambda: bool(probe()), within=within, what=what)
