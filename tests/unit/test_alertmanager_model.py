"""What the simulated Alertmanager does over hours, and what a real one cannot be made to do.

The contract suite compares it with the real program within seconds. Here the clock is ours.
"""

import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from alertsync.simulator.alertmanager_api import create_app
from alertsync.simulator.alertmanager_model import (
    Alertmanager,
    Gossip,
    InhibitRule,
    Matcher,
    Route,
    fingerprint,
)
from alertsync.simulator.alertmanager_text import (
    duration_text,
    go_quote,
    label_set_text,
    parse_matcher,
    quote_meta,
    webhook_time,
)

ROUTES = (Route("cut", ("alertname",), {"lab": "cut"}), Route("oncall", ("alertname",)))
WEBHOOKS = {"oncall": "http://irm.example/oncall", "cut": "http://irm.example/cut"}
A = {"alertname": "One", "instance": "a"}
B = {"alertname": "One", "instance": "b"}
HOUR = timedelta(hours=1)


class World:
    """An Alertmanager whose clock moves by hand; `sent` holds its webhooks."""

    def __init__(self, **settings: Any) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.sent: list[dict[str, Any]] = []
        self.taken = True
        settings = {"routes": ROUTES, "webhooks": WEBHOOKS} | settings
        self.alertmanager = Alertmanager(clock=lambda: self.now, send=self.send, **settings)
        self.client = create_app(self.alertmanager).test_client()

    def send(self, url: str, payload: dict[str, Any]) -> bool:
        assert url in WEBHOOKS.values()
        self.sent.append(payload)
        return self.taken

    def wait(self, lasts: timedelta = timedelta(seconds=6)) -> list[tuple[str, str]]:
        """Let so much time pass; return the status and the instances of what was sent meanwhile."""
        before, until = len(self.sent), self.now + lasts
        while self.now < until:
            self.now += min(timedelta(seconds=1) if lasts < HOUR else timedelta(minutes=5), until - self.now)
            self.alertmanager.tick()
        return [
            (payload["status"], "".join(alert["labels"]["instance"] for alert in payload["alerts"]))
            for payload in self.sent[before:]
        ]

    def silence(self, lasts: timedelta, **pairs: str) -> str:
        return self.alertmanager.silence(pairs, duration=lasts, created_by="ana", comment="c")

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/v2{path}").json


@pytest.fixture
def world() -> World:
    return World()


def test_what_still_fires_is_repeated_after_the_repeat_interval(world: World) -> None:
    world.alertmanager.fire(A)
    assert world.wait() == [("firing", "a")]

    assert world.wait(4 * HOUR - timedelta(seconds=6)) == []
    assert world.wait(timedelta(minutes=10)) == [("firing", "a")]


def test_after_a_silence_longer_than_the_repeat_interval_it_is_sent_again(world: World) -> None:
    world.alertmanager.fire(A)
    world.wait()
    world.silence(5 * HOUR, **A)

    assert world.wait(5 * HOUR) == [("firing", "a")]


def test_after_a_shorter_silence_nothing_is_sent_until_the_repeat_interval(world: World) -> None:
    world.alertmanager.fire(A)
    world.wait()
    world.silence(HOUR, **A)

    assert world.wait(3 * HOUR) == []


def test_the_first_webhook_waits_for_group_wait_and_the_next_for_group_interval(world: World) -> None:
    world.alertmanager.fire(A)
    assert world.wait(timedelta(seconds=1)) == [("firing", "a")]

    world.alertmanager.fire(B)
    assert world.wait(timedelta(seconds=4)) == []
    assert world.wait(timedelta(seconds=1)) == [("firing", "ab")]


def test_an_alert_that_fires_for_long_already_does_not_wait(world: World) -> None:
    world.alertmanager.fire(A, starts_at=world.now - HOUR)

    world.alertmanager.tick()

    assert len(world.sent) == 1
    assert world.sent[0]["alerts"][0]["startsAt"] == "2025-12-31T23:00:00Z"


def test_a_webhook_that_is_not_taken_is_tried_again_and_its_resolved_not_lost(world: World) -> None:
    world.alertmanager.fire(A)
    world.wait()
    world.taken = False
    world.alertmanager.end(A)
    assert world.wait() == [("resolved", "a")]

    world.taken = True
    assert world.wait() == [("resolved", "a")]
    assert world.wait() == []


