"""The benchmark measures what it says: with worlds so small that what they cost does not matter."""

import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks import floor, measure, planning, polling, recording, table
from tests.benchmarks.recording import ALERTMANAGER, IRM, Recorded
from tests.benchmarks.sizes import Size, Targets
from tests.benchmarks.table import Row
from tests.benchmarks.wire import Answer, Listener, Request, serving
from tests.benchmarks.world import World

EPOCH = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
GENEROUS, IMPOSSIBLE = 60.0, 0.0


def recorded(
    request: tuple[str, str, str], began: float, ended: float = 0, *, connection: int = 1
) -> Recorded:
    server, method, target = request
    return Recorded(server, connection, method, target, "", began, ended)


def test_a_small_world_is_measured_whole(tmp_path: Path) -> None:
    targets = Targets(above_floor=GENEROUS, memory=1, scrape=IMPOSSIBLE, healthz=GENEROUS)
    size = Size("tiny", alerts=80, groups=40, actions=2, repeat=1, targets=targets)

    rows = {row.what: row for row in measure.measure(size, tmp_path / "tiny")}

    assert rows["resolved in each run"].ok, rows
    assert rows["requests of the floor and for nothing"].ok, rows[
        "requests of the floor and for nothing"
    ].note
    # What was wanted was possible, and what was not is missed.
    assert rows["run with 2 resolves above its floor"].ok
    assert rows["longest /healthz during a run"].ok
    assert rows["peak memory, master and worker"].ok is False
    assert rows["/metrics, median"].ok is False
    # A second reading and a look at each that was resolved are counted, and told apart from the floor.
    assert rows["requests for safety: second reading, proven"].value >= 5
    assert rows["requests for safety: read back after a resolve"].value == 2


def test_what_is_polled_is_asked_for_anew_and_with_its_tag() -> None:
    timed = {one.name: one for one in polling.measure(rounds=1)}
    assert timed["/api/v1/decisions?limit=500"].size > 100_000
    assert timed["/api/v1/decisions?limit=500 (304)"].size == 0
    assert all(one.median > 0 for one in timed.values())


def test_the_command_fails_where_a_target_is_missed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "--sizes", "1k", "--no-planner", "--silences", "0"])
    for bound, status in ((0.2, 0), (0.05, 1)):
        rows = [table.seconds("1k", "a time", 0.1, bound)]
        monkeypatch.setattr(measure, "measure", lambda *_, rows=rows: rows)
        assert command.main() == status
    assert "MISSED" in capsys.readouterr().out


def test_requests_are_told_apart_by_what_they_are_for() -> None:
    group = "/api/v1/alert_groups/I1/"
    asked = [
        (IRM, "GET", "/api/v1/integrations/?perpage=100"),
        (IRM, "GET", "/api/v1/alert_groups/?state=new&perpage=100"),
        (ALERTMANAGER, "GET", "/api/v2/alerts/groups"),
        (ALERTMANAGER, "GET", "/api/v2/silences"),
        (ALERTMANAGER, "GET", "/api/v2/status"),
        (ALERTMANAGER, "GET", "/api/v2/alerts"),
        (ALERTMANAGER, "GET", "/api/v2/alerts/groups"),
        (IRM, "GET", group),
        (ALERTMANAGER, "GET", "/api/v2/alerts/groups?receiver=irm"),
        (IRM, "POST", f"{group}resolve/"),
        (IRM, "GET", group),
        (IRM, "GET", "/api/v1/users/current/"),
    ]
    counted = recording.count([recorded(one, at) for at, one in enumerate(asked)])

    assert Counter(counted.floor) == Counter(
        [
            "list integrations",
            "list alert groups",
            "read aggregation groups",
            "read silences",
            "read status",
            "resolve",
        ]
    )
    assert counted.safety == {recording.SECOND: 2, recording.CONFIRMED: 2, recording.READ_BACK: 1}
    assert list(counted.other) == ["GET /api/v1/users/current/"]
    assert counted.total == len(asked)


def test_time_under_way_counts_what_overlaps_once() -> None:
    seen = [recorded((IRM, "GET", "/"), *times) for times in ((0, 2), (1, 3), (1.5, 1.8), (5, 6))]
    assert recording.in_flight(seen) == 4


def test_the_floor_sends_side_by_side_what_was_and_waits_for_what_came_before() -> None:
    arrived: list[tuple[str, float]] = []
    guard = threading.Lock()

    def answer(request: Request) -> Answer:
        with guard:
            arrived.append((request.target, time.monotonic()))
        time.sleep(0.5)
        return Answer(b"{}")

    address = Listener(serving(answer)).url
    seen = [
        recorded((IRM, "GET", "/one"), 0, 2, connection=1),
        recorded((IRM, "GET", "/beside"), 1, 3, connection=2),
        recorded((IRM, "GET", "/after"), 4, 5, connection=3),
    ]
    took = floor.replay(seen, {IRM: address}, "token")

    times = dict(arrived)
    assert abs(times["/one"] - times["/beside"]) < 0.4
    assert times["/after"] - max(times["/one"], times["/beside"]) >= 0.4
    assert 1 <= took < 1.4


def test_a_planner_that_is_not_linear_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert planning.measure(smallest=20, doublings=1)[-1].value > 0
    for power, fine in ((1.0, True), (1.1, True), (2.0, False)):
        monkeypatch.setattr(planning, "_World", lambda groups, power=power: Known(groups, power))
        assert planning.measure()[-1].ok is fine


class Known:
    """A planner whose time is known."""

    def __init__(self, groups: int, power: float) -> None:
        self.groups = groups
        self._power = power

    def plan(self) -> float:
        return 1e-4 * float(self.groups**self._power)


def test_the_world_is_the_same_wherever_it_is_worked_out() -> None:
    world = World(groups=500, alerts=1000, actions=10, batches=6, epoch=EPOCH)
    assert list(world) == list(World(groups=500, alerts=1000, actions=10, batches=6, epoch=EPOCH))
    batches = Counter(group.batch for group in world if group.batch is not None)
    assert batches == dict.fromkeys(range(6), 10)
    assert sum(len(group.alerts) for group in world) == 1000
    # Some of what is resolved had several deliveries, which must be read before, and some has several alerts.
    resolved = [group for group in world if group.batch is not None]
    assert 0 < sum(group.deliveries > 1 for group in resolved) < 15
    assert 10 < sum(len(group.alerts) > 1 for group in resolved) < 50


def test_a_table_shows_what_was_wanted_and_what_was_missed() -> None:
    rows = [table.number("1k", "requests", 5, 4, "one too many"), Row("1k", "told only", "7 s", 7)]
    shown = table.text(rows).splitlines()
    assert shown[2].split() == ["1k", "requests", "=", "4", "5", "MISSED", "one", "too", "many"]
    assert [row.what for row in table.missed(rows)] == ["requests"]
