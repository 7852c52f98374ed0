"""Stories of an alert that fires into an alert group at the very moment at which we resolve it: it is owed too."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NoReturn

import pytest

from alertsync import bootstrap, config
from alertsync.models import Outcome, Owing
from alertsync.simulator.wire import Fault
from tests.reconciler.bench import Bench, bench
from tests.reconciler.test_debts import again
from tests.reconciler.test_obligations import outcomes

if TYPE_CHECKING:
    from pathlib import Path

    from alertsync.simulator.irm_records import Group


class KilledError(BaseException):
    """The process ends here; nothing that catches exceptions may catch it."""


def another_fires(world: Bench) -> None:
    """Let another alert of the place fire, of which IRM is told in the alert group that is about to be resolved."""
    world.alertmanager.fire({"alertname": "Disk", "instance": "b"})
    world.pass_time(6)


def about_to_be_joined(world: Bench) -> Group:
    """Let an alert fire and be silenced, and another join it when our resolve is on its way."""
    disk = world.fire("Disk")
    world.silence("Disk", instance="a")
    world.at_irm.before("/resolve/", lambda: another_fires(world))
    return disk


def assert_it_is_paged(world: Bench, disk: Group) -> None:
    """Assert that the other one, which IRM knew only in what we resolved, is paged again."""
    assert (disk.state, len(disk.deliveries)) == ("resolved", 2)
    for _ in range(4):
        world.pass_time(60)
        world.run()
    again(world, disk)
    assert list(world.owed().values()) == [Owing.OWED, Owing.PAID]


def test_it_is_paged_again_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = about_to_be_joined(world)
        assert outcomes(world.run()) == [Outcome.RESOLVED]
        assert_it_is_paged(world, disk)


def test_it_is_owed_although_the_answer_of_the_resolve_was_lost(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = about_to_be_joined(world)
        world.irm_server.inject(Fault("lost_answer", path="/resolve/"))
        world.run()
        assert_it_is_paged(world, disk)


@pytest.mark.parametrize("names", [("Cpu",), ("Disk", "Cpu"), ("Cpu", "Disk")])
@pytest.mark.parametrize("unreadable", [False, True], ids=["read at once", "unreadable at first"])
def test_it_is_owed_at_whichever_place_a_grouping_template_merges(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, names: tuple[str, ...], *, unreadable: bool
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        world.integration.grouping = "label:job"
        world.alertmanager.fire({"alertname": "Disk", "instance": "a", "job": "node"})
        world.pass_time(6)
        [merged] = world.irm.groups()
        world.silence("Disk", instance="a")

        def others_fire() -> None:
            for name in names:
                world.alertmanager.fire({"alertname": name, "instance": name, "job": "node"})
                world.pass_time(6)

        world.at_irm.before("/resolve/", others_fire)
        world.irm_server.inject(Fault("lost_answer", path="/resolve/"))
        world.run()
        assert (merged.state, len(merged.deliveries)) == ("resolved", 1 + len(names))
        if unreadable:
            world.irm_server.inject(Fault("status", path="/api/v1/alerts/", status=500, times=-1))
            world.pass_time(60)
            assert "could not be read" in world.run().message
            world.irm_server.heal()
        world.pass_time(60)
        world.run()
        [_, newer] = world.irm.groups()
        assert (newer.state, len(newer.deliveries)) == ("firing", len(names))
        world.pass_time(60)
        assert world.run().actions == ()
        assert sorted(world.owed().values()) == [Owing.OWED, *[Owing.PAID] * len(names)]


def test_it_is_owed_although_the_look_after_the_resolve_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = about_to_be_joined(world)
        look = Fault("status", method="GET", path=f"/alert_groups/{disk.id}", times=3)
        world.at_irm.after("/resolve/", lambda: world.irm_server.inject(look))
        assert outcomes(world.run()) == [Outcome.RESOLVED]
        assert_it_is_paged(world, disk)


def test_it_is_owed_although_the_process_was_killed_while_it_looked_what_came_of_the_resolve(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = about_to_be_joined(world)
        killed: list[bool] = []
        look = f"/alert_groups/{disk.id}/"
        world.at_irm.after(
            "/resolve/", lambda: world.at_irm.after(look, lambda: killed.append(True), method="GET")
        )

        def monotonic() -> float:
            return die() if killed else world.time.clock.monotonic()

        clock = dataclasses.replace(world.time.clock, monotonic=monotonic)
        world.services = bootstrap.build(config.load(), clock)
        with pytest.raises(KilledError):
            world.run()
        world.restart()
        assert_it_is_paged(world, disk)


def die() -> NoReturn:
    """End as a process that is killed."""
    raise KilledError
