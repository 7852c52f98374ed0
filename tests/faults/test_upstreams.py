"""Whatever goes wrong between us and an upstream: no action, a failed run that names it, and the next one mends.

Each fault is put on each request of a run in turn, because a fault on the last request is the one that a
careless reader survives with half a snapshot. What was done is read from what IRM received.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from alertsync.models import Outcome, RunStatus
from alertsync.simulator.wire import Fault, Server
from tests.faults.worlds import World, metric, run, world_of
from tests.servers import free_port

REQUESTS = {
    "integrations": ("irm", "/integrations/", ""),
    "firing alert groups": ("irm", "/alert_groups/", "state=new"),
    "acknowledged alert groups": ("irm", "/alert_groups/", "state=acknowledged"),
    "silenced alert groups": ("irm", "/alert_groups/", "state=silenced"),
    "deliveries": ("irm", "/alerts/", ""),
    "status": ("alertmanager", "/status", ""),
    "aggregation groups": ("alertmanager", "/alerts/groups", ""),
    "silences": ("alertmanager", "/silences", ""),
}
"""Every request of a run that comes before its first action."""

SNAPSHOTS = {name: request for name, request in REQUESTS.items() if name != "deliveries"}
"""Those without which nothing is known; deliveries are one alert group's."""

NAMES = {"irm": "Grafana IRM at ", "alertmanager": "Alertmanager at "}
QUICK = {"IRM_TIMEOUT": "0.3", "ALERTMANAGER_TIMEOUT": "0.3"}
LATE_SECONDS = 5.0
PAGE = b"<html><body>Bad Gateway</body></html>"

