"""What clients get on the wire: bad input is refused as a JSON problem, and no other site presses our button.

gunicorn refuses some requests before Flask sees them, so all of this is asked of the real service, some of it
over a bare socket, because a proper HTTP client would not send it.
"""

import json
import re
import socket
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any

import pytest
import requests

from alertsync.headers import HEADERS
from alertsync.simulator.wire import Fault
from tests.e2e.worlds import World, expect, simulated_world
from tests.service import Service

HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with simulated_world() as it:
        it.fire("DiskFull")
        yield it


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, world: World) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("service"), world.settings()) as it:
        yield it


def problem(answer: requests.Response, status: int) -> dict[str, Any]:
    """Give the problem that an answer must be, after looking at all that makes it one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert "Traceback" not in answer.text
    return body


def send_raw(service: Service, content: bytes) -> tuple[int, str, bytes]:
    """Send bytes over a bare connection; give the status, content type and body of the answer."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        answer = HTTPResponse(connection)
        answer.begin()
        body = answer.read()
        answer.close()
        return answer.status, answer.headers["Content-Type"], body


# --- Bad input --------------------------------------------------------------------------------------------

BAD_QUERIES = {
    "POST /reconcile?dryrun=true": "'dryrun' is not known",
    "POST /reconcile?dry_run=maybe": "'maybe'",
    "POST /reconcile?dry_run=": "''",
    "POST /reconcile?dry_run=true&dry_run=false": "twice",
    "POST /reconcile?wait=-1": "'-1'",
    "POST /reconcile?wait=soon": "'soon'",
    "POST /reconcile?wait=99999999999999999999": "is not a number of seconds",
    "POST /reconcile?wait=%D9%A3": "is not a number of seconds",
    "POST /reconcile?wait=1.5": "'1.5'",
    "POST /reconcile?%00=%ff": "is not known",
    "GET /reconcile?x=1": "'x' is not known",
    "GET /all-alerts?state=active": "'state' is not known",
    "GET /grafana-alerts?page=2": "'page' is not known",
    "POST /reconcile?lift=everything": "'everything'",
    "POST /reconcile?lift=": "''",
    "POST /reconcile?lift=max_actions&lift=gone_ratio": "twice",
    "GET /api/v1/runs?limit=0": "'0'",
    "GET /api/v1/runs?before=nonsense": "no cursor",
    "GET /api/v1/runs?page=2": "'page' is not known",
    "GET /api/v1/actions?alert_group_id=": "no id",
    "GET /api/v1/actions?limit=501": "'501'",
    "GET /api/v1/debts?state=paid": "'paid'",
    "GET /api/v1/debts?before=%00": "no cursor",
    "GET /api/v1/alert-groups/I1?live=true": "'live' is not known",
}


@pytest.mark.parametrize("asked", BAD_QUERIES)
def test_a_query_that_is_not_understood_is_refused_and_nothing_runs(service: Service, asked: str) -> None:
    method, _, path = asked.partition(" ")
    before = len(service.runs())
    body = problem(service.ask(method, path), 400)
    assert BAD_QUERIES[asked] in body["detail"]
    assert body["hint"]
    assert len(service.runs()) == before