def test_what_begins_and_ends_between_two_turns_of_a_calm_group_is_never_sent(world: World) -> None:
    world.alertmanager.fire(A)
    world.wait()
    world.alertmanager.end(A)
    assert world.wait() == [("resolved", "a")]

    world.alertmanager.fire(B)
    world.alertmanager.end(B)
    assert world.wait() == []


def test_a_receiver_without_a_webhook_notifies_nobody() -> None:
    world = World(webhooks={})
    world.alertmanager.fire(A)

    assert world.wait() == []


def test_the_receiver_of_a_webhook_may_ask_back(world: World) -> None:
    asked: list[int] = []

    def ask_back(_url: str, _payload: dict[str, Any]) -> bool:
        with ThreadPoolExecutor() as pool:
            asked.append(len(pool.submit(world.get, "/alerts").result(timeout=5)))
        return True

    world.alertmanager._notifier._send = ask_back
    world.alertmanager.fire(A)

    world.wait()

    assert asked == [1]


# Mute times: from 0.28 on they show, but only in the groups.


def test_a_mute_time_holds_back_and_lets_the_end_go_unsaid(world: World) -> None:
    world.alertmanager.fire(A)
    world.wait()
    world.alertmanager.mute("oncall", muted=True)
    world.alertmanager.end(A)
    assert world.wait() == []

    world.alertmanager.mute("oncall", muted=False)
    assert world.wait() == []


def test_an_alert_that_fires_in_a_mute_time_is_sent_after_it(world: World) -> None:
    world.alertmanager.mute("oncall", muted=True)
    world.alertmanager.fire(A)
    assert world.wait() == []

    world.alertmanager.mute("oncall", muted=False)
    assert world.wait() == [("firing", "a")]


def test_a_mute_time_shows_in_the_groups_alone_and_from_their_next_turn_on(world: World) -> None:
    world.alertmanager.fire(A)
    world.alertmanager.mute("oncall", muted=True)
    (group,) = world.get("/alerts/groups")
    assert group["alerts"][0]["status"]["mutedBy"] == []
    world.wait()

    (group,) = world.get("/alerts/groups")
    (alert,) = world.get("/alerts")

    assert group["alerts"][0]["status"] == {
        "state": "suppressed",
        "silencedBy": [],
        "inhibitedBy": [],
        "mutedBy": ["oncall-muted"],
    }
    assert alert["status"] == {"state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": []}
    assert world.get("/alerts/groups?muted=false") == []


def test_before_028_a_mute_time_does_not_show_at_all() -> None:
    world = World(version="0.25.0")
    world.alertmanager.mute("oncall", muted=True)
    world.alertmanager.fire(A)
    world.wait()

    (group,) = world.get("/alerts/groups")

    assert group["alerts"][0]["status"] == {"state": "active", "silencedBy": [], "inhibitedBy": []}


# Alerts.


def test_an_alert_that_fires_again_keeps_its_start_and_takes_new_annotations(world: World) -> None:
    world.alertmanager.fire(A, {"summary": "old"})
    world.wait()
    world.alertmanager.fire(A, {"summary": "new"})

    (alert,) = world.get("/alerts")

    assert alert["startsAt"] == "2026-01-01T00:00:00.000Z"
    assert alert["updatedAt"] == "2026-01-01T00:00:06.000Z"
    assert alert["annotations"] == {"summary": "new"}


def test_a_posted_alert_without_an_end_ends_by_itself_unless_posted_again(world: World) -> None:
    for _ in range(3):
        world.client.post("/api/v2/alerts", json=[{"labels": A}])
        world.wait(timedelta(minutes=4))
    assert len(world.get("/alerts")) == 1

    assert world.wait(timedelta(minutes=2)) == [("resolved", "a")]
    assert world.get("/alerts") == []


def test_a_stated_end_is_not_shortened_by_a_report_without_one(world: World) -> None:
    world.alertmanager.fire(A, ends_at=world.now + HOUR)
    world.wait()
    world.client.post("/api/v2/alerts", json=[{"labels": A}])

    assert world.get("/alerts")[0]["endsAt"] == "2026-01-01T01:00:00.000Z"


