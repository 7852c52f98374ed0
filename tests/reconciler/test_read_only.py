"""The disk turns read-only under a service that runs: what is owed is still paid, from memory."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.reconciler.bench import bench
from tests.reconciler.test_debts import again, resolved_by_us
from tests.store.test_faults import small_disk

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def remount(disk: Path, how: str) -> None:
    """Let the disk be written ("rw") or only read ("ro") from now on."""
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)  # noqa: S607  where it is depends on the system


def test_a_disk_that_turns_read_only_holds_up_no_debt(monkeypatch: pytest.MonkeyPatch) -> None:
    with small_disk(8) as disk, bench(monkeypatch, disk) as world:
        resolved = resolved_by_us(world)
        world.run()
        remount(disk, "ro")
        world.pass_time(3601)
        world.run()
        again(world, resolved)
        assert world.services.store.degraded != ""
        remount(disk, "rw")
        world.pass_time(10)
        world.run()
        assert world.services.store.degraded == ""