BODIES = {
    "a JSON object that says something": b'{"dry_run": true}',
    "a JSON list": b"[]",
    "broken JSON": b'{"dry_run": ',
    "a form": b"dry_run=true",
    "bytes that are no text": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_that_says_something_is_refused(service: Service, kind: str) -> None:
    before = len(service.runs())
    body = problem(service.post_reconcile(data=BODIES[kind], headers=JSON), 400)
    assert body["title"] == "Unexpected body"
    assert len(service.runs()) == before


@pytest.mark.parametrize("content", [b"", b"{}", b" {}\n"])
def test_an_empty_body_is_fine(service: Service, content: bytes) -> None:
    assert service.post_reconcile("?dry_run=true", data=content, headers=JSON).status_code == 200


def test_a_body_that_is_too_large_is_refused(service: Service) -> None:
    problem(service.post_reconcile(data=b" " * (65 * 1024), headers=JSON), 413)
    # Of a body in chunks only its beginning is read, which is enough to refuse it.
    chunked = service.post_reconcile(data=iter([b"x" * 1000, b"x" * 500_000]), headers=JSON)
    problem(chunked, 400)


def test_an_unknown_path_leads_to_what_is_there(service: Service) -> None:
    for path in ("/nowhere", "/metrics/", "/reconcile/now", "/api/v1/runs/", "/static/../wsgi.py", "/%00"):
        assert "GET /" in problem(service.get(path), 404)["hint"]
    addresses = service.get("/").json()["addresses"]
    for name in addresses:
        method, _, path = name.rpartition(" ")
        # Of a stream no more than its beginning is read.
        with service.ask(method or "GET", path.replace("<run_id>", "none"), stream=True) as answer:
            assert answer.status_code in (200, 404)
    assert "<h1" in service.get("/", headers=HTML).text


@pytest.mark.parametrize("name", ["NOBODY", "..%2f..%2fusers", "a" * 65, "%F0%9F%90%8D"])
def test_an_unknown_alert_group_is_a_404(service: Service, name: str) -> None:
    problem(service.get(f"/api/v1/alert-groups/{name}"), 404)


@pytest.mark.parametrize("run_id", ["none", "..%2f..%2fstanding", "20260101T000000-ffffff", "a" * 65])
def test_an_unknown_run_is_a_404(service: Service, run_id: str) -> None:
    problem(service.get(f"/api/v1/runs/{run_id}"), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/reconcile", {"POST"}),
        ("PUT", "/reconcile", {"POST"}),
        ("GET", "/reconcile", {"POST"}),
        ("POST", "/metrics", {"GET"}),
        ("POST", "/healthz", {"GET"}),
        ("POST", "/all-alerts", {"GET"}),
        ("PATCH", "/grafana-alerts", {"GET"}),
        ("PROPFIND", "/", {"GET"}),
        ("POST", "/api/v1/runs", {"GET"}),
        ("DELETE", "/api/v1/debts", {"GET"}),
        ("POST", "/api/v1/alert-groups/I1", {"GET"}),
    ],
)
def test_a_wrong_method_is_told_the_right_one(
    service: Service, method: str, path: str, allowed: set[str]
) -> None:
    answer = service.ask(method, path)
    problem(answer, 405)
    assert allowed <= {one.strip() for one in answer.headers["Allow"].split(",")}


def test_a_header_that_is_too_long_is_refused_with_a_problem(service: Service) -> None:
    answer = service.get("/healthz", headers={"X-Long": "x" * 20_000})
    assert "8190" in problem(answer, 431)["hint"]
    assert answer.headers["Connection"] == "close"


def test_what_is_refused_unread_tells_a_browser_the_same_as_any_answer(service: Service) -> None:
    told = {**HEADERS, "Cache-Control": "no-store"}
    for answer in (
        service.get("/healthz"),
        service.get("/healthz", headers={"X-Long": "x" * 20_000}),
        service.get(f"/healthz?{'x' * 10_000}"),
    ):
        assert {name: answer.headers.get(name) for name in told} == told, answer.status_code


def test_too_many_headers_are_refused_with_a_problem(service: Service) -> None:
    answer = service.get("/healthz", headers={f"X-{number}": "x" for number in range(200)})
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.status_code in (400, 431)


def test_a_request_line_that_is_too_long_is_refused_with_a_problem(service: Service) -> None:
    problem(service.get(f"/healthz?{'x' * 10_000}"), 414)


