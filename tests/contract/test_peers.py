"""Several peers of one cluster: read side by side, each for itself, and one that is gone does not hide the others."""

from __future__ import annotations

import random
import threading
import time
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from alertsync.clients.alertmanager import AlertmanagerClient
from alertsync.clients.http import Endpoint, HeaderAuth, Http
from alertsync.clients.peers import Peers
from alertsync.clock import Clock, Deadline
from alertsync.errors import Reason, StoppedError, UpstreamError
from alertsync.models import AlertStatus
from alertsync.simulator.alertmanager_config import Route
from alertsync.simulator.wire import Fault
from tests.servers import SimulatedAlertmanager, free_port, poll_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUTES = (Route("irm", ("alertname",)),)


@pytest.fixture
def servers() -> Iterator[list[SimulatedAlertmanager]]:
    with ExitStack() as stack:
        yield [stack.enter_context(SimulatedAlertmanager(routes=ROUTES)) for _ in range(3)]


def peers_at(*urls: str, timeout: float = 5) -> Peers:
    clock = Clock(sleep=lambda _: None)
    return Peers(
        [
            AlertmanagerClient(
                Http(
                    Endpoint("alertmanager", url, HeaderAuth(None), {}, timeout=timeout),
                    clock,
                    jitter=random.Random(1),
                )
            )
            for url in urls
        ]
    )


def soon(should_stop: Callable[[], bool] = lambda: False) -> Deadline:
    return Deadline(Clock(), 20, should_stop)


def fire(server: SimulatedAlertmanager, name: str) -> None:
    server.fire({"alertname": name})
    poll_until(lambda: server.model.groups(lambda _: True, lambda _: True), what="the alert is grouped")


def paths(server: SimulatedAlertmanager) -> list[str]:
    return [one.path.removeprefix("/api/v2") for one in server.server.received]


@pytest.mark.parametrize("proven", [False, True])
def test_each_peer_is_read_and_named_in_the_order_of_the_settings(
    servers: list[SimulatedAlertmanager], proven: bool
) -> None:
    for number, server in enumerate(servers):
        fire(server, f"A{number}")
    urls = tuple(server.url for server in servers)
    peers = peers_at(*urls)
    readings = peers.snapshots(soon(), proven=proven)
    assert peers.addresses == urls == tuple(one.peer for one in readings.snapshots)
    assert [one.groups[0].labels["alertname"] for one in readings.snapshots] == ["A0", "A1", "A2"]
    assert readings.errors == {}


def test_peers_are_asked_side_by_side(servers: list[SimulatedAlertmanager]) -> None:
    for server in servers:
        server.server.inject(Fault("delay", path="/alerts/groups", seconds=0.5))
    began = time.monotonic()
    peers_at(*(server.url for server in servers)).snapshots(soon(), proven=False)
    assert time.monotonic() - began < 1.2


def test_a_single_peer_costs_no_thread_and_no_request_more(servers: list[SimulatedAlertmanager]) -> None:
    server = servers[0]
    peers, before = peers_at(server.url), set(threading.enumerate())
    peers.snapshots(soon(), proven=False)
    peers.place("irm", {"alertname": "A"}, soon())
    ours = [it for it in set(threading.enumerate()) - before if it.name.startswith("alertmanager-peer")]
    assert ours == []
    assert paths(server) == ["/alerts/groups", "/silences", "/status"] * 2


def test_a_peer_that_is_down_is_an_error_beside_what_the_others_say(
    servers: list[SimulatedAlertmanager],
) -> None:
    fire(servers[0], "Disk")
    down = f"http://127.0.0.1:{free_port()}"
    readings = peers_at(down, servers[0].url).snapshots(soon(), proven=True)
    assert [one.peer for one in readings.snapshots] == [servers[0].url]
    assert set(readings.errors) == {down}
    assert readings.errors[down].reason is Reason.UNREACHABLE
    assert down in str(readings.errors[down])


@pytest.mark.parametrize("count", [1, 2])
def test_if_no_peer_answers_the_first_error_is_raised(count: int) -> None:
    urls = [f"http://127.0.0.1:{free_port()}" for _ in range(count)]
    peers = peers_at(*urls)
    tries: list[Callable[[], Any]] = [
        lambda: peers.snapshots(soon(), proven=False),
        lambda: peers.place("irm", {}, soon()),
        lambda: peers.alerts(soon()),
    ]
    for attempt in tries:
        with pytest.raises(UpstreamError) as caught:
            attempt()
        assert urls[0] in str(caught.value)