def test_an_alert_may_be_reported_as_unprocessed(world: World) -> None:
    world.alertmanager.unprocessed.add(world.alertmanager.fire(A))

    assert world.get("/alerts")[0]["status"]["state"] == "unprocessed"
    assert world.get("/alerts?unprocessed=false") == []
    assert len(world.get("/alerts?active=false")) == 1


def test_an_alert_that_is_source_and_target_does_not_inhibit_its_like() -> None:
    rule = InhibitRule({"severity": "critical"}, {"alertname": "One"}, ())
    world = World(inhibit_rules=(rule,))
    for labels in (A, B):
        world.alertmanager.fire(labels | {"severity": "critical"})
    assert world.get("/alerts?active=false") == []

    source = world.alertmanager.fire({"alertname": "Two", "severity": "critical"})

    inhibited = world.get("/alerts?active=false")
    assert {one["labels"]["instance"] for one in inhibited} == {"a", "b"}
    assert {tuple(one["status"]["inhibitedBy"]) for one in inhibited} == {(source,)}


def test_a_restart_moves_the_start_time(world: World) -> None:
    world.wait()
    world.alertmanager.restart()

    assert world.get("/status")["uptime"] == "2026-01-01T00:00:06.000Z"


def test_the_cluster_status_may_be_set(world: World) -> None:
    assert world.get("/status")["cluster"]["status"] == "ready"
    world.alertmanager.cluster_status = "settling"
    assert world.get("/status")["cluster"]["status"] == "settling"


def test_the_last_route_must_be_the_default() -> None:
    with pytest.raises(ValueError, match="the last route is the default"):
        World(routes=ROUTES[:1])


# Silences.


def test_ids_follow_from_the_seed() -> None:
    first, again, other = (World(seed=seed).silence(HOUR, **A) for seed in (1, 1, 2))

    assert first == again != other


def test_a_silence_that_is_to_come_begins_and_ends_by_itself(world: World) -> None:
    world.alertmanager.fire(A)
    world.alertmanager.silence(
        [Matcher("instance", "a|x", is_regex=True)],
        duration=timedelta(seconds=10),
        created_by="ana",
        comment="c",
        starts_at=world.now + timedelta(seconds=10),
    )

    states = []
    for _ in range(4):
        world.wait()
        states.append(
            (world.get("/silences")[0]["status"]["state"], world.get("/alerts")[0]["status"]["state"])
        )

    assert states == [
        ("pending", "active"),
        ("active", "suppressed"),
        ("active", "suppressed"),
        ("expired", "active"),
    ]


def test_since_028_an_unknown_silence_is_not_found_and_a_label_may_have_any_name(world: World) -> None:
    unknown = world.client.delete("/api/v2/silence/00000000-0000-0000-0000-000000000000")

    assert (unknown.status_code, unknown.data) == (404, b"")
    assert "Content-Type" not in unknown.headers
    assert world.silence(HOUR, **{"a-b.ü": "x"})


# Access.


def client_of(**demands: str) -> FlaskClient:
    return create_app(World().alertmanager, **demands).test_client()


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    ("demands", "headers", "status", "text"),
    [
        ({"username": "u", "password": "p"}, basic("u:p"), 200, "OK"),
        ({"username": "u", "password": "p"}, basic("u:q"), 401, "Unauthorized\n"),
        ({"username": "u", "password": "p"}, {"Authorization": "Bearer t"}, 401, "Unauthorized\n"),
        ({"username": "u", "password": "p"}, {}, 401, "Unauthorized\n"),
        ({"token": "t"}, {"Authorization": "Bearer t"}, 200, "OK"),
        ({"token": "t"}, {"Authorization": "Bearer u"}, 401, "Unauthorized\n"),
        ({"token": "t"}, basic("u:p"), 401, "Unauthorized\n"),
        ({"tenant": "one"}, {"X-Scope-OrgID": "one"}, 200, "OK"),
        ({"tenant": "one"}, {}, 401, "no org id\n"),
    ],
)
def test_every_path_demands_what_was_asked_for(
    demands: dict[str, str], headers: dict[str, str], status: int, text: str
) -> None:
    answer = client_of(**demands).get("/-/healthy", headers=headers)

    assert (answer.status_code, answer.text) == (status, text)
    assert answer.content_type == "text/plain; charset=utf-8"
    other = client_of(**demands).get("/api/v2/alerts", headers=headers)
    assert other.status_code == status


