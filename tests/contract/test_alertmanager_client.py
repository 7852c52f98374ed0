"""Our Alertmanager client reads the same from the simulator and from the real program."""

from __future__ import annotations

import contextlib
import random
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec
import pytest
import requests

from alertsync.clients.alertmanager import AlertmanagerClient
from alertsync.clients.http import Endpoint, HeaderAuth, Http
from alertsync.clock import Clock, Deadline
from alertsync.errors import Reason, UpstreamError
from alertsync.models import AggregationGroup, Alert, AlertmanagerSnapshot, AlertStatus, Matcher
from alertsync.simulator.alertmanager_config import InhibitRule, Route
from alertsync.simulator.wire import Fault
from tests.servers import AlertmanagerUnderTest, RealAlertmanager, SimulatedAlertmanager, poll_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROUTES = (
    Route("payments", ("alertname", "service"), {"team": "payments"}),
    Route("team.x+prod (1)", ("alertname",)),
)
RULES = (InhibitRule({"alertname": "RackDown"}, {"alertname": "HostDown"}, ("rack",)),)
PREFIX = "/alertmanager"


@pytest.fixture(params=["simulated", "real"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AlertmanagerUnderTest]:
    if request.param == "real":
        with RealAlertmanager(tmp_path, routes=ROUTES, inhibit_rules=RULES, route_prefix=PREFIX) as real:
            yield real
    else:
        with SimulatedAlertmanager(routes=ROUTES, inhibit_rules=RULES, route_prefix=PREFIX) as simulated:
            yield simulated


def client(server: AlertmanagerUnderTest) -> AlertmanagerClient:
    endpoint = Endpoint("alertmanager", server.url, HeaderAuth(None), {}, timeout=10)
    return AlertmanagerClient(Http(endpoint, Clock(), jitter=random.Random(1)))


def soon() -> Deadline:
    return Deadline(Clock(), 20)


def snapshot_of(server: AlertmanagerUnderTest) -> AlertmanagerSnapshot:
    return client(server).snapshot(soon(), detailed=True)


def alerts_of(snapshot: AlertmanagerSnapshot) -> dict[str, Alert]:
    return {alert.labels["alertname"]: alert for group in snapshot.groups for alert in group.alerts}


def once_grouped(server: AlertmanagerUnderTest, count: int) -> AlertmanagerSnapshot:
    def probe() -> AlertmanagerSnapshot | None:
        snapshot = snapshot_of(server)
        return snapshot if sum(len(group.alerts) for group in snapshot.groups) == count else None

    found = poll_until(probe, what=f"{count} alerts in aggregation groups")
    assert found is not None
    return found


def test_an_empty_alertmanager_is_a_snapshot_too(server: AlertmanagerUnderTest) -> None:
    snapshot = snapshot_of(server)
    assert (snapshot.groups, snapshot.silences, snapshot.settled) == ((), (), True)
    assert snapshot.version.count(".") == 2
    now = datetime.now(tz=UTC)
    assert now - timedelta(minutes=1) < snapshot.started_at <= now + timedelta(seconds=1)
    assert abs(snapshot.clock - now) < timedelta(seconds=3)
    assert snapshot.read_at <= now


def test_aggregation_groups_are_read_with_receiver_labels_and_alerts(server: AlertmanagerUnderTest) -> None:
    fingerprint = server.fire(
        {"alertname": "Slow", "service": "shop", "team": "payments"}, {"summary": "4 s"}
    )
    server.fire({"alertname": "Disk", "instance": "a"})
    groups = {group.receiver: group for group in once_grouped(server, 2).groups}
    assert set(groups) == {"payments", "team.x+prod (1)"}
    assert groups["payments"].labels == {"alertname": "Slow", "service": "shop"}
    [slow] = groups["payments"].alerts
    now = datetime.now(tz=UTC)
    assert slow.starts_at is not None
    assert slow.ends_at is not None
    assert now - timedelta(minutes=1) < slow.starts_at <= now + timedelta(seconds=1) < slow.ends_at
    assert msgspec.structs.replace(slow, starts_at=None, ends_at=None) == Alert(
        fingerprint=fingerprint,
        labels={"alertname": "Slow", "service": "shop", "team": "payments"},
        status=AlertStatus.ACTIVE,
        annotations={"summary": "4 s"},
        generator_url="http://prometheus.example:9090/graph",
    )


def undetailed(snapshot: AlertmanagerSnapshot) -> tuple[AggregationGroup, ...]:
    """Give the groups without what nothing is decided by."""
    return tuple(
        msgspec.structs.replace(
            group,
            alerts=tuple(
                Alert(one.fingerprint, one.labels, one.status, silenced_by=one.silenced_by)
                for one in group.alerts
            ),
        )
        for group in snapshot.groups
    )


def test_a_snapshot_holds_what_is_judged_and_more_only_where_it_is_asked_for(
    server: AlertmanagerUnderTest,
) -> None:
    for number in range(20):
        labels = {"alertname": f"Slow{number % 3}", "instance": str(number), "team": "payments"}
        server.fire(labels, {"summary": "4 s"})
    server.silence({"alertname": "Slow1"}, duration=timedelta(hours=1), created_by="ann", comment="c")
    detailed = once_grouped(server, 20)
    one, judged = client(server), undetailed(detailed)
    assert judged != detailed.groups
    assert one.snapshot(soon()).groups == judged
    assert one.proven_snapshot(soon()).groups == judged
    assert one.proven_snapshot(soon(), detailed=True).groups == detailed.groups
    always = AlertmanagerClient(one._http, detailed=True)
    assert always.snapshot(soon()).groups == always.proven_snapshot(soon()).groups == detailed.groups


def test_what_many_labels_have_for_a_value_is_there_once(server: AlertmanagerUnderTest) -> None:
    for number in range(4):
        server.fire({"alertname": "Slow", "instance": str(number), "team": "payments"})
    once_grouped(server, 4)
    alerts = [alert for group in client(server).snapshot(soon()).groups for alert in group.alerts]
    assert len({id(alert.labels["team"]) for alert in alerts}) == 1
    assert len({id(alert.labels["instance"]) for alert in alerts}) == 4


ODD_VALUES = [
    "plain",
    'a "quoted" one',
    "back\\slash \\n",
    "two\nlines\tand a tab",
    "x+y.*|(z)[1]{2}^$",
    "a,b={c}&d=e#f%20g",
    "Größe ≥ 3 🔥",
    " blank at both ends ",
    "'single'",
    "",
]
RECEIVERS = ("team.x+prod (1)", "team-x+prod (1)", "a|b", "payments")


@pytest.fixture(params=["simulated", "real"])
def odd_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AlertmanagerUnderTest]:
    """Start one whose receivers are called after what regular expressions are made of."""
    routes = tuple(Route(name, ("alertname", "odd"), {"to": name}) for name in RECEIVERS)
    routes += (Route("default", ("alertname",)),)
    settings: dict[str, Any] = {"routes": routes, "repeat_interval": "90m"}
    if request.param == "real":
        with RealAlertmanager(tmp_path, **settings) as real:
            yield real
    else:
        with SimulatedAlertmanager(**settings) as simulated:
            yield simulated


