"""Our IRM client against the simulator that is checked against the recorded facts: pages, actions, refusals."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from alertsync.clients.irm import refusal
from alertsync.clients.irm_wire import alert_group
from alertsync.errors import Reason, UpstreamError
from alertsync.models import LegacyAlert, Unreadable, Webhook
from alertsync.simulator.wire import Fault
from tests.contract.client_world import TOKEN, World, meeting, started

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def world() -> Iterator[World]:
    with started() as it:
        yield it


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


def test_the_lists_of_all_states_are_asked_for_side_by_side() -> None:
    states = ("state=new", "state=acknowledged", "state=silenced")
    with started(before=lambda app: meeting(app, *states)) as world:
        one, other = world.deliver("One", "a"), world.deliver("Other", "b")
        world.irm.acknowledge(other.id)
        read = world.client().snapshot(world.deadline()).alert_groups
    assert [group.id for group in read] == [one.id, other.id]


def test_a_page_is_asked_for_while_the_one_before_it_is_made_use_of(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()

    def answered(app: Any) -> Any:
        def answer(environ: dict[str, Any], start_response: Any) -> Any:
            if "page=2" in environ["QUERY_STRING"].split("&"):
                asked.set()
            return app(environ, start_response)

        return answer

    def become(wire: Any) -> Any:
        assert asked.wait(5)
        return alert_group(wire)

    monkeypatch.setattr("alertsync.clients.irm.alert_group", become)
    with started(before=answered) as world:
        for number in range(4):
            world.deliver(f"G{number}", "a")
        assert len(world.client().snapshot(world.deadline()).alert_groups) == 4


def test_one_state_that_cannot_be_read_fails_the_reading_when_nothing_is_under_way_any_more() -> None:
    def refusing(app: Any) -> Any:
        def answer(environ: dict[str, Any], start_response: Any) -> Any:
            if "state=acknowledged" in environ["QUERY_STRING"]:
                start_response("403 Forbidden", [("Content-Type", "application/json")])
                return [b'{"detail": "Invalid token."}']
            return app(environ, start_response)

        return answer

    with started(before=refusing) as world:
        for number in range(12):
            world.deliver(f"G{number}", "a")
        with pytest.raises(UpstreamError):
            world.client().snapshot(world.deadline())
        assert len(world.pages_asked()) == 4


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
    world.irm.on_page_read = lambda state, page: (
        None
        if (state, page) != ("new", 1) or len(world.irm.groups()) > 6
        else void(world.deliver("New", "a"))
    )
    read = [group.id for group in world.client().snapshot(world.deadline()).alert_groups]
    assert len(read) == len(set(read))
    assert set(read) >= {group.id for group in groups}


def void(_: object) -> None:
    """Take a value and give none."""


def test_entries_that_slipped_between_two_pages_are_read_again(world: World) -> None:
    groups = [world.deliver(f"G{number}", "a") for number in range(9)]
    newest_first = list(reversed(groups))

    def resolve_one_already_read(state: str, page: int) -> None:
        if (state, page) == ("new", 1) and newest_first[0].state == "firing":
            world.irm.resolve(newest_first[0].id)

    world.irm.on_page_read = resolve_one_already_read
    read = {group.id for group in world.client().snapshot(world.deadline()).alert_groups}
    assert read == {group.id for group in newest_first[1:]}


def test_a_list_that_never_holds_still_fails_the_reading(world: World) -> None:
    for number in range(30):
        world.deliver(f"G{number}", "a")

    def resolve_another(_: str, _page: int) -> None:
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


def test_when_and_by_whom_an_alert_group_was_silenced_and_resolved_is_read(world: World) -> None:
    group = world.deliver("Disk", "a")
    client, me = world.client(), world.irm.users()[0].id
    [fresh] = client.snapshot(world.deadline()).alert_groups
    assert (fresh.silenced_at, fresh.resolved_at, fresh.resolved_by) == (None, None, None)
    client.silence(group.id, 60, world.deadline())
    [silenced] = client.snapshot(world.deadline()).alert_groups
    assert silenced == client.alert_group(group.id, world.deadline())
    assert (silenced.state, silenced.silenced_at) == ("silenced", group.silenced_at)
    client.resolve(group.id, world.deadline())
    resolved = client.alert_group(group.id, world.deadline())
    assert (resolved.resolved_at, resolved.resolved_by) == (group.resolved_at, me)


def test_integrations_tell_whether_they_receive_and_merge_and_never_their_link(world: World) -> None:
    merging = world.irm.add_integration("merging", grouping="label:severity")
    snapshot = world.client().snapshot(world.deadline())
    found = {one.id: (one.receives, one.merges) for one in snapshot.integrations}
    assert found == {world.integration.id: (True, False), merging.id: (True, True)}
    assert merging.key not in repr(snapshot)


LINKS = [
    ('"link": null', False),
    ('"link": ""', False),
    ('"link": "mailto:a@b"', False),
    ('"link": "https://"', False),
    ('"link": "https://[bad/x/"', False),
    ('"other": 1', False),
    ('"link": "https://irm.example/integrations/v1/alertmanager/Abcdef123456/"', True),
]


@pytest.mark.parametrize(("field", "receives"), LINKS)
def test_only_an_address_is_a_link(world: World, field: str, receives: bool) -> None:
    one = f'{{"id": "C1", "name": null, "type": "alertmanager", "maintenance_mode": null, {field}}}'
    body = f'{{"count": 1, "next": null, "results": [{one}]}}'.encode()
    world.server.inject(Fault("status", path="/integrations/", status=200, body=body))
    client = world.client()
    [integration] = client.snapshot(world.deadline()).integrations
    assert integration.receives is receives
    assert integration.merges, "templates that are not shown may merge"
    assert bool(client.post_room("C1")) is receives


def test_a_list_that_is_cut_off_shows_nothing_of_what_it_holds(world: World) -> None:
    body = b'{"results": [{"link": "https://irm.example/integrations/v1/alertmanager/SecretKey123/"'
    world.server.inject(Fault("status", path="/integrations/", status=200, body=body))
    with pytest.raises(UpstreamError) as caught:
        world.client().snapshot(world.deadline())
    assert caught.value.reason is Reason.NOT_JSON
    assert "SecretKey123" not in str(caught.value)


def test_a_time_without_an_offset_is_refused(world: World) -> None:
    world.deliver("Disk", "a")
    group = '{"id":"I1","integration_id":"C1","alerts_count":1,"state":"firing","created_at":"2026-11-23T02:47:31"}'
    body = f'{{"count": 1, "next": null, "results": [{group}]}}'.encode()
    world.server.inject(Fault("status", path="/alert_groups/", status=200, body=body))
    with pytest.raises(UpstreamError, match="created_at") as caught:
        world.client().snapshot(world.deadline())
    assert caught.value.reason is Reason.WRONG_SHAPE


def test_resolved_alert_groups_are_read_from_a_time_on_newest_first(world: World) -> None:
    old = world.deliver("Old", "a")
    since = world.deliver("First", "a")
    others = [world.deliver(f"G{number}", "a") for number in range(7)]
    elsewhere = world.irm.add_group(world.irm.add_integration("other"), title="elsewhere", payload=None)
    for group in (old, since, *others, elsewhere):
        world.irm.resolve(group.id)
    still_open = world.deliver("Open", "a")
    client = world.client()

    def read(integration_id: str | None, at_most: int = 100) -> list[str]:
        found = client.resolved_since(integration_id, since.created_at, world.deadline(), at_most=at_most)
        return [group.id for group in found]

    ours = [group.id for group in (*reversed(others), since)]
    assert read(world.integration.id) == ours
    assert read(world.integration.id, 5) == ours[:5]
    assert set(read(None)) == {*ours, elsewhere.id}
    assert read("CUNKNOWN") == []
    assert still_open.id not in read(None)
    world.server.clear()
    read(None, 3)
    assert len(world.server.received) == 2, "it stops when it has enough"


def test_all_notes_are_read(world: World) -> None:
    group, other = world.deliver("Disk", "a"), world.deliver("Other", "a")
    texts = tuple(f"note {number}" for number in range(7))
    for text in texts:
        world.client().add_note(group.id, text, world.deadline())
    world.client().add_note(other.id, "another's", world.deadline())
    assert world.client().notes(group.id, world.deadline()) == texts
    assert world.client().notes("IUNKNOWN", world.deadline()) == ()


def test_an_irm_that_gives_smaller_pages_than_asked_for_is_known_to() -> None:
    with started(page_cap=2) as world:
        client = world.client()
        assert client.pages_of(9) == 3
        for number in range(5):
            group = world.deliver("Disk", f"f{number}")
        found = client.deliveries(group.id, world.deadline(), at_most=500)
        assert len(found.items) == 5
        assert client.pages_of(9) == 5


def test_a_last_page_that_is_short_teaches_nothing(world: World) -> None:
    client = world.client()
    group = world.deliver("Disk", "a")
    client.deliveries(group.id, world.deadline(), at_most=500)
    assert client.pages_of(9) == 3