def test_below_a_prefix_everything_moves() -> None:
    client = client_of(prefix="/alertmanager")

    for path in ("/-/ready", "/api/v2/status"):
        assert client.get(f"/alertmanager{path}").status_code == 200
        assert (client.get(path).status_code, client.get(path).text) == (404, "404 page not found\n")


# How things are written down.


@pytest.mark.parametrize(
    ("name", "instance", "lab", "expected"),
    [
        ("AmC", "a", "fast", "7cad8ab23a68689e"),
        ("AmC", "b", "fast", "dbd89ad1425617b3"),
        ("E2Eb", "a", "fast", "ce3935bb7587df75"),
        ("Trunc", "b", "trunc", "77cbbac9f62a39ce"),
    ],
)
def test_fingerprints_are_those_that_were_recorded(name: str, instance: str, lab: str, expected: str) -> None:
    labels = {"severity": "critical", "lab": lab, "instance": instance, "alertname": name}

    assert fingerprint(labels) == expected


def test_go_quotes_what_cannot_be_printed() -> None:
    assert go_quote('é"\\\n\x01\x7f\u200b\U000e0001 ') == r'"é\"\\\n\x01\x7f\u200b\U000e0001 "'
    assert label_set_text({"b": "1", "a": '"'}) == r'{a="\"", b="1"}'
    assert quote_meta("team.x+prod (1)") == r"team\.x\+prod \(1\)"


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(hours=4), "4h"),
        (timedelta(days=5), "5d"),
        (timedelta(weeks=1), "1w"),
        (timedelta(seconds=90), "1m30s"),
        (timedelta(hours=25), "25h"),
        (timedelta(milliseconds=1500), "1s500ms"),
        (timedelta(), "0s"),
    ],
)
def test_durations_are_written_as_prometheus_writes_them(duration: timedelta, text: str) -> None:
    assert duration_text(duration) == text


@pytest.mark.parametrize(
    ("microsecond", "fraction"), [(0, ""), (500_000, ".5"), (120_000, ".12"), (123_456, ".123456064")]
)
def test_webhook_times_have_nanoseconds_without_trailing_zeros(microsecond: int, fraction: str) -> None:
    moment = datetime(2026, 1, 1, microsecond=microsecond, tzinfo=UTC)

    assert webhook_time(moment) == f"2026-01-01T00:00:00{fraction}Z"


@pytest.mark.parametrize("text", ["bad", 'a="b', 'a="b"c"', "=b", '"a"="b"', 'a=~"("'])
def test_bad_filters_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"matcher|regexp"):
        parse_matcher(text)


# Mute times of a route.


def test_a_mute_time_holds_back_the_routes_that_name_it_and_no_others() -> None:
    night = Route("oncall", ("alertname",), {"lab": "night"}, mute_times=("night",))
    world = World(routes=(night, ROUTES[-1]))
    world.alertmanager.mute_time("night", holds=True)
    world.alertmanager.fire(A | {"lab": "night"})
    world.alertmanager.fire(B)

    assert world.wait() == [("firing", "b")]
    muted_by = [group["alerts"][0]["status"]["mutedBy"] for group in world.get("/alerts/groups")]
    assert sorted(muted_by) == [[], ["night"]]

    world.alertmanager.mute_time("night", holds=False)
    assert world.wait() == [("firing", "a")]


# Reloads.


def test_after_a_reload_a_group_that_is_the_same_is_not_told_again(world: World) -> None:
    world.alertmanager.fire(A)
    world.wait()
    world.alertmanager.reload((Route("cut", ("alertname",), {"lab": "other"}), ROUTES[-1]))

    assert world.wait() == []


def test_after_a_reload_an_old_alert_is_told_to_its_new_receiver_at_once(world: World) -> None:
    world.alertmanager.fire(A)
    world.wait()
    world.alertmanager.reload((Route("cut", ("alertname",)),))
    world.alertmanager.tick()

    assert [payload["receiver"] for payload in world.sent] == ["oncall", "cut"]


def test_while_it_reloads_alerts_stand_in_no_group(world: World) -> None:
    world.alertmanager.fire(A)
    world.wait()
    world.alertmanager.reload(ROUTES)

    assert (len(world.get("/alerts")), world.get("/alerts/groups")) == (1, [])
    world.alertmanager.tick()
    assert len(world.get("/alerts/groups")) == 1


