"""What speaks is confirmed last of all: a page, and the end of a lease, rest on a reading made for them alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from alertsync.models import ActionKind, Outcome, Owing
from tests.reconciler.bench import Bench, bench
from tests.reconciler.test_debts import again, resolved_by_us
from tests.reconciler.test_obligations import DISK

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from alertsync.models import Run

THIS_PLACE = "filter="
"""What a request for one place asks for, and one for everything does not."""


def done(run: Run) -> list[tuple[ActionKind, Outcome]]:
    return [(action.kind, action.outcome) for action in run.actions]


def its_alert_ends(world: Bench) -> None:
    world.alertmanager.end(DISK)


def it_is_silenced_again(world: Bench) -> None:
    world.silence("Disk")


@pytest.mark.parametrize("meanwhile", [its_alert_ends, it_is_silenced_again])
def test_what_is_quiet_again_when_its_turn_comes_is_not_paged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, meanwhile: Callable[[Bench], None]
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        resolved_by_us(world)
        world.alertmanager.expire(world.alertmanager.silences()[0].id)
        world.irm_server.clear()
        world.at_alertmanager.before("/alerts/groups", lambda: meanwhile(world), query=THIS_PLACE)
        assert done(world.run()) == [(ActionKind.REPAGE, Outcome.CANCELLED)]
        assert world.posts() == 0
        world.run()
        assert world.owed() == {"a": Owing.OWED}


def test_what_is_silenced_again_when_its_turn_comes_keeps_its_lease(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path, ON_SILENCED="silence") as world:
        cpu, disk = world.fire("Cpu"), world.fire("Disk")
        silences = [world.silence("Cpu"), world.silence("Disk")]
        world.run()
        assert (cpu.state, disk.state) == ("silenced", "silenced")
        for silence in silences:
            world.alertmanager.expire(silence)

        def long_after() -> None:
            world.time.sleep(5)
            world.silence("Disk")

        world.at_irm.after("/unsilence/", long_after)
        run = world.run()
        assert done(run) == [
            (ActionKind.UNSILENCE, Outcome.UNSILENCED),
            (ActionKind.UNSILENCE, Outcome.CANCELLED),
        ]
        assert (cpu.state, disk.state) == ("firing", "silenced")


def test_a_post_names_whatever_is_active_at_the_place_and_not_only_what_is_owed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = resolved_by_us(world, "a", "b")
        world.alertmanager.end({"alertname": "Disk", "instance": "b"})
        world.alertmanager.fire({"alertname": "Disk", "instance": "c"})
        world.pass_time(400)
        world.alertmanager.expire(world.alertmanager.silences()[0].id)
        assert done(world.run()) == [(ActionKind.REPAGE, Outcome.POSTED)]
        payload: Any = again(world, disk).deliveries[-1].payload
        assert [one["labels"]["instance"] for one in payload["alerts"]] == ["a", "c"]
        assert [one["status"] for one in payload["alerts"]] == ["firing", "firing"]
