"""What our client does to IRM: one attempt, IRM's own time, refusals in a word, and posts that give nothing away."""

from __future__ import annotations

import json
import logging
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from alertsync.clients.irm import IrmClient, refusal
from alertsync.config_parsers import RateLimit
from alertsync.errors import Reason, UpstreamError
from alertsync.logs import JsonLines
from alertsync.models import Webhook
from alertsync.redaction import strike_remembered
from alertsync.simulator.irm_api import create_app
from alertsync.simulator.wire import Fault, Server
from tests.contract.client_world import TOKEN, World, started
from tests.contract.irm_world import load, webhook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from alertsync.simulator.irm_records import Group


@pytest.fixture
def world() -> Iterator[World]:
    with started() as it:
        yield it


@pytest.fixture
def inbound(world: World) -> Iterator[Server]:
    """Serve the inbound links at another address than the API."""
    with Server(create_app(world.irm), name="inbound") as server:
        world.irm.api_url = server.url
        yield server


def ready(world: World) -> IrmClient:
    client = world.client()
    client.snapshot(world.deadline())
    return client


# --- Actions ----------------------------------------------------------------------------------------------

ACTIONS: dict[str, tuple[Callable[[IrmClient, str, Any], Any], str]] = {
    "resolve": (lambda client, group_id, deadline: client.resolve(group_id, deadline), "resolved"),
    "silence": (lambda client, group_id, deadline: client.silence(group_id, 600, deadline), "silenced"),
    "unsilence": (lambda client, group_id, deadline: client.unsilence(group_id, deadline), "firing"),
    "unresolve": (lambda client, group_id, deadline: client.unresolve(group_id, deadline), "firing"),
}


def prepared(world: World, action: str) -> Group:
    group = world.deliver("Disk", "a")
    if action == "unsilence":
        world.irm.silence(group.id, delay=60)
    if action == "unresolve":
        world.irm.resolve(group.id)
    return group


@pytest.mark.parametrize(
    ("requests", "abreast"), [(None, 4), (100, 4), (40, 4), (39, 3), (20, 2), (19, 1), (5, 1), (1, 1)]
)
def test_turns_are_taken_side_by_side_as_far_as_half_of_the_rate_limit_goes(
    world: World, requests: int | None, abreast: int
) -> None:
    client = world.client(limit=None if requests is None else RateLimit(requests, 1.0))
    guard, now, most = threading.Lock(), 0, 0

    def turn() -> None:
        nonlocal now, most
        with guard:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with guard:
            now -= 1

    client.take_turns([turn] * 12)
    assert most == abreast


@pytest.mark.parametrize(("requests", "abreast"), [(5, 1), (12, 1), (25, 2), (35, 3), (45, 4)])
def test_no_turn_waits_in_its_middle_for_the_rate_limit_that_others_share(
    world: World, requests: int, abreast: int
) -> None:
    client = world.client(limit=RateLimit(requests, 1.0))
    turns = [[world.deliver(f"Disk{number}.{nth}", "a") for nth in range(5)] for number in range(24)]
    together = threading.Barrier(abreast)

    def take(turn: list[Group]) -> None:
        client.wait_for_turn(world.deadline(), abreast=True)
        # None has sent anything yet, so that each was let go for the sake of the same room.
        together.wait(timeout=10)
        for group in turn:
            # It waits for nothing, and fails where it would have to.
            client.resolve(group.id, world.deadline())

    began = world.time.passed
    client.take_turns([partial(take, turn) for turn in turns])
    assert {group.state for turn in turns for group in turn} == {"resolved"}
    # It was needed, and kept.
    assert world.time.passed - began >= 5 * len(turns) // requests - 1


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_is_done_and_tells_when_by_the_clock_of_irm(world: World, action: str) -> None:
    group = prepared(world, action)
    world.time.sleep(30)
    act, state = ACTIONS[action]
    at = act(world.client(), group.id, world.deadline())
    assert group.state == state
    assert abs(at - world.irm.clock()) <= timedelta(seconds=1)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("kind", ["drop", "status", "throttle"])
def test_an_action_is_tried_once_and_waits_for_nothing(world: World, action: str, kind: str) -> None:
    group = prepared(world, action)
    world.server.clear()
    world.server.inject(Fault(kind, times=-1, status=500, retry_after=1))
    before = world.time.passed
    with pytest.raises(UpstreamError):
        ACTIONS[action][0](world.client(), group.id, world.deadline())
    assert len(world.server.received) == 1
    assert world.time.passed == before


def test_a_silence_lasts_as_long_as_it_was_asked_for_and_another_replaces_it(world: World) -> None:
    group = world.deliver("Disk", "a")
    client = world.client()
    for seconds in (1, 900):
        client.silence(group.id, seconds, world.deadline())
        assert group.silenced_until == world.irm.clock() + timedelta(seconds=seconds)


