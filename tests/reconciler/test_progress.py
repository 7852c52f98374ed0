"""What a run tells on its way: each phase in its order, the pages of IRM's lists, and each action."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertsync.progress import Phase
from tests.reconciler.bench import bench

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from alertsync.progress import Progress
    from tests.reconciler.bench import Bench


def told_at_each_request(world: Bench) -> list[Progress]:
    """Let each request of a run note what is told at that moment."""
    told: list[Progress] = []

    def note() -> None:
        world.time.sleep(0.3)
        told.extend([now] if (now := world.services.progress()) else [])

    for server in (world.at_irm, world.at_alertmanager):
        server.before("", note, times=-1)
    return told


def test_a_run_tells_what_it_does_and_how_far_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path, IRM_PAGE_SIZE="2") as world:
        for name in ("A", "B", "C", "D", "E"):
            world.fire(name)
            world.silence(name)
        told = told_at_each_request(world)
        done = world.run()
        assert done.inconsistencies_resolved == 5
        assert world.services.progress() is None
    phases = list(dict.fromkeys(one.phase for one in told))
    # A first run looks, between deciding and acting, for what may be ours to adopt.
    assert phases == [Phase.READING_IRM, Phase.READING_ALERTMANAGER, Phase.DECIDING, Phase.ACTING]
    last = {one.phase: one for one in told}
    # Integrations, then side by side: open alert groups in three pages, acknowledged ones, silenced ones.
    pages = [(one.pages_read, one.pages_total) for one in told if one.phase is Phase.READING_IRM]
    assert pages[:2] == [(0, None), (1, 1)]
    assert len(pages) == 6
    assert pages == sorted(pages, key=lambda page: page[0])
    assert all(read <= (total or 0) <= 6 for read, total in pages[2:])
    assert (last[Phase.READING_ALERTMANAGER].pages_read, last[Phase.READING_ALERTMANAGER].pages_total) == (
        6,
        6,
    )
    assert (last[Phase.ACTING].actions_done, last[Phase.ACTING].actions_total) == (4, 5)
    assert {(one.run_id, one.trigger, one.dry_run) for one in told} == {(done.run_id, "test", False)}
    assert not list((tmp_path / "state").glob("*progress*"))


def test_a_run_that_fails_leaves_nothing_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path) as world:
        told = told_at_each_request(world)
        monkeypatch.setenv("ALERTMANAGER_HOST", "127.0.0.1:9")
        world.restart()
        assert world.run(dry_run=True).status.value == "failed"
        assert told[-1].dry_run
        assert world.services.progress() is None


def test_a_state_directory_that_takes_no_progress_keeps_no_run_from_its_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with bench(monkeypatch, tmp_path) as world:
        (tmp_path / "state" / "progress.json").mkdir()
        world.fire("Disk")
        world.silence("Disk")
        assert world.run().inconsistencies_resolved == 1
