"""Holds the simulated IRM against answers recorded from a real one.

The tests of the product are worth what the simulator is worth. Each case brings it into the situation
of a recording, sends the recorded request over HTTP and compares the answer. What no recording
can show (who is paged, which group takes a delivery) is checked below, as it was observed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from alertsync.simulator.irm_model import Group, Irm
from tests.contract.irm_world import COMPARED_HEADERS, Exchange, World, alike, load, webhook

Situation = Callable[[World, Exchange], None]
RECORDED = load()
SEEDED = 1200


@pytest.fixture
def world() -> Iterator[World]:
    with World() as it:
        yield it


# Situations


def nothing(_world: World, _exchange: Exchange) -> None:
    """Leave IRM as it is: users and an integration, no alert group."""


def firing(world: World, exchange: Exchange) -> None:
    for payload in exchange.payloads or [webhook("One")]:
        world.deliver(payload)


def after(*actions: str, delay: int = 600) -> Situation:
    """Do actions, as the admin, to a firing group."""

    def situation(world: World, exchange: Exchange) -> None:
        group = world.firing(exchange)
        for action in actions:
            world.irm.act(group.id, action, by=world.users["admin"], delay=delay)

    return situation


def attached(*root_actions: str) -> Situation:
    """Attach a firing group to another one, then do actions to the root."""

    def situation(world: World, exchange: Exchange) -> None:
        root = world.deliver(webhook("Root"))
        child = world.firing(exchange)
        world.irm.attach(child.id, root.id)
        for action in root_actions:
            world.irm.act(root.id, action, by=world.users["admin"])

    return situation


def root_of_another(world: World, exchange: Exchange) -> None:
    attached()(world, exchange)
    world.names["group"] = world.irm.groups()[0].id


def wiped(world: World, exchange: Exchange) -> None:
    world.irm.wipe(world.firing(exchange).id)


def wiped_and_unresolved(world: World, exchange: Exchange) -> None:
    wiped(world, exchange)
    world.irm.unresolve(world.names["group"], by=world.users["admin"])


def deleted(world: World, exchange: Exchange) -> None:
    world.irm.delete(world.firing(exchange).id)


def without_alerts(world: World, _exchange: Exchange) -> None:
    world.names["group"] = world.irm.add_group(world.irm.add_integration("seeded"), title="no alerts").id


def labelled(world: World, exchange: Exchange) -> None:
    world.firing(exchange).labels = {"team": "core"}


def legacy(world: World, exchange: Exchange) -> None:
    integration = world.irm.add_integration("lab-legacy", type="legacy_alertmanager")
    world.deliver({"alerts": exchange.payloads}, integration)


def grouped_by_severity(world: World, exchange: Exchange) -> None:
    integration = world.use(world.irm.add_integration("lab-alertmanager", grouping="label:severity"))
    for payload in exchange.payloads:
        world.deliver(payload, integration)


def grouped_by_severity_twice(world: World, exchange: Exchange) -> None:
    grouped_by_severity(world, RECORDED["custom_grouping_alerts"])
    assert exchange.payloads[0] == RECORDED["custom_grouping_alerts"].payloads[-1]


def other_integration(world: World, exchange: Exchange) -> None:
    world.use(world.irm.add_integration("other"))
    firing(world, exchange)


def generic_integration(world: World, exchange: Exchange) -> None:
    integration = world.use(world.irm.add_integration("lab-webhook", type="webhook"))
    world.irm.add_group(integration)
    world.deliver(exchange.payloads[0], integration)


def all_integrations(world: World, _exchange: Exchange) -> None:
    world.irm.add_integration("lab-legacy", type="legacy_alertmanager")
    world.irm.add_integration("lab-seed")
    world.irm.add_integration("lab-webhook", type="webhook")


def seeded(world: World, _exchange: Exchange) -> None:
    for number in range(SEEDED):
        world.irm.add_group(
            world.integration,
            title=f"Seed{number:06}",
            payload=webhook(f"Seed{number:06}"),
            created_at=world.clock.now + timedelta(seconds=number),
        )


def seeded_below_one(world: World, exchange: Exchange) -> None:
    for number in range(exchange.response["body"]["count"] - 1):
        world.irm.add_group(world.integration, payload=webhook(f"Older{number}"))
    world.firing(exchange)


def noted(world: World, exchange: Exchange) -> None:
    text = exchange.response["body"]["results"][0]["text"]
    world.irm.add_note(world.firing().id, text, by=world.users["admin"])


def resolved_by_api_and_then_by_source(world: World, exchange: Exchange) -> None:
    group = world.deliver({**exchange.payloads[0], "status": "firing"})
    world.irm.resolve(group.id, by=world.users["admin"])
    world.deliver(exchange.payloads[0])


def throttled(seconds_ago: float) -> Situation:
    """Use the admin's requests up, that many seconds ago."""

    def situation(world: World, exchange: Exchange) -> None:
        if exchange.payloads:
            resolved_by_api_and_then_by_source(world, exchange)
        else:
            world.firing()
        world.irm.rate_limit = (3, 60)
        for _ in range(3):
            assert world.send("GET", "/api/v1/alert_groups/").status_code == 200
        world.clock.advance(seconds_ago)

    return situation


