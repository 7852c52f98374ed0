"""Stories of leases, of alerts that are gone, of brakes, and of credentials that may not act."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertsync.models import ActionKind, DecisionKind, Held, Outcome, RunStatus
from alertsync.simulator.wire import Fault
from tests.reconciler.bench import Bench, bench

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from alertsync.models import Decision, Run
    from alertsync.simulator.irm_records import Group

DISK = {"alertname": "Disk", "instance": "a"}


def of(run: Run, group: Group) -> Decision:
    """Give the decision of a run about an alert group."""
    return next(one for one in run.decisions if one.alert_group.id == group.id)


def outcomes(run: Run) -> list[Outcome]:
    return [action.outcome for action in run.actions]


def leased(world: Bench, minutes: float = 60) -> Group:
    """Let an alert fire and be silenced, and its alert group be silenced by us."""
    disk = world.fire("Disk")
    world.silence("Disk", minutes=minutes)
    assert outcomes(world.run()) == [Outcome.SILENCED]
    assert disk.state == "silenced"
    return disk


def left(world: Bench, group: Group) -> float:
    """Tell for how many seconds an alert group is still silenced in IRM."""
    assert group.silenced_until is not None
    return (group.silenced_until - world.time.clock.now()).total_seconds()


def test_a_lease_is_renewed_while_the_silence_holds_and_ends_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, ON_SILENCED="silence") as world:
        disk = leased(world)
        assert 890 < left(world, disk) <= 900
        world.pass_time(100)
        assert world.run().actions == ()
        world.pass_time(300)
        assert outcomes(world.run()) == [Outcome.SILENCED]
        assert 890 < left(world, disk) <= 900
        for _ in range(9):
            world.pass_time(400)
            world.run()
        assert disk.state == "firing"
        assert [page.text for page in world.irm.pages] == ["created", "silence ended"]


def test_a_silence_that_is_removed_ends_the_lease_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, ON_SILENCED="silence") as world:
        disk = leased(world)
        world.alertmanager.expire(world.alertmanager.silences()[0].id)
        assert outcomes(world.run()) == [Outcome.UNSILENCED]
        assert disk.state == "firing"


def test_a_silence_that_is_shortened_shortens_the_lease(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, ON_SILENCED="silence") as world:
        disk = leased(world)
        world.alertmanager.expire(world.alertmanager.silences()[0].id)
        world.silence("Disk", minutes=5)
        assert outcomes(world.run()) == [Outcome.SILENCED]
        assert 290 < left(world, disk) <= 300


def test_a_new_active_alert_ends_the_lease(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path, ON_SILENCED="silence") as world:
        disk = world.fire("Disk")
        world.silence("Disk", instance="a")
        world.run()
        assert disk.state == "silenced"
        world.alertmanager.fire({"alertname": "Disk", "instance": "b"})
        assert outcomes(world.run()) == [Outcome.UNSILENCED]
        assert disk.state == "firing"


def test_what_a_person_changes_in_irm_is_theirs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path, ON_SILENCED="silence") as world:
        disk = leased(world)
        world.irm.unsilence(disk.id)
        run = world.run()
        assert (run.actions, of(run, disk).held) == ((), Held.PERSON)
        world.time.sleep(5)
        world.irm.silence(disk.id, delay=7200)
        world.alertmanager.expire(world.alertmanager.silences()[0].id)
        assert world.run().actions == ()
        assert disk.state == "silenced"


def test_alerts_that_end_in_a_lease_are_resolved_before_it_becomes_a_false_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, ON_SILENCED="silence") as world:
        world.fire("Other")
        disk = leased(world, minutes=600)
        for number in range(12):
            world.pass_time(250)
            world.run()
            if number == 3:
                world.alertmanager.end(DISK)
        assert disk.state == "resolved"
        assert [page.group_id for page in world.irm.pages if page.group_id == disk.id] == [disk.id]


def test_a_lease_is_ended_although_maintenance_began(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path, ON_SILENCED="silence") as world:
        disk = leased(world)
        world.irm.set_maintenance(world.integration, "maintenance")
        assert world.run().actions == ()
        world.alertmanager.expire(world.alertmanager.silences()[0].id)
        assert outcomes(world.run()) == [Outcome.UNSILENCED]
        assert disk.state == "firing"


def gone(world: Bench, name: str = "Disk") -> Group:
    """Let an alert be notified, seen by us, and end in a silence that then ends."""
    group = world.fire(name)
    world.run()
    world.silence(name, minutes=10)
    world.alertmanager.end({"alertname": name, "instance": "a"})
    world.pass_time(660)
    return group


def test_what_is_gone_is_resolved_once_its_absence_is_proven(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, ON_GONE="resolve") as world:
        world.fire("Other")
        world.pass_time(1000)
        disk = gone(world)
        assert of(world.run(), disk).kind is DecisionKind.GONE_UNPROVEN
        world.pass_time(600)
        assert of(world.run(), disk).kind is DecisionKind.GONE_UNPROVEN
        world.pass_time(400)
        assert outcomes(world.run()) == [Outcome.RESOLVED]
        assert disk.state == "resolved"


def test_a_restarted_alertmanager_proves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path, ON_GONE="resolve") as world:
        other = world.fire("Other")
        disk = world.fire("Disk")
        world.pass_time(1000)
        world.run()
        world.alertmanager.restart()
        for _ in range(5):
            world.pass_time(1000)
            assert world.run().actions == ()
        assert (other.state, disk.state) == ("firing", "firing")


def test_the_watchdog_is_missing_so_nothing_is_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path, ON_GONE="resolve", ABSENCE_WATCHDOG="Watchdog") as world:
        world.fire("Other")
        world.pass_time(1000)
        disk = gone(world)
        for _ in range(5):
            world.run()
            world.pass_time(1000)
        assert disk.state == "firing"


def test_many_that_are_gone_at_once_are_held_until_the_brake_is_lifted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, ON_GONE="resolve") as world:
        world.fire("Other")
        world.pass_time(1000)
        groups = [world.fire(f"Gone{number}") for number in range(7)]
        world.run()
        for group in groups:
            name = (group.title or "").strip()
            world.silence(name, minutes=10)
            world.alertmanager.end({"alertname": name, "instance": "a"})
        world.pass_time(660)
        for _ in range(4):
            run = world.run()
            world.pass_time(500)
        assert run.actions == ()
        assert {of(run, group).held for group in groups} == {Held.GONE_RATIO}
        assert "gone_ratio" in run.message
        run = world.run(lift=frozenset({"gone_ratio"}))
        assert outcomes(run) == [Outcome.RESOLVED] * 7
        assert run.lifted == {"gone_ratio"}


def test_credentials_that_may_not_act_are_tried_twice_and_then_rarely(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        groups = [world.fire(f"Disk{number}") for number in range(3)]
        for group in groups:
            world.silence((group.title or "").strip())
        world.irm_server.inject(Fault("status", path="/resolve/", times=-1, status=403))
        run = world.run()
        assert run.status is RunStatus.PARTIAL
        assert len(world.resolves()) == 2
        world.pass_time(60)
        run = world.run()
        assert len(world.resolves()) == 2
        assert {of(run, group).held for group in groups} == {Held.CREDENTIALS}
        assert world.services.store.standing().cannot_act
        world.irm_server.heal()
        world.pass_time(900)
        assert outcomes(world.run()) == [Outcome.RESOLVED] * 3
        assert not world.services.store.standing().cannot_act


def test_a_store_that_cannot_be_written_resolves_nothing_and_pays_what_it_knows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = world.fire("Disk")
        world.silence("Disk", minutes=10)
        world.run()
        assert disk.state == "resolved"
        cpu = world.fire("Cpu")
        world.silence("Cpu")
        for path in (tmp_path / "state").glob("alertsync.db*"):
            path.unlink()
        (tmp_path / "state" / "alertsync.db").mkdir()
        world.pass_time(601)
        run = world.run()
        assert of(run, cpu).kind is DecisionKind.UNPAYABLE
        assert cpu.state == "firing"
        assert [action.kind for action in run.actions] == [ActionKind.REPAGE]
        assert world.group("Disk").state == "firing"
        (tmp_path / "state" / "alertsync.db").rmdir()
        world.run()
        assert cpu.state == "resolved"


def test_one_alert_group_that_we_may_not_act_on_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        theirs, ours = world.fire("Disk"), world.fire("Cpu")
        world.silence("Disk")
        world.silence("Cpu")
        world.irm_server.inject(Fault("status", path=f"{theirs.id}/resolve/", times=-1, status=403))
        assert outcomes(world.run()) == [Outcome.FAILED, Outcome.RESOLVED]
        assert ours.state == "resolved"
        assert world.run().actions == ()
        assert not world.services.store.standing().cannot_act
