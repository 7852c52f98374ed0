"""A wall clock that jumps, for the service alone: the servers keep the true time, as they do when only our host is wrong.

libfaketime sets the clock of the service's processes while they run. Monotonic time is left alone, as no clock that
is set touches it.
"""

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from alertsync.simulator.irm_model import Group
from tests.e2e.processes import (
    OURS,
    PATIENCE,
    Rising,
    answers_of,
    assert_counters_tell_the_history,
    held,
    runs_begun,
    service_of,
)
from tests.e2e.worlds import World, expect, simulated_world
from tests.servers import SimulatedAlertmanager
from tests.service import Service

INTERVAL = 0.5
DAY = 86400
_LIBRARY = "libfaketime.so.1"
_SLEEP = """\
import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds) and None
"""
"""Python sleeps until a monotonic time, which libfaketime 0.9.10 refuses as invalid where it is to leave that alone."""


def library() -> Path:
    """Find libfaketime where Debian keeps it."""
    found = sorted(Path("/usr/lib").glob(f"*/faketime/{_LIBRARY}"))
    assert found, f"{_LIBRARY} is not installed: apt-get install faketime"
    return found[0]


class WallClock:
    """The wall clock of a service, as an offset to the true one."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "offset"
        self.jump(0)
        (directory / "sitecustomize.py").write_text(_SLEEP)
        self.settings = {
            "PYTHONPATH": str(directory),
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._path),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            # The kernel dates files, and gunicorn writes monotonic times into those dates.
            "NO_FAKE_STAT": "1",
        }

    def jump(self, seconds: float) -> None:
        """Set the clock so far ahead of the true one."""
        written = self._path.with_suffix(".new")
        written.write_text(f"{seconds:+f}\n")
        written.replace(self._path)


@pytest.fixture
def world() -> Iterator[World]:
    with simulated_world() as it:
        yield it


def open_debts(service: Service) -> dict[str, Any]:
    """Give the open debts by their title."""
    return {one["title"]: one for one in service.get("/api/v1/debts?state=open").json()["items"]}


def watch_runs(service: Service, world: World, number: int) -> list[float]:
    """Wait until so many runs more have begun, see after each that it lives, and give the seconds between them."""
    before = len(runs_begun(world))
    for more in range(1, number + 1):
        expect("a run begins", lambda: len(runs_begun(world)) >= before + more, within=PATIENCE)  # noqa: B023  called here
        assert service.get("/healthz").status_code == 200
    return [later - earlier for earlier, later in pairwise(runs_begun(world)[before:])]


def until_its_clock_is_off_by(service: Service, seconds: float) -> None:
    """Wait until the service lives at the other time, as the log tells of the question; then ask each worker."""

    def off() -> float:
        assert service.get("/healthz").status_code == 200
        asked = datetime.fromisoformat(service.events("request", path="/healthz")[-1]["time"])
        return asked.timestamp() - time.time()

    expect("the clock has jumped", lambda: abs(off() - seconds) < DAY, within=PATIENCE)
    answers = answers_of(service, "/healthz", service.workers())
    assert {one.status_code for one in answers.values()} == {200}


def until_paged_anew(world: World, group: Group) -> None:
    """Wait until there is another alert group of this title."""
    title = (group.title or "").strip()
    expect(f"{title} is paged again", lambda: world.irm.group(title) is not group, within=PATIENCE)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("days", [40, -40], ids=["forwards", "backwards"])
def test_a_wall_clock_that_jumps_stops_no_loop_loses_no_debt_and_pages_nobody(
    tmp_path: Path, world: World, days: float
) -> None:
    clock = WallClock(tmp_path)
    alive = world.fire("Alive")
    owed, ended, late = (world.fire(name) for name in ("Owed", "Ended", "Late"))
    silences = {name: world.silence(name) for name in ("Owed", "Ended")}
    settings = {
        "RECONCILE_INTERVAL": str(INTERVAL),
        "WATCH_INTERVAL": "0",
        "WEB_CONCURRENCY": "2",
        "ABSENCE_AFTER": "60",
        **clock.settings,
    }
    assert isinstance(world.alertmanager, SimulatedAlertmanager)
    # It is up for long, so that nothing but the time keeps what ended from being forgotten.
    world.alertmanager.model.started_at -= timedelta(hours=1)
    with service_of(tmp_path, world, **settings) as service:
        rising = Rising(*OURS)
        for name in silences:
            world.irm.until_resolved(name, within=PATIENCE)
        # One ends in its silence: Alertmanager says nothing of it, and it lapses some day.
        world.alertmanager.end({"alertname": "Ended", "instance": "a"})
        service.observe_runs(2, within=PATIENCE)
        assert set(open_debts(service)) == {"Owed", "Ended"}
        rising.look(service.metrics())
        pages = len(world.irm.model.pages)

        for offset in (days * DAY, 0.0):
            # In the middle of a run, which compares what it has read with what it is about to read.
            with held(world.alertmanager.server, "GET", "/alerts/groups") as hold:
                assert hold.done.wait(PATIENCE)
                clock.jump(offset)
                until_its_clock_is_off_by(service, offset)
            gaps = watch_runs(service, world, 4)
            assert min(gaps) > INTERVAL / 2, gaps
            assert max(gaps) < INTERVAL + 10, gaps
            rising.look(service.metrics())
            assert service.metric("alertsync_leader") == 1
            assert set(open_debts(service)) == {"Owed", "Ended"}
            assert sorted(world.irm.resolves) == sorted((owed.id, ended.id))
            assert len(world.irm.model.pages) == pages
        assert (alive.state, late.state) == ("firing", "firing")

        # What begins and ends now is met as ever.
        silences["Late"] = world.silence("Late")
        world.irm.until_resolved("Late", within=PATIENCE)
        world.alertmanager.fire({"alertname": "Ended", "instance": "a"})
        for name, silence in silences.items():
            world.alertmanager.expire(silence)
            until_paged_anew(world, {"Owed": owed, "Ended": ended, "Late": late}[name])
        expect("all is paid", lambda: not open_debts(service), within=PATIENCE)
        service.observe_runs(2, within=PATIENCE)
        assert len(world.irm.model.pages) == pages + 3
        assert len(world.irm.resolves) == 3
        assert alive.state == "firing"
        rising.look(service.metrics())
    with service_of(tmp_path, world) as service:
        rising.look(service.metrics())
        assert service.get("/healthz").status_code == 200
        if days < 0:
            # Those of the future are not too old, nor are those of the past yet.
            assert_counters_tell_the_history(service)