MALFORMED = {
    "no HTTP at all": b"hello\r\n\r\n",
    "a method of no kind": b"GE T / HTTP/1.1\r\nHost: x\r\n\r\n",
    "another version": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nHost: x\r\nNonsense\r\n\r\n",
    "a length that is no number": b"POST /reconcile HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
    "two lengths": b"POST /reconcile HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "TLS where none is": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_http_is_refused_with_a_problem_and_harms_nothing(service: Service, kind: str) -> None:
    status, content_type, body = send_raw(service, MALFORMED[kind])
    assert 400 <= status < 600
    assert content_type == "application/problem+json"
    assert json.loads(body)["status"] == status
    assert json.loads(body)["title"]
    assert json.loads(body)["detail"]
    assert b"Traceback" not in body
    assert service.get("/healthz").status_code == 200


def test_no_bad_input_left_a_traceback_in_the_log(service: Service) -> None:
    # The last of the tests about bad input: it reads what all the others have left.
    assert "Traceback" not in service.log
    assert not [one for one in service.events() if one["level"] == "error"]


def test_an_upstream_that_fails_is_a_gateway_error_and_never_a_stack_trace(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = world.settings(ALERTMANAGER_HOST="127.0.0.1:1")
    with Service(tmp_path_factory.mktemp("without-alertmanager"), settings) as alone:
        assert "the connection is refused" in problem(alone.get("/all-alerts"), 502)["detail"]
        (group,) = world.irm.model.groups()
        explained = problem(alone.get(f"/api/v1/alert-groups/{group.id}"), 502)
        assert explained["title"] == "Alertmanager gave no usable answer"
        failed = problem(alone.post_reconcile(), 500)
        assert failed["detail"].startswith("nothing was done: Alertmanager at http://127.0.0.1:1")
        assert failed["run_id"]
        assert failed["message"] == failed["detail"]
        assert alone.get("/healthz").status_code == 200
        ready = alone.get("/readyz")
        assert ready.status_code == 200  # a 503 would take away the pages that explain the fault
        assert ready.json()["upstreams"]["alertmanager"]["reachable"] is False
        assert ready.json()["upstreams"]["irm"]["reachable"] is True
        assert alone.metric("alertmanager_last_reconciliation_success") == 0
        plain = alone.post_reconcile(headers={"Accept": "text/plain"})
        assert plain.status_code == 500
        assert plain.text.startswith("failed: nothing was done: Alertmanager")
        shown = alone.post_reconcile(headers=HTML)
        assert shown.status_code == 303
        page = shown.headers["Location"]
        said = "Nothing was done: Alertmanager"
        expect("the page of the run says why", lambda: said in alone.get(page, headers=HTML).text)


# --- What was done and is owed ----------------------------------------------------------------------------


def test_what_was_done_and_is_owed_can_be_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    with simulated_world() as world:
        world.fire("NodeDown")
        world.silence("NodeDown")
        with Service(tmp_path_factory.mktemp("service"), world.settings()) as service:
            done = service.reconcile()
            group = world.irm.group("NodeDown")
            (listed,) = service.get("/api/v1/runs").json()["items"]
            assert listed["run_id"] == done["run_id"]
            (action,) = service.get(f"/api/v1/actions?alert_group_id={group.id}").json()["items"]
            assert (action["kind"], action["outcome"]) == ("resolve", "resolved")
            (debt,) = service.get("/api/v1/debts").json()["items"]
            assert (debt["alert_group_id"], debt["open"]) == (group.id, True)
            explained = service.get(f"/api/v1/alert-groups/{group.id}").json()
            assert explained["debts"] == [debt]
            assert explained["actions"] == [action]
            owing = service.get("/readyz").json()["attention"]["owing"]
            assert [one["alert_group_id"] for one in owing] == [group.id]
            page = service.get("/owed", headers=HTML).text
            assert "1 alert: 1 owed" in page
            assert "NodeDown" in page


# --- Who may press the button -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "nonsense"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "{own}"},
    ],
    ids=str,
)
def test_a_request_that_another_site_sends_is_refused_and_nothing_runs(
    service: Service, headers: dict[str, str]
) -> None:
    before = len(service.runs())
    sent = {name: value.replace("{own}", service.url) for name, value in headers.items()}
    for query in ("", "?dry_run=true"):
        problem(service.post_reconcile(query, headers=sent), 403)
    assert len(service.runs()) == before
    assert service.get("/", headers={**HTML, **sent}).status_code == 200  # a link may lead here


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"User-Agent": "curl/8.5.0", "Accept": "*/*"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "{own}"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "{own}"},
    ],
    ids=str,
)
def test_a_request_of_our_own_page_or_of_a_script_is_taken(service: Service, headers: dict[str, str]) -> None:
    sent = {name: value.replace("{own}", service.url) for name, value in headers.items()}
    answer = service.post_reconcile("?dry_run=true", headers=sent)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"


# --- The forms of an answer -------------------------------------------------------------------------------


def test_a_browser_gets_a_page_with_buttons_that_post(service: Service) -> None:
    assert service.get("/reconcile", headers=HTML).headers["Location"] == "/"
    page = service.get("/", headers=HTML)
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert 'method="post" action="/reconcile"' in page.text
    assert 'method="post" action="/preview"' in page.text
    assert not re.search(r"<script(?! src=)|<style|\sstyle=|\son\w+=", page.text)
    style = service.get("/static/style.css")
    assert style.status_code == 200
    assert "/static/style.css" in page.text


