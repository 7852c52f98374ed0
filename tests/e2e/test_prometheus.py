"""What Prometheus makes of us: a real one scrapes the real service, and the dashboards' queries get answers.

A page that a parser of ours can read may still be refused, relabelled or misunderstood by the real one, and the
names here are those that users have dashboards and alerts for.
"""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alertsync.simulator.wire import Fault
from tests.docs.readme import example_queries
from tests.e2e.worlds import World, expect, real_world, simulated_world
from tests.servers import RealPrometheus, promtool_check_metrics
from tests.service import Service

EIGHT = (
    "alertmanager_reconciliation_total",
    "alertmanager_reconciliation_failures_total",
    "alertmanager_reconciliation_duration_seconds_count",
    "alertmanager_inconsistencies_found",
    "alertmanager_inconsistencies_resolved_total",
    "alertmanager_inconsistencies_failed_resolve_total",
    "alertmanager_last_reconciliation_timestamp_seconds",
    "alertmanager_last_reconciliation_success",
)
OURS = (
    "alertsync_decisions",
    "alertsync_actions_total",
    "alertsync_skipped_total",
    "alertsync_debts",
    "alertsync_debts_due",
    "alertsync_leases",
    "alertsync_brake_engaged",
    "alertsync_credentials_can_act",
    "alertsync_last_success_timestamp_seconds",
    "alertsync_consecutive_failures",
    "alertsync_state_degraded",
)
LABELS = {"ALERT_LABELS": "alertname,severity,team", "ALERT_ANNOTATIONS": "summary"}


class Scraped:
    """A world in which one alert group is inconsistent, one half silenced, one firing, and its Prometheus."""

    def __init__(self, world: World, service: Service, prometheus: RealPrometheus) -> None:
        self.world = world
        self.service = service
        self.prometheus = prometheus

    def value(self, expression: str) -> float | None:
        """Give the value of a query with one result, None if there is none yet."""
        found = self.prometheus.query(expression)
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    with real_world(tmp_path_factory.mktemp("alertmanager")) as world:
        world.fire("DiskFull", severity="critical")
        world.silence("DiskFull")
        world.fire("NodeDown", "a", "b", team='with "quotes" and \\ \n lines')
        world.silence("NodeDown", instance="a")
        settings = world.settings(RECONCILE_INTERVAL="1", ON_SILENCED="report", **LABELS)
        with Service(tmp_path_factory.mktemp("service"), settings) as service:
            service.observe_runs(1)
            directory = tmp_path_factory.mktemp("prometheus")
            with RealPrometheus(directory, [f"127.0.0.1:{service.port}"]) as prometheus:
                it = Scraped(world, service, prometheus)
                expect(
                    "Prometheus has scraped twice", lambda: (it.value("count_over_time(up[1m])") or 0) >= 2
                )
                yield it


def test_prometheus_takes_the_page(scraped: Scraped) -> None:
    assert scraped.value("up") == 1
    assert scraped.value("scrape_samples_scraped") == scraped.value("scrape_samples_post_metric_relabeling")


@pytest.mark.parametrize("name", EIGHT)
def test_every_metric_that_dashboards_know_is_there(scraped: Scraped, name: str) -> None:
    assert scraped.value(name) is not None


@pytest.mark.parametrize("name", OURS)
def test_every_metric_of_what_we_did_and_owe_is_there(scraped: Scraped, name: str) -> None:
    assert scraped.value(f"count({name})")


def test_what_was_left_alone_and_why_is_counted(scraped: Scraped) -> None:
    assert scraped.value('alertsync_decisions{decision="SILENCED"}') == 1
    assert scraped.value('alertsync_decisions{decision="PARTIALLY_SILENCED"}') == 1
    assert (scraped.value('alertsync_skipped_total{reason="policy"}') or 0) >= 1
    assert scraped.value("sum(alertsync_actions_total)") == 0
    assert scraped.value("sum(alertsync_brake_engaged)") == 0


def test_the_counts_are_those_of_the_alert_groups(scraped: Scraped) -> None:
    assert scraped.value("alertmanager_inconsistencies_found") == 1
    assert scraped.value("alertmanager_inconsistencies_resolved_total") == 0
    assert scraped.value("alertmanager_inconsistencies_failed_resolve_total") == 0
    assert scraped.value("alertmanager_last_reconciliation_success") == 1
    assert (scraped.value("alertmanager_reconciliation_total") or 0) >= 1
    assert scraped.value("alertmanager_reconciliation_failures_total") == 0
    age = scraped.value("time() - alertmanager_last_reconciliation_timestamp_seconds")
    assert age is not None
    assert 0 <= age < 10
    quantile = "histogram_quantile(0.5, alertmanager_reconciliation_duration_seconds_bucket)"
    assert (scraped.value(quantile) or -1) > 0


def test_every_alert_is_a_series_with_the_labels_that_were_asked_for(scraped: Scraped) -> None:
    silenced = scraped.prometheus.query('alertmanager_alert_state{alertname="DiskFull"}')
    (one,) = silenced
    assert one["value"][1] == "0"
    assert one["metric"]["state"] == "silenced"
    assert one["metric"]["severity"] == "critical"
    assert one["metric"]["summary"] == "DiskFull is bad"
    assert len(one["metric"]["fingerprint"]) == 16
    states = scraped.prometheus.query('sort(alertmanager_alert_state{alertname="NodeDown"})')
    assert [(each["metric"]["state"], each["value"][1]) for each in states] == [
        ("silenced", "0"),
        ("active", "1"),
    ]
    # A label that an alert lacks is empty, which Prometheus takes for absent.
    assert {each["metric"].get("severity", "") for each in states} == {""}
    assert {each["metric"]["team"] for each in states} == {'with "quotes" and \\ \n lines'}
    assert scraped.value('count(alertmanager_alert_state{state="silenced"})') == 2
    assert scraped.value('count(alertmanager_alert_state{severity=""})') == 2


