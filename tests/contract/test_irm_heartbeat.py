"""IRM's heartbeat at the wire: what is sent and where to, and that its link gives nothing away."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
import requests

from alertsync.errors import Reason, UpstreamError
from alertsync.redaction import strike_remembered
from alertsync.simulator.irm_api import create_app
from alertsync.simulator.wire import Fault, Server
from tests.contract.client_world import TOKEN, World, started
from tests.contract.irm_world import webhook
from tests.contract.test_irm_acting import MISHAPS, everything_logged, inbound, ready

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["inbound"]


@pytest.fixture
def world() -> Iterator[World]:
    with started() as it:
        yield it


def test_a_heartbeat_reaches_the_integration_that_is_named(world: World, inbound: Server) -> None:
    other = world.irm.add_integration("alertsync", type="webhook")
    client = ready(world)
    at = client.beat(other.id, world.deadline())
    assert [abs((at - beat).total_seconds()) <= 1 for beat in other.heartbeats] == [True]
    assert world.integration.heartbeats == []
    assert [(one.method, one.path) for one in inbound.received] == [("POST", f"{other.path}heartbeat/")]


def test_nothing_of_ours_travels_with_a_heartbeat(world: World, inbound: Server) -> None:
    ready(world).beat(world.integration.id, world.deadline())
    [received] = inbound.received
    names = {name.lower() for name in received.headers}
    assert names.isdisjoint({"authorization", "x-grafana-url", "cookie"})
    assert TOKEN not in str(received)
    assert received.body == b""


def test_a_redirect_of_a_heartbeat_is_not_followed(world: World, inbound: Server) -> None:
    client = ready(world)
    with Server(create_app(world.irm), name="target") as target:
        inbound.inject(Fault("redirect", location=f"{target.url}{world.integration.path}heartbeat/"))
        with pytest.raises(UpstreamError, match="not followed"):
            client.beat(world.integration.id, world.deadline())
        assert target.received == ()
    assert len(inbound.received) == 1


@pytest.mark.parametrize("why", ["never seen", "deleted", "without a heartbeat"])
def test_an_integration_that_takes_no_heartbeat_is_said_to(world: World, why: str) -> None:
    client = world.client() if why == "never seen" else ready(world)
    id_ = world.integration.id
    if why == "deleted":
        id_ = "CGONE"
    if why == "without a heartbeat":
        world.integration.has_heartbeat = False
        [integration] = client.snapshot(world.deadline()).integrations
        assert (integration.beats, integration.receives) == (False, True)
    with pytest.raises(UpstreamError, match=f"{id_} has no heartbeat, or is gone.*IRM_HEARTBEAT") as caught:
        client.beat(id_, world.deadline())
    assert caught.value.reason is Reason.NOT_FOUND
    assert world.integration.heartbeats == []


ODD: list[Any] = [
    None,
    7,
    "http://irm.example/x",
    [],
    {},
    {"link": None},
    {"link": 7},
    {"link": "ftp://irm.example/x/"},
]


@pytest.mark.parametrize("odd", ODD, ids=json.dumps)
def test_no_reading_fails_because_a_heartbeat_has_an_odd_shape(world: World, odd: Any) -> None:
    headers = {"Authorization": TOKEN}
    answer = requests.get(f"{world.server.url}/api/v1/integrations/", headers=headers, timeout=10).json()
    answer["results"][0]["heartbeat"] = odd
    body = json.dumps(answer).encode()
    world.server.inject(Fault("status", path="/integrations/", status=200, body=body))
    [integration] = world.client().snapshot(world.deadline()).integrations
    assert (integration.beats, integration.receives) == (False, True)


def test_heartbeats_and_deliveries_share_the_limit_of_an_integration(world: World, inbound: Server) -> None:
    client = ready(world)
    for _ in range(5):
        client.beat(world.integration.id, world.deadline())
    assert client.post_room(world.integration.id) == 145
    inbound.inject(Fault("throttle", retry_after=40))
    with pytest.raises(UpstreamError) as caught:
        client.beat(world.integration.id, world.deadline())
    assert caught.value.reason is Reason.RATE_LIMITED
    with pytest.raises(UpstreamError, match="it asked us to send no request"):
        client.beat(world.integration.id, world.deadline())
    assert len(inbound.received) == 6


@pytest.mark.parametrize("mishap", [*MISHAPS, "nothing", "echoes", "cannot be resolved"])
def test_the_link_of_a_heartbeat_is_in_no_error_log_or_repr(
    world: World, inbound: Server, mishap: str
) -> None:
    if mishap == "cannot be resolved":
        world.irm.api_url = "http://no-such-host.invalid"
    key, path = world.integration.key, f"{world.integration.path}heartbeat/"
    if mishap == "echoes":
        body = json.dumps({"detail": f"POST {path} and {key}"}).encode()
        inbound.inject(Fault("status", times=-1, status=400, body=body))
    if mishap in MISHAPS:
        inbound.inject(MISHAPS[mishap])
    said = ""
    with everything_logged() as lines:
        client = ready(world)
        try:
            client.beat(world.integration.id, world.deadline())
        except UpstreamError as error:
            logging.getLogger("test").exception("a heartbeat failed")
            said = f"{error} {error.detail} {error!r} {vars(error)}"
    assert bool(said) == (mishap != "nothing")
    assert not said or "send heartbeat" in said, "the word itself is no secret"
    shown = " ".join([said, *lines, repr(client), repr(vars(client)), repr(vars(client._inbound))])
    assert key not in shown
    assert strike_remembered(f"see {world.irm.api_url}{path} ({key})") == "see [redacted] ([redacted])"
    assert strike_remembered("the heartbeat of an integration") == "the heartbeat of an integration"


def test_a_heartbeat_is_sent_though_there_is_no_inbound_link(world: World) -> None:
    link = f"{world.server.url}{world.integration.path}heartbeat/"
    one = {
        "id": world.integration.id,
        "name": "alertsync",
        "type": "webhook",
        "maintenance_mode": None,
        "link": None,
        "heartbeat": {"link": link},
    }
    body = json.dumps({"count": 1, "next": None, "results": [one]}).encode()
    world.server.inject(Fault("status", path="/integrations/", status=200, body=body))
    client = ready(world)
    client.beat(world.integration.id, world.deadline())
    assert len(world.integration.heartbeats) == 1
    assert client.post_room(world.integration.id) == 0
    with pytest.raises(UpstreamError, match="has no inbound link"):
        client.post(world.integration.id, webhook("Disk"), world.deadline())