def test_the_button_shows_the_answer_of_the_run_that_it_started(service: Service) -> None:
    headers = {**HTML, "Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
    before = len(service.runs())
    answer = service.post_reconcile(headers=headers, data=b"")
    assert answer.status_code == 303
    page = service.get(f"{answer.headers['Location']}?show=all", headers=HTML)
    assert page.headers["Content-Type"].startswith("text/html")
    assert "Success" in page.text
    assert "open alert group" in page.text
    assert "DiskFull" in page.text
    expect("one run has ended", lambda: len(service.runs()) == before + 1)


def test_what_strangers_write_into_labels_is_text_on_the_page(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    evil = "<script>alert(1)</script>"
    with simulated_world() as world:
        world.fire(evil)
        world.silence(evil, comment='"><img src=x onerror=alert(2)>')
        with Service(tmp_path_factory.mktemp("service"), world.settings(ON_SILENCED="report")) as service:
            shown = service.post_reconcile(headers=HTML).headers["Location"]
            group = world.irm.model.groups()[0].id
            pages = {
                path: service.get(path, headers=HTML).text
                for path in (shown, "/inconsistencies", f"/alert-groups/{group}")
            }
    for path, page in pages.items():
        assert "&lt;script&gt;" in page, path
        assert "<script>" not in page, path
        assert "<img" not in page, path


def test_a_plain_answer_is_one_line(service: Service) -> None:
    answer = service.post_reconcile("?dry_run=true", headers={"Accept": "text/plain"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.text.startswith("success: ")
    assert answer.text.count("\n") == 1


def test_other_clients_are_told_to_post(service: Service) -> None:
    for accept in ("*/*", "application/json"):
        answer = service.get("/reconcile", headers={"Accept": accept})
        assert "POST" in problem(answer, 405)["detail"]
        assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/reconcile", HTML),
        ("GET", "/healthz", {}),
        ("GET", "/all-alerts", {}),
        ("GET", "/nowhere", {}),
        ("POST", "/reconcile?dry_run=true", {}),
        ("POST", "/reconcile", {"Sec-Fetch-Site": "cross-site"}),
    ],
)
def test_every_answer_carries_the_headers_that_keep_a_browser_safe(
    service: Service, method: str, path: str, headers: dict[str, str]
) -> None:
    sent = service.ask(method, path, headers=headers).headers
    policy = sent["Content-Security-Policy"]
    for part in ("default-src 'none'", "frame-ancestors 'none'", "form-action 'self'"):
        assert part in policy
    assert "unsafe" not in policy
    assert sent["X-Content-Type-Options"] == "nosniff"
    assert sent["Referrer-Policy"] == "same-origin"
    assert sent["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in sent
    assert "Access-Control-Allow-Origin" not in sent


def test_the_probes_answer_while_every_thread_that_may_wait_is_waiting(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with simulated_world() as world:
        world.irm.server.inject(Fault("delay", path="/integrations/", seconds=2, times=-1))
        settings = world.settings(WEB_THREADS="6", RECONCILE_WAIT="30")
        with Service(tmp_path_factory.mktemp("service"), settings) as service:
            statuses = [service.post_reconcile("?wait=0").status_code for _ in range(6)]
            assert statuses[0] == 202
            assert 409 in statuses
            for path in ("/healthz", "/readyz", "/metrics"):
                assert service.get(path, timeout=1).status_code == 200


# --- What a stranger could do to the service --------------------------------------------------------------


def test_made_up_methods_make_no_series_of_metrics(service: Service) -> None:
    for number in range(20):
        answer = requests.request(f"MADEUP{number:03}", f"{service.url}/healthz", timeout=5)
        assert answer.status_code == 405
    assert 'method="MADEUP' not in service.get("/metrics").text


def test_bodies_that_never_arrive_do_not_keep_the_probes_waiting_for_ever(service: Service) -> None:
    host, port = service.url.removeprefix("http://").split(":")
    stalled = [socket.create_connection((host, int(port)), timeout=5) for _ in range(10)]
    try:
        for one in stalled:
            one.sendall(b"POST /reconcile HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
        expect("the probe is answered", lambda: service.get("/healthz").status_code == 200, within=30)
    finally:
        for one in stalled:
            one.close()
