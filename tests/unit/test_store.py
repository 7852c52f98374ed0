"""The published files: whole or not at all, and no reason to go down."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from alertsync import exposition, state_dir
from alertsync.errors import StateDirError
from alertsync.models import Run, RunStatus, Standing
from alertsync.store.published import PublishedFiles
from tests.unit.clocks import START

if TYPE_CHECKING:
    from pathlib import Path

RUN = Run(
    "20261123T120000-abcdef", "test", dry_run=False, status=RunStatus.SUCCESS, message="", started_at=START
)


def test_what_is_published_is_read_back_by_any_process(tmp_path: Path) -> None:
    PublishedFiles(tmp_path).publish(b"page\n")
    PublishedFiles(tmp_path).publish_decisions(RUN, b"alerts\n")
    PublishedFiles(tmp_path).stand_in(Standing(inconsistencies_found=2))
    other = PublishedFiles(tmp_path)
    assert exposition.plain(other.metrics()) == b"page\nalerts\n"
    assert other.last_run() == RUN
    assert other.standing() == Standing(inconsistencies_found=2)
    other.drop_standing()
    assert PublishedFiles(tmp_path).standing() is None


def test_where_nothing_is_published_nothing_is_told(tmp_path: Path) -> None:
    files = PublishedFiles(tmp_path)
    files.drop_standing()
    assert (files.standing(), files.last_run(), files.metrics()) == (None, None, ())


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"counters": 3}', b"\xff\xfe"])
def test_a_file_that_somebody_broke_is_ignored(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "standing.json").write_bytes(content)
    (tmp_path / "last-run.json").write_bytes(content)
    (tmp_path / "metrics.page").write_bytes(content)
    assert PublishedFiles(tmp_path).standing() is None
    assert PublishedFiles(tmp_path).last_run() is None
    assert PublishedFiles(tmp_path).metrics() == ()


def test_a_disk_that_cannot_be_written_leaves_the_truth_in_memory_until_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "state"
    place.write_text("a file where the directory should be")
    files = PublishedFiles(place)
    files.publish(b"one\n")
    files.publish_decisions(RUN, b"alerts\n")
    files.stand_in(Standing(inconsistencies_found=1))
    assert exposition.plain(files.metrics()) == b"one\nalerts\n"
    assert files.last_run() == RUN
    assert files.standing() == Standing(inconsistencies_found=1)
    assert "STATE_DIR cannot be written" in caplog.text
    files.drop_standing()
    assert files.standing() is None
    place.unlink()
    files.publish(b"two\n")
    assert exposition.plain(PublishedFiles(place).metrics()) == b"two\n"
    assert exposition.plain(files.metrics()) == b"two\nalerts\n"


def test_what_another_worker_wrote_later_is_newer_than_what_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = PublishedFiles(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_disk)
        ours.publish(b"one\n")
    assert exposition.plain(ours.metrics()) == b"one\n"
    PublishedFiles(tmp_path).publish(b"two\n")
    assert exposition.plain(ours.metrics()) == b"two\n"


def full_disk(_: int) -> None:
    """Refuse, as a full disk does."""
    raise OSError(28, "No space left on device")


def test_no_half_written_file_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = PublishedFiles(tmp_path)
    files.publish(b"one\n")
    monkeypatch.setattr(os, "fsync", full_disk)
    files.publish(b"two\n")
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.page"]
    assert exposition.plain(PublishedFiles(tmp_path).metrics()) == b"one\n"
    assert exposition.plain(files.metrics()) == b"two\n"


def test_a_state_directory_is_made_and_an_unusable_one_is_named(tmp_path: Path) -> None:
    state_dir.prepare(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(StateDirError, match=r"STATE_DIR .*file.* cannot be written"):
        state_dir.prepare(tmp_path / "file")