def test_after_a_reload_an_end_that_was_kept_quiet_is_told(world: World) -> None:
    world.alertmanager.fire(A)
    world.wait()
    silence_id = world.silence(HOUR, **A)
    world.alertmanager.end(A)
    world.wait()
    world.alertmanager.expire(silence_id)
    assert world.wait() == []

    world.alertmanager.reload(ROUTES)
    assert world.wait() == [("resolved", "a")]


# Peers.


class Peers:
    """Two peers of one cluster, both of which Prometheus sends to; `told` names who told what."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.gossip = Gossip()
        self.told: list[tuple[int, str]] = []
        self.peers = [self._peer(number) for number in (0, 1)]

    def _peer(self, number: int) -> Alertmanager:
        def send(_url: str, payload: dict[str, Any]) -> bool:
            self.told.append((number, payload["status"]))
            return True

        return Alertmanager(
            clock=lambda: self.now, routes=ROUTES, webhooks=WEBHOOKS, send=send, gossip=self.gossip
        )

    def fire(self, labels: dict[str, str]) -> None:
        for peer in self.peers:
            peer.fire(labels)

    def wait(self, seconds: int = 60) -> None:
        for _ in range(seconds):
            self.now += timedelta(seconds=1)
            for peer in self.peers:
                peer.tick()

    def states(self) -> list[str]:
        return [seen.state for peer in self.peers for seen in peer.alerts(lambda _: True)]


def test_of_two_peers_the_first_tells() -> None:
    world = Peers()
    world.fire(A)
    world.wait()

    assert world.told == [(0, "firing")]


def test_the_second_peer_tells_what_the_first_does_not_know() -> None:
    world = Peers()
    world.peers[1].fire(A)
    world.wait(15)
    assert world.told == []

    world.wait()
    assert world.told == [(1, "firing")]


def test_peers_that_hear_of_each_other_too_late_both_tell() -> None:
    world = Peers()
    world.gossip.lag = timedelta(seconds=30)
    world.fire(A)
    world.wait()

    assert world.told == [(0, "firing"), (1, "firing")]


def test_a_silence_holds_at_the_other_peer_once_it_has_heard() -> None:
    world = Peers()
    world.gossip.lag = timedelta(seconds=30)
    world.fire(A)
    silence_id = world.peers[1].silence(A, duration=HOUR, created_by="ana", comment="c")
    assert world.states() == ["active", "suppressed"]

    world.wait(30)
    assert world.states() == ["suppressed", "suppressed"]

    world.gossip.lag = timedelta()
    world.peers[0].expire(silence_id)
    assert world.states() == ["active", "active"]


def test_what_waited_for_a_partition_to_heal_arrives_then() -> None:
    world = Peers()
    world.gossip.lag = 5 * HOUR
    world.fire(A)
    world.peers[0].silence(A, duration=HOUR, created_by="ana", comment="c")
    world.wait()
    assert world.states() == ["suppressed", "active"]

    world.gossip.lag = timedelta()
    assert world.states() == ["suppressed", "suppressed"]


def test_peers_make_silences_of_different_ids() -> None:
    world = Peers()
    ids = {peer.silence(A, duration=HOUR, created_by="ana", comment="c") for peer in world.peers}

    assert len(ids) == 2
    assert [len(peer.silences()) for peer in world.peers] == [2, 2]


def test_a_peer_that_starts_settles_before_it_tells() -> None:
    world = World()
    world.alertmanager.restart(settles_in=timedelta(seconds=10))
    world.alertmanager.fire(A)
    assert world.get("/status")["cluster"]["status"] == "settling"
    assert world.wait(timedelta(seconds=9)) == []

    assert world.wait() == [("firing", "a")]
    assert world.get("/status")["cluster"]["status"] == "ready"


def test_the_next_turn_is_told_in_advance(world: World) -> None:
    assert world.alertmanager.next_turn() is None
    world.silence(HOUR, **B)
    assert world.alertmanager.next_turn() == world.now + HOUR

    world.alertmanager.fire(A)
    assert world.alertmanager.next_turn() == world.now + timedelta(seconds=1)