def test_a_place_is_read_alone_whatever_its_receiver_and_labels_are_called(
    odd_server: AlertmanagerUnderTest,
) -> None:
    for value in ODD_VALUES:
        for name in RECEIVERS:
            odd_server.fire({"alertname": "Odd", "odd": value, "to": name})
    whole = once_grouped(odd_server, len(ODD_VALUES) * len(RECEIVERS))
    odd = client(odd_server)
    for group in whole.groups:
        place = odd.place(group.receiver, group.labels, soon())
        assert group in place.groups, group.labels
        assert {one.receiver for one in place.groups} == {group.receiver}
        if group.labels.get("odd"):
            assert place.groups == (group,)
        assert (place.peer, place.started_at, place.version) == (whole.peer, whole.started_at, whole.version)


def test_a_place_that_nobody_knows_is_empty(odd_server: AlertmanagerUnderTest) -> None:
    odd_server.fire({"alertname": "Odd", "to": "payments"})
    once_grouped(odd_server, 1)
    assert client(odd_server).place(".*", {"alertname": "Odd"}, soon()).groups == ()
    assert client(odd_server).place("payments", {"alertname": "Other"}, soon()).groups == ()


def test_a_place_shows_a_silence_and_its_end_at_once(odd_server: AlertmanagerUnderTest) -> None:
    labels = {"alertname": "Odd", "odd": "x", "to": "payments"}
    odd_server.fire(labels)
    once_grouped(odd_server, 1)
    odd = client(odd_server)
    odd.snapshot(soon())
    silence_id = odd_server.silence({"odd": "x"}, duration=timedelta(hours=1), created_by="ana", comment="")
    place = odd.place("payments", {"alertname": "Odd", "odd": "x"}, soon())
    [alert] = place.groups[0].alerts
    assert (alert.status, alert.silenced_by) == (AlertStatus.SILENCED, (silence_id,))
    assert [one.id for one in place.silences] == [silence_id]
    odd_server.expire(silence_id)
    place = odd.place("payments", {"alertname": "Odd", "odd": "x"}, soon())
    assert place.groups[0].alerts[0].status is AlertStatus.ACTIVE
    assert place.silences == ()