# Recordings: what each one says, and the situation it was made in

Cases = dict[str, tuple[str, Situation]]

AUTHENTICATION: Cases = {
    "auth_missing": ("a request without a token is refused with 403", nothing),
    "auth_empty": ("an empty token is refused", nothing),
    "auth_invalid": ("an unknown token is refused", nothing),
    "auth_invalid_hex64": ("an unknown token that looks right is refused", nothing),
    "auth_nonhex_samekey": ("a token with something appended is refused", nothing),
    "auth_truncated": ("a truncated token is refused", nothing),
    "auth_bearer_prefix": ("the prefix Bearer is refused", nothing),
    "auth_token_prefix": ("the prefix Token is refused", nothing),
    "info_noauth": ("info needs a token too", nothing),
    "resolve_missing_token": ("an action without a token is refused", firing),
    "resolve_invalid_token": ("an action with an unknown token is refused", firing),
}
ROLES: Cases = {
    "viewer_resolve": ("a viewer may not resolve", firing),
    "none_list": ("a user without a role may not list", nothing),
    "none_resolve": ("a user without a role may not resolve", firing),
}
SERVICE_ACCOUNTS: Cases = {
    "sa_acknowledge": ("a service account may not acknowledge", firing),
    "sa_resolve": ("a service account may not resolve", firing),
    "sa_unresolve": ("a service account may not unresolve", after("resolve")),
    "sa_silence": ("a service account may not silence", firing),
    "sa_unsilence": ("a service account may not unsilence", after("silence")),
    "sa_ro_resolve": ("a service account that may only read hears of its role", firing),
    "sa_bad": ("an unknown service account is refused", nothing),
    "sa_bearer": ("a service account with the prefix Bearer is refused", nothing),
    "sa_unknown_org": ("a service account of an unknown stack is told to retry", nothing),
}
ACTIONS: Cases = {
    "acknowledge_again": ("an acknowledged group cannot be acknowledged", after("acknowledge")),
    "acknowledge_resolved": ("a resolved group cannot be acknowledged", after("resolve")),
    "acknowledge_silenced": ("a silenced group can be acknowledged", after("silence")),
    "unacknowledge": ("an acknowledged group can be unacknowledged", after("acknowledge")),
    "unacknowledge_again": ("a firing group cannot be unacknowledged", firing),
    "unacknowledge_resolved": ("a resolved group cannot be unacknowledged", after("resolve")),
    "resolve_slash_emptybody": ("resolving answers 200 with nothing", firing),
    "resolve_noslash": ("the slash of an action is optional", firing),
    "resolve_again": ("a resolved group cannot be resolved", after("resolve")),
    "resolve_unknown": ("an unknown group cannot be resolved", nothing),
    "resolve_bad_content_type": ("resolving does not look at the content type", firing),
    "resolve_bad_json": ("resolving does not look at the body", firing),
    "resolve_json_body": ("resolving takes an empty object", firing),
    "resolve_root": ("a root group can be resolved", root_of_another),
    "unresolve": ("a resolved group can be unresolved", after("resolve")),
    "unresolve_again": ("an unresolved group cannot be unresolved", after("resolve", "unresolve")),
    "unresolve_not_resolved": ("a firing group cannot be unresolved", firing),
    "unresolve_wiped": ("unresolving a wiped group answers 200", wiped),
    "unsilence": ("a silenced group can be unsilenced", after("silence")),
    "unsilence_acked": ("an acknowledged group cannot be unsilenced", after("acknowledge")),
    "unsilence_not_silenced": ("a firing group cannot be unsilenced", firing),
    "unsilence_resolved": ("a resolved group cannot be unsilenced", after("resolve")),
}
SILENCES: Cases = {
    "silence_3600": ("a group can be silenced", firing),
    "silence_before_resolve": ("a group can be silenced, slash and all", firing),
    "silence_again": ("a silenced group can be silenced", after("silence")),
    "silence_str": ("a delay may be a number in quotes", firing),
    "silence_zero": ("a delay of 0 is taken", firing),
    "silence_forever": ("a delay of -1 is taken", firing),
    "silence_neg": ("a delay of -2 is refused", firing),
    "silence_baddelay": ("a delay in words is refused", firing),
    "silence_nodelay": ("a silence needs a delay", firing),
    "silence_bad_json": ("a silence needs JSON", firing),
    "silence_acked": ("an acknowledged group cannot be silenced", after("acknowledge")),
    "silence_resolved": ("a resolved group cannot be silenced", after("resolve")),
}
ATTACHED: Cases = {
    "attached_acknowledge": ("an attached group cannot be acknowledged", attached()),
    "attached_resolve": ("an attached group cannot be resolved", attached()),
    "attached_silence": ("an attached group cannot be silenced", attached()),
    "attached_unacknowledge": ("its state comes first when unacknowledging", attached()),
    "attached_unresolve": ("its state comes first when unresolving", attached()),
    "attached_unsilence": ("its state comes first when unsilencing", attached()),
    "attached_resolved_resolve": ("its state comes first when resolving", attached("resolve")),
    "attached_resolved_unresolve": ("an attached group cannot be unresolved", attached("resolve")),
    "detail_attached_child": ("nothing shows that a group is attached", attached()),
    "attached_child_after_root_resolve": ("its root's resolver resolves it", attached("resolve")),
}
ALERT_GROUPS: Cases = {
    "detail": ("a firing group", firing),
    "detail_noslash": ("the slash of a group is optional", firing),
    "detail_resolved": ("a resolved group names who resolved it", after("silence", "resolve")),
    "detail_silenced": ("a silenced group does not say until when", after("silence")),
    "detail_silenced_forever": ("a group silenced for ever looks the same", after("silence", delay=-1)),
    "detail_after_silence_zero": ("a group silenced with 0 looks the same", after("silence", delay=0)),
    "detail_ack_from_silenced": ("acknowledging ends a silence", after("silence", "acknowledge")),
    "detail_unresolved": ("an unresolved group looks as if nothing had been", after("resolve", "unresolve")),
    "detail_unsilenced": ("an unsilenced group looks as if nothing had been", after("silence", "unsilence")),
    "detail_unknown": ("an unknown group is not found", nothing),
    "detail_deleted": ("a deleted group is not found", deleted),
    "detail_wiped": ("a wiped group has lost title and payload", wiped),
    "detail_wiped_after_unresolve": ("a wiped group stays resolved", wiped_and_unresolved),
    "detail_no_alerts": ("a group without a delivery has no last alert", without_alerts),
    "detail_legacy": ("a legacy group holds one alert", legacy),
    "detail_truncated": ("what Alertmanager cut is counted", firing),
    "detail_with_label": ("labels are lists of ids and names", labelled),
    "custom_grouping_detail": (
        "a merged group shows the delivery that spoke last",
        grouped_by_severity_twice,
    ),
    "custom_grouping_alerts": ("a merged group lists all its deliveries, newest first", grouped_by_severity),
    "alerts_of_group": ("a group lists its deliveries", firing),
    "alerts_of_group_unknown": ("an unknown group has no deliveries", firing),
    "delete_delete": ("a group can be deleted", firing),
    "delete_wipe": ("a group can be wiped", firing),
}
FILTERS: Cases = {
    "list_empty": ("an empty list", nothing),
    "list_empty_noslash": ("the slash of the list is optional", nothing),
    "list_one": ("a list of one", firing),
    "list_id_filter": ("by id", firing),
    "list_integration_invalid": ("an unknown integration has no groups", firing),
    "list_integration_other": ("another integration has its own groups", other_integration),
    "list_webhook_integration": ("payloads of a generic integration may be lists", generic_integration),
    "list_label_match": ("by label", labelled),
    "list_label_none": ("by a label that no group has", labelled),
    "list_started_at": ("a range with a slash is refused", firing),
    "list_started_at_bad": ("a range that is none is refused", firing),
    "list_started_at_ok": ("by a range, cut into pages", seeded_below_one),
    "list_state_new": ("by state, newest first", firing),
    "list_state_acknowledged": ("no group is acknowledged", firing),
    "list_state_resolved": ("no group is resolved", firing),
    "list_state_silenced": ("no group is silenced", firing),
    "list_state_silenced_one": ("one group is silenced", after("silence")),
    "list_state_two": ("of two states the last wins", firing),
    "list_state_bogus": ("an unknown state is refused", firing),
    "list_state_firing": ("the state firing is called new", firing),
}
PAGING: Cases = {
    "page_default": ("a page has 50 groups by default", seeded),
    "page_perpage10": ("a page of 10", seeded),
    "page_perpage100": ("a page of 100", seeded),
    "page_perpage101": ("above 100 the size is not shown", seeded),
    "page_perpage500": ("a page of 500", seeded),
    "page_perpage1000": ("a page of 1000", seeded),
    "page_perpage5000": ("a page of everything", seeded),
    "page_2_of_perpage500": ("a page in the middle has two neighbours", seeded),
    "page_last": ("the last page has no next", seeded),
    "page_past_end": ("a page past the end is the last page again", seeded),
    "page_zero": ("page 0 is the first", seeded),
    "page_neg": ("page -3 is the first", seeded),
    "page_abc": ("page abc is the first", seeded),
    "page_next_hosthdr": ("links are built from IRM's own address", seeded),
    "page_next_no_slash_path": ("links keep a missing slash", seeded),
    "page_next_unicode": ("labels with spaces", seeded),
    "page_pagesize_param": ("page_size is no parameter", seeded),
    "perpage_0": ("perpage 0 is the default", seeded),
    "perpage_abc": ("perpage abc is the default", seeded),
}
NOTES: Cases = {
    "resolution_note_create": ("a note can be written", firing),
    "resolution_note_create_noslash": ("a long note can be written without a slash", firing),
    "resolution_note_sa": ("the note of a service account has no author", firing),
    "resolution_note_viewer": ("a viewer may not write a note", firing),
    "resolution_note_bad_group": ("a note needs a group that exists", firing),
    "resolution_notes_list": ("the notes of a group are listed", noted),
}
RATE_LIMIT: Cases = {
    "ratelimit_last_ok": ("the last request within the limit", resolved_by_api_and_then_by_source),
    "ratelimit_429": ("the next one is throttled", throttled(14)),
    "ratelimit_429_other_endpoint": ("other endpoints share the limit", throttled(14)),
    "ratelimit_429_post_resolve": ("actions share the limit", throttled(11)),
    "ratelimit_429_second_token_same_user": ("all tokens of a user share it", throttled(11)),
    "ratelimit_denied_post_while_limited": ("who may not act is told so first", throttled(11)),
    "ratelimit_info_other_scope": ("info has a limit of its own", throttled(11)),
    "ratelimit_other_user": ("another user has a limit of its own", throttled(11)),
}
SURROUNDINGS: Cases = {
    "integrations_list": ("integrations, the legacy one looking like the new", all_integrations),
    "integration_one": ("an integration with its inbound URL", nothing),
    "integration_unknown": ("an unknown integration is not found", nothing),
    "custom_grouping_integration": ("an integration shows its grouping template", grouped_by_severity),
    "integration_post_bad_token": ("an unknown inbound key is refused in HTML", nothing),
    "reinject_payload": ("a payload can be posted again", nothing),
    "users_current": ("the user who asks", nothing),
    "users_current_slash": ("the user who asks, with a slash", nothing),
    "users_list": ("the people, without service accounts", nothing),
    "user_by_id": ("a user by id", nothing),
    "user_unknown": ("an unknown user is not found", nothing),
    "health": ("health needs no token", nothing),
    "ready": ("ready needs no token", nothing),
    "info": ("info names Grafana", nothing),
}
CASES: Cases = {
    **AUTHENTICATION,
    **ROLES,
    **SERVICE_ACCOUNTS,
    **ACTIONS,
    **SILENCES,
    **ATTACHED,
    **ALERT_GROUPS,
    **FILTERS,
    **PAGING,
    **NOTES,
    **RATE_LIMIT,
    **SURROUNDINGS,
}


