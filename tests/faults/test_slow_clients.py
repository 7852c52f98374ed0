"""Clients that stop in the middle of a request, or never take their answer: they must not hold the threads.

gunicorn runs as the service runs it, with few threads, less patience, and an application that only answers.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
import requests

from tests.servers import free_port, poll_until
from tests.service import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

THREADS = 3
PATIENCE = 1.0
CONFIG = f"""
from flask import Request

from alertsync import client_sockets, worker
from alertsync.web import queries

client_sockets._REQUEST_SECONDS = {PATIENCE}
client_sockets._ANSWER_SECONDS = {PATIENCE}
worker_class = worker.ProblemWorker
threads = {THREADS}
control_socket_disable = True


def answer(environ, start_response):
    if environ["PATH_INFO"] == "/large" or environ["QUERY_STRING"] == "large":
        start_response("200 OK", [("Content-Length", str(64 << 20))])
        return [b"x" * (64 << 20)]
    if environ["PATH_INFO"] == "/reconcile":
        queries.no_body(Request(environ))
        start_response("200 OK", [("Content-Length", str(64 << 20))])
        return [b"x" * (64 << 20)]
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
HALF = b"GET / HTTP/1.1\r\nHost: x\r\nX-Half: "


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    directory = tmp_path_factory.mktemp("slow")
    with _gunicorn(directory) as it:
        yield it


@contextmanager
def _gunicorn(directory: Path) -> Iterator[int]:
    (directory / "small.py").write_text(CONFIG)
    port = free_port()
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "small.py", "-b", f"127.0.0.1:{port}", "small:answer"],
            cwd=directory,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}{os.pathsep}{directory}"},
            stdout=log,
            stderr=log,
        )
        try:
            poll_until(lambda: _answers(port), within=20, what="gunicorn answers")
            yield port
        finally:
            process.terminate()
            process.wait(20)
    assert "Traceback" not in (directory / "log").read_text()


def _answers(port: int) -> bool:
    try:
        return requests.post(f"http://127.0.0.1:{port}/", data=b"hello", timeout=10).content == b"hello"
    except requests.ConnectionError:
        return False


@contextmanager
def many(port: int, sends: bytes) -> Iterator[list[socket.socket]]:
    """Open more connections than there are threads, and send the same on each."""
    with ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            for _ in range(THREADS + 2)
        ]
        for client in clients:
            client.sendall(sends)
        yield clients


HALVES = {
    "half a request line": b"GE",
    "half the headers": HALF,
    "no end of the headers": HALF + b"x\r\n",
    "half a body": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf",
    "half a chunk": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf",
    "a second request in halves": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" + HALF,
}


@pytest.mark.parametrize("half", HALVES)
def test_clients_that_stop_in_the_middle_are_let_go(port: int, half: str) -> None:
    with many(port, HALVES[half]):
        began = time.monotonic()
        assert _answers(port)
        # More clients than threads wait: they are let go in two rounds.
        assert time.monotonic() - began < 2 * PATIENCE + 2


@pytest.mark.parametrize("half", ["half the headers", "half a body"])
def test_probes_wait_for_none_of_them(port: int, half: str) -> None:
    with many(port, HALVES[half]):
        began = time.monotonic()
        for path in ("healthz", "readyz", "metrics"):
            assert requests.get(f"http://127.0.0.1:{port}/{path}", timeout=10).ok
        assert time.monotonic() - began < PATIENCE / 2


def test_probes_are_answered_though_others_take_no_answer(port: int) -> None:
    with many(port, b"GET /metrics?large HTTP/1.1\r\nHost: x\r\n\r\n"):
        assert requests.get(f"http://127.0.0.1:{port}/healthz", timeout=10).ok


def test_clients_that_drip_are_let_go_too(port: int) -> None:
    with many(port, HALF) as clients:
        began = time.monotonic()
        ended: set[socket.socket] = set()
        while len(ended) < len(clients):
            assert time.monotonic() - began < 2 * PATIENCE + 4
            for client in set(clients) - ended:
                try:
                    client.sendall(b"x")
                except OSError:
                    ended.add(client)
            time.sleep(0.02)
        assert _answers(port)


def test_clients_that_say_nothing_hold_no_thread(port: int) -> None:
    with many(port, b""):
        began = time.monotonic()
        assert _answers(port)
        assert time.monotonic() - began < 1


@pytest.mark.parametrize("asks", [b"GET / HTTP/1.0\r\n\r\n", b"no HTTP\r\n\r\n"])
def test_clients_that_keep_their_end_open_after_the_last_answer_hold_up_nobody(
    port: int, asks: bytes
) -> None:
    with many(port, asks) as clients:
        for client in clients:
            assert client.recv(65536).startswith(b"HTTP/1.")
        began = time.monotonic()
        assert _answers(port)
        assert time.monotonic() - began < 1
        for client in clients:
            while client.recv(65536):
                pass


def test_an_answer_arrives_although_the_client_still_sends(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"POST /reconcile HTTP/1.1\r\nHost: x\r\nContent-Length: nonsense\r\n\r\n")
        for _ in range(20):
            client.sendall(b"x" * 1000)
            time.sleep(0.02)
        assert client.recv(65536).startswith(b"HTTP/1.1 400")


LARGE = [
    b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /reconcile HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
]


@pytest.mark.parametrize("asks", LARGE)
def test_clients_that_never_take_their_answer_are_let_go(port: int, asks: bytes) -> None:
    with many(port, asks):
        began = time.monotonic()
        assert _answers(port)
        # Closing waits up to two seconds for the client's own end.
        assert time.monotonic() - began < 2 * (PATIENCE + 2) + 2


def test_what_follows_a_gap_in_a_body_is_not_taken_for_a_request(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(HALVES["half a body"])
        time.sleep(PATIENCE + 0.3)
        received = b""
        try:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            while part := client.recv(65536):
                received += part
        except ConnectionError:
            pass
        assert received.count(b"HTTP/1.1 200") <= 1


def test_one_connection_serves_many_requests_as_before(port: int) -> None:
    with requests.Session() as session:
        for size in (0, 10, 5_000_000, 10):
            answer = session.post(f"http://127.0.0.1:{port}/", data=b"x" * size, timeout=10)
            assert len(answer.content) == size
            time.sleep(0.4)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        received = b""
        while received.count(b"HTTP/1.1 200") < 3:
            received += client.recv(65536)