@pytest.mark.parametrize("seconds", [0, -1, -60])
def test_a_silence_for_ever_is_never_asked_for(world: World, seconds: int) -> None:
    with pytest.raises(ValueError, match="for ever"):
        world.client().silence("I1", seconds, world.deadline())
    assert world.server.received == ()


def refused(world: World, action: str, group_id: str, token: str = TOKEN) -> str:
    with pytest.raises(UpstreamError) as caught:
        ACTIONS[action][0](world.client(token), group_id, world.deadline())
    return refusal(caught.value)


def test_refusals_are_understood(world: World) -> None:
    group, root, child = (world.deliver(name, "a") for name in ("One", "Root", "Child"))
    world.irm.attach(child.id, root.id)
    assert refused(world, "silence", child.id) == "attached"
    assert refused(world, "unsilence", group.id) == "unsilenced"
    assert refused(world, "unresolve", group.id) == "unresolved"
    world.irm.acknowledge(group.id)
    assert refused(world, "silence", group.id) == "acknowledged"
    assert refused(world, "unsilence", group.id) == "unsilenced"
    world.irm.resolve(group.id)
    assert refused(world, "silence", group.id) == "resolved"
    assert refused(world, "resolve", group.id) == "resolved"
    world.irm.resolve(root.id)
    assert refused(world, "unresolve", child.id) == "attached"
    world.irm.add_user("viewer-token", role="viewer")
    for action in ACTIONS:
        assert refused(world, action, "INOPE123456") == "deleted"
        assert refused(world, action, root.id, "viewer-token") == "forbidden"


RECORDED = {
    "silence_acked": "acknowledged",
    "silence_resolved": "resolved",
    "attached_silence": "attached",
    "unsilence_not_silenced": "unsilenced",
    "unsilence_resolved": "unsilenced",
    "unsilence_acked": "unsilenced",
    "attached_unsilence": "unsilenced",
    "unresolve_not_resolved": "unresolved",
    "unresolve_again": "unresolved",
    "attached_unresolve": "unresolved",
    "attached_resolved_unresolve": "attached",
    "attached_resolved_resolve": "resolved",
    "attached_resolve": "attached",
    "resolve_again": "resolved",
    "resolve_unknown": "deleted",
    "sa_silence": "forbidden",
    "viewer_resolve": "forbidden",
}


@pytest.mark.parametrize(("name", "gist"), RECORDED.items())
def test_refusals_of_a_real_irm_are_understood(world: World, name: str, gist: str) -> None:
    response = load()[name].response
    body = json.dumps(response["body"]).encode()
    world.server.inject(Fault("status", status=response["status"], body=body))
    assert refused(world, "resolve", "I1") == gist


# --- Posts to an integration ------------------------------------------------------------------------------


def test_a_payload_opens_an_alert_group_or_joins_the_open_one(world: World, inbound: Server) -> None:
    client = ready(world)
    at = client.post(world.integration.id, webhook("Disk", "a"), world.deadline())
    client.post(world.integration.id, webhook("Disk", "a", "b"), world.deadline())
    [group] = client.snapshot(world.deadline()).alert_groups
    assert group.alerts_count == 2
    assert group.last_delivery is not None
    assert isinstance(group.last_delivery.content, Webhook)
    assert group.last_delivery.content.firing == {"Disk-a", "Disk-b"}
    assert abs(at - world.irm.clock()) <= timedelta(seconds=1)
    assert len(inbound.received) == 2


def test_nothing_but_the_payload_travels_to_the_link(world: World, inbound: Server) -> None:
    client = ready(world)
    client.post(world.integration.id, webhook("Disk", "a"), world.deadline())
    [received] = inbound.received
    names = {name.lower() for name in received.headers}
    assert names.isdisjoint({"authorization", "x-grafana-url", "cookie"})
    assert TOKEN not in str(received)
    assert received.path == world.integration.path
    assert json.loads(received.body) == webhook("Disk", "a")


@pytest.mark.parametrize("why", ["never seen", "deleted", "without a link"])
def test_an_integration_that_cannot_be_posted_to_is_said_to(world: World, why: str) -> None:
    client = world.client() if why == "never seen" else ready(world)
    if why != "never seen":
        link = '"link": null,' if why == "without a link" else ""
        one = (
            f'{{"id": "{world.integration.id}", "name": null, {link} "type": "x", "maintenance_mode": null}}'
        )
        body = f'{{"count": 1, "next": null, "results": [{one if link else ""}]}}'.encode()
        body = body if link else b'{"count": 0, "next": null, "results": []}'
        world.server.inject(Fault("status", path="/integrations/", status=200, body=body))
        client.snapshot(world.deadline())
    assert client.post_room(world.integration.id) == 0
    with pytest.raises(UpstreamError, match="has no inbound link") as caught:
        client.post(world.integration.id, {}, world.deadline())
    assert caught.value.reason is Reason.NOT_FOUND