def test_the_longest_repeat_interval_is_read_from_the_configuration(
    odd_server: AlertmanagerUnderTest,
) -> None:
    assert snapshot_of(odd_server).repeat_interval == timedelta(hours=1, minutes=30)


def test_very_many_silences_are_not_read_again_with_every_place_unless_one_is_new() -> None:
    with SimulatedAlertmanager(routes=ROUTES) as server:
        server.fire({"alertname": "Disk"})
        comment = "x" * 4000
        for number in range(80):
            server.silence({"n": str(number)}, duration=timedelta(hours=1), created_by="ana", comment=comment)
        once_grouped(server, 1)
        one = client(server)
        one.snapshot(soon())

        def place() -> tuple[AlertmanagerSnapshot, int]:
            server.server.clear()
            found = one.place("team.x+prod (1)", {"alertname": "Disk"}, soon())
            return found, sum("/silences" in it.path for it in server.server.received)

        found, asked = place()
        assert (len(found.silences), asked) == (80, 0)
        server.silence({"alertname": "Disk"}, duration=timedelta(hours=1), created_by="ana", comment="")
        found, asked = place()
        assert (len(found.silences), asked) == (81, 1)


def test_label_names_that_only_newer_versions_take_and_long_values_stay_out_of_the_filter() -> None:
    with SimulatedAlertmanager(routes=ROUTES) as server:
        labels = {"ok": "1", "größe": "2", "a-b": "3", "long": "x" * 3000, "last": "4"}
        client(server).place("payments", labels, soon())
        query = next(it.query for it in server.server.received if it.path.endswith("/groups"))
        assert parse_qs(query) == {"receiver": ["payments"], "filter": ['last="4"', 'ok="1"']}


def test_a_silence_shows_in_the_very_next_snapshot_and_its_end_too(server: AlertmanagerUnderTest) -> None:
    server.fire({"alertname": "Disk", "instance": "a"})
    once_grouped(server, 1)
    silence_id = server.silence(
        {"alertname": "Disk"}, duration=timedelta(hours=1), created_by="ana@example.org", comment="migration"
    )
    snapshot = snapshot_of(server)
    disk = alerts_of(snapshot)["Disk"]
    assert (disk.status, disk.silenced_by) == (AlertStatus.SILENCED, (silence_id,))
    [silence] = snapshot.silences
    assert (silence.id, silence.state, silence.created_by, silence.comment) == (
        silence_id,
        "active",
        "ana@example.org",
        "migration",
    )
    assert silence.matchers == (Matcher(name="alertname", value="Disk"),)
    assert timedelta(minutes=59) < silence.ends_at - snapshot.clock <= timedelta(minutes=61)
    server.expire(silence_id)
    snapshot = snapshot_of(server)
    assert alerts_of(snapshot)["Disk"].status is AlertStatus.ACTIVE
    assert snapshot.silences == (), "expired silences stay listed for days, and hold nothing"


def test_a_look_at_the_active_silences_differs_as_soon_as_one_is_made_extended_or_ended(
    server: AlertmanagerUnderTest,
) -> None:
    asked = client(server)
    assert asked.active_silences(soon()) == frozenset()
    hour = timedelta(hours=1)
    first = server.silence({"alertname": "Disk"}, duration=hour, created_by="ana", comment="")
    one = asked.active_silences(soon())
    assert {id_ for id_, _ in one} == {first}
    assert asked.active_silences(soon()) == one
    second = server.silence({"alertname": "Slow"}, duration=2 * hour, created_by="ana", comment="")
    assert {id_ for id_, _ in asked.active_silences(soon())} == {first, second}
    server.expire(second)
    # What is over stays listed for days, and is none of them.
    assert asked.active_silences(soon()) == one
    server.expire(first)
    assert asked.active_silences(soon()) == frozenset()


