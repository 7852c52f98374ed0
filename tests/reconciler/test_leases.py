"""Stories of leases when other things go wrong: who should be paged is, and nobody is paged for nothing."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from alertsync.models import Held, Outcome
from tests.reconciler.bench import Bench, bench
from tests.reconciler.test_obligations import of, outcomes

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from alertsync.simulator.irm_records import Group


def leased(world: Bench, *names: str, minutes: float = 60) -> list[Group]:
    """Let alerts of these names fire and be silenced, and their alert groups be silenced by us."""
    groups = [world.fire(name) for name in names]
    for name in names:
        world.silence(name, minutes=minutes)
    assert outcomes(world.run()) == [Outcome.SILENCED] * len(names)
    return groups


def states(groups: list[Group]) -> set[str]:
    return {group.state for group in groups}


def test_what_is_delivered_in_the_middle_of_a_run_keeps_nothing_silenced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, ON_SILENCED="silence") as world:
        disk = world.fire("Disk")
        world.silence("Disk", instance="a")
        world.run()
        assert disk.state == "silenced"
        world.pass_time(400)
        world.alertmanager.fire({"alertname": "Disk", "instance": "b"})
        world.at_alertmanager.before("/alerts/groups", lambda: world.pass_time(12))
        assert outcomes(world.run()) == [Outcome.UNSILENCED]
        assert (disk.state, len(disk.deliveries)) == ("firing", 2)


def test_a_store_that_cannot_be_written_keeps_nothing_silenced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, ON_SILENCED="silence") as world:
        groups = leased(world, "Disk", "Cpu", "Net")
        for silence in world.alertmanager.silences():
            world.alertmanager.expire(silence.id)
        database = tmp_path / "state" / "alertsync.db"

        def break_the_disk() -> None:
            for path in (tmp_path / "state").glob("alertsync.db*"):
                path.unlink()
            database.mkdir()

        world.at_irm.before("/unsilence/", break_the_disk)
        run = world.run()
        assert outcomes(run) == [Outcome.UNSILENCED] * 3
        assert states(groups) == {"firing"}
        shutil.rmtree(database)


def test_a_brake_lets_no_lease_run_out_into_a_false_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = [f"Gone{number}" for number in range(7)]
    with bench(monkeypatch, tmp_path, ON_SILENCED="silence") as world:
        world.fire("Other")
        world.pass_time(1000)
        groups = leased(world, *names, minutes=600)
        pages = len(world.irm.pages)
        # So slow that each renewal but the first is confirmed before it is made, one alert group at a time.
        world.at_irm.after("/silence/", lambda: world.time.sleep(11), times=-1)
        for name in names:
            world.alertmanager.end({"alertname": name, "instance": "a"})
        for _ in range(10):
            world.pass_time(250)
            run = world.run()
        assert {of(run, group).held for group in groups} == {Held.GONE_RATIO}
        assert states(groups) == {"silenced"}
        assert len(world.irm.pages) == pages
        run = world.run(lift=frozenset({"gone_ratio"}))
        assert outcomes(run) == [Outcome.RESOLVED] * 7
        assert len(world.irm.pages) == pages


def test_a_lease_on_a_root_keeps_no_live_attached_alert_group_silent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, ON_SILENCED="silence") as world:
        disk, cpu = world.fire("Disk"), world.fire("Cpu")
        world.irm.attach(cpu.id, disk.id)
        world.silence("Disk")
        assert outcomes(world.run()) == [Outcome.SILENCED]
        assert (disk.state, cpu.state) == ("silenced", "silenced"), "IRM silences what is attached too"
        world.pass_time(10)
        assert outcomes(world.run()) == [Outcome.UNSILENCED]
        assert (disk.state, cpu.state) == ("firing", "firing")
        assert "IRM silenced «Cpu» with it" in disk.notes[-1].text
        for _ in range(3):
            world.pass_time(300)
            assert world.run().actions == (), "it is not silenced again under the same silences"


def test_a_lease_on_a_root_that_has_ended_keeps_no_live_attached_alert_group_silent_in_a_slow_run_either(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, ON_SILENCED="silence") as world:
        net, disk, cpu = world.fire("Net"), world.fire("Disk"), world.fire("Cpu")
        world.irm.attach(cpu.id, disk.id)
        silence = world.silence("Net")
        world.silence("Disk")
        world.at_irm.after("/silence/", lambda: world.time.sleep(5))
        assert outcomes(world.run()) == [Outcome.SILENCED] * 2
        world.alertmanager.expire(silence)
        world.alertmanager.end({"alertname": "Disk", "instance": "a"})
        world.at_irm.after("/unsilence/", lambda: world.time.sleep(5))
        assert outcomes(world.run()) == [Outcome.UNSILENCED] * 2
        assert states([net, disk, cpu]) == {"firing"}
