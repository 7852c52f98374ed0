"""Stories of alert groups that can never be judged: reading them costs little, and keeps no other from its turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.reconciler.bench import Bench, bench

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from alertsync.simulator.irm_records import Group


def silenced(world: Bench, *names: str) -> list[Group]:
    """Let an alert of each name fire, be delivered, be joined by another, be delivered again, and be silenced."""
    for instance in ("a", "b"):
        for name in names:
            world.alertmanager.fire({"alertname": name, "instance": instance})
        world.pass_time(400)
    for name in names:
        world.silence(name, minutes=600)
    return [world.group(name) for name in names]


def forget_a_delivery(group: Group) -> None:
    """Let IRM have wiped what an older delivery said, so that nobody can tell who is in the alert group."""
    assert len(group.deliveries) > 1
    group.deliveries[0].payload = {}


def readings(world: Bench) -> int:
    """Count how often the aggregation groups were read since Alertmanager's server was cleared."""
    return sum(one.path.endswith("/alerts/groups") for one in world.alertmanager_server.received)


def test_many_that_are_read_in_vain_cost_few_readings_of_alertmanager(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, MAX_ACTIONS_PER_RUN="2") as world:
        *unclear, disk = silenced(world, *(f"Old{number:02d}" for number in range(20)), "Disk")
        for group in unclear:
            forget_a_delivery(group)
        world.alertmanager_server.clear()
        world.run()
        assert disk.state == "resolved"
        assert readings(world) <= 4


def test_those_that_are_read_in_vain_again_and_again_starve_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, IRM_RATE_LIMIT="10/minute") as world:
        for group in silenced(world, *(f"Old{number}" for number in range(5))):
            forget_a_delivery(group)
        [disk] = silenced(world, "Disk")
        world.run()
        assert disk.state == "firing", "a run may read no more than five"
        world.pass_time(60)
        world.run()
        assert disk.state == "resolved"
