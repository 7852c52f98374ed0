"""The stream of events from real gunicorn: of runs of any process, to a few clients, and in nobody's way."""

import itertools
import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import pytest
import requests

from alertsync.simulator.wire import Fault
from tests.e2e.worlds import World, expect, simulated_world
from tests.service import Service, command

pytestmark = pytest.mark.timeout(180)  # each takes seconds, where nothing else has to be done

WORKERS = {"WEB_CONCURRENCY": "2", "WEB_THREADS": "7"}
"""Each of which may feed one client."""
EVENTS = "/api/v1/events"


class Stream:
    """One client of the stream."""

    def __init__(self, service: Service) -> None:
        self._answer = requests.get(service.url + EVENTS, stream=True, timeout=(5, 20))
        self._lines = self._answer.iter_lines(chunk_size=1)

    @property
    def status(self) -> int:
        return self._answer.status_code

    def __enter__(self) -> Self:
        assert self.status == 200, self._answer.text
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._answer.close()

    def events(self) -> Iterator[tuple[str, Any]]:
        """Give each event and what it says, until the server ends the stream."""
        name = ""
        for line in self._lines:
            if line.startswith(b"event: "):
                name = line.removeprefix(b"event: ").decode()
            elif line.startswith(b"data: "):
                yield name, json.loads(line.removeprefix(b"data: "))


def resets(service: Service) -> bool:
    """Open a stream, and if there was a place for it, leave without a farewell."""
    with closing(socket.create_connection(("127.0.0.1", service.port), timeout=10)) as rude:
        rude.sendall(f"GET {EVENTS} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        # Closing it sends a reset at once.
        rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        return rude.recv(12) == b"HTTP/1.1 200"


def until_a_run_ended(stream: Iterator[tuple[str, Any]], trigger: str) -> list[dict[str, Any]]:
    """Give all progress that is told until such a run has ended."""
    told = []
    for name, said in stream:
        if name == "progress" and said is not None:
            told.append(said)
        if name == "run" and said is not None and said["trigger"] == trigger:
            return told
    raise AssertionError(f"the stream ended before a run of {trigger!r} did")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with simulated_world() as it:
        yield it


def test_runs_of_the_command_line_and_of_any_worker_are_told_while_they_go_on(
    tmp_path: Path, world: World
) -> None:
    world.irm.server.inject(Fault("delay", path="/api/v1/alert_groups", seconds=0.6, times=-1))
    with Service(tmp_path, world.settings(**WORKERS)) as service, Stream(service) as stream:
        events = stream.events()
        assert next(events) == ("run", None)
        assert next(events) == ("progress", None)
        done = command("run", home=tmp_path, settings=world.settings(STATE_DIR=str(service.state_dir)))
        assert done.returncode == 0, done.stderr
        told = until_a_run_ended(events, "command line")
        assert {one["trigger"] for one in told} == {"command line"}
        assert "reading_irm" in [one["phase"] for one in told]
        assert told[-1]["pages_read"] >= 3
        service.reconcile("?dry_run=false")
        told = until_a_run_ended(events, "http")
        assert {one["trigger"] for one in told} == {"http"}
        assert next(events) == ("progress", None)
    world.irm.server.heal()


def test_few_may_stream_the_probes_find_a_thread_and_who_hangs_up_makes_room(
    tmp_path: Path, world: World
) -> None:
    with Service(tmp_path, world.settings(**WORKERS)) as service:
        streams: list[Stream] = []

        def full() -> bool:
            """Open streams until both workers refuse: which of them answers is chance."""
            one = Stream(service)
            if one.status == 200:
                streams.append(one)
                return False
            assert one.status == 503
            return len(streams) == 2

        expect("both workers feed all that they may", full)
        for _ in range(20):
            began = time.monotonic()
            assert service.get("/healthz").status_code == 200
            assert time.monotonic() - began < 5
        # Who has read all that was sent hangs up politely, and nothing would be said for a while.
        polite = streams.pop()
        assert dict(itertools.islice(polite.events(), 2)) == {"run": None, "progress": None}
        polite.close()
        # Sooner than the next thing is said to it, which is when a server that does not look would notice.
        expect("the place of a client that hung up is free", lambda: not full(), within=10)
        for one in streams:
            one.close()
        streams.clear()
        expect("a client streams that will reset its connection", lambda: resets(service), within=10)
        expect("all places are free", full, within=10)
        assert not service.events(level="error")
        for one in streams:
            one.close()


def test_open_streams_hold_up_no_stop_and_end_in_order(tmp_path: Path, world: World) -> None:
    with (
        Service(tmp_path, world.settings(WEB_THREADS="8")) as service,
        Stream(service) as one,
        Stream(service) as other,
    ):
        events = [one.events(), other.events()]
        for each in events:
            assert next(each) == ("run", None)
        began = time.monotonic()
        service.signal(signal.SIGTERM)
        # Not cut in the middle: that would raise.
        for each in events:
            assert list(each) == [("progress", None)]
        service.wait_for_exit(within=10)
        # Far below the time that gunicorn gives to requests that go on.
        assert time.monotonic() - began < 10
