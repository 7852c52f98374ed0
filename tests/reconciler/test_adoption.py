"""Stories of a ledger that was lost: what we resolved is found again piece by piece, and nothing stops that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alertsync.models import Owing
from alertsync.simulator.wire import Fault
from tests.reconciler.bench import Bench, bench
from tests.reconciler.test_debts import again, resolved_by_us

if TYPE_CHECKING:
    from pathlib import Path

    from alertsync.simulator.irm_records import Group


def lose_the_ledger(world: Bench, tmp_path: Path) -> None:
    """Start alertsync anew with an empty store."""
    world.restart(STATE_DIR=str(tmp_path / "new"))


def origins(world: Bench) -> dict[str, str]:
    """Give where our knowledge of each debt comes from, by its alert group."""
    return {debt.alert_group_id: debt.origin for debt in world.services.store.ledger().debts}


def fire_many(world: Bench, count: int) -> list[Group]:
    """Let as many alerts fire, each in an alert group of its own; give these, the oldest first."""
    names = [f"Many{number:02d}" for number in range(count)]
    for name in names:
        world.alertmanager.fire({"alertname": name, "instance": "a"})
    world.pass_time(6)
    return [world.group(name) for name in names]


def test_one_alert_group_whose_notes_cannot_be_read_keeps_no_other_from_being_adopted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk, cpu = world.fire("Disk"), world.fire("Cpu")
        world.silence("Disk")
        world.silence("Cpu")
        world.run()
        assert (disk.state, cpu.state) == ("resolved", "resolved")
        lose_the_ledger(world, tmp_path)
        world.irm_server.inject(
            Fault("status", method="GET", path="/resolution_notes/", query=cpu.id, times=-1)
        )
        world.pass_time(3601)
        for _ in range(3):
            run = world.run()
            world.pass_time(60)
        assert "1 resolved alert group(s) are still to be looked at" in run.message
        again(world, disk)
        world.irm_server.heal()
        world.run()
        assert world.group("Cpu").id != cpu.id, "what could not be read is looked at again"


def test_what_we_resolved_since_is_not_adopted_over_what_we_know_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = world.fire("Disk")
        world.silence("Disk", minutes=10)
        world.irm_server.inject(
            Fault("status", method="GET", path="/alert_groups/", query="state=resolved", times=3)
        )
        run = world.run()
        assert "could not be found out" in run.message
        assert origins(world) == {disk.id: "resolve"}
        world.run()
        assert origins(world) == {disk.id: "resolve"}


def test_more_alert_groups_than_a_run_may_look_at_are_adopted_by_the_next_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, IRM_RATE_LIMIT="3000/5 minutes") as world:
        groups = fire_many(world, 61)
        for group in groups:
            world.silence((group.title or "").strip())
        assert world.run().inconsistencies_resolved == 61
        lose_the_ledger(world, tmp_path)
        run = world.run()
        assert len(origins(world)) == 60
        assert run.wake_at is not None, "the next run follows soon"
        world.pass_time(10)
        world.run()
        assert origins(world) == {group.id: "adopted" for group in groups}


def test_look_ups_that_the_rate_limit_cuts_short_go_on_where_they_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, IRM_RATE_LIMIT="20/5 minutes", RUN_TIMEOUT="60") as world:
        others = fire_many(world, 30)
        disk, cpu = world.fire("Disk"), world.fire("Cpu")
        world.irm.attach(cpu.id, disk.id)
        world.silence("Disk", minutes=600)
        world.run()
        assert (disk.state, cpu.state) == ("resolved", "resolved")
        for other in others:
            world.irm.resolve(other.id)
        for _ in range(3):
            world.pass_time(300)
            world.run()
        again_cpu = world.group("Cpu")
        assert (again_cpu.id != cpu.id, again_cpu.state) == (True, "firing")


@pytest.mark.parametrize(
    ("seconds", "owed"),
    [
        pytest.param(3599, {"a": Owing.OWED}, id="resolved just within ADOPT_WITHIN: adopted"),
        pytest.param(3601, {}, id="resolved longer ago: not adopted"),
    ],
)
def test_what_was_resolved_longer_ago_than_adopt_within_is_not_adopted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seconds: float, owed: dict[str, Owing]
) -> None:
    with bench(monkeypatch, tmp_path, ADOPT_WITHIN="3600") as world:
        resolved_by_us(world, minutes=600)
        lose_the_ledger(world, tmp_path)
        world.pass_time(seconds)
        world.run()
        assert world.owed() == owed