@pytest.mark.parametrize("name", [pytest.param(name, id=sentence) for name, (sentence, _) in CASES.items()])
def test_answers_as_recorded(name: str, world: World) -> None:
    exchange = RECORDED[name]
    CASES[name][1](world, exchange)

    answer = world.repeat(exchange)

    expected = exchange.response
    assert answer.status_code == expected["status"]
    for header in COMPARED_HEADERS:
        assert answer.headers.get(header) == expected["headers"].get(header), header
    shown = answer.json() if "json" in answer.headers.get("Content-Type", "") else answer.text
    assert alike(_without_most_results(shown, expected["body"])) == alike(expected["body"])
    if "Content-Length" in expected["headers"]:
        assert answer.headers["Content-Length"] == expected["headers"]["Content-Length"]


def test_every_recording_is_checked() -> None:
    assert set(CASES) == set(RECORDED)


def _without_most_results(shown: Any, recorded: Any) -> Any:
    """Cut long lists as the recordings of pages were cut: their length and their first titles remain."""
    if not isinstance(recorded, dict) or not isinstance(recorded.get("results"), dict):
        return shown
    results = shown["results"]
    first = len(recorded["results"]["first_titles"])
    titles = [group["title"] for group in results[:first]]
    return {**shown, "results": {"length": len(results), "first_titles": titles}}


