"""Our client makes, changes and ends silences in the simulator and in the real program alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from alertsync.errors import Reason, UpstreamError
from alertsync.models import AlertStatus, Matcher, Silence
from alertsync.simulator.alertmanager_config import Route
from alertsync.simulator.wire import Fault
from tests.contract.test_alertmanager_client import client, once_grouped, snapshot_of, soon
from tests.contract.test_peers import peers_at
from tests.servers import AlertmanagerUnderTest, RealAlertmanager, SimulatedAlertmanager, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROUTES = (Route("oncall", ("alertname",)),)
UNKNOWN = "00000000-0000-4000-8000-000000000000"
COMMENT = "Disk: silenced [alertsync irm I1 C1 x y z]"


@pytest.fixture(params=["simulated 0.25", "simulated 0.28", "real"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AlertmanagerUnderTest]:
    if request.param == "real":
        with RealAlertmanager(tmp_path, routes=ROUTES) as real:
            yield real
    else:
        with SimulatedAlertmanager(routes=ROUTES, version=f"{request.param[-4:]}.0") as simulated:
            yield simulated


def wanted(hours: float = 1, **more: Any) -> Silence:
    name = "größe" if more.pop("utf8", False) else "size"
    matchers = (Matcher("alertname", 'Di"sk.*\\'), Matcher(name, "10 %"))
    ends = datetime.now(UTC) + timedelta(hours=hours)
    return msgspec.structs.replace(Silence("", "", matchers, ends, ends, "ann@example.org", COMMENT), **more)


def begins() -> datetime:
    return datetime.now(UTC) - timedelta(minutes=1)


def test_a_silence_is_made_changed_under_its_id_and_ended(server: AlertmanagerUnderTest) -> None:
    ours = client(server)
    server.fire({"alertname": 'Di"sk.*\\', "size": "10 %", "job": "a"})
    server.fire({"alertname": "Disk", "size": "10 %"})
    once_grouped(server, 2)
    made = ours.post_silence(wanted(), begins(), soon())
    [silence] = snapshot_of(server).silences
    assert (silence.id, silence.state, silence.matchers) == (made, "active", wanted().matchers)
    assert (silence.created_by, silence.comment) == ("ann@example.org", COMMENT)
    assert datetime.now(UTC) - silence.starts_at < timedelta(seconds=20), "it begins when it arrives"
    held = {
        alert.labels["alertname"]: alert.status
        for group in snapshot_of(server).groups
        for alert in group.alerts
    }
    assert held == {'Di"sk.*\\': AlertStatus.SILENCED, "Disk": AlertStatus.ACTIVE}
    longer = wanted(2, id=made)
    assert ours.post_silence(longer, silence.starts_at, soon()) == made
    [changed] = snapshot_of(server).silences
    assert abs(changed.ends_at - longer.ends_at) < timedelta(milliseconds=2)
    assert ours.expire_silence(made, soon())
    assert ours.expire_silence(made, soon()), "one that has ended is no error"
    after = snapshot_of(server)
    assert after.silences == ()
    assert [(one.id, one.comment) for one in after.ended] == [(made, COMMENT)]


def test_a_silence_that_is_not_there_is_told_apart_from_one_that_could_not_be_ended(
    server: AlertmanagerUnderTest,
) -> None:
    assert not client(server).expire_silence(UNKNOWN, soon())


def test_an_end_in_the_past_and_an_unknown_id_are_refused_in_its_words(server: AlertmanagerUnderTest) -> None:
    with pytest.raises(UpstreamError, match=r"end time|can't be in the past|start time"):
        client(server).post_silence(wanted(-1), begins(), soon())
    with pytest.raises(UpstreamError, match="not found"):
        client(server).post_silence(wanted(id=UNKNOWN), begins(), soon())


def test_a_label_name_of_any_letters_is_taken_since_0_28() -> None:
    with SimulatedAlertmanager(routes=ROUTES, version="0.28.1") as new:
        assert client(new).post_silence(wanted(utf8=True), begins(), soon())
    with (
        SimulatedAlertmanager(routes=ROUTES, version="0.25.0") as old,
        pytest.raises(UpstreamError, match="400"),
    ):
        client(old).post_silence(wanted(utf8=True), begins(), soon())


def test_another_peer_is_asked_only_where_the_first_has_certainly_not_acted() -> None:
    with SimulatedAlertmanager(routes=ROUTES) as first, SimulatedAlertmanager(routes=ROUTES) as second:
        gone = f"http://127.0.0.1:{free_port()}"
        made = peers_at(gone, second.url).post_silence(wanted(), begins(), soon())
        assert [one.id for one in snapshot_of(second).silences] == [made]
        assert peers_at(gone, first.url, second.url).expire_silence(made, soon()), "where it is known"
        first.server.inject(Fault("status", method="POST", path="/silences", status=500))
        with pytest.raises(UpstreamError) as raised:
            peers_at(first.url, second.url).post_silence(wanted(), begins(), soon())
        assert raised.value.reason is Reason.SERVER_ERROR
        assert snapshot_of(second).silences == ()
        assert not peers_at(gone, first.url).expire_silence(UNKNOWN, soon())
        with pytest.raises(UpstreamError):
            peers_at(gone).expire_silence(made, soon())
