"""Silences that somebody asks for here: exactly those alerts, listed, ended, and told on the pages."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from alertsync import bootstrap
from alertsync.locks import FileLock
from alertsync.models import (
    EventOutcome,
    HandledEvent,
    IrmSilence,
    IrmSilenceState,
    LedgerChange,
    OurSilence,
    WebhookEvent,
)
from alertsync.simulator.wire import Fault
from alertsync.web import create_app, silencing
from tests.docs import settings
from tests.reconciler.bench import Bench, bench
from tests.unit.clocks import START

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

HTML = {"Accept": "text/html"}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bench]:
    with bench(monkeypatch, tmp_path) as it:
        yield it


@pytest.fixture
def client(world: Bench) -> FlaskClient:
    return create_app(world.services).test_client()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """Give a client of a service without settings, which refuses before it looks."""
    values = {"STATE_DIR": str(tmp_path_factory.mktemp("bare"))}
    return create_app(bootstrap.build(settings.load(values))).test_client()


def wanted(group_id: str, **more: Any) -> dict[str, Any]:
    return {"alert_group_id": group_id, "duration": 3600, "comment": "db migration", **more}


def held(world: Bench) -> list[tuple[set[tuple[str, str]], str, str]]:
    """Give the silences that hold now in Alertmanager: what they match, who made them, and the comment."""
    return [
        ({(one.name, one.value) for one in silence.matchers}, silence.created_by, silence.comment)
        for silence in world.alertmanager.silences()
        if silence.ends_at > world.time.clock.now()
    ]


def listed(client: FlaskClient, query: str = "") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get(f"/api/v1/silences{query}").get_json()["items"]
    return items


def problem(answer: TestResponse, status: int) -> str:
    assert answer.status_code == status, answer.get_data(as_text=True)
    body = answer.get_json()
    assert body["hint"]
    return f"{body['title']}: {body['detail']}"


def silenced(client: FlaskClient) -> set[str]:
    """Give the alerts that Alertmanager keeps quiet about, as name and instance."""
    alerts = client.get("/all-alerts").get_json()["alerts"]
    return {
        f"{one['labels']['alertname']} {one['labels']['instance']}"
        for one in alerts
        if one["status"]["silencedBy"]
    }


# --- Making, listing, ending ------------------------------------------------------------------------------


def test_a_silence_that_is_asked_for_holds_exactly_the_alerts_of_that_alert_group(
    world: Bench, client: FlaskClient
) -> None:
    group = world.fire("Disk", "a", "b")
    world.fire("Net", "a")
    answer = client.post("/api/v1/silences", json=wanted(group.id))
    assert answer.status_code == 201, answer.get_data(as_text=True)
    assert silenced(client) == {"Disk a", "Disk b"}
    ((matchers, author, comment),) = held(world)
    assert matchers == {("alertname", "Disk")}
    assert (author, comment.partition(" [")[0]) == ("somebody", "db migration")
    (one,) = listed(client)
    assert one == answer.get_json()["silence"]
    assert (one["origin"], one["state"], one["alert_group_id"], one["title"]) == (
        "hand",
        "active",
        group.id,
        "Disk",
    )
    assert (one["author"], one["comment"]) == ("somebody", "db migration")
    lasts = datetime.fromisoformat(one["ends_at"]) - datetime.fromisoformat(one["made_at"])
    assert timedelta(hours=1) <= lasts < timedelta(hours=1, seconds=5)


@pytest.mark.parametrize("which", ["id", "silences"])
def test_a_silence_of_ours_is_ended_by_its_id_or_that_of_alertmanager(
    world: Bench, client: FlaskClient, which: str
) -> None:
    group = world.fire("Disk", "a", "b")
    world.silence("Disk", instance="a")
    made = client.post("/api/v1/silences", json=wanted(group.id)).get_json()["silence"]
    silence_id = made["id"] if which == "id" else made["silences"][0]["id"]
    answer = client.delete(f"/api/v1/silences/{silence_id}")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    ended = answer.get_json()["silence"]
    assert (ended["state"], ended["ended_by"], ended["why"]) == ("ended", "somebody", "ended by somebody")
    assert silenced(client) == {"Disk a"}  # a person's own is not touched
    assert listed(client) == []
    assert listed(client, "?state=all") == [ended]
    again = client.delete(f"/api/v1/silences/{silence_id}")
    assert again.get_json() == {"message": "it was over already", "silence": ended}


def test_what_is_done_by_hand_stands_in_the_history(world: Bench, client: FlaskClient) -> None:
    group = world.fire("Disk", "a")
    made = client.post("/api/v1/silences", json=wanted(group.id)).get_json()["silence"]
    world.pass_time(5)
    client.delete(f"/api/v1/silences/{made['id']}")
    runs = client.get("/api/v1/runs?trigger=by+hand").get_json()["items"]
    assert [one["status"] for one in runs] == ["success", "success"]
    actions = client.get(f"/api/v1/actions?alert_group_id={group.id}").get_json()["items"]
    assert [(one["kind"], one["outcome"]) for one in actions] == [
        ("expire_silence", "expired"),
        ("create_silence", "created"),
    ]
    page = client.get("/history?list=actions", headers=HTML).get_data(as_text=True)
    assert "Silenced in Alertmanager" in page
    assert "Silence in Alertmanager ended" in page


def test_the_list_goes_page_by_page_and_has_a_tag(world: Bench, client: FlaskClient) -> None:
    for name in ("Disk", "Net", "Cpu"):
        client.post("/api/v1/silences", json=wanted(world.fire(name, "a").id))
    seen, cursor = [], ""
    for _ in range(3):
        page = client.get(f"/api/v1/silences?limit=1{cursor}").get_json()
        seen += [one["title"] for one in page["items"]]
        cursor = f"&cursor={page['next']}"
    assert (seen, page["next"]) == (["Cpu", "Net", "Disk"], None)
    answer = client.get("/api/v1/silences")
    again = client.get("/api/v1/silences", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert [one["title"] for one in listed(client, f"?alert_group_id={world.group('Net').id}")] == ["Net"]


def test_a_silence_of_a_person_in_irm_is_listed_and_ended_here_too(world: Bench, client: FlaskClient) -> None:
    group = world.fire("Disk", "a")
    mine = world.alertmanager.silence(
        {"alertname": "Disk"}, duration=timedelta(hours=1), created_by="ana@example.org", comment=""
    )
    ends = world.time.clock.now() + timedelta(hours=1)
    ours = IrmSilence(
        group.id, "Disk", "U1", "ana@example.org", START, START, silences=(OurSilence(mine, (), ends),)
    )
    world.services.store.commit(LedgerChange(irm_silences=(ours,)))
    (one,) = listed(client)
    assert (one["id"], one["origin"], one["state"], one["author"]) == (
        mine,
        "irm",
        "active",
        "ana@example.org",
    )
    assert (one["until"], one["ends_at"]) == (None, ends.isoformat().replace("+00:00", "Z"))
    answer = client.delete(f"/api/v1/silences/{mine}")
    assert answer.status_code == 200
    assert "IRM is still silenced" in answer.get_json()["message"]
    assert silenced(client) == set()


# --- Refusing ---------------------------------------------------------------------------------------------

BAD = [
    {},
    {"alert_group_id": "I1", "duration": 3600},
    {"duration": 3600, "comment": "x"},
    wanted("I1", comment=""),
    wanted("I1", comment=" \n "),
    wanted("I1", comment="x" * 1001),
    wanted("I1", comment=None),
    wanted("../I1"),
    wanted(""),
    wanted("I1", duration=59),
    wanted("I1", duration=-1),
    wanted("I1", duration=2_592_001),
    wanted("I1", duration=3600.5),
    wanted("I1", duration="3600"),
    wanted("I1", duration=True),
    wanted("I1", duraton=3600),
    [wanted("I1")],
    "silence",
]


@pytest.mark.parametrize("body", BAD, ids=json.dumps)
def test_what_is_not_asked_for_rightly_is_refused(bare: FlaskClient, body: Any) -> None:
    assert "Not a silence that can be made" in problem(bare.post("/api/v1/silences", json=body), 400)


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 50_000, "application/json", 400),
        (b"x" * 70_000, "application/json", 413),
        (b"duration=3600", "application/x-www-form-urlencoded", 415),
        (b"{}", "", 415),
    ],
)
def test_a_body_that_is_none_is_refused(bare: FlaskClient, data: bytes, kind: str, status: int) -> None:
    problem(bare.post("/api/v1/silences", data=data, content_type=kind), status)


def test_why_there_is_none_is_told(world: Bench, client: FlaskClient) -> None:
    assert "IRM has no alert group nobody" in problem(
        client.post("/api/v1/silences", json=wanted("nobody")), 404
    )
    assert "no silence nobody" in problem(client.delete("/api/v1/silences/nobody"), 404)
    assert "no id" in problem(client.delete("/api/v1/silences/a.b"), 404)
    group = world.fire("Disk", "a")
    world.alertmanager_server.inject(Fault("status", status=500, path="/api/v2/silences", method="POST"))
    failed = client.post("/api/v1/silences", json=wanted(group.id))
    assert "Alertmanager did not do all of it" in problem(failed, 502)
    assert held(world) == []
    world.irm_server.inject(Fault("status", status=403, path="/alert_groups"))
    assert "IRM gave no usable answer" in problem(client.post("/api/v1/silences", json=wanted(group.id)), 502)


def test_while_a_run_goes_on_it_is_told_when_to_come_again(
    world: Bench, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silencing, "_WAIT_SECONDS", 0.0)
    lock = FileLock(world.services.directory / "run.lock")
    assert lock.acquire()
    answer = client.post("/api/v1/silences", json=wanted(world.fire("Disk", "a").id))
    lock.release()
    assert "a run is going on" in problem(answer, 409)
    assert int(answer.headers["Retry-After"]) > 0


def test_a_dry_run_makes_and_ends_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path, DRY_RUN="true") as world:
        client = create_app(world.services).test_client()
        group = world.fire("Disk", "a")
        assert "DRY_RUN" in problem(client.post("/api/v1/silences", json=wanted(group.id)), 409)
        assert held(world) == []
        story = client.get(f"/alert-groups/{group.id}", headers=HTML).get_data(as_text=True)
        assert 'action="/silences"' not in story


def test_without_irm_there_is_none(tmp_path: Path) -> None:
    client = create_app(bootstrap.build(settings.load({"STATE_DIR": str(tmp_path)}))).test_client()
    assert "GRAFANA_IRM_URL" in problem(client.post("/api/v1/silences", json=wanted("I1")), 503)
    assert listed(client) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/silences"),
        ("DELETE", "/api/v1/silences/x"),
        ("POST", "/silences"),
        ("POST", "/silences/x/end"),
    ],
)
def test_only_our_own_page_and_those_who_may_reach_it(tmp_path: Path, method: str, path: str) -> None:
    values = {"STATE_DIR": str(tmp_path), "WEB_USERNAME": "ana", "WEB_PASSWORD": "the password of ana"}
    client = create_app(bootstrap.build(settings.load(values))).test_client()
    assert client.open(path, method=method).status_code == 401
    other = {"Sec-Fetch-Site": "cross-site"}
    assert (
        client.open(path, method=method, auth=("ana", "the password of ana"), headers=other).status_code
        == 403
    )


def test_who_asks_is_who_silences(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secrets = {
        "WEB_USERNAME": "ana",
        "WEB_PASSWORD": "the password of ana",
        "TRIGGER_TOKEN": "the-token-of-scripts",
    }
    with bench(monkeypatch, tmp_path, **secrets) as world:
        client = create_app(world.services).test_client()
        group = world.fire("Disk", "a")
        shown = {"Authorization": "Bearer the-token-of-scripts"}
        assert (
            client.post(
                "/api/v1/silences", json=wanted(group.id), auth=("ana", secrets["WEB_PASSWORD"])
            ).status_code
            == 201
        )
        assert client.post("/api/v1/silences", json=wanted(group.id), headers=shown).status_code == 201
        assert sorted(author for _, author, _ in held(world)) == ["a script", "ana"]


# --- The pages --------------------------------------------------------------------------------------------


def test_the_form_of_an_alert_group_silences_it_and_its_button_ends_that(
    world: Bench, client: FlaskClient
) -> None:
    group = world.fire("Disk", "a", "b")
    story = client.get(f"/alert-groups/{group.id}", headers=HTML).get_data(as_text=True)
    assert "all of its 2 alerts, and no other" in story
    answer = client.post("/silences", data={**wanted(group.id), "duration": "1800"}, headers=HTML)
    assert (answer.status_code, answer.location) == (303, f"/alert-groups/{group.id}?done=made")
    story = client.get(answer.location, headers=HTML).get_data(as_text=True)
    assert "<h2>Silenced in Alertmanager</h2>" in story
    assert "[alertsync" not in story
    assert "Somebody silenced it here: «db migration»" in story
    (one,) = listed(client)
    assert f'action="/silences/{one["id"]}/end"' in story
    page = client.get("/silences", headers=HTML).get_data(as_text=True)
    assert f'action="/silences/{one["id"]}/end"' in page
    answer = client.post(f"/silences/{one['id']}/end", headers=HTML)
    assert (answer.status_code, answer.location) == (303, "/silences?done=ended")
    assert "The silence is ended" in client.get(answer.location, headers=HTML).get_data(as_text=True)
    assert silenced(client) == set()
    assert "Ended by somebody" in client.get("/silences?show=all", headers=HTML).get_data(as_text=True)


BAD_FORMS = [
    "",
    "alert_group_id=I1",
    "alert_group_id=I1&duration=soon&comment=x",
    "alert_group_id=I1&duration=59&comment=x",
    "alert_group_id=I1&duration=99999999999&comment=x",
    "alert_group_id=I1&duration=%D9%A3600&comment=x",
    "alert_group_id=I1&duration=3600&comment=+",
    f"alert_group_id=I1&duration=3600&comment={'x' * 1001}",
    "alert_group_id=..%2FI1&duration=3600&comment=x",
    "alert_group_id=I1&duration=3600&comment=x&comment=y",
    "alert_group_id=I1&duration=3600&comment=x&lift=all",
    "alert_group_id=I1&duration=3600&comment=%FF",
    "&".join(f"x{number}=1" for number in range(50)),
    "no form",
]


@pytest.mark.parametrize("sent", BAD_FORMS)
def test_a_form_that_is_none_is_refused_with_a_page(bare: FlaskClient, sent: str) -> None:
    kind = "application/x-www-form-urlencoded"
    answer = bare.post("/silences", data=sent.encode(), content_type=kind, headers=HTML)
    assert (answer.status_code, answer.mimetype) == (400, "text/html")
    assert bare.post("/silences", json={}, headers=HTML).status_code == 415


def event(number: int, kind: str, **more: Any) -> WebhookEvent:
    values: dict[str, Any] = {"title": "Disk", "at": START, "user_id": "U1", "user_email": "ana@example.org"}
    return WebhookEvent(f"e{number}", START + timedelta(seconds=number), kind, "I1", **(values | more))


TOLD = [
    (event(1, "silence"), EventOutcome.FOLLOWED, "ana may silence", "ana@example.org silenced it in IRM for ever", "Alertmanager follows"),
    (event(2, "silence", until=START, user_email="<b>eve</b>"), EventOutcome.STRANGER, "eve is not on the list", "&lt;b&gt;eve&lt;/b&gt; silenced it in IRM until", "Not followed"),
    (event(3, "unsilence", user_id="", user_email=""), EventOutcome.ENDED, "", "Its silence ran out", "Silence ended"),
    (event(4, "acknowledge", user_email="", username="bob"), EventOutcome.NOTHING, "", "Bob acknowledged it in IRM", "Nothing to do"),
    (event(5, "resolve", user_id="", user_email=""), None, "", "Its source resolved it", "Waits for a run"),
]  # fmt: skip


def test_what_irm_told_and_what_became_of_it_stands_on_the_pages(world: Bench, client: FlaskClient) -> None:
    store = world.services.store
    store.handle(
        [HandledEvent(one, START if outcome else None, outcome, why) for one, outcome, why, _, _ in TOLD]
    )
    for path in ("/silences", "/alert-groups/I1"):
        page = client.get(path, headers=HTML).get_data(as_text=True).replace("bob ack", "Bob ack")
        for _, _, why, what, pill in TOLD:
            assert what.lower() in page.lower(), path
            assert pill in page, path
            assert why.lower() in page.lower(), path
        assert "<b>eve</b>" not in page
    assert "Older" not in page
    assert client.get("/silences?before=nonsense", headers=HTML).status_code == 400


@pytest.mark.parametrize(
    ("state", "ours", "pill"),
    [
        (IrmSilenceState.FOLLOWED, 2, "Silenced"),
        (IrmSilenceState.FOLLOWED, 0, "Is being made"),
        (IrmSilenceState.REFUSED, 0, "Not in Alertmanager"),
        (IrmSilenceState.ENDED, 1, "Is being ended"),
        (IrmSilenceState.ENDED, 0, "Over"),
    ],
)
def test_a_silence_of_irm_says_how_it_stands(
    world: Bench, client: FlaskClient, state: IrmSilenceState, ours: int, pill: str
) -> None:
    mine = tuple(OurSilence(f"s{number}", (), START + timedelta(hours=1)) for number in range(ours))
    one = IrmSilence(
        "I1", "Disk", "U1", "ana@example.org", START, START, state=state, why="because of it", silences=mine
    )
    world.services.store.commit(LedgerChange(irm_silences=(one,)))
    page = client.get("/silences?show=all", headers=HTML).get_data(as_text=True)
    assert f"{pill}</span>" in page
    assert "Because of it" in page
    can_end = state is not IrmSilenceState.ENDED and ours
    assert ('action="/silences/s0/end"' in page) == bool(can_end)
    assert (
        msgspec.json.decode(client.get("/api/v1/silences?state=all").get_data())["items"][0]["why"]
        == "because of it"
    )


def test_a_page_without_silences_says_what_to_do(tmp_path: Path) -> None:
    for values, says in (
        ({}, "docs/WEBHOOK.md has the steps"),
        ({"WEBHOOK_USERNAME": "irm", "WEBHOOK_PASSWORD": "long enough?"}, "appears here within seconds"),
    ):
        loaded = settings.load({"STATE_DIR": str(tmp_path), **values})
        page = create_app(bootstrap.build(loaded)).test_client().get("/silences", headers=HTML)
        assert says in page.get_data(as_text=True)
        assert "None of ours" in page.get_data(as_text=True)