FAULTS = {
    "hangs up": (Fault("drop", times=-1), "the connection broke before the whole answer arrived"),
    "is slow": (Fault("delay", times=-1, seconds=LATE_SECONDS), "no answer within 0.3 s"),
    "answers 500": (
        Fault("status", times=-1, status=500),
        "HTTP 500: it has a problem of its own: see its log",
    ),
    "answers 502 with a page": (Fault("status", times=-1, status=502, body=PAGE), "HTTP 502"),
    "answers 401": (Fault("status", times=-1, status=401), "it wants other credentials"),
    "answers 404": (Fault("status", times=-1, status=404, body=PAGE), "nothing is there"),
    "sends no JSON": (Fault("not_json", times=-1), "is not JSON"),
    "is cut off": (Fault("cut", times=-1), "the connection broke before the whole answer arrived"),
    "sends another shape": (Fault("wrong_shape", times=-1), "has not the expected shape"),
}
"""What is wrong with every answer, and what the run says then."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with world_of(tmp_path) as it:
        yield it


def acted(world: World) -> bool:
    """Tell whether IRM was asked to change anything."""
    return bool(world.asked("POST"))


# --- A reading that fails ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("request_", SNAPSHOTS)
def test_a_reading_that_fails_ends_the_run_without_any_action_and_the_next_run_mends_it(
    world: World, request_: str, kind: str
) -> None:
    first, second = world.silenced("DiskFull", "NodeDown")
    # Two deliveries, so that the run has to read them.
    world.irm.deliver(world.integration, second.deliveries[0].payload)
    services = world.services(**QUICK)
    upstream, path, query = REQUESTS[request_]
    fault, says = FAULTS[kind]
    server = world.server(upstream)
    server.inject(Fault(**{**vars(fault), "path": path, "query": query}))

    failed = run(services)
    assert failed.status is RunStatus.FAILED
    assert failed.message.startswith(f"nothing was done: {NAMES[upstream]}{server.url}")
    assert says in failed.message
    assert not acted(world)
    assert not failed.decisions
    assert not failed.actions
    assert metric(services, "alertmanager_last_reconciliation_success") == 0
    assert metric(services, "alertmanager_reconciliation_failures_total") == 1
    seen = services.store.standing().upstreams[upstream]
    assert not seen.reachable

    server.heal()
    mended = run(services)
    assert mended.status is RunStatus.SUCCESS
    assert world.resolves == [first.id, second.id]
    assert metric(services, "alertmanager_last_reconciliation_success") == 1
    assert services.store.standing().upstreams[upstream].reachable


@pytest.mark.parametrize("kind", [*FAULTS, "redirects"])
def test_an_alert_group_whose_deliveries_cannot_be_read_is_left_alone_and_the_others_are_not(
    world: World, kind: str
) -> None:
    first, second = world.silenced("DiskFull", "NodeDown")
    world.irm.deliver(world.integration, second.deliveries[0].payload)
    fault = FAULTS[kind][0] if kind in FAULTS else Fault("redirect", times=-1, location="http://x.example/")
    world.irm_server.inject(Fault(**{**vars(fault), "path": "/alerts/"}))
    services = world.services(**QUICK)
    kinds = {one.alert_group.id: one.kind for one in run(services).decisions}
    # An IRM that does not answer in time is asked no further: what is left unread is held.
    left_alone = "SILENCED" if kind == "is slow" else "UNKNOWN"
    assert kinds == {first.id: "SILENCED", second.id: left_alone}
    assert world.resolves == [first.id]
    world.irm_server.heal()
    run(services)
    assert world.resolves == [first.id, second.id]


@pytest.mark.parametrize("kind", ["drop", "status", "cut", "delay"])
@pytest.mark.parametrize("request_", REQUESTS)
def test_a_reading_that_fails_once_is_done_again_within_the_run(
    world: World, request_: str, kind: str
) -> None:
    first, second = world.silenced("DiskFull", "NodeDown")
    world.irm.deliver(world.integration, second.deliveries[0].payload)
    upstream, path, query = REQUESTS[request_]
    world.server(upstream).inject(Fault(kind, path=path, query=query, seconds=LATE_SECONDS, status=503))
    assert run(world.services(**QUICK)).status is RunStatus.SUCCESS
    assert world.resolves == [first.id, second.id]


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_right_answer_under_a_wrong_content_type_is_taken(world: World, request_: str) -> None:
    # What counts is whether the body has the expected shape: gateways relabel what they pass on.
    first, second = world.silenced("DiskFull", "NodeDown")
    world.irm.deliver(world.integration, second.deliveries[0].payload)
    upstream, path, query = REQUESTS[request_]
    world.server(upstream).inject(Fault("wrong_type", path=path, query=query, times=-1))
    assert run(world.services()).status is RunStatus.SUCCESS
    assert world.resolves == [first.id, second.id]


@pytest.mark.parametrize("upstream", NAMES)
def test_a_server_that_is_down_ends_the_run_and_is_found_again_when_it_is_back(
    tmp_path: Path, upstream: str
) -> None:
    with world_of(tmp_path) as world:
        (group,) = world.silenced("DiskFull")
        port = free_port()
        setting = {"irm": "GRAFANA_IRM_URL", "alertmanager": "ALERTMANAGER_HOST"}[upstream]
        services = world.services(**{setting: f"http://127.0.0.1:{port}"})
        failed = run(services)
        assert failed.status is RunStatus.FAILED
        assert failed.message.startswith(f"nothing was done: {NAMES[upstream]}http://127.0.0.1:{port}")
        assert f"the connection is refused: is it running, and is {setting} right?" in failed.message
        assert not acted(world)
        with Server(world.server(upstream)._app, name="back", port=port) as back:
            assert run(services).status is RunStatus.SUCCESS
            if upstream == "irm":
                assert any("/resolve/" in one.path for one in back.received)
        assert group.state == "resolved"


@pytest.mark.parametrize("request_", SNAPSHOTS)
def test_a_redirect_is_not_followed_and_the_token_stays_at_home(world: World, request_: str) -> None:
    world.silenced("DiskFull")
    (group,) = world.silenced("NodeDown")
    world.irm.deliver(world.integration, group.deliveries[0].payload)
    upstream, path, query = REQUESTS[request_]
    server = world.server(upstream)
    with Server(server._app, name="target") as target:
        # To the very same application under another address: following would work, and would be wrong.
        server.inject(Fault("redirect", path=path, query=query, times=-1, location=f"{target.url}/?secret=1"))
        failed = run(world.services(ALERTMANAGER_TOKEN="alertmanager-token"))
        assert failed.status is RunStatus.FAILED
        assert f"it redirects to {target.url}/, which is not followed" in failed.message
        assert "set " in failed.message
        assert target.received == ()
    assert not acted(world)
    server.heal()
    assert run(world.services()).status is RunStatus.SUCCESS


def test_a_redirected_action_is_not_followed_either(world: World) -> None:
    (group,) = world.silenced("DiskFull")
    with Server(world.irm_server._app, name="target") as target:
        world.irm_server.inject(Fault("redirect", path="/resolve/", times=-1, location=target.url))
        done = run(world.services())
        assert (done.status, done.inconsistencies_failed) == (RunStatus.PARTIAL, 1)
        assert target.received == ()
    assert group.state == "firing"


def test_an_answer_that_drips_is_ended_with_the_time_of_the_run(world: World) -> None:
    world.silenced("DiskFull")
    with _dripping() as url:
        began = time.monotonic()
        failed = run(world.services(ALERTMANAGER_HOST=url, RUN_TIMEOUT="0.7"))
        assert time.monotonic() - began < 5
    assert failed.status is RunStatus.FAILED
    assert "the run's time was over before an answer came: raise RUN_TIMEOUT" in failed.message
    assert not acted(world)


@contextmanager
def _dripping() -> Iterator[str]:
    """Serve an answer without end, a byte at a time, faster than any timeout between two bytes."""
    stop = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not stop.wait(0.05):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()


def test_an_alertmanager_that_has_just_forgotten_everything_closes_nothing(world: World) -> None:
    world.silenced("DiskFull")
    world.alertmanager.restart()
    services = world.services(ALERTMANAGER_EXTERNAL_URLS=world.alertmanager.external_url)
    (decision,) = run(services).decisions
    assert decision.kind == "GONE_UNPROVEN"
    world.fire("Other")
    assert {one.kind for one in run(services).decisions} == {"GONE_UNPROVEN", "CONSISTENT"}
    assert not acted(world)


# --- Rate limits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_short_retry_after_is_waited_for_and_the_run_goes_on(world: World, request_: str) -> None:
    first, second = world.silenced("DiskFull", "NodeDown")
    world.irm.deliver(world.integration, second.deliveries[0].payload)
    upstream, path, query = REQUESTS[request_]
    world.server(upstream).inject(Fault("throttle", path=path, query=query, retry_after=7))
    done = run(world.services())
    assert done.status is RunStatus.SUCCESS
    assert 6.9 < world.time.waited < 14
    assert world.resolves == [first.id, second.id]


@pytest.mark.parametrize("request_", SNAPSHOTS)
def test_a_retry_after_beyond_the_end_of_the_run_fails_it_at_once_and_clearly(
    world: World, request_: str
) -> None:
    first, second = world.silenced("DiskFull", "NodeDown")
    world.irm.deliver(world.integration, second.deliveries[0].payload)
    services = world.services(RUN_TIMEOUT="20")
    upstream, path, query = REQUESTS[request_]
    world.server(upstream).inject(Fault("throttle", path=path, query=query, retry_after=46))
    failed = run(services)
    assert failed.status is RunStatus.FAILED
    assert f"nothing was done: {NAMES[upstream]}" in failed.message
    assert "HTTP 429" in failed.message
    assert "Expected available in 46 seconds." in failed.message
    assert world.time.waited < 20
    assert not acted(world)
    world.time.leap(46)
    assert run(services).status is RunStatus.SUCCESS
    assert world.resolves == [first.id, second.id]


def test_irm_is_left_in_peace_for_as_long_as_it_asked_whatever_is_tried_meanwhile(world: World) -> None:
    world.silenced("DiskFull")
    services = world.services(RUN_TIMEOUT="20")
    world.irm_server.inject(Fault("throttle", retry_after=46))
    run(services)
    before = len(world.irm_server.received)
    again = run(services)
    assert again.status is RunStatus.FAILED
    assert "Grafana IRM" in again.message
    assert len(world.irm_server.received) == before


def test_a_wait_that_is_told_by_ratelimit_reset_alone_is_read_too(world: World) -> None:
    # IRM answers so for a stack that it does not know.
    world.irm.add_user("glsa_account", role="editor", kind="service_account")
    services = world.services(GRAFANA_IRM_TOKEN="glsa_account", GRAFANA_STACK_URL="http://other.example")
    failed = run(services)
    assert failed.status is RunStatus.FAILED
    assert "Organization being synced, please retry." in failed.message
    assert len(world.irm_server.received) == 1


def test_our_own_share_of_the_rate_limit_is_kept(world: World) -> None:
    groups = world.silenced(*(f"A{number}" for number in range(6)))
    asked_at: list[float] = []

    def note_time(environ: Any, start_response: Any) -> Any:
        asked_at.append(world.time.clock.monotonic())
        return world.irm_server._app(environ, start_response)

    with Server(note_time, name="timed") as timed:
        done = run(world.services(GRAFANA_IRM_URL=timed.url, IRM_RATE_LIMIT="5/10 seconds"))
    assert done.status is RunStatus.SUCCESS
    assert {group.state for group in groups} == {"resolved"}
    assert len(asked_at) > 10
    assert all(sixth - first > 9.9 for first, sixth in zip(asked_at, asked_at[5:], strict=False))


# --- Many pages -------------------------------------------------------------------------------------------


def test_irm_failing_on_page_3_of_5_means_no_action_and_the_next_run_mends_everything(world: World) -> None:
    groups = world.silenced("A1", "A2", "A3", "A4", "A5")
    services = world.services(IRM_PAGE_SIZE="1")
    world.irm_server.inject(
        Fault("status", path="/alert_groups/", query="state=new&perpage=1&page=3", times=-1, status=500)
    )
    failed = run(services)
    assert failed.status is RunStatus.FAILED
    assert "Grafana IRM" in failed.message
    assert "list alert groups" in failed.message
    assert world.asked("GET", "/alert_groups/", "page=3")
    assert not acted(world)
    world.irm_server.heal()
    assert run(services).inconsistencies_resolved == 5
    assert sorted(world.resolves) == sorted(group.id for group in groups)


def test_a_group_that_arrives_while_pages_are_read_has_nothing_acted_on_twice(world: World) -> None:
    groups = world.silenced("A1", "A2", "A3", "A4", "A5")

    def arrive(state: str, page: int) -> None:
        if (state, page) == ("new", 1) and len(world.irm.groups()) == 5:
            world.fire("Late")  # newest first: everything moves down by one, and an entry shows twice

    world.irm.on_page_read = arrive
    done = run(world.services(IRM_PAGE_SIZE="2"))
    assert done.status is RunStatus.SUCCESS
    assert sorted(world.resolves) == sorted(group.id for group in groups)
    assert [len(group.notes) for group in groups] == [1] * 5


def test_a_group_that_slips_between_two_pages_is_found_by_reading_again(world: World) -> None:
    groups = world.silenced("A1", "A2", "A3", "A4", "A5")

    def leave(state: str, page: int) -> None:
        if (state, page) == ("new", 1) and groups[4].state == "firing":
            # Everything moves up by one: the third entry would be on page 1, which has been read.
            world.irm.resolve(groups[4].id)

    world.irm.on_page_read = leave
    done = run(world.services(IRM_PAGE_SIZE="2"))
    assert done.status is RunStatus.SUCCESS
    assert len(world.asked("GET", "/alert_groups/", "state=new&perpage=2&page=2")) == 2
    assert sorted(world.resolves) == sorted(group.id for group in groups[:4])


def test_a_list_that_never_stands_still_fails_the_run_and_the_next_one_mends_it(world: World) -> None:
    groups = world.silenced(*(f"A{number}" for number in range(9)))

    def leave(state: str, page: int) -> None:
        if (state, page) == ("new", 1):
            world.irm.resolve(next(group.id for group in reversed(groups) if group.state == "firing"))

    world.irm.on_page_read = leave
    services = world.services(IRM_PAGE_SIZE="2")
    failed = run(services)
    assert failed.status is RunStatus.FAILED
    assert "the list lost entries while its pages were read" in failed.message
    assert not acted(world)
    world.irm.on_page_read = None
    assert run(services).status is RunStatus.SUCCESS
    assert all(group.state == "resolved" for group in groups)


# --- Actions that fail ------------------------------------------------------------------------------------


def test_a_resolve_whose_answer_is_lost_is_sent_again_and_known_to_be_ours(world: World) -> None:
    first, second = world.silenced("DiskFull", "NodeDown")
    world.irm_server.inject(Fault("lost_answer", method="POST", path=f"/{first.id}/resolve/"))
    done = run(world.services())
    assert done.status is RunStatus.SUCCESS
    assert (done.inconsistencies_resolved, done.inconsistencies_failed) == (2, 0)
    assert world.resolves == [first.id, first.id, second.id]
    assert [action.outcome for action in done.actions] == [Outcome.RESOLVED, Outcome.RESOLVED]
    assert {first.resolved_by, second.resolved_by} == {world.user.id}
    assert (len(first.notes), len(second.notes)) == (1, 1)


def test_a_group_that_somebody_else_resolved_meanwhile_is_success(world: World) -> None:
    first, second = world.silenced("DiskFull", "NodeDown")
    services = world.services()

    def meanwhile(state: str, _: int) -> None:
        # The list that it stands in has been made by then.
        if state == "new" and first.state == "firing":
            world.irm.resolve(first.id)

    world.irm.on_page_read = meanwhile
    done = run(services)
    assert done.status is RunStatus.SUCCESS
    assert [action.outcome for action in done.actions] == [Outcome.ALREADY_RESOLVED, Outcome.RESOLVED]
    assert second.state == "resolved"


@pytest.mark.parametrize("status", [400, 500])
def test_a_group_that_cannot_be_resolved_does_not_stop_the_others(world: World, status: int) -> None:
    groups = world.silenced("A1", "A2", "A3")
    unlucky = groups[1]
    world.irm_server.inject(
        Fault("status", path=f"/{unlucky.id}/resolve/", times=-1, status=status, body=b'{"detail": "No."}')
    )
    services = world.services()
    done = run(services)
    assert done.status is RunStatus.PARTIAL
    assert (done.inconsistencies_resolved, done.inconsistencies_failed) == (2, 1)
    assert "Grafana IRM" in done.message
    assert "'No.'" in done.message
    assert [group.state for group in groups] == ["resolved", "firing", "resolved"]
    assert metric(services, "alertmanager_inconsistencies_failed_resolve_total") == 1
    assert metric(services, "alertmanager_last_reconciliation_success") == 0
    world.irm_server.heal()
    assert run(services).status is RunStatus.SUCCESS
    assert unlucky.state == "resolved"


def test_a_group_that_was_deleted_or_attached_meanwhile_is_no_failure(world: World) -> None:
    root, child, deleted, other = world.silenced("Root", "Child", "Deleted", "Other")
    services = world.services(MAX_ACTIONS_PER_RUN="10")

    def meanwhile(state: str, _: int) -> None:
        if state == "new" and child.root_id is None:
            world.irm.attach(child.id, root.id)
            world.irm.delete(deleted.id)

    world.irm.on_page_read = meanwhile
    # The root's own resolve would take the child with it: it fails here, so that the child is tried.
    world.irm_server.inject(Fault("status", path=f"/{root.id}/resolve/", status=400))
    done = run(services)
    assert {action.alert_group_id: action.outcome for action in done.actions} == {
        root.id: Outcome.FAILED,
        child.id: Outcome.ATTACHED,
        deleted.id: Outcome.DELETED,
        other.id: Outcome.RESOLVED,
    }
    again = run(services)
    # IRM says nowhere that a group is attached, so what it said is remembered: no attempt is made again.
    assert world.resolves.count(child.id) == 1
    assert again.status is RunStatus.SUCCESS


@pytest.mark.parametrize("who", ["a viewer", "a service account"])
def test_a_token_that_may_not_act_stops_the_acting_after_two_attempts(world: World, who: str) -> None:
    groups = world.silenced("A1", "A2", "A3")
    world.irm.add_user("viewer-token", role="viewer")
    world.irm.add_user("glsa_account", role="editor", kind="service_account")
    token = {"a viewer": "viewer-token", "a service account": "glsa_account"}[who]
    done = run(world.services(GRAFANA_IRM_TOKEN=token, GRAFANA_STACK_URL=world.irm.grafana_url))
    assert done.status is RunStatus.PARTIAL
    # A viewer may not even write the note that comes first; a service account's is taken back.
    attempted = [groups[0].id, groups[1].id] if who == "a service account" else []
    assert world.resolves == attempted
    assert len(world.asked("POST")) == 2 + 2 * len(attempted)
    # Two, as a single refusal may be about one alert group that is not ours to act on.
    assert [action.outcome for action in done.actions] == [
        Outcome.FAILED,
        Outcome.FAILED,
        Outcome.NOT_ATTEMPTED,
    ]
    assert "wants an API token of a user with role Editor or above" in done.message
    assert token not in done.message
    assert {group.state for group in groups} == {"firing"}


def test_an_irm_that_goes_away_while_acting_is_not_asked_a_hundred_times(world: World) -> None:
    groups = world.silenced(*(f"A{number}" for number in range(8)))
    world.irm_server.inject(Fault("delay", method="POST", path="/resolve/", after=1, times=-1, seconds=5))
    services = world.services(**QUICK)
    done = run(services)
    assert done.status is RunStatus.PARTIAL
    # The first, and the four that were under way at once.
    assert set(world.resolves) == {group.id for group in groups[:5]}
    assert [action.outcome for action in done.actions] == [
        Outcome.RESOLVED,
        *[Outcome.FAILED] * 4,
        *[Outcome.NOT_ATTEMPTED] * 3,
    ]
    world.irm_server.heal()
    assert run(services).status is RunStatus.SUCCESS
    assert {group.state for group in groups} == {"resolved"}


def test_without_its_note_nothing_is_resolved_unless_notes_are_off(world: World) -> None:
    (group,) = world.silenced("DiskFull")
    world.irm_server.inject(Fault("status", path="/resolution_notes/", times=-1, status=500))
    done = run(world.services())
    assert done.status is RunStatus.PARTIAL
    assert [action.outcome for action in done.actions] == [Outcome.FAILED]
    assert "write resolution note" in done.actions[0].detail
    assert (world.resolves, group.state) == ([], "firing")
    done = run(world.services(RESOLUTION_NOTES="false"))
    assert [(action.outcome, action.note) for action in done.actions] == [(Outcome.RESOLVED, "off")]
    assert group.state == "resolved"


def test_a_note_whose_answer_is_lost_says_the_same_when_it_stands_there_again(world: World) -> None:
    (group,) = world.silenced("DiskFull")
    world.irm_server.inject(Fault("lost_answer", path="/resolution_notes/"))
    run(world.services())
    assert group.state == "resolved"
    assert len({note.text for note in group.notes}) == 1


def test_what_changed_since_it_was_read_is_looked_at_again_before_acting(world: World) -> None:
    first, second, third = world.silenced("A1", "A2", "A3")
    (silence_id,) = (one.id for one in world.alertmanager.silences() if one.matchers[0].value == "A2")
    # The first resolve takes so long that what was read is old, and meanwhile the second alert wakes up.
    world.irm_server.inject(Fault("throttle", path=f"/{first.id}/resolve/", retry_after=30))
    world.time.on_leap = lambda: world.alertmanager.expire(silence_id)
    done = run(world.services(CONFIRM_AFTER="10"))
    assert {action.alert_group_id: action.outcome for action in done.actions} == {
        first.id: Outcome.RESOLVED,
        second.id: Outcome.CANCELLED,
        third.id: Outcome.RESOLVED,
    }
    assert done.status is RunStatus.SUCCESS
    assert second.state == "firing"
    assert second.id not in world.resolves