# What a request does, and what the contract says without a recording


@pytest.mark.parametrize(
    ("name", "before", "state"),
    [
        pytest.param("resolve_slash_emptybody", firing, "resolved", id="resolve"),
        pytest.param("unresolve", after("resolve"), "firing", id="unresolve"),
        pytest.param("acknowledge_silenced", after("silence"), "acknowledged", id="acknowledge"),
        pytest.param("unacknowledge", after("acknowledge"), "firing", id="unacknowledge"),
        pytest.param("silence_3600", firing, "silenced", id="silence"),
        pytest.param("unsilence", after("silence"), "firing", id="unsilence"),
    ],
)
def test_an_action_changes_the_state(name: str, before: Situation, state: str, world: World) -> None:
    before(world, RECORDED[name])
    world.repeat(RECORDED[name])
    assert world.state() == state


@pytest.mark.parametrize(
    ("delay", "seconds"), [("3600", 3600), ('"600"', 600), ("0", None), ("-1", None)], ids=str
)
def test_a_silence_lasts_for_its_delay_and_0_and_minus_1_mean_for_ever(
    delay: str, seconds: int | None, world: World
) -> None:
    group = world.firing()
    world.send("POST", "/api/v1/alert_groups/{group}/silence/", data=f'{{"delay": {delay}}}')
    assert group.silenced_until == (world.clock.now + timedelta(seconds=seconds) if seconds else None)


