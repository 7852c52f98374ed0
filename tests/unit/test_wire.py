"""Each fault must look to a client like the real mishap, or the tests that inject it prove nothing."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import requests
from flask import Flask, request

from alertsync.simulator.wire import FAULT_KINDS, Fault, Server

BODY = {"answer": "x" * 1000}
TIMEOUT = 10


class App(Flask):
    """Remembers what reaches it, and from which ports of the client."""

    def __init__(self) -> None:
        super().__init__("wire-test")
        self.done: list[str] = []
        self.ports: set[int] = set()
        self.add_url_rule("/<path:path>", view_func=self.take, methods=["GET", "POST"])

    def take(self, path: str) -> dict[str, str]:
        self.ports.add(request.environ["REMOTE_PORT"])
        self.done.append(f"{request.method} {path} {request.get_data(as_text=True)}".strip())
        return BODY


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def server(app: App) -> Iterator[Server]:
    with Server(app, name="wire-test") as it:
        yield it


@pytest.fixture
def client() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def get(client: requests.Session, server: Server, path: str = "/things") -> requests.Response:
    return client.get(server.url + path, timeout=TIMEOUT, allow_redirects=False)


# Without faults


def test_requests_are_answered_over_one_kept_connection(
    client: requests.Session, server: Server, app: App
) -> None:
    for _ in range(3):
        assert get(client, server).json() == BODY
    client.post(f"{server.url}/things", data=b"some", timeout=TIMEOUT)
    client.post(f"{server.url}/things", data=iter([b"in ", b"chunks"]), timeout=TIMEOUT)
    assert app.done[2:] == ["GET things", "POST things some", "POST things in chunks"]
    assert len(app.ports) == 1


def test_what_was_received_is_remembered_until_cleared(client: requests.Session, server: Server) -> None:
    before = time.monotonic()
    client.post(f"{server.url}/a/b?c=d%20e", data=b"body", headers={"X-Mine": "1"}, timeout=TIMEOUT)
    (received,) = server.received
    assert (received.method, received.path, received.query) == ("POST", "/a/b", "c=d%20e")
    assert (received.headers["X-Mine"], received.body) == ("1", b"body")
    assert before <= received.at <= time.monotonic()
    server.clear()
    assert server.received == ()


def test_nothing_is_logged(
    client: requests.Session, server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    get(client, server)
    assert capfd.readouterr() == ("", "")


def test_closing_leaves_no_thread_and_no_open_port(app: App, client: requests.Session) -> None:
    threads = set(threading.enumerate())
    server = Server(app, name="short-lived").start()
    get(client, server)
    began = time.monotonic()
    server.close()
    server.close()
    assert time.monotonic() - began < 1
    assert set(threading.enumerate()) == threads
    with pytest.raises(requests.ConnectionError):
        get(client, server)


def test_a_port_can_be_chosen_and_must_be_free(app: App, server: Server) -> None:
    with pytest.raises(OSError, match="in use"):
        Server(app, name="second", port=server.port)
    server.close()
    with Server(app, name="second", port=server.port) as second:
        assert second.url == server.url


def test_the_url_is_known_before_the_start(app: App) -> None:
    server = Server(app, name="not-started")
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT):
        pass
    server.close()


# Kinds of faults


def test_status_answers_without_the_application(client: requests.Session, server: Server, app: App) -> None:
    server.inject(Fault("status", status=503, body=b'"tired"', retry_after=7))
    answer = get(client, server)
    assert (answer.status_code, answer.json(), answer.headers["Retry-After"]) == (503, "tired", "7")
    assert app.done == []
    assert get(client, server).status_code == 200


def test_drop_ends_the_connection_without_an_answer(
    client: requests.Session, server: Server, app: App
) -> None:
    server.inject(Fault("drop"))
    with pytest.raises(requests.ConnectionError, match="without response"):
        get(client, server)
    assert app.done == []


def test_a_kept_connection_can_be_dropped_too(client: requests.Session, server: Server) -> None:
    get(client, server)
    server.inject(Fault("drop"))
    with pytest.raises(requests.ConnectionError, match="without response"):
        get(client, server)
    assert get(client, server).status_code == 200


def test_lost_answer_does_the_request_all_the_same(
    client: requests.Session, server: Server, app: App
) -> None:
    server.inject(Fault("lost_answer"))
    with pytest.raises(requests.ConnectionError, match="without response"):
        get(client, server)
    assert app.done == ["GET things"]


def test_delay_answers_late(client: requests.Session, server: Server) -> None:
    server.inject(Fault("delay", seconds=0.2))
    began = time.monotonic()
    assert get(client, server).json() == BODY
    assert time.monotonic() - began >= 0.2


def test_delay_makes_an_impatient_client_time_out(client: requests.Session, server: Server) -> None:
    server.inject(Fault("delay", seconds=60))
    with pytest.raises(requests.ReadTimeout):
        client.get(f"{server.url}/things", timeout=0.05)


def test_closing_interrupts_a_delay(server: Server) -> None:
    server.inject(Fault("delay", seconds=60))
    with socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT) as connection:
        connection.sendall(b"GET /things HTTP/1.1\r\nHost: it\r\n\r\n")
        while not server.received:
            time.sleep(0.001)
        began = time.monotonic()
        server.close()
        assert time.monotonic() - began < 1
        assert connection.recv(1) == b""


def test_cut_ends_the_body_before_its_promised_length(
    client: requests.Session, server: Server, app: App
) -> None:
    server.inject(Fault("cut"))
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        get(client, server)
    assert app.done == ["GET things"]


def test_not_json_says_json_and_is_html(client: requests.Session, server: Server) -> None:
    server.inject(Fault("not_json"))
    answer = get(client, server)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.text.startswith("<html>")


def test_wrong_type_is_the_true_answer_labelled_html(client: requests.Session, server: Server) -> None:
    server.inject(Fault("wrong_type"))
    answer = get(client, server)
    assert (answer.status_code, answer.json()) == (200, BODY)
    assert answer.headers["Content-Type"].startswith("text/html")


def test_wrong_shape_is_an_object_that_nobody_expects(client: requests.Session, server: Server) -> None:
    server.inject(Fault("wrong_shape"))
    answer = get(client, server)
    assert (answer.status_code, answer.json()) == (200, {"unexpected": True})
    assert answer.headers["Content-Type"] == "application/json"


def test_redirect_points_elsewhere(client: requests.Session, server: Server) -> None:
    server.inject(Fault("redirect", location="http://elsewhere.example/login"))
    answer = get(client, server)
    assert (answer.status_code, answer.headers["Location"]) == (302, "http://elsewhere.example/login")


@pytest.mark.parametrize(
    ("retry_after", "seconds", "words"),
    [(None, "46", "46 seconds"), (2, "2", "2 seconds"), (1, "1", "1 second")],
    ids=["as recorded", "for two seconds", "for one second"],
)
def test_throttle_says_when_to_come_back(
    retry_after: int | None, seconds: str, words: str, client: requests.Session, server: Server
) -> None:
    server.inject(Fault("throttle", retry_after=retry_after))
    answer = get(client, server)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == answer.headers["RateLimit-Reset"] == seconds
    assert answer.json() == {"detail": f"Request was throttled. Expected available in {words}."}


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown fault kind 'dorp'"):
        Fault("dorp")
    assert len(FAULT_KINDS) == 10


# Which requests a fault hits


def statuses(client: requests.Session, server: Server, *paths: str) -> list[int]:
    return [get(client, server, path).status_code for path in paths]


def test_a_fault_hits_the_method_path_and_query_it_names(client: requests.Session, server: Server) -> None:
    server.inject(Fault("status", method="GET", path="/groups", query="page=2", times=-1))
    paths = ("/groups?page=1", "/groups?page=2", "/things?page=2", "/all/groups/?a=b&page=2")
    assert statuses(client, server, *paths) == [200, 500, 200, 500]
    assert client.post(f"{server.url}/groups?page=2", timeout=TIMEOUT).status_code == 200


def test_a_fault_lets_some_requests_pass_and_then_hits_a_few(
    client: requests.Session, server: Server
) -> None:
    server.inject(Fault("status", path="/things", after=1, times=2))
    assert statuses(client, server, "/others", *["/things"] * 4) == [200, 200, 500, 500, 200]


def test_the_first_fault_that_is_left_applies(client: requests.Session, server: Server) -> None:
    server.inject(Fault("status", status=501), Fault("status", status=502, times=-1))
    assert statuses(client, server, "/a", "/b", "/c") == [501, 502, 502]


def test_a_fault_can_be_injected_twice(client: requests.Session, server: Server) -> None:
    fault = Fault("status")
    server.inject(fault)
    server.inject(fault)
    assert statuses(client, server, "/a", "/b", "/c") == [500, 500, 200]
    assert fault == Fault("status")


def test_healing_removes_all_faults(client: requests.Session, server: Server) -> None:
    server.inject(Fault("drop", times=-1), Fault("status", times=-1))
    server.heal()
    assert statuses(client, server, "/a") == [200]


def test_faulted_requests_are_remembered(client: requests.Session, server: Server) -> None:
    server.inject(Fault("status"))
    get(client, server)
    assert [received.path for received in server.received] == ["/things"]
