"""Servers that drip, and servers that say strange things about when to come back: neither may hold us for long."""

from __future__ import annotations

import random
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from alertsync.clients.http import Endpoint, HeaderAuth, Http
from alertsync.clients.limiter import Limiter
from alertsync.clock import Clock, Deadline
from alertsync.config_parsers import RateLimit
from alertsync.errors import Reason, UpstreamError
from alertsync.models import Operation
from alertsync.simulator.wire import Fault, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
PATIENCE = 2.0
"""Longer than the wait between two drops, so that no timeout ends what drips."""


@contextmanager
def serving(answer: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """Serve each connection with `answer`, once its request is there, until the end of the test."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                answer(connection, stop)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(connection,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept)
        accepting.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
    for thread in (accepting, *threads):
        thread.join()


def dripping(first: bytes, drops: Sequence[bytes]) -> Callable[[socket.socket, threading.Event], None]:
    def answer(connection: socket.socket, stop: threading.Event) -> None:
        connection.sendall(first)
        while not stop.wait(0.02):
            for drop in drops:
                connection.sendall(drop)

    return answer


def http_at(url: str, **options: Limiter) -> Http:
    endpoint = Endpoint("irm", url, HeaderAuth("token"), {}, timeout=PATIENCE)
    return Http(endpoint, Clock(), jitter=random.Random(1), **options)


DRIPS = {
    "the status line": (b"HTTP/1.1 2", [b"0"]),
    "one header": (HEAD + b"X-Long: ", [b"x"]),
    "many headers": (HEAD, [b"X-Another: x\r\n"]),
    "continues": (b"", [b"HTTP/1.1 100 Continue\r\n\r\n"]),
    "the size of a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", [b"0"]),
    "the body": (HEAD + b"Content-Length: 1000000\r\n\r\n", [b" "]),
    "trailers": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n", [b"x"]),
}


@pytest.mark.parametrize("part", DRIPS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_answer_that_drips_ends_with_the_time_of_the_run(part: str, method: str) -> None:
    with serving(dripping(*DRIPS[part])) as url:
        http, deadline = http_at(url), Deadline(Clock(), 0.5)
        began = time.monotonic()
        with pytest.raises(UpstreamError) as caught:
            http.get(Operation.READ_ALERT_GROUP, "/x", deadline) if method == "GET" else http.post(
                Operation.RESOLVE, "/x", deadline
            )
        assert time.monotonic() - began < 1.5
    assert caught.value.reason in (Reason.DEADLINE, Reason.CUT_OFF)


def test_a_quick_answer_after_a_slow_one_on_the_same_connection_has_its_own_time() -> None:
    def answer(connection: socket.socket, stop: threading.Event) -> None:
        while not stop.is_set():
            connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n[]")
            if not connection.recv(65536):
                return

    with serving(answer) as url:
        http = http_at(url)
        assert http.get(Operation.READ_ALERT_GROUP, "/x", Deadline(Clock(), 0.3)).body == b"[]"
        time.sleep(0.4)
        assert http.get(Operation.READ_ALERT_GROUP, "/x", Deadline(Clock(), 5)).body == b"[]"
        http.close()


def test_a_server_that_says_nothing_is_a_timeout_as_long_as_the_run_has_time() -> None:
    with serving(lambda _, stop: void(stop.wait(10))) as url:
        endpoint = Endpoint("irm", url, HeaderAuth(None), {}, timeout=0.2)
        http = Http(endpoint, Clock(sleep=lambda _: None), jitter=random.Random(1))
        with pytest.raises(UpstreamError, match=r"no answer within 0.2 s") as caught:
            http.post(Operation.RESOLVE, "/x", Deadline(Clock(), 30), attempts=1)
        assert caught.value.reason is Reason.TIMEOUT


def void(_: object) -> None:
    """Take a value and give none."""


# --- When to come back ------------------------------------------------------------------------------------

WAITS = [
    ("46", None, 46.0),
    ("0", None, 0.0),
    (None, "350", 350.0),
    ("86400", None, 86400.0),
    ("86401", None, None),
    ("1764000000", None, None),
    (None, "1764000000", None),
    ("1764000000", "46", 46.0),
    ("99999999999999999999999", "30", 30.0),
    ("-5", None, None),
    ("1e3", None, None),
    ("٣", None, None),
    ("Wed, 21 Oct 2026 07:28:00 GMT", None, None),
    (None, None, None),
]


@pytest.mark.parametrize(("retry_after", "reset", "understood"), WAITS)
def test_only_a_time_that_can_be_meant_is_taken(
    retry_after: str | None, reset: str | None, understood: float | None
) -> None:
    headers = {"Retry-After": retry_after, "RateLimit-Reset": reset}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None)
    head = f"HTTP/1.1 429 Too Many Requests\r\n{lines}Content-Length: 0\r\n\r\n".encode()
    with serving(lambda connection, _: connection.sendall(head)) as url:
        with pytest.raises(UpstreamError) as caught:
            http_at(url).post(Operation.RESOLVE, "/x", Deadline(Clock(), 5), attempts=1)
        assert caught.value.retry_after == understood


def test_no_server_keeps_us_away_for_longer_than_a_quarter_of_an_hour() -> None:
    def never_reached(_environ: object, _start: object) -> list[bytes]:
        raise AssertionError

    with Server(never_reached, name="strange") as server:
        server.inject(Fault("throttle", times=-1, retry_after=80000))
        limiter = Limiter(RateLimit(100, 60), Clock())
        with pytest.raises(UpstreamError) as caught:
            http_at(server.url, limiter=limiter).get(Operation.READ_ALERT_GROUP, "/x", Deadline(Clock(), 60))
        assert caught.value.retry_after == 80000
        assert 890 < limiter.wait_needed() <= 900
