"""A story that sabotages showed to be missing: what IRM takes with "Ok." and then loses is not paid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertsync.models import Owing
from tests.reconciler.bench import bench

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_post_that_irm_took_and_lost_is_not_paid_and_is_made_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        disk = world.fire("Disk")
        world.silence("Disk", minutes=60)
        world.run()
        assert disk.state == "resolved"
        world.pass_time(3601)
        with monkeypatch.context() as patch:
            patch.setattr(world.irm, "deliver", lambda *_: None)
            world.run()
        assert world.owed() == {"a": Owing.POSTED}
        for _ in range(4):
            world.pass_time(60)
            world.run()
        assert world.group("Disk") is not disk, "nobody was paged again"
        assert world.owed() == {"a": Owing.PAID}