def test_an_inhibited_alert_is_muted_not_silenced(server: AlertmanagerUnderTest) -> None:
    server.fire({"alertname": "HostDown", "rack": "r1"})
    server.fire({"alertname": "RackDown", "rack": "r1"})
    once_grouped(server, 2)

    def inhibited() -> bool:
        return alerts_of(snapshot_of(server))["HostDown"].status is AlertStatus.MUTED

    poll_until(inhibited, what="HostDown is inhibited")
    assert alerts_of(snapshot_of(server))["RackDown"].status is AlertStatus.ACTIVE


def test_an_alert_that_is_inhibited_and_silenced_is_silenced(server: AlertmanagerUnderTest) -> None:
    server.fire({"alertname": "HostDown", "rack": "r1"})
    server.fire({"alertname": "RackDown", "rack": "r1"})
    server.silence({"alertname": "HostDown"}, duration=timedelta(hours=1), created_by="ana", comment="")
    once_grouped(server, 2)
    assert alerts_of(snapshot_of(server))["HostDown"].status is AlertStatus.SILENCED


def test_an_alert_that_ended_is_there_no_more(server: AlertmanagerUnderTest) -> None:
    server.fire({"alertname": "Disk", "instance": "a"})
    once_grouped(server, 1)
    server.end({"alertname": "Disk", "instance": "a"})
    poll_until(lambda: not alerts_of(snapshot_of(server)), what="the alert leaves the list")


def test_after_a_restart_it_holds_no_alert_but_says_when_it_started(server: AlertmanagerUnderTest) -> None:
    server.fire({"alertname": "Disk", "instance": "a"})
    server.silence({"alertname": "Disk"}, duration=timedelta(hours=1), created_by="ana", comment="")
    before = once_grouped(server, 1)
    server.restart()
    after = snapshot_of(server)
    assert after.groups == ()
    assert after.started_at > before.started_at
    assert len(after.silences) == 1


def test_alerts_are_read_as_alertmanager_shows_them(server: AlertmanagerUnderTest) -> None:
    server.fire({"alertname": "Disk", "instance": "a"}, {"summary": "full"})
    silence_id = server.silence(
        {"alertname": "Disk"}, duration=timedelta(hours=1), created_by="ana", comment=""
    )
    [alert], [silence] = client(server).alerts(soon())
    assert alert["labels"] == {"alertname": "Disk", "instance": "a"}
    assert alert["annotations"] == {"summary": "full"}
    assert alert["receivers"] == [{"name": "team.x+prod (1)"}]
    assert alert["status"]["silencedBy"] == [silence_id] == [silence.id]


STATES = [
    pytest.param(
        "unprocessed", ["s1"], [], [], AlertStatus.ACTIVE, id="unprocessed is active, whatever it names"
    ),
    pytest.param("active", ["s1"], [], [], AlertStatus.ACTIVE, id="active is active, whatever it names"),
    pytest.param("suppressed", [], [], [], AlertStatus.ACTIVE, id="suppressed by nothing is active"),
    pytest.param("some new state", ["s1"], [], [], AlertStatus.ACTIVE, id="a state to come is active"),
    pytest.param(
        "suppressed", ["s1"], ["f1"], ["m1"], AlertStatus.SILENCED, id="silenced among others is silenced"
    ),
    pytest.param("suppressed", [], ["f1"], [], AlertStatus.MUTED, id="inhibited is muted"),
    pytest.param("suppressed", [], [], ["m1"], AlertStatus.MUTED, id="a mute time is muted"),
]