@pytest.mark.parametrize("action", ["silence", "acknowledge", "resolve"])
def test_a_group_tells_when_something_was_done_to_it(action: str, world: World) -> None:
    world.firing()
    created, at = world.clock.now, world.clock.now + timedelta(seconds=5)
    world.clock.advance(5)
    world.send("POST", f"/api/v1/alert_groups/{{group}}/{action}/", json={"delay": 60})
    shown = world.send("GET", "/api/v1/alert_groups/{group}/").json()
    assert datetime.fromisoformat(shown["created_at"]) == created
    assert datetime.fromisoformat(shown[f"{action.rstrip('e')}ed_at"]) == at


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_a_wrong_method_breaks_the_server(method: str, world: World) -> None:
    world.firing()
    answer = world.send(method, "/api/v1/alert_groups/{group}/resolve/")
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "text/html; charset=utf-8")
    assert world.state() == "firing"


def test_asking_for_the_current_user_as_a_service_account_breaks_the_server(world: World) -> None:
    headers = {"Authorization": "glsa_editor", "X-Grafana-URL": "http://grafana.example"}
    assert world.send("GET", "/api/v1/alert_groups/", headers=headers).status_code == 200
    answer = world.send("GET", "/api/v1/users/current/", headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "text/html; charset=utf-8")


