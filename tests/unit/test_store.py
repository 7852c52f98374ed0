"""The published files: whole or not at all, bounded, and no reason to go down."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from alertsync import bootstrap
from alertsync.errors import StateDirError
from alertsync.models import Counters, Run, RunStatus, Standing
from alertsync.store.files import FileStore
from tests.unit.clocks import START

if TYPE_CHECKING:
    from pathlib import Path


def a_run(number: int = 0) -> Run:
    return Run(
        run_id=f"20261123T1200{number:02d}-abcdef",
        trigger="test",
        dry_run=False,
        status=RunStatus.SUCCESS,
        message="done",
        started_at=START + timedelta(seconds=number),
    )


def test_what_is_published_is_read_back_by_any_process(tmp_path: Path) -> None:
    standing = Standing(counters=Counters(runs=3), inconsistencies_found=2)
    FileStore(tmp_path).publish(standing, b"page\n")
    FileStore(tmp_path).publish_decisions(a_run(), b"alerts\n")
    FileStore(tmp_path).save_run(a_run())
    other = FileStore(tmp_path)
    assert other.standing() == standing
    assert other.metrics_page() == b"page\nalerts\n"
    assert other.last_run() == other.run(a_run().run_id) == a_run()


def test_an_empty_store_knows_nothing_and_says_so(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    assert (store.standing(), store.last_run(), store.metrics_page()) == (Standing(), None, None)
    assert store.run("20261123T120000-abcdef") is None


@pytest.mark.parametrize("run_id", ["../standing", "a/b", "", "x" * 65, "..", "a.json"])
def test_a_run_id_cannot_lead_out_of_the_directory(tmp_path: Path, run_id: str) -> None:
    store = FileStore(tmp_path)
    store.publish(Standing(), b"")
    assert store.run(run_id) is None


def test_only_the_newest_fifty_runs_are_kept(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    for number in range(55):
        store.save_run(a_run(number))
    assert len(list((tmp_path / "runs").iterdir())) == 50
    assert store.run(a_run(4).run_id) is None
    assert store.run(a_run(54).run_id) is not None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"counters": 3}', b"\xff\xfe"])
def test_a_file_that_somebody_broke_is_ignored(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "standing.json").write_bytes(content)
    (tmp_path / "last-run.json").write_bytes(content)
    assert FileStore(tmp_path).standing() == Standing()
    assert FileStore(tmp_path).last_run() is None


def test_a_disk_that_cannot_be_written_leaves_the_truth_in_memory_until_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "state"
    place.write_text("a file where the directory should be")
    store = FileStore(place)
    store.publish(Standing(inconsistencies_found=1), b"page\n")
    store.save_run(a_run())
    assert store.standing().inconsistencies_found == 1
    assert store.run(a_run().run_id) == a_run()
    assert "STATE_DIR cannot be written" in caplog.text
    place.unlink()
    store.publish(Standing(inconsistencies_found=2), b"page\n")
    assert FileStore(place).standing().inconsistencies_found == 2
    assert store.standing().inconsistencies_found == 2


def test_what_another_worker_wrote_later_is_newer_than_what_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = FileStore(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_disk)
        ours.publish(Standing(inconsistencies_found=1), b"")
    assert ours.standing().inconsistencies_found == 1
    FileStore(tmp_path).publish(Standing(inconsistencies_found=2), b"")
    assert ours.standing().inconsistencies_found == 2


def full_disk(_: int) -> None:
    """Refuse, as a full disk does."""
    raise OSError(28, "No space left on device")


def test_no_half_written_file_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(tmp_path)
    store.publish(Standing(inconsistencies_found=1), b"one\n")

    monkeypatch.setattr(os, "fsync", full_disk)
    store.publish(Standing(inconsistencies_found=2), b"two\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.prom", "standing.json"]
    assert FileStore(tmp_path).standing().inconsistencies_found == 1
    assert store.standing().inconsistencies_found == 2


def test_a_state_directory_is_made_and_an_unusable_one_is_named(tmp_path: Path) -> None:
    bootstrap.prepare(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(StateDirError, match=r"STATE_DIR .*file.* cannot be written"):
        bootstrap.prepare(tmp_path / "file")