@pytest.mark.parametrize(("state", "silenced", "inhibited", "muted", "expected"), STATES)
def test_an_alert_is_quiet_only_if_alertmanager_says_that_and_why(
    state: str, silenced: list[str], inhibited: list[str], muted: list[str], expected: AlertStatus
) -> None:
    status = {"state": state, "silencedBy": silenced, "inhibitedBy": inhibited, "mutedBy": muted}
    alert = {"fingerprint": "f", "labels": {"alertname": "Disk"}, "annotations": {}, "status": status}
    group = [{"labels": {}, "receiver": {"name": "r"}, "alerts": [alert]}]
    with SimulatedAlertmanager(routes=ROUTES) as server:
        body = msgspec.json.encode(group)
        server.server.inject(Fault("status", path="/alerts/groups", status=200, body=body))
        assert alerts_of(snapshot_of(server))["Disk"].status is expected


def test_a_cluster_that_settles_is_seen_to() -> None:
    with SimulatedAlertmanager(routes=ROUTES) as server:
        for status, settled in (("settling", False), ("ready", True), ("disabled", True)):
            server.model.cluster_status = status
            assert snapshot_of(server).settled is settled


def test_a_proven_snapshot_is_the_snapshot_where_nothing_is_missing(server: AlertmanagerUnderTest) -> None:
    server.fire({"alertname": "Disk", "instance": "a"})
    whole = once_grouped(server, 1)
    assert client(server).proven_snapshot(soon(), detailed=True).groups == whole.groups


def test_groups_that_lack_an_alert_during_a_reload_are_read_again() -> None:
    with SimulatedAlertmanager(routes=ROUTES) as server:
        server.fire({"alertname": "Disk", "instance": "a"})
        whole = once_grouped(server, 1)
        server.server.inject(Fault("status", path="/alerts/groups", status=200, body=b"[]", times=2))
        assert client(server).proven_snapshot(soon(), detailed=True).groups == whole.groups


def test_a_place_can_be_proven_alone(odd_server: AlertmanagerUnderTest) -> None:
    for value in ODD_VALUES:
        odd_server.fire({"alertname": "Odd", "odd": value, "to": "payments"})
    odd = client(odd_server)
    for group in once_grouped(odd_server, len(ODD_VALUES)).groups:
        assert group in odd.place(group.receiver, group.labels, soon(), proven=True).groups


def test_a_place_that_lacks_an_alert_during_a_reload_is_read_again() -> None:
    with SimulatedAlertmanager(routes=ROUTES) as server:
        server.fire({"alertname": "Disk", "instance": "a"})
        [group] = once_grouped(server, 1).groups
        server.server.inject(Fault("status", path="/alerts/groups", status=200, body=b"[]", times=2))
        place = client(server).place(group.receiver, group.labels, soon(), proven=True)
        assert place.groups == (group,)


def test_groups_that_go_on_lacking_an_alert_prove_nothing() -> None:
    with SimulatedAlertmanager(routes=ROUTES) as server:
        server.fire({"alertname": "Disk", "instance": "a"})
        server.server.inject(Fault("status", path="/alerts/groups", status=200, body=b"[]", times=-1))
        with pytest.raises(UpstreamError, match="missing from its aggregation groups") as caught:
            client(server).proven_snapshot(soon())
        assert caught.value.reason is Reason.UNSTABLE


@pytest.mark.timeout(180)  # a storm of reloads on a busy machine
def test_no_snapshot_of_the_real_program_under_reloads_lacks_an_alert(tmp_path: Path) -> None:
    """Alertmanager rebuilds its aggregation groups while it reloads, and shows them half built."""
    with RealAlertmanager(tmp_path, routes=ROUTES) as server:
        count = 4000
        alerts = [{"labels": {"alertname": f"A{number // 10}", "n": str(number)}} for number in range(count)]
        requests.post(f"{server.url}/api/v2/alerts", json=alerts, timeout=20).raise_for_status()
        once_grouped(server, count)
        stop = threading.Event()
        whole: list[bool] = []

        def reload_again_and_again() -> None:
            while not stop.wait(0.05):
                requests.post(f"{server.url}/-/reload", timeout=20)

        reloading = threading.Thread(target=reload_again_and_again)
        reloading.start()
        try:
            for _ in range(15):
                # Under such a storm of reloads it may give up, which is no snapshot and so no harm.
                with contextlib.suppress(UpstreamError):
                    snapshot = client(server).proven_snapshot(soon())
                    whole.append(sum(len(group.alerts) for group in snapshot.groups) == count)
        finally:
            stop.set()
            reloading.join()
        assert whole
        assert all(whole)
