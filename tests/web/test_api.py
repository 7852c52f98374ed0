"""Status, decisions and plan: what a program polls, filters and asks for before anything happens."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from alertsync import bootstrap
from alertsync.models import ActionKind, AlertStatus, DecisionKind, Member, Outcome, RunStatus, WebhookEvent
from alertsync.simulator.wire import Fault
from alertsync.web import create_app
from tests.docs import settings
from tests.reconciler.bench import Bench, bench
from tests.servers import free_port, poll_until
from tests.unit.clocks import START
from tests.unit.ledgers import action, decision, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask.testing import FlaskClient

    from alertsync.models import Decision


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bench]:
    with bench(monkeypatch, tmp_path) as it:
        yield it


@pytest.fixture
def client(world: Bench) -> FlaskClient:
    return create_app(world.services).test_client()


def publish(world: Bench, *decisions: Decision, number: int = 1) -> None:
    """Publish a run with these decisions, as the holder of the run lock does."""
    done = run(number, decisions=decisions)
    world.services.store.save_run(done)
    world.services.store.publish_decisions(done, b"")


def ids(client: FlaskClient, query: str = "") -> list[str]:
    body = client.get(f"/api/v1/decisions{query}").get_json()
    return [one["alert_group_id"] for one in body["items"]]


def a_decision(number: int, **more: Any) -> Decision:
    """Make the decision about the `number`-th alert group that IRM made."""
    made = decision(f"I{number}", **more)
    group = msgspec.structs.replace(made.alert_group, created_at=START + timedelta(seconds=number))
    return msgspec.structs.replace(made, alert_group=group)


# --- Decisions --------------------------------------------------------------------------------------------


def test_before_the_first_run_there_are_no_decisions_and_that_is_no_error(client: FlaskClient) -> None:
    body = client.get("/api/v1/decisions").get_json()
    assert (body["run_id"], body["as_of"], body["items"], body["next"], body["total"]) == (
        None,
        None,
        [],
        None,
        0,
    )


def test_decisions_are_those_of_the_last_run(world: Bench, client: FlaskClient) -> None:
    group = world.fire("Disk")
    world.silence("Disk")
    done = world.run(dry_run=False)
    body = client.get("/api/v1/decisions").get_json()
    assert body["run_id"] == done.run_id
    (shown,) = body["items"]
    assert (shown["alert_group_id"], shown["decision"]) == (group.id, "SILENCED")
    assert shown["members"][0]["status"] == "silenced"


def test_decisions_are_filtered_and_searched(world: Bench, client: FlaskClient) -> None:
    member = Member("f1", AlertStatus.ACTIVE, {"instance": "DB-7", "team": "data"})
    publish(
        world,
        a_decision(1, inconsistent=True),
        a_decision(2, kind=DecisionKind.CONSISTENT, members=(member,)),
        a_decision(3, kind=DecisionKind.FOREIGN),
    )
    assert ids(client) == ["I3", "I2", "I1"]
    assert ids(client, "?decision=CONSISTENT") == ["I2"]
    assert ids(client, "?inconsistent=true") == ["I1"]
    assert ids(client, "?inconsistent=false") == ["I3", "I2"]
    assert ids(client, "?q=instance%3Ddb-7") == ["I2"]
    assert ids(client, "?q=DISK+OF+i3") == ["I3"]
    assert ids(client, "?q=i1&inconsistent=false") == []
    assert client.get("/api/v1/decisions?q=data").get_json()["total"] == 1


@pytest.mark.parametrize(
    "query",
    ["decision=silenced", "inconsistent=maybe", "q=" + "x" * 201, "run_id=..", "cursor=nonsense", "page=2"],
)
def test_a_question_about_decisions_that_is_not_understood_is_refused(
    client: FlaskClient, query: str
) -> None:
    answer = client.get(f"/api/v1/decisions?{query}")
    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"
    assert answer.get_json()["hint"]


def test_who_reads_decisions_page_by_page_while_runs_go_on_meets_none_twice_and_misses_none(
    world: Bench, client: FlaskClient
) -> None:
    publish(world, *(a_decision(number) for number in range(6)))
    first = client.get("/api/v1/decisions?limit=2").get_json()
    assert [one["alert_group_id"] for one in first["items"]] == ["I5", "I4"]
    # One was resolved, two are new: one of them with the same age as one that was there.
    publish(world, *(a_decision(number) for number in (0, 1, 3, 4, 5, 6, 7)), number=2)
    second = client.get(f"/api/v1/decisions?limit=2&cursor={first['next']}").get_json()
    third = client.get(f"/api/v1/decisions?limit=2&cursor={second['next']}").get_json()
    assert [one["alert_group_id"] for one in second["items"] + third["items"]] == ["I3", "I1", "I0"]
    assert third["next"] is None


def test_alert_groups_that_irm_made_at_once_are_told_apart(world: Bench, client: FlaskClient) -> None:
    publish(world, *(decision(name) for name in ("Ia", "Ib", "Ic")))
    first = client.get("/api/v1/decisions?limit=2").get_json()
    assert [one["alert_group_id"] for one in first["items"]] == ["Ic", "Ib"]
    assert ids(client, f"?limit=2&cursor={first['next']}") == ["Ia"]


def test_the_decisions_of_an_older_run_can_be_read(world: Bench, client: FlaskClient) -> None:
    publish(world, a_decision(1))
    publish(world, a_decision(2), number=2)
    assert ids(client, f"?run_id={run(1).run_id}") == ["I1"]
    assert client.get("/api/v1/decisions?run_id=nobody").status_code == 404


# --- What is polled ---------------------------------------------------------------------------------------

POLLED = ("status", "decisions", "runs", "actions", "debts")


@pytest.mark.parametrize("name", POLLED)
def test_what_has_not_changed_is_not_sent_again(world: Bench, client: FlaskClient, name: str) -> None:
    world.fire("Disk")
    world.run()
    first = client.get(f"/api/v1/{name}")
    assert first.headers["Cache-Control"] == "private, no-cache"
    world.time.sleep(7)
    again = client.get(f"/api/v1/{name}", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.get_data()) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("name", POLLED)
def test_what_has_changed_is_sent(world: Bench, client: FlaskClient, name: str) -> None:
    world.fire("Disk")
    world.run()
    first = client.get(f"/api/v1/{name}")
    world.time.sleep(60)
    world.silence("Disk")
    world.run()
    again = client.get(f"/api/v1/{name}", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 200
    assert again.get_data() != first.get_data()


def test_the_tag_of_one_question_is_none_of_another(world: Bench, client: FlaskClient) -> None:
    publish(world, a_decision(1))
    tag = client.get("/api/v1/decisions").headers["ETag"]
    assert client.get("/api/v1/decisions?limit=1", headers={"If-None-Match": tag}).status_code == 200


# --- Status -----------------------------------------------------------------------------------------------


def test_the_status_tells_mode_loop_both_systems_and_the_last_run(world: Bench, client: FlaskClient) -> None:
    done = world.run()
    body = client.get("/api/v1/status").get_json()
    assert body["ready"] is True
    assert body["mode"] == {"dry_run": False, "repage": True, "on_silenced": "resolve", "on_gone": "report"}
    assert body["last_run"]["run_id"] == done.run_id
    assert body["progress"] is None
    (alertmanager,) = body["upstreams"]["alertmanager"]
    assert alertmanager["reachable"] is True
    assert alertmanager["url"] == world.services.settings.alertmanager.urls[0]
    assert alertmanager["version"]
    assert body["upstreams"]["irm"]["seconds"] >= 0
    assert body["attention"] == client.get("/readyz").get_json()["attention"]


def test_the_status_tells_of_each_peer_what_it_answered_itself(world: Bench) -> None:
    there, gone = world.services.settings.alertmanager.urls[0], f"http://127.0.0.1:{free_port()}"

    def seen() -> list[tuple[bool, bool, bool]]:
        status = create_app(world.services).test_client().get("/api/v1/status").get_json()
        peers = status["upstreams"]["alertmanager"]
        return [(one["reachable"], bool(one["version"]), bool(one["error"])) for one in peers]

    world.restart(ALERTMANAGER_HOST=f"{there},{gone}", ALERTMANAGER_TIMEOUT="1")
    world.run()
    assert seen() == [(True, True, False), (False, False, True)]
    world.alertmanager_server.inject(Fault("status", status=404, times=99))
    world.run()
    assert seen() == [(False, False, True)] * 2, "none answered"
    world.alertmanager_server.heal()
    world.restart(ALERTMANAGER_HOST=there)
    world.run()
    assert seen() == [(True, True, False)]
    assert set(world.services.store.standing().upstreams) == {"alertmanager", "irm"}


def test_the_status_names_what_is_missing(tmp_path: Path) -> None:
    services = bootstrap.build(settings.load({"STATE_DIR": str(tmp_path)}))
    body = create_app(services).test_client().get("/api/v1/status").get_json()
    assert body["ready"] is False
    assert "GRAFANA_IRM_TOKEN" in body["missing"]
    assert body["upstreams"]["irm"] is None
    assert body["upstreams"]["alertmanager"][0]["reachable"] is None
    assert body["last_run"] is None


# --- The plan ---------------------------------------------------------------------------------------------


def test_a_plan_tells_what_would_be_done_and_does_nothing(world: Bench, client: FlaskClient) -> None:
    group = world.fire("Disk")
    world.silence("Disk")
    before = len(world.irm_server.received)
    body = client.post("/api/v1/plan").get_json()
    assert {one.method for one in world.irm_server.received[before:]} == {"GET"}
    (planned,) = body["decisions"]
    assert (planned["alert_group_id"], planned["decision"], planned["held"]) == (
        group.id,
        "SILENCED",
        "dry_run",
    )
    assert (body["dry_run"], body["trigger"], body["actions"]) == (True, "plan", [])
    assert ids(client) == []
    assert client.get("/api/v1/status").get_json()["last_run"] is None


def test_a_plan_lists_what_it_would_do_in_alertmanager_because_of_a_silence_in_irm(
    world: Bench, client: FlaskClient
) -> None:
    ann = world.irm.add_user("token-of-ann", email="ann@example.org")
    policy = msgspec.structs.replace(world.reconciler.policy, silencers=frozenset({"*@example.org"}))
    object.__setattr__(world.reconciler, "policy", policy)
    group = world.fire("Disk", "a")
    world.irm.silence(group.id, by=ann, delay=3600)
    now = world.time.clock.now()
    world.services.store.receive(
        WebhookEvent(
            "e1", now, "silence", group.id, at=group.silenced_at, user_id=ann.id, user_email=ann.email
        )
    )
    body = client.post("/api/v1/plan").get_json()
    [change] = body["silence_changes"]
    assert (change["kind"], change["alert_group_id"]) == ("create_silence", group.id)
    assert {one["name"]: one["value"] for one in change["matchers"]} == {"alertname": "Disk", "instance": "a"}
    assert world.alertmanager.silences() == []
    page = client.get(f"/runs/{body['run_id']}", headers={"Accept": "text/html"}).get_data(as_text=True)
    assert "would be silenced in Alertmanager, were this not a dry run" in page


def silence_that_ended(world: Bench) -> str:
    """Let an alert group be resolved by us, and its silence end while its alerts fire on."""
    group = world.fire("Disk", "a", "b")
    world.silence("Disk", minutes=5)
    world.run()
    world.pass_time(6 * 60)
    return group.id


def test_a_plan_lists_the_pages_that_it_would_send_again(world: Bench, client: FlaskClient) -> None:
    group_id = silence_that_ended(world)
    body = client.post("/api/v1/plan").get_json()
    [page] = body["repages"]
    assert (page["alert_group_id"], page["title"].strip(), page["receiver"]) == (group_id, "Disk", "oncall")
    assert [alert["labels"]["instance"] for alert in page["alerts"]] == ["a", "b"]
    assert page["debts"] == [client.get("/api/v1/debts").get_json()["items"][0]["id"]]
    assert (page["action"], page["held"], body["repages_omitted"]) == ("repage", "dry_run", 0)
    assert "are active in Alertmanager, and IRM does not know" in page["reason"]
    assert world.posts() == 1, "Alertmanager's own"
    assert client.get("/api/v1/plan").get_json()["repages"] == [page]


def test_the_page_of_a_plan_lists_the_pages_that_it_would_send_again(
    world: Bench, client: FlaskClient
) -> None:
    silence_that_ended(world)
    page = client.get(client.post("/preview").headers["Location"]).get_data(as_text=True)
    assert "Pages that are due again (1)" in page
    assert "Would be paged again, were this not a dry run." in page
    assert "to receiver oncall" in page
    assert "Do it now" in page, "there is something to be done"
    done = world.run()
    assert world.posts() == 2
    page = client.get(f"/runs/{done.run_id}").get_data(as_text=True)
    assert "Pages that are due again" not in page
    assert "Paged again" in page


def test_the_page_of_a_run_says_that_repage_false_keeps_pages_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        silence_that_ended(world)
        world.restart(REPAGE="false")
        done = world.run()
        page = create_app(world.services).test_client().get(f"/runs/{done.run_id}").get_data(as_text=True)
    assert "Nobody is paged: REPAGE=false keeps it back." in page


def test_the_page_of_a_plan_tells_of_silences_in_irm_that_would_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, ON_SILENCED="silence") as world:
        world.fire("Disk", "a")
        silence = world.silence("Disk")
        world.run()
        world.alertmanager.expire(silence)
        client = create_app(world.services).test_client()
        page = client.get(client.post("/preview").headers["Location"]).get_data(as_text=True)
        assert "Silences of alertsync in IRM (1)" in page
        assert "Would be un-silenced in IRM, were this not a dry run." in page
        [planned] = client.get("/api/v1/plan").get_json()["decisions"]
    assert (planned["action"], planned["would"]) == ("none", "unsilence")


def test_another_worker_shows_the_plan_that_this_one_made(world: Bench, client: FlaskClient) -> None:
    world.fire("Disk")
    assert client.get("/api/v1/plan").status_code == 404
    made = client.post("/api/v1/plan").get_json()
    world.run()
    world.run(dry_run=True)
    other = create_app(bootstrap.build(world.services.settings)).test_client()
    assert other.get("/api/v1/plan").get_json() == made
    tag = other.get("/api/v1/plan").headers["ETag"]
    assert client.get("/api/v1/plan", headers={"If-None-Match": tag}).status_code == 304


def test_one_plan_at_a_time_is_made(world: Bench, client: FlaskClient) -> None:
    world.irm_server.inject(Fault("delay", seconds=2))
    before = len(world.irm_server.received)
    begun = client.post("/api/v1/plan?wait=0")
    assert begun.status_code == 202
    assert begun.headers["Location"] == f"/api/v1/runs/{begun.get_json()['run_id']}"
    poll_until(lambda: len(world.irm_server.received) > before, within=10, what="the first asks IRM")
    refused = client.post("/api/v1/plan")
    assert refused.status_code == 409
    assert refused.content_type == "application/problem+json"
    assert int(refused.headers["Retry-After"]) > 0
    poll_until(
        lambda: client.get(begun.headers["Location"]).get_json()["status"] == "success",
        within=20,
        what="the first ends",
    )
    assert client.get("/api/v1/plan").get_json()["run_id"] == begun.get_json()["run_id"]


def test_a_plan_that_cannot_be_made_says_why(world: Bench, client: FlaskClient, tmp_path: Path) -> None:
    world.irm_server.inject(Fault("status", times=-1, status=500))
    failed = client.post("/api/v1/plan")
    assert failed.status_code == 500
    assert "IRM" in failed.get_json()["detail"]
    assert client.get("/api/v1/plan").get_json()["status"] == "failed"
    services = bootstrap.build(settings.load({"STATE_DIR": str(tmp_path / "other")}))
    refused = create_app(services).test_client().post("/api/v1/plan")
    assert refused.status_code == 503
    assert "GRAFANA_IRM_TOKEN" in refused.get_json()["detail"]


def test_the_page_of_the_history_finds_what_is_rare_and_old_and_says_where_it_ends(
    world: Bench, client: FlaskClient
) -> None:
    store = world.services.store
    rare = action(ActionKind.REPAGE, Outcome.POSTED, "IRARE", reason="the needle")
    common = tuple(action(ActionKind.RESOLVE, Outcome.RESOLVED, f"I{one}") for one in range(60))
    store.save_run(run(1, status=RunStatus.FAILED, actions=(rare,)))
    store.save_run(run(2, actions=common))
    store.save_run(run(3, status=RunStatus.RUNNING, started_at=START - timedelta(days=1), ended_at=None))
    for query in ("kind=repage", "outcome=posted", "q=NEEDLE+rare"):
        page = client.get(f"/history?list=actions&{query}").get_data(as_text=True)
        assert "Disk of IRARE" in page
        assert "Disk of I1<" not in page
        assert "There are no older ones like that among those that are kept." in page
    page = client.get("/history?list=actions").get_data(as_text=True)
    assert ("Older</a>" in page, "Disk of IRARE" in page) == (True, False)
    assert "Nothing matches" in client.get("/history?list=actions&q=no+such").get_data(as_text=True)
    for status, shown in (("", {1, 2, 3}), ("something", {1, 3}), ("failed", {1}), ("interrupted", {3})):
        page = client.get(f"/history?status={status}").get_data(as_text=True)
        assert {number for number in (1, 2, 3) if f'href="/runs/{run(number).run_id}"' in page} == shown


def test_a_list_of_a_store_that_cannot_be_used_says_so(world: Bench, client: FlaskClient) -> None:
    world.run()
    for one in world.services.settings.state_dir.glob("alertsync.db*"):
        one.unlink()
    (world.services.settings.state_dir / "alertsync.db").mkdir()
    for path in ("/history", "/owed"):
        client.get(path)
        assert "This list may lack entries" in client.get(path).get_data(as_text=True)


# --- Filters of the history -------------------------------------------------------------------------------


def test_runs_are_found_by_how_they_ended_who_asked_and_when(world: Bench, client: FlaskClient) -> None:
    store = world.services.store
    store.save_run(run(1, RunStatus.FAILED))
    store.save_run(run(2, trigger="watch"))
    store.save_run(run(3, RunStatus.RUNNING, ended_at=None))

    def found(query: str) -> list[str]:
        return [one["run_id"][13:15] for one in client.get(f"/api/v1/runs?{query}").get_json()["items"]]

    assert found("") == ["03", "02", "01"]
    assert found("status=failed") == ["01"]
    assert found("trigger=watch") == ["02"]
    assert found("since=2026-11-23T12:00:02Z") == ["03", "02"]
    assert found("since=2026-11-23T14:00:02%2B02:00&status=success") == ["02"]
    assert (found("status=running"), found("status=interrupted")) == (["03"], [])
    world.time.sleep(3600)
    assert (found("status=running"), found("status=interrupted")) == ([], ["03"])
    for query in ("status=ended", "trigger=me", "since=yesterday", "since=2026-11-23T12:00:00", "since=0"):
        assert client.get(f"/api/v1/runs?{query}").status_code == 400


def test_actions_are_found_by_kind_outcome_run_and_time(world: Bench, client: FlaskClient) -> None:
    store = world.services.store
    closed = action(ActionKind.RESOLVE, Outcome.RESOLVED, "I1")
    failed = action(ActionKind.REPAGE, Outcome.FAILED, "I2")
    store.save_run(run(1, actions=(closed,)))
    store.save_run(run(2, actions=(failed,)))

    def found(query: str) -> list[str]:
        body = client.get(f"/api/v1/actions?{query}").get_json()
        return [one["alert_group_id"] for one in body["items"]]

    assert found("kind=resolve") == ["I1"]
    assert found("outcome=failed") == ["I2"]
    assert found(f"run_id={run(1).run_id}") == ["I1"]
    assert found("alert_group_id=I2&kind=resolve") == []
    assert sorted(found("since=2026-11-23T12:00:00Z")) == ["I1", "I2"]
    assert found("since=2026-11-23T12:00:01Z") == []
    for query in ("kind=close", "outcome=done", "run_id=%00"):
        assert client.get(f"/api/v1/actions?{query}").status_code == 400
