"""The OpenAPI document tells of all that is served and of nothing else, and real answers are as it says."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest

from alertsync import bootstrap
from alertsync.models import ActionKind, LedgerChange, Outcome, Owing, RunStatus
from alertsync.web import create_app, reconcile
from alertsync.web.api.document import served
from alertsync.web.api.paths import OPERATIONS
from tests.docs import settings
from tests.reconciler.bench import Bench, bench
from tests.unit.ledgers import action, debt, run

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


def document(client: FlaskClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/v1/openapi.json").get_json()
    return found


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def parts(part: Any) -> Iterator[dict[str, Any]]:
    """Give every object in a document."""
    if isinstance(part, dict):
        yield part
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from parts(inner)


def closed(schemas: dict[str, Any]) -> dict[str, Any]:
    """Let no answer have a field that its schema does not name: readers may meet new ones, we may not."""
    return {
        name: {**schema, "additionalProperties": False} if "properties" in schema else schema
        for name, schema in schemas.items()
    }


def test_every_address_is_described_and_nothing_else(client: FlaskClient) -> None:
    there = served(client.application.url_map)
    assert set(operations(document(client))) == there
    assert set(OPERATIONS) == there


def test_the_document_names_only_what_stands_in_it(client: FlaskClient) -> None:
    whole = document(client)
    for part in parts(whole):
        if "$ref" in part:
            _, kind, section, name = part["$ref"].split("/")
            assert name in whole[kind][section]
    named = {part["$ref"].rpartition("/")[2] for part in parts(whole) if "$ref" in part}
    assert set(whole["components"]["schemas"]) - named == set()
    for schema in whole["components"]["schemas"].values():
        jsonschema_rs.validator_for({**schema, "components": whole["components"]})
    names = [operation["operationId"] for operation in operations(whole).values()]
    assert len(names) == len(set(names))
    assert all(
        set(one["tags"]) <= {tag["name"] for tag in whole["tags"]} for one in operations(whole).values()
    )


def test_every_parameter_that_an_address_takes_is_described(client: FlaskClient) -> None:
    for name, operation in operations(document(client)).items():
        method, path = name.split(" ")
        refused = client.open(re.sub(r"{.*}", "I1", path) + "?no_such_parameter=1", method=method)
        described = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
        if refused.status_code != 400:
            assert described == [], name
            continue
        hint = refused.get_json()["hint"]
        taken = hint.removeprefix("allowed here: ").split(", ") if hint.startswith("allowed") else []
        assert sorted(taken) == sorted(described), name


def test_every_time_is_told_to_be_one(client: FlaskClient) -> None:
    schemas = document(client)["components"]["schemas"]
    assert schemas["Run"]["properties"]["started_at"] == {"type": "string", "format": "date-time"}
    assert schemas["Run"]["properties"]["ended_at"]["anyOf"][0]["format"] == "date-time"
    assert schemas["Debt"]["properties"]["made_at"]["format"] == "date-time"
    assert "degraded" not in schemas["RunList"]["required"]


@pytest.mark.parametrize("prefix", ["", "/tools/alertsync"])
def test_the_document_tells_where_the_service_is_reached(client: FlaskClient, prefix: str) -> None:
    answer = client.get("/api/v1/openapi.json", base_url=f"http://localhost{prefix}/")
    assert answer.get_json()["servers"] == [{"url": prefix or "/"}]


# --- Real answers -----------------------------------------------------------------------------------------


@pytest.fixture
def full(world: Bench, client: FlaskClient) -> FlaskClient:
    """Let there be something of everything."""
    world.fire("Disk", "a", "b")
    world.silence("Disk")
    world.fire("Net", "a", "b")
    world.silence("Net", instance="a")
    store = world.services.store
    world.run()
    store.save_run(run(1, actions=(action(ActionKind.REPAGE, Outcome.FAILED, run_id=run(1).run_id),)))
    store.commit(LedgerChange(debts=(debt(Owing.OWED, Owing.PAID, name="I9"),)))
    return client


ASKED = {
    "GET /": 200,
    "GET /healthz": 200,
    "GET /readyz": 200,
    "GET /all-alerts": 200,
    "GET /grafana-alerts": 200,
    "GET /api/v1/status": 200,
    "GET /api/v1/decisions": 200,
    "GET /api/v1/decisions?run_id=nobody": 404,
    "GET /api/v1/decisions?limit=0": 400,
    "GET /api/v1/plan": 404,
    "POST /api/v1/plan": 200,
    "POST /api/v1/plan?wait=0": 202,
    "POST /reconcile": 200,
    "POST /reconcile?wait=soon": 400,
    "GET /reconcile": 405,
    "GET /api/v1/runs": 200,
    "GET /api/v1/runs/nobody": 404,
    "GET /api/v1/actions": 200,
    "GET /api/v1/debts?state=all": 200,
    "GET /api/v1/silences?state=all": 200,
    "GET /api/v1/silences?limit=0": 400,
    "POST /api/v1/silences": 415,
    "DELETE /api/v1/silences/nobody": 404,
    "POST /webhook": 404,
    "GET /api/v1/alert-groups/nobody": 404,
    "GET /static/no-such-file": 404,
    "GET /api/v1/openapi.json": 200,
}


@pytest.mark.parametrize("asked", ASKED)
def test_a_real_answer_is_as_the_document_says(full: FlaskClient, asked: str) -> None:
    method, _, address = asked.partition(" ")
    answer = full.open(address, method=method)
    assert answer.status_code == ASKED[asked], answer.get_data(as_text=True)
    fits(full, answer, f"{method} {address.partition('?')[0]}")


def test_a_run_and_an_explanation_are_as_the_document_says(world: Bench, full: FlaskClient) -> None:
    (newest, *_) = full.get("/api/v1/runs?trigger=loop").get_json()["items"]
    fits(full, full.get(f"/api/v1/runs/{newest['run_id']}"), "GET /api/v1/runs/{run_id}")
    for group in world.irm.groups():
        answer = full.get(f"/api/v1/alert-groups/{group.id}")
        assert answer.status_code == 200
        fits(full, answer, "GET /api/v1/alert-groups/{alert_group_id}")


def test_silences_that_are_made_listed_and_ended_are_as_the_document_says(
    world: Bench, full: FlaskClient
) -> None:
    wanted = {"alert_group_id": world.group("Net").id, "duration": 3600, "comment": "db migration"}
    made = full.post("/api/v1/silences", json=wanted)
    assert made.status_code == 201
    fits(full, made, "POST /api/v1/silences")
    fits(full, full.get("/api/v1/silences"), "GET /api/v1/silences")
    path = f"/api/v1/silences/{made.get_json()['silence']['id']}"
    for _ in range(2):
        ended = full.delete(path)
        assert ended.status_code == 200
        fits(full, ended, f"DELETE {path}")
    refused = full.post("/api/v1/silences", json={**wanted, "alert_group_id": world.group("Disk").id})
    assert refused.status_code == 409
    fits(full, refused, "POST /api/v1/silences")


def fits(client: FlaskClient, answer: TestResponse, name: str) -> None:
    """Hold an answer against what the document says of its operation and status."""
    whole = document(client)
    known = operations(whole)
    name = next(
        (one for one in known if one == name or re.fullmatch(re.sub(r"{\w+}", "[^/]+", one), name)), name
    )
    described = known[name]["responses"][str(answer.status_code)]
    if "$ref" in described:
        described = whole["components"]["responses"][described["$ref"].rpartition("/")[2]]
    schema = described["content"][answer.mimetype]["schema"]
    components = {"schemas": closed(whole["components"]["schemas"])}
    validator = jsonschema_rs.Draft202012Validator(
        {**schema, "components": components}, validate_formats=True
    )
    assert [
        f"{error.instance_path}: {error.message}" for error in validator.iter_errors(answer.get_json())
    ] == []


# --- Problems ---------------------------------------------------------------------------------------------

PROBLEMS = {
    "GET /no/such/address": 404,
    "GET /api/v1/nothing": 404,
    "DELETE /api/v1/runs": 405,
    "PUT /reconcile": 405,
    "POST /api/v1/status": 405,
    "GET /api/v1/runs?limit=none": 400,
}


@pytest.mark.parametrize("asked", PROBLEMS)
def test_every_error_is_a_problem_that_says_where_and_what_to_do(client: FlaskClient, asked: str) -> None:
    method, _, address = asked.partition(" ")
    answer = client.open(address, method=method)
    assert answer.status_code == PROBLEMS[asked]
    assert answer.content_type == "application/problem+json"
    body = answer.get_json()
    assert {"type", "title", "status", "detail", "instance", "hint"} == set(body)
    assert body["status"] == answer.status_code
    assert body["instance"] == address.partition("?")[0]
    assert ("Allow" in answer.headers) is (answer.status_code == 405)


@pytest.mark.parametrize("path", ["/reconcile", "/api/v1/plan"])
@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"x" * 70_000, "application/json", 413),
        (b"dry_run=true", "application/x-www-form-urlencoded", 415),
        (b"<plan/>", "application/xml", 415),
        (b'{"dry_run": true}', "application/json", 400),
        (b"{", "application/json", 400),
    ],
)
def test_a_body_is_refused_by_what_is_wrong_with_it(
    client: FlaskClient, path: str, content: bytes, kind: str, status: int
) -> None:
    answer = client.post(path, data=content, content_type=kind)
    assert answer.status_code == status
    fits(client, answer, f"POST {path}")
    assert answer.get_json()["hint"]


def test_an_error_of_our_own_tells_nothing_of_what_went_on_inside(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, world: Bench
) -> None:
    def broken() -> None:
        raise RuntimeError("secret-of-the-inside")

    monkeypatch.setattr(world.services.store, "last_run", broken)
    answer = client.get("/api/v1/decisions")
    assert answer.status_code == 500
    assert answer.content_type == "application/problem+json"
    assert b"secret-of-the-inside" not in answer.get_data()
    assert b"RuntimeError" not in answer.get_data()


def test_a_run_that_was_interrupted_is_a_problem_that_names_it(client: FlaskClient) -> None:
    stopped = run(1, RunStatus.INTERRUPTED, message="alertsync is stopping")
    with client.application.test_request_context("/api/v1/plan", method="POST"):
        answer = reconcile.ended(stopped)
    assert answer.status_code == 503
    assert answer.content_type == "application/problem+json"
    assert answer.get_json()["run_id"] == stopped.run_id
    assert answer.get_json()["message"] == "alertsync is stopping"


# --- The page ---------------------------------------------------------------------------------------------


class _Page(HTMLParser):
    """What a page holds: its tags, its anchors, and where its links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name == "id":
                self.ids.append(value or "")
            if name == "href":
                self.links.append(value or "")


def test_the_page_shows_every_operation_and_every_link_in_it_leads_somewhere(client: FlaskClient) -> None:
    answer = client.get("/api/v1/docs")
    assert answer.status_code == 200
    text = answer.get_data(as_text=True)
    shown = _Page(text)
    assert len(shown.ids) == len(set(shown.ids))
    assert {link[1:] for link in shown.links if link.startswith("#")} <= set(shown.ids)
    for name, operation in operations(document(client)).items():
        assert operation["operationId"] in shown.ids, name
    assert "style" not in shown.attributes | shown.tags
    assert not any(name.startswith("on") for name in shown.attributes)
    assert "http://" not in "".join(shown.links)


def test_the_page_leads_to_where_the_service_is_reached(tmp_path: Path) -> None:
    services = bootstrap.build(settings.load({"STATE_DIR": str(tmp_path)}))
    page = create_app(services).test_client().get("/api/v1/docs", base_url="http://localhost/under/here/")
    links = [link for link in _Page(page.get_data(as_text=True)).links if not link.startswith("#")]
    assert links
    assert all(link.startswith("/under/here/") for link in links)