def test_a_service_account_needs_its_stack(world: World) -> None:
    answer = world.send("GET", "/api/v1/alert_groups/", headers={"Authorization": "glsa_editor"})
    assert (answer.status_code, answer.json()) == (403, {"detail": "Invalid token."})


def test_a_malformed_label_filter_is_ignored(world: World) -> None:
    world.firing()
    assert world.send("GET", "/api/v1/alert_groups/?label=nonsense").json()["count"] == 1


def test_the_inbound_endpoint_needs_its_slash(world: World) -> None:
    answer = world.send("POST", world.integration.path.rstrip("/"), json=webhook("One"))
    assert answer.status_code == 404
    assert world.irm.groups() == []


def test_a_heartbeat_is_taken_by_either_method_and_for_known_keys_only(world: World) -> None:
    path = f"{world.integration.path}heartbeat/"
    shown = world.send("GET", f"/api/v1/integrations/{world.integration.id}/").json()
    assert shown["heartbeat"]["link"].endswith(path)
    answers = [world.send(method, path) for method in ("GET", "POST")]
    assert [(one.status_code, one.text.strip()) for one in answers] == [(200, '":)"'), (200, "")]
    assert world.send("POST", path.replace(world.integration.key, "wrong")).status_code == 403
    assert world.integration.heartbeats == [world.clock.now] * 2
    world.integration.has_heartbeat = False
    assert world.send("GET", f"/api/v1/integrations/{world.integration.id}/").json()["heartbeat"] is None


def test_the_date_header_tells_the_clock_of_irm(world: World) -> None:
    told = parsedate_to_datetime(world.send("GET", "/health/").headers["Date"])
    assert told == world.clock.now.replace(microsecond=0)


def test_the_throttle_opens_again_when_its_time_has_passed(world: World) -> None:
    throttled(0)(world, RECORDED["users_current"])
    assert world.send("GET", "/api/v1/users/current").status_code == 429
    world.clock.advance(60)
    assert world.send("GET", "/api/v1/users/current").status_code == 200


def test_groups_can_move_between_pages_while_they_are_read(world: World) -> None:
    groups = [world.deliver(webhook(name)) for name in ("Old", "Middle", "New")]

    def resolve_the_newest(_: str, page: int) -> None:
        if page == 1:
            world.irm.resolve(groups[2].id)

    world.irm.on_page_read = resolve_the_newest
    url = "/api/v1/alert_groups/?state=new&perpage=1&page="
    first, second = (world.send("GET", f"{url}{page}").json() for page in (1, 2))
    assert [page["results"][0]["title"] for page in (first, second)] == ["New ", "Old "]
    assert (first["count"], second["count"]) == (3, 2)