def test_half_of_what_an_integration_takes_is_left_to_alertmanager(world: World, inbound: Server) -> None:
    other = world.irm.add_integration("other")
    client = ready(world)
    id_ = world.integration.id
    assert client.post_room(id_) == 150
    for number in range(150):
        client.post(id_, webhook(f"A{number}"), world.deadline())
        client.snapshot(world.deadline()) if number == 70 else world.time.sleep(1)
    assert (client.post_room(id_), client.post_room(other.id)) == (0, 150)
    before = world.time.passed
    with pytest.raises(UpstreamError, match="half of them are left to Alertmanager") as caught:
        client.post(id_, {}, world.deadline())
    assert caught.value.reason is Reason.RATE_LIMITED
    assert (len(inbound.received), world.time.passed) == (150, before)
    client.post(other.id, webhook("Other"), world.deadline())
    world.time.sleep(300 - 149 + 0.1)
    assert client.post_room(id_) == 1


def test_an_integration_that_wants_quiet_gets_it(world: World, inbound: Server) -> None:
    client = ready(world)
    inbound.inject(Fault("throttle", retry_after=40))
    with pytest.raises(UpstreamError):
        client.post(world.integration.id, {}, world.deadline())
    assert client.post_room(world.integration.id) == 0
    client.snapshot(world.deadline())
    world.time.sleep(41)
    assert client.post_room(world.integration.id) == 149


MISHAPS = {
    "hangs up": Fault("drop", times=-1),
    "refuses": Fault("status", times=-1, status=500),
    "is not known": Fault("status", times=-1, status=404),
    "redirects": Fault("redirect", times=-1, location="http://elsewhere.example/x"),
    "throttles": Fault("throttle", times=-1),
}


@contextmanager
def everything_logged() -> Iterator[list[str]]:
    """Gather every line of every logger, however quiet it is kept."""
    lines: list[str] = []

    class Gather(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler, root = Gather(), logging.getLogger()
    handler.setFormatter(JsonLines())
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


@pytest.mark.parametrize(
    "mishap", [*MISHAPS, "nothing", "echoes", "cannot be resolved", "redirects to the link"]
)
def test_the_link_is_in_no_error_log_or_repr(world: World, inbound: Server, mishap: str) -> None:
    if mishap == "cannot be resolved":
        world.irm.api_url = "http://no-such-host.invalid"
    key, link = world.integration.key, f"{world.irm.api_url}{world.integration.path}"
    if mishap == "echoes":
        body = json.dumps({"detail": f"POST {world.integration.path} and {key}"}).encode()
        inbound.inject(Fault("status", times=-1, status=400, body=body))
    if mishap == "redirects to the link":
        inbound.inject(Fault("redirect", times=-1, location=link))
    if mishap in MISHAPS:
        inbound.inject(MISHAPS[mishap])
    said = ""
    with everything_logged() as lines:
        client = ready(world)
        try:
            client.post(world.integration.id, webhook("Disk"), world.deadline())
        except UpstreamError as error:
            logging.getLogger("test").exception("a post failed")
            said = f"{error} {error.detail} {error!r} {vars(error)}"
    assert bool(said) == (mishap != "nothing")
    shown = " ".join([said, *lines, repr(client), repr(vars(client)), repr(vars(client._inbound))])
    assert key not in shown
    assert "GRAFANA_IRM_URL" not in said, "another setting is at fault than the link"
    assert strike_remembered(f"see {link} ({key})") == "see [redacted] ([redacted])"


def test_a_redirect_is_not_followed(world: World, inbound: Server) -> None:
    client = ready(world)
    with Server(create_app(world.irm), name="target") as target:
        inbound.inject(Fault("redirect", location=f"{target.url}{world.integration.path}"))
        with pytest.raises(UpstreamError, match="not followed"):
            client.post(world.integration.id, webhook("Disk"), world.deadline())
        assert target.received == ()


def test_a_link_that_changed_is_used_as_it_is_now(world: World, inbound: Server) -> None:
    client = ready(world)
    with Server(create_app(world.irm), name="moved") as moved:
        world.irm.api_url = f"{moved.url}"
        client.snapshot(world.deadline())
        client.post(world.integration.id, webhook("Disk"), world.deadline())
        assert len(moved.received) == 1
    assert inbound.received == ()
