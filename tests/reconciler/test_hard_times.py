"""Stories of hard times: one thing that fails must not hold up the rest, and nothing may spin or be forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertsync.clients.irm import IrmClient
from alertsync.models import Outcome
from alertsync.simulator.wire import Fault
from tests.reconciler.bench import TOKEN, Bench, bench
from tests.reconciler.test_debts import again, resolved_by_us
from tests.reconciler.test_obligations import leased, outcomes

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import pytest

    from alertsync.clock import Deadline


def run_for(world: Bench, seconds: float, interval: float = 60) -> int:
    """Run as the loop would for so long, and count the runs."""
    ends, runs = world.time.passed + seconds, 0
    while world.time.passed < ends:
        wake_at = world.run().wake_at
        runs += 1
        wanted = interval if wake_at is None else (wake_at - world.time.clock.now()).total_seconds()
        world.pass_time(min(interval, max(wanted, 2)))
    return runs


def test_irm_does_not_list_what_is_resolved_so_what_is_due_is_paged_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = resolved_by_us(world)
        world.pass_time(3601)
        world.irm_server.inject(Fault("status", path="/alert_groups/", query="state=resolved", times=-1))
        run_for(world, 240)
        again(world, disk)


def test_one_alert_group_whose_deliveries_cannot_be_read_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = resolved_by_us(world)
        cpu = world.fire("Cpu")
        world.alertmanager.fire({"alertname": "Cpu", "instance": "b"})
        world.pass_time(400)
        world.silence("Cpu", minutes=600)
        world.pass_time(3601)
        world.irm_server.inject(Fault("status", path="/alerts/", query=f"alert_group_id={cpu.id}", times=-1))
        run_for(world, 240)
        again(world, disk)
        assert cpu.state == "firing"


def test_one_alert_group_that_cannot_be_looked_up_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk, cpu = world.fire("Disk"), world.fire("Cpu")
        world.irm.attach(cpu.id, disk.id)
        world.silence("Disk")
        world.irm_server.inject(Fault("status", method="GET", path=f"/alert_groups/{cpu.id}", times=-1))
        run_for(world, 3700, interval=300)
        again(world, disk)


def test_one_resolve_in_doubt_holds_up_no_other_debt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = resolved_by_us(world, minutes=30)
        cpu = world.fire("Cpu")
        world.silence("Cpu", minutes=300)
        world.irm_server.inject(
            Fault("lost_answer", path=f"{cpu.id}/resolve/", times=-1),
            Fault("status", method="GET", path=f"/alert_groups/{cpu.id}", times=-1),
        )
        run_for(world, 2400)
        again(world, disk)


def test_a_lease_that_runs_out_does_not_make_the_loop_spin(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, ON_SILENCED="silence") as world:
        leased(world, minutes=4)
        assert run_for(world, 200) < 10


def test_a_debt_that_nothing_can_pay_does_not_make_the_loop_spin(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = resolved_by_us(world)
        world.irm.api_url = "not-a-link"
        world.irm.delete(disk.id)
        world.pass_time(3601)
        assert run_for(world, 300) < 15
        run = world.run()
        assert "NOBODY IS PAGED" in run.message
        assert run.actions == ()


def test_a_slow_queue_of_irm_is_waited_for_and_not_paged_around(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = resolved_by_us(world)
        world.pass_time(3601)
        queue: list[tuple[object, object]] = []
        deliver = world.irm.deliver
        with monkeypatch.context() as patch:
            patch.setattr(world.irm, "deliver", lambda *delivery: queue.append(delivery))
            run_for(world, 60)
        for delivery in queue:
            deliver(*delivery)  # type: ignore[arg-type]  # passed on as it came
        run_for(world, 120)
        assert len(queue) == 1
        assert disk.state == "resolved"
        assert len(world.irm.pages) == 2


def test_a_renewal_that_fails_leaves_the_lease_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path, ON_SILENCED="silence") as world:
        disk = leased(world)
        world.pass_time(400)
        world.irm_server.inject(Fault("status", path="/silence/"))
        assert outcomes(world.run()) == [Outcome.FAILED]
        world.alertmanager.expire(world.alertmanager.silences()[0].id)
        world.run()
        assert disk.state == "firing"


def test_a_resolve_that_takes_effect_long_after_its_answer_is_still_a_debt(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = world.fire("Disk")
        world.silence("Disk")
        world.irm_server.inject(Fault("status", path="/resolve/", status=504, times=3))
        assert outcomes(world.run()) == [Outcome.FAILED]
        plain = IrmClient.resolve

        def late(self: IrmClient, alert_group_id: str, deadline: Deadline) -> datetime:
            world.irm.resolve(alert_group_id, by=world.irm.user_of(TOKEN))
            return plain(self, alert_group_id, deadline)

        with monkeypatch.context() as patch:
            patch.setattr(IrmClient, "resolve", late)
            assert outcomes(world.run()) == [Outcome.ALREADY_RESOLVED]
        world.pass_time(3601)
        run_for(world, 120)
        again(world, disk)


def test_what_irm_resolved_with_a_resolve_in_doubt_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        cpu, disk = world.fire("Cpu"), world.fire("Disk")
        world.irm.attach(cpu.id, disk.id)
        world.silence("Disk")
        world.irm_server.inject(Fault("lost_answer", path="/resolve/"))
        run_for(world, 120)
        again_cpu = world.group("Cpu")
        assert (again_cpu.id != cpu.id, again_cpu.state) == (True, "firing")