# Which group takes a delivery, and who is paged


def pages(world: World) -> list[str]:
    return [page.text for page in world.irm.pages]


def test_deliveries_of_one_group_key_share_a_group_and_page_once(world: World) -> None:
    first, second = world.deliver(webhook("One", "a")), world.deliver(webhook("One", "a", "b"))
    assert first is second
    assert [delivery.payload for delivery in first.deliveries] == [
        {**webhook("One", "a"), "numFiring": 1, "numResolved": 0},
        {**webhook("One", "a", "b"), "numFiring": 2, "numResolved": 0},
    ]
    assert pages(world) == ["created"]


def test_a_resolved_delivery_resolves_by_source(world: World) -> None:
    group = world.firing()
    world.deliver(webhook("One", status="resolved"))
    assert (group.state, group.resolved_by, len(group.deliveries)) == ("resolved", None, 2)


def test_a_resolved_delivery_for_a_resolved_group_only_counts(world: World) -> None:
    group = world.firing()
    world.irm.resolve(group.id, by=world.users["admin"])
    world.deliver(webhook("One", status="resolved"))
    assert (group.resolved_by, len(group.deliveries)) == (world.users["admin"].id, 2)
    assert len(world.irm.groups()) == 1


def test_a_resolved_delivery_of_nothing_known_makes_a_resolved_group_and_pages_nobody(world: World) -> None:
    assert world.deliver(webhook("One", status="resolved")).state == "resolved"
    assert pages(world) == []


def test_after_a_resolve_the_same_payload_opens_a_new_group_and_pages(world: World) -> None:
    old = world.firing()
    world.irm.resolve(old.id)
    world.send("POST", world.integration.path, json=webhook("One"))
    new = world.irm.groups()[-1]
    assert (new.id != old.id, new.state, pages(world)) == (True, "firing", ["created", "created"])
    world.deliver(webhook("One", status="resolved"))
    assert new.state == "resolved"


def test_an_unresolved_group_pages_again_but_takes_and_closes_nothing(world: World) -> None:
    old = world.firing()
    world.irm.resolve(old.id)
    world.irm.unresolve(old.id)
    assert pages(world) == ["created", "unresolved"]
    new = world.deliver(webhook("One"))
    assert new is not old
    world.deliver(webhook("One", status="resolved"))
    assert (old.state, new.state) == ("firing", "resolved")


def test_a_silenced_group_stays_silenced_when_it_is_told_again(world: World) -> None:
    group = world.firing()
    world.irm.silence(group.id)
    world.firing()
    assert (group.state, len(group.deliveries)) == ("silenced", 2)


def test_a_silence_ends_by_itself_and_pages(world: World) -> None:
    group = world.firing()
    world.irm.silence(group.id, delay=600)
    world.clock.advance(300)
    world.irm.silence(group.id, delay=600)
    end = world.clock.now + timedelta(seconds=600)
    world.clock.advance(599)
    assert world.irm.group(group.id).state == "silenced"
    world.clock.advance(2)
    assert world.irm.group(group.id).state == "firing"
    assert [(page.text, page.at) for page in group.escalation[1:]] == [("silence ended", end)]


def test_a_silence_for_ever_does_not_end(world: World) -> None:
    group = world.firing()
    world.irm.silence(group.id)
    world.clock.advance(10**9)
    assert world.irm.group(group.id).state == "silenced"


def test_the_groups_of_a_legacy_integration_live_alert_by_alert(world: World) -> None:
    integration = world.irm.add_integration("legacy", type="legacy_alertmanager")
    world.deliver(webhook("One", "a", "b"), integration)
    both = webhook("One", "a", "b")
    both["alerts"][0]["status"] = "resolved"
    world.deliver(both, integration)
    assert [(group.state, len(group.deliveries)) for group in world.irm.groups()] == [
        ("resolved", 2),
        ("firing", 2),
    ]


