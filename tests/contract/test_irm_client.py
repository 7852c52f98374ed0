"""Our IRM client against the simulator that is checked against the recorded facts: pages, actions, refusals."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from alertsync.clients.http import Endpoint, HeaderAuth, Http
from alertsync.clients.irm import IrmClient, refusal
from alertsync.clock import Deadline
from alertsync.errors import Reason, UpstreamError
from alertsync.models import LegacyAlert, Unreadable, Webhook
from alertsync.simulator.irm_api import create_app
from alertsync.simulator.irm_model import Irm
from alertsync.simulator.wire import Server
from tests.unit.clocks import FakeTime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alertsync.simulator.irm_records import Group, Integration

TOKEN = "token-of-an-editor"


@dataclass
class World:
    """IRM, what serves it, and a client with three alert groups a page."""

    irm: Irm
    server: Server
    time: FakeTime
    integration: Integration

    def client(self, token: str = TOKEN) -> IrmClient:
        endpoint = Endpoint("irm", self.server.url, HeaderAuth(token), {}, timeout=10)
        return IrmClient(Http(endpoint, self.time.clock, jitter=random.Random(1)), page_size=3)

    def deadline(self) -> Deadline:
        return Deadline(self.time.clock, 300)

    def deliver(self, name: str, *firing: str, resolved: tuple[str, ...] = ()) -> Group:
        alerts = [{"status": "firing", "fingerprint": one, "labels": {"alertname": name}} for one in firing]
        alerts += [
            {"status": "resolved", "fingerprint": one, "labels": {"alertname": name}} for one in resolved
        ]
        payload = {
            "receiver": "oncall",
            "status": "firing" if firing else "resolved",
            "alerts": alerts,
            "groupLabels": {"alertname": name},
            "commonLabels": {"alertname": name},
            "commonAnnotations": {},
            "externalURL": "http://alertmanager.example:9093/",
            "version": "4",
            "groupKey": f'{{}}:{{alertname="{name}"}}',
            "truncatedAlerts": 0,
        }
        self.time.sleep(1)
        group_id = self.irm.deliver(self.integration, payload)
        assert group_id is not None
        return self.irm.group(group_id)

    def pages_asked(self) -> list[str]:
        return [
            one.query
            for one in self.server.received
            if one.path == "/api/v1/alert_groups/" and "state=new" in one.query
        ]


@pytest.fixture
def world() -> Iterator[World]:
    time = FakeTime()
    irm = Irm(clock=time.clock.now, api_url="http://irm.another-name.example/oncall")
    irm.add_user(TOKEN)
    with Server(create_app(irm), name="irm") as server:
        yield World(irm, server, time, irm.add_integration("production"))


def test_every_page_of_every_open_state_is_read(world: World) -> None:
    groups = [world.deliver(f"G{number}", "a") for number in range(10)]
    world.irm.acknowledge(groups[0].id)
    world.irm.silence(groups[1].id, delay=600)
    world.irm.resolve(groups[2].id)
    snapshot = world.client().snapshot(world.deadline())
    states = {group.id: group.state for group in snapshot.alert_groups}
    assert states == {
        groups[0].id: "acknowledged",
        groups[1].id: "silenced",
        **{group.id: "firing" for group in groups[3:]},
    }
    assert len(world.pages_asked()) == 3
    assert snapshot.clock - world.time.clock.now() < snapshot.read_at.resolution * 2e6


def test_next_is_followed_by_its_query_and_never_to_its_host(world: World) -> None:
    for number in range(7):
        world.deliver(f"G{number}", "a")
    assert len(world.client().snapshot(world.deadline()).alert_groups) == 7
    assert [query.count("page=") for query in world.pages_asked()] == [1, 2, 2]


def test_an_alert_group_and_its_last_delivery_are_read(world: World) -> None:
    made = world.deliver("Disk", "a", "b", resolved=("c",))
    [group] = world.client().snapshot(world.deadline()).alert_groups
    assert (group.id, group.title, group.alerts_count, group.state) == (made.id, "Disk", 1, "firing")
    assert group.created_at == made.created_at
    assert group.url is not None
    assert group.url.endswith(made.id)
    assert group.last_delivery is not None
    content = group.last_delivery.content
    assert isinstance(content, Webhook)
    assert (content.firing, content.resolved) == (frozenset({"a", "b"}), frozenset({"c"}))
    assert content.external_url == "http://alertmanager.example:9093"


def test_odd_alert_groups_are_read_as_what_they_are(world: World) -> None:
    generic = world.irm.add_integration("generic", type="webhook")
    legacy = world.irm.add_integration("old", type="legacy_alertmanager")
    listed = world.irm.add_group(generic, title="a list", payload=[{"a": 1}])
    bare = world.irm.add_group(generic, title="no alerts", payload=None)
    wiped = world.deliver("Wiped", "a")
    world.irm.wipe(wiped.id)
    old = world.irm.deliver(
        legacy, {"alerts": [{"status": "firing", "labels": {"alertname": "Old"}, "fingerprint": "f1"}]}
    )
    groups = {group.id: group for group in world.client().snapshot(world.deadline()).alert_groups}
    assert isinstance(groups[listed.id].last_delivery.content, Unreadable)  # type: ignore[union-attr]  # it has one
    assert groups[bare.id].last_delivery is None
    assert wiped.id not in groups, "wiping resolves"
    assert old is not None
    assert groups[old].last_delivery.content == LegacyAlert(fingerprint="f1", firing=True)  # type: ignore[union-attr]  # it has one


def test_new_alert_groups_push_others_to_the_next_page_and_none_is_read_twice(world: World) -> None:
    groups = [world.deliver(f"G{number}", "a") for number in range(6)]
    world.irm.on_page_read = lambda page: (
        None if page != 1 or len(world.irm.groups()) > 6 else void(world.deliver("New", "a"))
    )
    read = [group.id for group in world.client().snapshot(world.deadline()).alert_groups]
    assert len(read) == len(set(read))
    assert set(read) >= {group.id for group in groups}


def void(_: object) -> None:
    """Take a value and give none."""


def test_entries_that_slipped_between_two_pages_are_read_again(world: World) -> None:
    groups = [world.deliver(f"G{number}", "a") for number in range(9)]
    newest_first = list(reversed(groups))

    def resolve_one_already_read(page: int) -> None:
        if page == 1 and newest_first[0].state == "firing":
            world.irm.resolve(newest_first[0].id)

    world.irm.on_page_read = resolve_one_already_read
    read = {group.id for group in world.client().snapshot(world.deadline()).alert_groups}
    assert read == {group.id for group in newest_first[1:]}


def test_a_list_that_never_holds_still_fails_the_reading(world: World) -> None:
    for number in range(30):
        world.deliver(f"G{number}", "a")

    def resolve_another(_: int) -> None:
        still = [group for group in world.irm.groups() if group.state == "firing"]
        world.irm.resolve(still[-1].id)

    world.irm.on_page_read = resolve_another
    with pytest.raises(UpstreamError) as caught:
        world.client().snapshot(world.deadline())
    assert caught.value.reason is Reason.UNSTABLE


def test_deliveries_are_read_newest_first_over_all_pages(world: World) -> None:
    for number in range(8):
        group = world.deliver("Disk", f"f{number}")
    found = world.client().deliveries(group.id, world.deadline(), at_most=500)
    assert found.complete
    firing = [one.content.firing for one in found.items if isinstance(one.content, Webhook)]
    assert firing == [{f"f{number}"} for number in reversed(range(8))]


@pytest.mark.parametrize(("at_most", "complete"), [(7, False), (8, True), (9, True)])
def test_no_more_deliveries_than_allowed_are_read(world: World, at_most: int, complete: bool) -> None:
    for number in range(8):
        group = world.deliver("Disk", f"f{number}")
    found = world.client().deliveries(group.id, world.deadline(), at_most=at_most)
    assert (found.complete, len(found.items)) == (complete, min(at_most, 8))


def test_a_resolve_and_its_note_arrive(world: World) -> None:
    group = world.deliver("Disk", "a")
    world.client().resolve(group.id, world.deadline())
    world.client().add_note(group.id, "why", world.deadline())
    assert group.state == "resolved"
    assert [note.text for note in group.notes] == ["why"]
    assert world.client().alert_group(group.id, world.deadline()).state == "resolved"


def refused(world: World, group_id: str, token: str = TOKEN) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        world.client(token).resolve(group_id, world.deadline())
    return caught.value


def test_refusals_are_understood(world: World) -> None:
    root, child = world.deliver("Root", "a"), world.deliver("Child", "b")
    world.irm.attach(child.id, root.id)
    assert refusal(refused(world, child.id)) == "attached"
    world.client().resolve(root.id, world.deadline())
    assert refusal(refused(world, root.id)) == "resolved"
    assert refusal(refused(world, "INOPE123456")) == "deleted"
    world.irm.add_user("viewer-token", role="viewer")
    viewer = refused(world, root.id, "viewer-token")
    assert refusal(viewer) == "forbidden"
    assert "You do not have permission" in str(viewer)
    assert "Invalid token." in str(refused(world, root.id, "wrong-token"))


def test_the_user_of_a_token_is_known(world: World) -> None:
    world.irm.add_user("viewer-token", role="viewer", email="v@example.org")
    user = world.client("viewer-token").current_user(world.deadline())
    assert (user.role, user.email) == ("viewer", "v@example.org")