def test_a_peer_that_failed_is_not_asked_for_places_until_it_is_read_as_a_whole(
    servers: list[SimulatedAlertmanager],
) -> None:
    good, bad = servers[:2]
    peers = peers_at(good.url, bad.url)
    bad.server.inject(Fault("status", status=404, times=-1))
    peers.snapshots(soon(), proven=False)
    bad.server.heal()
    bad.server.clear()
    readings = peers.place("irm", {}, soon())
    assert ([one.peer for one in readings.snapshots], set(readings.errors)) == ([good.url], {bad.url})
    assert paths(bad) == []
    assert peers.snapshots(soon(), proven=False).errors == {}
    assert len(peers.place("irm", {}, soon()).snapshots) == 2
    # One that fails at a place is left alone as well; if none is left, all are asked.
    bad.server.inject(Fault("status", status=404, times=-1))
    assert set(peers.place("irm", {}, soon()).errors) == {bad.url}
    good.server.inject(Fault("status", status=404, times=-1))
    with pytest.raises(UpstreamError):
        peers.place("irm", {}, soon())
    bad.server.heal()
    assert [one.peer for one in peers.place("irm", {}, soon()).snapshots] == [bad.url]


def test_peers_that_differ_stand_beside_each_other(servers: list[SimulatedAlertmanager]) -> None:
    first, second = servers[:2]
    for server in (first, second):
        fire(server, "Disk")
    second.silence({"alertname": "Disk"}, duration=timedelta(hours=1), created_by="ana", comment="")
    readings = peers_at(first.url, second.url).place("irm", {"alertname": "Disk"}, soon())
    states = {one.peer: one.groups[0].alerts[0].status for one in readings.snapshots}
    assert states == {first.url: AlertStatus.ACTIVE, second.url: AlertStatus.SILENCED}


def test_the_live_page_takes_the_first_peer_that_answers(servers: list[SimulatedAlertmanager]) -> None:
    fire(servers[0], "Disk")
    down = f"http://127.0.0.1:{free_port()}"
    alerts, _ = peers_at(down, servers[0].url, servers[1].url).alerts(soon())
    assert [alert["labels"]["alertname"] for alert in alerts] == ["Disk"]
    assert paths(servers[1]) == []


def test_a_peer_that_hangs_leaves_the_live_page_time_for_the_next(
    servers: list[SimulatedAlertmanager],
) -> None:
    fire(servers[1], "Disk")
    with everything_slow(servers[0]):
        peers = peers_at(servers[0].url, servers[1].url)
        alerts, _ = peers.alerts(Deadline(Clock(), 2))
    assert [alert["labels"]["alertname"] for alert in alerts] == ["Disk"]


def test_a_look_at_the_silences_tells_each_peer_apart_and_does_without_one_that_is_down(
    servers: list[SimulatedAlertmanager],
) -> None:
    first, second = servers[:2]
    down = f"http://127.0.0.1:{free_port()}"
    silence = second.silence({"alertname": "Disk"}, duration=timedelta(hours=1), created_by="ana", comment="")
    found = peers_at(first.url, down, second.url).active_silences(soon())
    assert found.keys() == {first.url, second.url}
    assert found[first.url] == frozenset()
    assert [id_ for id_, _ in found[second.url]] == [silence]
    with pytest.raises(UpstreamError):
        peers_at(down).active_silences(soon())


def test_a_stop_ends_the_reading_of_all_peers(servers: list[SimulatedAlertmanager]) -> None:
    peers = peers_at(*(server.url for server in servers))
    with pytest.raises(StoppedError):
        peers.snapshots(soon(lambda: True), proven=False)
    assert [one for server in servers for one in paths(server)] == []


@contextmanager
def everything_slow(server: SimulatedAlertmanager) -> Iterator[None]:
    server.server.inject(Fault("delay", times=-1, seconds=5))
    yield
    server.server.heal()


def test_a_peer_that_hangs_is_given_up_and_nothing_reads_on(servers: list[SimulatedAlertmanager]) -> None:
    with everything_slow(servers[1]):
        began = time.monotonic()
        readings = peers_at(servers[0].url, servers[1].url, timeout=0.2).snapshots(soon(), proven=False)
        assert time.monotonic() - began < 4
        assert readings.errors[servers[1].url].reason is Reason.TIMEOUT
        asked = len(servers[1].server.received)
        assert asked == 3
