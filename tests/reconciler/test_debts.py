"""Stories of debts: whatever we resolved is paged again when it fires and nobody else says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertsync.models import ActionKind, DecisionKind, Outcome, Owing, RunStatus
from alertsync.simulator.alertmanager_config import Route
from alertsync.simulator.wire import Fault
from tests.reconciler.bench import Bench, bench

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from alertsync.simulator.irm_records import Group


def resolved_by_us(world: Bench, *instances: str, minutes: float = 60) -> Group:
    """Let alerts fire, be silenced, and be resolved by us."""
    disk = world.fire("Disk", *(instances or ("a",)))
    world.silence("Disk", minutes=minutes)
    assert world.run().inconsistencies_resolved == 1
    assert disk.state == "resolved"
    return disk


def again(world: Bench, disk: Group) -> Group:
    """Give the alert group that was opened after ours was resolved."""
    newer = world.group("Disk")
    assert newer.id != disk.id, "nobody was paged again"
    assert newer.state == "firing"
    return newer


def test_a_silence_ends_and_the_alert_still_fires_so_the_page_comes_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = resolved_by_us(world, "a", "b")
        assert world.owed() == {"a": Owing.OWED, "b": Owing.OWED}
        world.pass_time(3601)
        assert world.group("Disk") is disk, "Alertmanager says nothing by itself"
        run = world.run()
        [action] = run.actions
        assert (action.kind, action.outcome) == (ActionKind.REPAGE, Outcome.POSTED)
        newer = again(world, disk)
        payload = newer.deliveries[-1].payload
        before = disk.deliveries[-1].payload
        assert isinstance(payload, dict)
        assert isinstance(before, dict)
        assert payload["groupKey"] == before["groupKey"]
        world.pass_time(6)
        assert world.run().actions == ()
        assert world.owed() == {"a": Owing.PAID, "b": Owing.PAID}
        assert [page.group_id for page in world.irm.pages] == [disk.id, newer.id]
        for instance in ("a", "b"):
            world.alertmanager.end({"alertname": "Disk", "instance": instance})
        world.pass_time(400)
        assert newer.state == "resolved", "Alertmanager's resolved closes what we opened"


def test_it_ends_in_the_silence_and_fires_again_after_it_so_the_page_comes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = resolved_by_us(world)
        world.alertmanager.fire({"alertname": "Other"})
        world.alertmanager.end({"alertname": "Disk", "instance": "a"})
        world.pass_time(1800)
        world.run()
        assert world.owed() == {"a": Owing.OWED}
        world.pass_time(1900)
        world.alertmanager.fire({"alertname": "Disk", "instance": "a"})
        world.pass_time(10)
        assert world.group("Disk") is disk, "Alertmanager swallows it"
        world.run()
        again(world, disk)


def test_alertmanager_says_it_itself_so_nothing_is_posted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = resolved_by_us(world, "a")
        world.alertmanager.fire({"alertname": "Disk", "instance": "b"})
        world.pass_time(3601)
        world.pass_time(400)
        newer = again(world, disk)
        world.irm.resolve(newer.id)
        world.irm_server.clear()
        assert world.run().actions == ()
        assert world.posts() == 0
        assert world.owed() == {"a": Owing.PAID}


def test_the_loop_is_woken_when_the_silence_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path) as world:
        resolved_by_us(world, minutes=30)
        world.pass_time(60)
        wake_at = world.run().wake_at
        assert wake_at is not None
        assert 0 < (wake_at - world.time.clock.now()).total_seconds() - (30 * 60 - 60) < 5


def test_a_resolve_whose_answer_was_lost_is_a_debt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = world.fire("Disk")
        world.silence("Disk")
        world.irm_server.inject(Fault("lost_answer", path="/resolve/"))
        world.run()
        assert disk.state == "resolved"
        world.pass_time(10)
        world.run()
        assert world.owed() == {"a": Owing.OWED}
        world.pass_time(3600)
        world.run()
        again(world, disk)


def test_no_marker_note_no_resolve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = world.fire("Disk")
        world.silence("Disk")
        world.irm_server.inject(Fault("status", path="/resolution_notes/", times=5))
        run = world.run()
        assert run.status is RunStatus.PARTIAL
        assert disk.state == "firing"
        assert world.owed() == {}


def test_a_lost_ledger_is_made_anew_from_our_notes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = resolved_by_us(world)
        world.restart(STATE_DIR=str(tmp_path / "new"))
        world.pass_time(3601)
        world.run()
        again(world, disk)


def test_what_irm_resolved_with_ours_is_a_debt_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path) as world:
        cpu = world.fire("Cpu")
        disk = world.fire("Disk")
        world.irm.attach(cpu.id, disk.id)
        world.silence("Disk")
        world.run()
        assert (disk.state, cpu.state) == ("resolved", "resolved")
        assert world.group("Cpu") is cpu
        world.run()
        assert world.group("Cpu").state == "firing"


def test_a_debt_that_may_not_be_paid_is_told_loudly_and_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = resolved_by_us(world)
        world.restart(REPAGE="false")
        world.pass_time(3601)
        run = world.run()
        assert "REPAGE=false" in run.message
        assert world.owed() == {"a": Owing.DUE}
        world.restart(REPAGE="true")
        world.run()
        again(world, disk)


def test_the_inbound_url_is_lost_so_the_alert_group_is_opened_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = resolved_by_us(world)
        world.irm.api_url = "not-a-link"
        world.pass_time(3601)
        for _ in range(4):
            world.run()
            world.pass_time(60)
        assert disk.state == "firing"
        assert world.owed() == {"a": Owing.PAID}
        assert world.irm.pages[-1].group_id == disk.id
        world.silence("Disk")
        run = world.run()
        assert run.decisions[0].kind is DecisionKind.UNPAYABLE


def test_what_ended_and_would_be_notified_anew_is_owed_no_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        world.fire("Other")
        resolved_by_us(world)
        world.alertmanager.end({"alertname": "Disk", "instance": "a"})
        world.pass_time(5 * 86400 + 60)
        world.alertmanager.fire({"alertname": "Other", "instance": "a"})
        world.run()
        assert world.owed() == {"a": Owing.LAPSED}


def test_what_a_person_opened_again_stays_open(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = resolved_by_us(world)
        world.irm.unresolve(disk.id)
        run = world.run()
        assert [decision.kind for decision in run.decisions] == [DecisionKind.REOPENED]
        assert disk.state == "firing"


def test_an_alert_that_is_routed_elsewhere_and_back_again_is_paged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = resolved_by_us(world)
        there, back = (Route("elsewhere", ("alertname",)),), (Route("oncall", ("alertname",)),)
        world.alertmanager.reload(there)
        world.pass_time(3601)
        for _ in range(4):
            world.pass_time(60)
            assert world.run().actions == ()
        assert world.owed() == {"a": Owing.REROUTED}
        world.alertmanager.reload(back)
        world.pass_time(60)
        assert world.group("Disk") is disk, "Alertmanager says nothing"
        world.run()
        again(world, disk)


def test_what_the_other_place_still_tells_of_is_not_paged_twice_at_one_integration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = resolved_by_us(world)
        finer, usual = (Route("oncall", ("instance",)),), (Route("oncall", ("alertname",)),)
        world.alertmanager.reload(finer)
        world.pass_time(3601)
        other = world.irm.groups()[-1]
        assert (other.id != disk.id, other.state) == (True, "firing")
        for _ in range(4):
            world.pass_time(60)
            world.run()
        world.alertmanager.reload(usual)
        world.pass_time(60)
        assert world.run().actions == ()
        assert world.irm.groups()[-1] is other
        world.irm.resolve(other.id)
        world.run()
        newest = world.irm.groups()[-1]
        assert (newest.id != other.id, newest.state) == (True, "firing")
