"""What people see of us in Prometheus and Grafana: the real service goes through a night, and every query is asked.

A query that Prometheus accepts may still find nothing: a label that is spelled otherwise, a join that never matches. So
each must have an answer after a scenario in which there is something to answer.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from alertsync.clients.http import ATTEMPTS
from alertsync.simulator.irm_records import Integration
from alertsync.simulator.wire import Fault
from tests.docs.monitoring import RULES, expressions, rules
from tests.e2e.worlds import World, expect, simulated_world
from tests.servers import RealPrometheus
from tests.service import Service, files_below

JOB = "monitoring/alertsync"
"""A name as the operator of Prometheus gives it."""
WITHIN = 20

Sample = dict[str, Any]


class Night:
    """A world in which much has happened, and its Prometheus."""

    def __init__(
        self, world: World, watched: Integration, service: Service, prometheus: RealPrometheus
    ) -> None:
        self.world = world
        self.watched = watched
        self.service = service
        self.prometheus = prometheus

    def numbers(self, expression: str) -> list[float]:
        """Give the values of all samples that a query finds and that are numbers."""
        values = [float(one["value"][1]) for one in self.prometheus.query(expression)]
        return [value for value in values if not math.isnan(value)]

    def answers(self, title: str) -> list[Sample]:
        """Give what the first query of a panel finds, as Grafana would ask it."""
        return self.prometheus.query(asked(dict(expressions())[title]))


def asked(expression: str) -> str:
    """Put in what Grafana would."""
    filled = {"$__rate_interval": "2m", "$__range": "5m", "$job": ".*", "$instance": ".*"}
    for name, value in filled.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    with simulated_world() as world:
        watched = world.irm.model.add_integration("alertsync", type="webhook")
        settings = world.settings(
            RECONCILE_INTERVAL="1", ALERT_LABELS="alertname", IRM_HEARTBEAT_INTEGRATION_ID=watched.id
        )
        with Service(tmp_path_factory.mktemp("service"), settings) as service:
            target = f"127.0.0.1:{service.port}"
            directory = tmp_path_factory.mktemp("prometheus")
            with RealPrometheus(directory, [target], job=JOB, rules=[RULES]) as prometheus:
                it = Night(world, watched, service, prometheus)
                service.get("/api/v1/status")
                expect(
                    "Prometheus has scraped", lambda: it.numbers("flask_http_request_total"), within=WITHIN
                )
                _go_through(it)
                yield it


def _go_through(night: Night) -> None:
    """Resolve and page again, fail to resolve, be told to ask less, and leave something alone."""
    world = night.world
    world.irm.server.inject(
        Fault("throttle", path="/alert_groups/", method="GET", retry_after=0),
        Fault("status", path="/resolve/", status=500, times=ATTEMPTS),
    )
    world.fire("NodeDown", "a", "b")
    world.silence("NodeDown", instance="a")
    group = world.fire("DiskFull")
    silence = world.silence("DiskFull")
    world.irm.until_resolved("DiskFull")
    night.service.observe_runs(1)
    world.alertmanager.expire(silence)
    expect("IRM is told again", lambda: world.irm.group("DiskFull").id != group.id, within=WITHIN)
    world.fire("Kept")
    world.silence("Kept")
    world.irm.until_resolved("Kept")
    night.service.get("/api/v1/status")
    paid = 'alertsync_debts{state="paid"} == 1 and on () alertsync_debts{state="owed"} == 1'
    expect("Prometheus knows all of it", lambda: night.numbers(paid), within=WITHIN)
    expect("and has scraped since", lambda: night.numbers("count_over_time(up[1m]) >= 4"), within=WITHIN)


@pytest.mark.parametrize(("title", "expression"), expressions(), ids=[title for title, _ in expressions()])
def test_every_query_of_the_dashboard_finds_something(night: Night, title: str, expression: str) -> None:
    query = asked(expression)
    expect(f"{title}: {query} finds something", lambda: night.numbers(query), within=WITHIN)


@pytest.mark.parametrize("rule", rules("record"), ids=lambda rule: rule["record"])
def test_every_recorded_series_is_there(night: Night, rule: dict[str, Any]) -> None:
    expect(rule["record"], lambda: night.numbers(rule["record"]), within=WITHIN)


def _only(value: float) -> Callable[[list[Sample]], bool]:
    return lambda found: [float(one["value"][1]) for one in found] == [value]


def _some(**labels: str) -> Callable[[list[Sample]], bool]:
    return lambda found: any(
        labels.items() <= one["metric"].items() and float(one["value"][1]) > 0 for one in found
    )


SHOWN: dict[str, Callable[[list[Sample]], bool]] = {
    "Last run": _only(1),
    "Pages due": _only(0),
    "Leads the loop": _only(1),
    "Store": _only(0),
    "Token": _only(1),
    "Brakes": _only(0),
    "Failed in a row": _only(0),
    "Alerts of alertsync": _some(alertname="AlertsyncActionsFailing", alertstate="pending"),
    "Open alert groups by decision": _some(decision="PARTIALLY_SILENCED"),
    "Alerts in Alertmanager": _some(state="silenced"),
    "Actions by outcome": _some(action="resolve", outcome="resolved"),
    "Actions that failed": _some(action="resolve"),
    "Resolved or first silenced": _some(),
    "Pages sent again": _some(),
    "Failed to resolve or silence": _some(),
    "What is owed": _some(state="owed"),
    "What is over": _some(state="paid"),
    "Requests": _some(upstream="irm", status="5xx"),
    "Share that went wrong": _some(upstream="irm"),
    "Time for an answer, 95th percentile": _some(operation="list alert groups"),
    "Asked too much": _some(upstream="irm"),
    "Heartbeats to IRM": _some(outcome="sent"),
    "Requests to alertsync": _some(url_rule="/api/v1/status"),
}
"""What panels must show after that night."""


@pytest.mark.parametrize("title", SHOWN)
def test_the_dashboard_shows_what_happened(night: Night, title: str) -> None:
    expect(f"{title} is right", lambda: SHOWN[title](night.answers(title)), within=WITHIN)


def test_the_link_of_the_heartbeat_is_told_nowhere(night: Night) -> None:
    assert night.watched.heartbeats
    told = [night.service.get(path).text for path in ("/readyz", "/api/v1/status", "/metrics")]
    told += [night.service.log, *map(str, files_below(night.service.state_dir).values())]
    assert all(night.watched.key not in text for text in told)


def test_no_alert_fires_in_a_night_that_went_well(night: Night) -> None:
    assert night.prometheus.query('ALERTS{alertstate="firing"}') == []
    assert night.prometheus.query('up{job=~".*alertsync.*"} == 1')
