"""Requests begin one after another, those that wait keep nobody from beginning, and probes are told from the rest."""

from __future__ import annotations

import sys

import pytest
from gunicorn.workers.gthread import ThreadWorker

from alertsync.admission import MOMENT_SECONDS, Admission, is_probe
from alertsync.worker import ProblemWorker
from tests.unit.clocks import FakeTime


def queue(*requests: str, most: int = 3) -> tuple[Admission[str], FakeTime]:
    time = FakeTime()
    admission: Admission[str] = Admission(most, time.clock.monotonic)
    for request in requests:
        admission.add(request)
    return admission, time


def test_requests_begin_one_after_another_in_their_order() -> None:
    admission, _ = queue("a", "b")
    assert admission.begin() == "a"
    assert admission.begin() is None
    admission.end("a")
    assert admission.begin() == "b"
    assert not admission.waits


def test_a_request_that_waits_keeps_nobody_from_beginning() -> None:
    admission, time = queue("a", "b", "c")
    assert admission.begin() == "a"
    time.sleep(MOMENT_SECONDS)
    assert admission.begin() == "b"
    assert admission.begin() is None
    admission.end("b")
    assert admission.begin() == "c"


def test_no_more_are_under_way_than_there_are_threads() -> None:
    admission, time = queue("a", "b", "c", "d")
    for request in ("a", "b", "c"):
        assert admission.begin() == request
        time.sleep(1)
    assert admission.begin() is None
    assert admission.waits
    admission.end("b")
    assert admission.begin() == "d"


HEAD = b"Host: a\r\nAccept: */*\r\n\r\n"
PROBES = [
    b"GET /healthz HTTP/1.1\r\n" + HEAD,
    b"HEAD /readyz HTTP/1.0\r\n\r\n",
    b"GET /metrics?name=up HTTP/1.1\r\n" + HEAD,
]
OTHERS = [
    b"",
    b"GET /healthz HTTP/1.1\r\nHost: a\r\n",
    b"GET /healthzz HTTP/1.1\r\n" + HEAD,
    b"GET /alertsync/healthz HTTP/1.1\r\n" + HEAD,
    b"POST /healthz HTTP/1.1\r\n" + HEAD,
    b"POST /reconcile HTTP/1.1\r\n" + HEAD,
    b"GET /healthz HTTP/1.1\r\nContent-Length: 9\r\n" + HEAD,
    b"GET /healthz HTTP/1.1\r\nTransfer-encoding : chunked\r\n" + HEAD,
    b"GET /healthz HTTP/1.1\r\n" + HEAD + b"GET /",
]


@pytest.mark.parametrize("arrived", PROBES)
def test_a_whole_probe_is_taken_for_one(arrived: bytes) -> None:
    assert is_probe(arrived)


@pytest.mark.parametrize("arrived", OTHERS)
def test_what_is_no_probe_or_may_make_its_thread_wait_queues(arrived: bytes) -> None:
    assert not is_probe(arrived)


def test_no_thread_of_a_worker_computes_for_long_while_a_probe_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ThreadWorker, "init_process", lambda _: None)
    before = sys.getswitchinterval()
    worker = object.__new__(ProblemWorker)
    try:
        worker.init_process()
        assert sys.getswitchinterval() == pytest.approx(0.001)
    finally:
        sys.setswitchinterval(before)
        worker._probes.shutdown()