def test_silencing_and_unsilencing_a_root_reaches_the_groups_attached_to_it(world: World) -> None:
    root, child = world.deliver(webhook("Root")), world.deliver(webhook("Child"))
    world.irm.attach(child.id, root.id)
    world.irm.silence(root.id, delay=60)
    assert (root.state, child.state) == ("silenced", "silenced")
    world.clock.advance(61)
    assert [world.irm.group(group.id).state for group in (root, child)] == ["firing", "firing"]
    assert pages(world) == ["created", "created", "silence ended"]


def test_maintenance_collects_new_groups_pages_nobody_and_ends_with_all_resolved(world: World) -> None:
    world.irm.set_maintenance(world.integration, "maintenance")
    group = world.firing()
    shown = world.send("GET", "/api/v1/integrations/{integration}/").json()
    assert (shown["maintenance_mode"], pages(world)) == ("maintenance", [])
    answer = world.send("POST", "/api/v1/alert_groups/{group}/resolve/")
    assert answer.json() == {"detail": "Can't resolve an attached alert group"}
    world.irm.set_maintenance(world.integration, None)
    assert (group.state, group.resolved_by) == ("resolved", None)


def test_resolving_the_maintenance_group_ends_the_maintenance(world: World) -> None:
    world.irm.set_maintenance(world.integration, "maintenance")
    child = world.firing()
    assert child.root_id is not None
    world.names["group"] = child.root_id
    refused = world.send("POST", "/api/v1/alert_groups/{group}/silence/", json={"delay": 60})
    assert refused.json() == {"detail": "Can't silence a maintenance alert group"}
    assert world.send("POST", "/api/v1/alert_groups/{group}/resolve/").status_code == 200
    assert (world.state(), child.state, world.integration.maintenance_mode) == ("resolved", "resolved", None)


def test_in_debug_maintenance_groups_stand_for_themselves_but_page_nobody(world: World) -> None:
    world.irm.set_maintenance(world.integration, "debug")
    assert world.firing().root_id is None
    assert pages(world) == []


def test_silencing_a_root_reopens_an_attached_group_that_was_resolved(world: World) -> None:
    root, child = world.deliver(webhook("Root")), world.deliver(webhook("Child"))
    world.irm.attach(child.id, root.id)
    world.deliver(webhook("Child", status="resolved"))
    assert child.state == "resolved"
    world.irm.silence(root.id)
    assert (child.state, child.resolved_at) == ("silenced", None)


@pytest.mark.parametrize("action", ["silence", "acknowledge"])
def test_a_group_takes_the_state_of_the_group_it_is_attached_to(action: str, world: World) -> None:
    root, child = world.deliver(webhook("Root")), world.deliver(webhook("Child"))
    world.irm.act(root.id, action, by=None)
    world.irm.attach(child.id, root.id)
    assert child.state == root.state


def test_deleting_a_root_makes_the_groups_attached_to_it_escalate(world: World) -> None:
    root, child = world.deliver(webhook("Root")), world.deliver(webhook("Child"))
    world.irm.attach(child.id, root.id)
    world.irm.delete(root.id)
    assert (child.root_id, pages(world)) == (None, ["created", "created", "detached"])


def test_two_clusters_with_equal_group_keys_share_a_group(world: World) -> None:
    here = world.deliver(webhook("One"))
    there = world.deliver(webhook("One", externalURL="http://elsewhere.example:9093"))
    assert here is there


def test_a_seeded_group_takes_the_deliveries_of_its_group_key(world: World) -> None:
    seed = world.irm.add_group(world.integration, payload=webhook("One"))
    assert world.deliver(webhook("One")) is seed
    assert pages(world) == []


@pytest.mark.parametrize("state", ["firing", "acknowledged", "silenced", "resolved"])
def test_a_group_can_be_seeded_in_every_state(state: str, world: World) -> None:
    group: Group = world.irm.add_group(world.integration, payload=webhook("One"), state=state)
    assert (group.state, group.title) == (state, "One ")


def test_equal_seeds_give_equal_ids() -> None:
    ids = [Irm(seed=7).add_integration("one").id for _ in range(2)]
    assert ids[0] == ids[1] != Irm(seed=8).add_integration("one").id