@pytest.mark.parametrize("query", example_queries())
def test_the_example_queries_are_answered_with_numbers(scraped: Scraped, query: str) -> None:
    def answered() -> bool:
        found = scraped.prometheus.query(query)
        return bool(found) and not any(math.isnan(float(one["value"][1])) for one in found)

    expect(f"{query} is answered", answered)


def test_requests_are_counted_by_route(scraped: Scraped) -> None:
    scraped.service.get("/api/v1/runs/some-run")
    scraped.service.get("/api/v1/runs/another-run")
    query = 'sum by (url_rule) (flask_http_request_duration_seconds_count{url_rule="/api/v1/runs/<run_id>"})'
    expect("both are counted as one route", lambda: scraped.value(query) == 2)
    assert scraped.value("alertsync_build_info") == 1


def test_a_failed_run_shows_and_the_last_known_counts_stay(scraped: Scraped) -> None:
    scraped.world.irm.server.inject(Fault("status", path="/integrations/", times=-1, status=401))
    expect("the failure shows", lambda: scraped.value("alertmanager_last_reconciliation_success") == 0)
    assert (scraped.value("alertmanager_reconciliation_failures_total") or 0) >= 1
    assert scraped.value("alertmanager_inconsistencies_found") == 1
    scraped.world.irm.server.heal()
    expect("it is over", lambda: scraped.value("alertmanager_last_reconciliation_success") == 1)


def test_an_alert_that_has_ended_leaves_the_page(scraped: Scraped) -> None:
    scraped.world.fire("Brief")
    expect("it shows", lambda: scraped.value('alertmanager_alert_state{alertname="Brief"}') == 1)
    scraped.world.alertmanager.end({"alertname": "Brief", "instance": "a"})
    expect("it is gone", lambda: scraped.value('alertmanager_alert_state{alertname="Brief"}') is None)


@pytest.mark.parametrize("labels", [{}, LABELS], ids=["plain", "with labels and annotations"])
def test_promtool_finds_nothing_to_say_about_the_page(tmp_path: Path, labels: dict[str, str]) -> None:
    with simulated_world() as world, Service(tmp_path, world.settings(**labels)) as service:
        before = service.metrics()
        assert promtool_check_metrics(before) == ""
        # Absent until a run has ended: zero would say that the last run failed in 1970.
        assert "alertmanager_last_reconciliation_success" not in before
        assert "alertmanager_last_reconciliation_timestamp_seconds" not in before
        assert "alertsync_last_success_timestamp_seconds" not in before
        assert service.metric("alertmanager_inconsistencies_found") == 0

        world.fire("DiskFull", team='with "quotes" and \\ \n lines')
        world.silence("DiskFull")
        service.reconcile()
        after = service.metrics()
        assert promtool_check_metrics(after) == ""
        assert service.metric("alertmanager_last_reconciliation_success") == 1
        assert service.metric("alertsync_last_success_timestamp_seconds") is not None
        assert service.get("/metrics").headers["Content-Type"].startswith("text/plain; version=0.0.4")


def test_a_debt_is_followed_from_the_resolve_to_the_page(tmp_path: Path) -> None:
    with simulated_world() as world, Service(tmp_path, world.settings()) as service:
        group = world.fire("DiskFull")
        silence = world.silence("DiskFull")
        service.reconcile()
        assert service.metric("alertsync_actions_total", action="resolve", outcome="resolved") == 1
        assert service.metric("alertsync_debts", state="owed") == 1
        assert service.metric("alertsync_debts_due") == 0

        # A delivery in the very second of the resolve would prove nothing.
        (debt,) = service.get("/api/v1/debts").json()["items"]
        resolved_at = datetime.fromisoformat(debt["resolved_at"])
        expect("the resolve is over", lambda: datetime.now(tz=UTC) > resolved_at)
        world.alertmanager.expire(silence)
        service.reconcile()
        assert service.metric("alertsync_actions_total", action="repage", outcome="posted") == 1
        assert service.metric("alertsync_debts_due") == 1, "posted is not paid until it is read back"
        expect("IRM has it again", lambda: world.irm.group("DiskFull").id != group.id)
        service.reconcile()
        assert service.metric("alertsync_debts", state="paid") == 1
        assert service.metric("alertsync_debts_due") == 0
        assert service.metric("alertmanager_inconsistencies_resolved_total") == 1, "a page again is none"


def test_a_store_that_cannot_be_written_shows_in_the_very_next_scrape(tmp_path: Path) -> None:
    with simulated_world() as world, Service(tmp_path, world.settings()) as service:
        service.reconcile()
        assert service.metric("alertsync_state_degraded") == 0
        for file in service.state_dir.glob("alertsync.db*"):
            file.unlink()
        database = service.state_dir / "alertsync.db"
        database.mkdir()
        service.post_reconcile("?dry_run=true")  # publishes nothing
        assert service.metric("alertsync_state_degraded") == 1
        assert service.get("/readyz").status_code == 200
        assert promtool_check_metrics(service.metrics()) == ""
        database.rmdir()
        service.reconcile()
        assert service.metric("alertsync_state_degraded") == 0


def test_counters_survive_a_restart(tmp_path: Path) -> None:
    with simulated_world() as world:
        world.fire("DiskFull")
        world.silence("DiskFull")
        for runs in (1, 2):
            with Service(tmp_path, world.settings()) as service:
                service.reconcile()
                assert service.metric("alertmanager_reconciliation_total") == runs
                assert service.metric("alertmanager_inconsistencies_resolved_total") == 1
