"""Stories of what comes late: lists that lag or take long, a run that could not look, a loop that sleeps."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING

from alertsync import bootstrap, config
from alertsync.clock import Deadline
from alertsync.models import Outcome, Owing, RunStatus
from alertsync.simulator.wire import Fault
from tests.reconciler.bench import Bench, bench
from tests.reconciler.test_debts import again, resolved_by_us
from tests.reconciler.test_obligations import DISK, gone, outcomes

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from alertsync.simulator.irm_records import Group


def lists_lag(world: Bench, group: Group) -> None:
    """Let IRM's next list of what fires show an alert group as it was before it was resolved."""
    resolved_at = group.resolved_at
    assert resolved_at is not None

    def show(at: object) -> None:
        group.resolved_at = at  # type: ignore[assignment]  # None, or as it was

    world.at_irm.before("/alert_groups/", lambda: show(None), query="state=new")
    world.at_irm.after("/alert_groups/", lambda: show(resolved_at), query="state=new")


def pages_take(world: Bench, seconds: float) -> None:
    """Let each page of IRM's alert groups take so long."""
    world.irm.on_page_read = lambda *_: world.time.sleep(seconds)


def test_a_slow_reading_does_not_set_irms_time_ahead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path) as world:
        world.fire("Disk")
        pages_take(world, 30)
        snapshot = world.reconciler.irm.snapshot(Deadline(world.time.clock, 300))
        assert abs(snapshot.clock - snapshot.read_at) < timedelta(seconds=2), "both tell of the same moment"


def test_a_list_that_lags_pays_no_debt_however_long_the_reading_took(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = resolved_by_us(world, minutes=30)
        world.time.sleep(10)
        pages_take(world, 20)
        lists_lag(world, disk)
        world.run()
        world.irm.on_page_read = None
        assert world.owed() == {"a": Owing.OWED}
        world.pass_time(1800)
        world.run()
        again(world, disk)


def test_a_resolve_that_a_list_that_lags_asked_for_leaves_the_debt_of_the_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, ON_GONE="resolve") as world:
        world.fire("Other")
        world.pass_time(1000)
        disk = gone(world)
        for _ in range(2):
            assert world.run().actions == ()
            world.pass_time(600)
        assert outcomes(world.run()) == [Outcome.RESOLVED]
        assert list(world.owed().values()) == [Owing.OWED]
        world.time.sleep(10)
        lists_lag(world, disk)
        pages_take(world, 4)
        assert outcomes(world.run()) == [Outcome.CANCELLED]
        assert list(world.owed().values()) == [Owing.OWED]
        world.alertmanager.fire(DISK)
        world.pass_time(60)
        world.run()
        again(world, disk)


def test_an_alert_group_that_moved_from_list_to_list_while_they_were_read_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, ON_GONE="resolve", IRM_STATES="firing,acknowledged") as world:
        world.fire("Other")
        disk = world.fire("Disk")
        world.irm.acknowledge(disk.id)
        world.run()
        world.alertmanager.silence(DISK, duration=timedelta(minutes=10), created_by="ana", comment="")
        world.alertmanager.end(DISK)
        world.pass_time(660)
        world.at_irm.after("/alert_groups/", lambda: world.irm.unacknowledge(disk.id), query="state=new")
        run = world.run()
        assert disk.state == "firing"
        assert disk.id not in {decision.alert_group.id for decision in run.decisions}
        for _ in range(8):
            world.pass_time(250)
            world.run()
        assert disk.state == "resolved"


def test_a_run_that_could_not_look_is_followed_soon_when_something_is_owed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        resolved_by_us(world, minutes=10)
        world.run()
        world.pass_time(601)
        world.alertmanager_server.inject(Fault("status", path="/api/v2/", status=503, times=-1))
        run = world.run()
        assert run.status is RunStatus.FAILED
        assert run.wake_at is not None
        assert timedelta(0) < run.wake_at - world.time.clock.now() <= timedelta(seconds=60)


def test_a_run_that_could_not_look_is_not_hurried_after_when_nothing_is_owed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        world.fire("Disk")
        world.run()
        world.alertmanager_server.inject(Fault("status", path="/api/v2/", status=503, times=-1))
        run = world.run()
        assert (run.status, run.wake_at) == (RunStatus.FAILED, None)


def test_the_loop_wakes_for_what_a_run_that_a_person_asked_for_owes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, RECONCILE_INTERVAL="3000", WATCH_INTERVAL="0") as world:
        disk = world.fire("Disk")
        start, asked = world.time.passed, list[RunStatus]()

        def sleep(seconds: float) -> None:
            world.pass_time(seconds)
            if not asked and world.time.passed - start > 300:
                world.silence("Disk", minutes=5)
                asked.append(world.reconciler.run_once("http").status)

        clock = dataclasses.replace(world.time.clock, sleep=sleep)
        world.services = bootstrap.build(config.load(), clock)
        world.services.stop.attach(lambda: world.time.passed - start > 700)
        bootstrap.loop(world.services)
        assert asked == [RunStatus.SUCCESS]
        assert disk.state == "resolved"
        again(world, disk)
