"""An explanation is read live, one at a time, and says what to do where it cannot be given."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from alertsync import bootstrap
from alertsync.models import Run, RunStatus
from alertsync.simulator.wire import Fault
from alertsync.web import create_app
from tests.docs import settings
from tests.reconciler.bench import Bench, bench
from tests.servers import poll_until
from tests.unit.clocks import START

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bench]:
    with bench(monkeypatch, tmp_path) as it:
        yield it


@pytest.fixture
def client(world: Bench) -> FlaskClient:
    return create_app(world.services).test_client()


def problem(answer: TestResponse, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.content_type == "application/problem+json"
    body: dict[str, Any] = answer.get_json()
    assert body["title"]
    assert body["hint"]
    return body


def test_an_open_alert_group_is_explained_with_its_members_and_deliveries(
    world: Bench, client: FlaskClient
) -> None:
    group = world.fire("Disk", "a", "b")
    world.silence("Disk", instance="a")
    shown = client.get(f"/api/v1/alert-groups/{group.id}").get_json()
    assert shown["alert_group"]["id"] == group.id
    assert shown["decision"]["decision"] == "PARTIALLY_SILENCED"
    assert {one["status"] for one in shown["decision"]["members"]} == {"active", "silenced"}
    (delivery,) = shown["deliveries"]
    assert delivery["type"] == "webhook"
    assert len(delivery["firing"]) == 2
    assert delivery["resolved"] == []
    assert shown["deliveries_complete"] is True
    assert shown["debts"] == shown["actions"] == []
    assert shown["lease"] is None


def test_an_alert_group_that_we_resolved_is_explained_by_its_debt_and_action(
    world: Bench, client: FlaskClient
) -> None:
    group = world.fire("Disk")
    world.silence("Disk")
    assert world.run().inconsistencies_resolved == 1
    shown = client.get(f"/api/v1/alert-groups/{group.id}").get_json()
    assert shown["decision"] is None
    (debt,) = shown["debts"]
    assert debt["open"] is True
    assert [alert["state"] for alert in debt["alerts"]] == ["owed"]
    assert [(one["kind"], one["outcome"]) for one in shown["actions"]] == [("resolve", "resolved")]
    assert "ana@example.org" in shown["actions"][0]["reason"]
    (listed,) = client.get("/api/v1/debts").get_json()["items"]
    assert listed == debt
    attention = client.get("/readyz").get_json()["attention"]
    assert [one["alert_group_id"] for one in attention["owing"]] == [group.id]


@pytest.mark.parametrize("name", ["NOBODY", "..%2f..%2fusers", "a" * 65, "<script>", "%00"])
def test_an_alert_group_that_does_not_exist_is_a_404(client: FlaskClient, name: str) -> None:
    problem(client.get(f"/api/v1/alert-groups/{name}"), 404)


def test_no_odd_id_reaches_irm(world: Bench, client: FlaskClient) -> None:
    before = len(world.irm_server.received)
    client.get("/api/v1/alert-groups/I1%3Fpage=2")
    assert len(world.irm_server.received) == before


def test_a_parameter_that_is_not_known_is_refused(client: FlaskClient) -> None:
    problem(client.get("/api/v1/alert-groups/I1?live=true"), 400)


@pytest.mark.parametrize("upstream", ["irm", "alertmanager"])
def test_an_upstream_that_fails_is_named(world: Bench, client: FlaskClient, upstream: str) -> None:
    group = world.fire("Disk")
    server = world.irm_server if upstream == "irm" else world.alertmanager_server
    server.inject(Fault("status", times=-1, status=500))
    said = problem(client.get(f"/api/v1/alert-groups/{group.id}"), 502)
    assert said["title"].lower().startswith(upstream)


def test_one_explanation_at_a_time_is_read(world: Bench, client: FlaskClient) -> None:
    group = world.fire("Disk")
    world.irm_server.inject(Fault("delay", seconds=1))
    before = len(world.irm_server.received)
    path = f"/api/v1/alert-groups/{group.id}"
    answers: list[int] = []
    other = client.application.test_client()
    first = threading.Thread(target=lambda: answers.append(other.get(path).status_code))
    first.start()
    poll_until(lambda: len(world.irm_server.received) > before, within=10, what="the first asks IRM")
    refused = client.get(path)
    problem(refused, 503)
    assert int(refused.headers["Retry-After"]) > 0
    first.join(10)
    assert answers == [200]
    assert client.get(path).status_code == 200


def test_without_the_settings_of_irm_it_says_which_are_missing(tmp_path: Path) -> None:
    services = bootstrap.build(settings.load({"STATE_DIR": str(tmp_path)}))
    said = problem(create_app(services).test_client().get("/api/v1/alert-groups/I1"), 503)
    assert "GRAFANA_IRM_TOKEN" in said["detail"]


# --- Brakes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "lifted"),
    [
        ("", []),
        ("?lift=max_actions", ["max_actions"]),
        ("?lift=gone_ratio&dry_run=true", ["gone_ratio"]),
        ("?lift=max_actions,gone_ratio", ["gone_ratio", "max_actions"]),
        ("?lift=gone_ratio,max_actions", ["gone_ratio", "max_actions"]),
    ],
)
def test_a_run_records_the_brakes_that_were_lifted_for_it(
    client: FlaskClient, query: str, lifted: list[str]
) -> None:
    answered = client.post(f"/reconcile{query}").get_json()
    assert answered["lifted"] == lifted
    assert client.get(f"/api/v1/runs/{answered['run_id']}").get_json()["lifted"] == lifted
    browser = {"Accept": "text/html"}
    page = client.post(f"/reconcile{query}", headers=browser, follow_redirects=True).get_data(as_text=True)
    assert ("lifted:" in page) is bool(lifted)
    assert all(name in page for name in lifted)


@pytest.mark.parametrize(
    "value",
    ["", "all", "MAX_ACTIONS", "max_actions,", "max_actions,max_actions", "max_actions gone_ratio", "%00"],
)
def test_a_brake_that_is_not_named_rightly_is_refused_and_nothing_runs(
    client: FlaskClient, value: str
) -> None:
    said = problem(client.post(f"/reconcile?lift={value}"), 400)
    assert said["hint"] == "write lift=max_actions, lift=gone_ratio or lift=max_actions,gone_ratio"
    assert client.get("/api/v1/runs").get_json()["items"] == []


def test_a_lifted_brake_lets_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path, MAX_ACTIONS_PER_RUN="1") as world:
        client = create_app(world.services).test_client()
        for name in ("Disk", "Net", "Cpu"):
            world.fire(name)
            world.silence(name)
        assert client.post("/reconcile").get_json()["brakes"] == ["max_actions"]
        attention = client.get("/readyz").get_json()["attention"]
        assert [one["brake"] for one in attention["brakes"]] == ["max_actions"]
        lifted = client.post("/reconcile?lift=max_actions").get_json()
        assert (lifted["inconsistencies_resolved"], lifted["brakes"]) == (2, [])
        assert client.get("/readyz").get_json()["attention"]["brakes"] == []


def test_a_run_whose_process_died_is_not_told_to_go_on(world: Bench, client: FlaskClient) -> None:
    begun = Run("20261123T120000-00000d", "loop", False, RunStatus.RUNNING, "", START)
    world.services.store.save_run(begun)
    world.time.sleep(3600)
    assert client.get(f"/api/v1/runs/{begun.run_id}").get_json()["status"] == "interrupted"
