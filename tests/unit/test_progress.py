"""What is told of the run that goes on: to other processes, seldom, at no cost, and never beyond its end."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from alertsync.clock import Clock
from alertsync.progress import UNWATCHED, Board, Phase, Reporter
from tests.unit.clocks import START, FakeTime

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 330.0


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


def phase(board: Board) -> Phase | None:
    told = board.read(LONGEST)
    return None if told is None else told.phase


def test_another_process_reads_how_far_the_run_is_until_it_ends(tmp_path: Path, time: FakeTime) -> None:
    ours, theirs = Board(tmp_path, time.clock), Board(tmp_path, time.clock)
    with ours.reporting("r1", "loop", START, dry_run=True) as report:
        report.enter(Phase.READING_IRM)
        report.expect_pages(12)
        time.sleep(1)
        report.page()
        told = theirs.read(LONGEST)
        assert told == ours.read(LONGEST)
        assert told is not None
        assert (told.run_id, told.trigger, told.dry_run, told.phase) == (
            "r1",
            "loop",
            True,
            Phase.READING_IRM,
        )
        assert (told.pages_read, told.pages_total, told.actions_total) == (1, 12, 0)
        assert (told.at - told.started_at).total_seconds() == 1
    assert theirs.read(LONGEST) is None
    assert ours.read(LONGEST) is None
    assert list(tmp_path.iterdir()) == []


def test_counts_are_written_five_times_a_second_and_phases_always(tmp_path: Path, time: FakeTime) -> None:
    board, reader = Board(tmp_path, time.clock), Board(tmp_path, time.clock)
    written = set()
    with board.reporting("r1", "loop", START, dry_run=False) as report:
        report.enter(Phase.ACTING)
        report.expect_actions(1000)
        for _ in range(1000):
            time.sleep(0.001)
            report.acted()
            told = reader.read(LONGEST)
            assert told is not None
            written.add(told.actions_done)
        report.enter(Phase.RECORDING)
        told = reader.read(LONGEST)
        assert told is not None
        assert (told.phase, told.actions_done, told.actions_total) == (Phase.RECORDING, 1000, 1000)
    assert 4 <= len(written) <= 6


def test_a_slow_disk_is_written_to_less_often(
    tmp_path: Path, time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def slowly(_fd: int, content: bytes) -> None:
        time.sleep(1.0)
        written.append(content)

    monkeypatch.setattr("alertsync.progress._write", slowly)
    with Board(tmp_path, time.clock).reporting("r1", "loop", START, dry_run=False) as report:
        report.enter(Phase.READING_IRM)
        for _ in range(190):
            time.sleep(0.1)
            report.page()
    assert len(written) == 1


def test_a_disk_that_takes_nothing_fails_no_run_and_this_process_still_knows(
    tmp_path: Path, time: FakeTime
) -> None:
    board = Board(tmp_path / "nowhere", time.clock)
    with board.reporting("r1", "loop", START, dry_run=False) as report:
        report.enter(Phase.DECIDING)
        assert phase(board) is Phase.DECIDING
    assert phase(board) is None


def test_what_is_left_of_a_process_that_was_killed_counts_for_nothing(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from datetime import datetime, UTC\n"
        "from alertsync.clock import Clock; from alertsync.progress import Board, Phase\n"
        "with Board(Path(sys.argv[1]), Clock()).reporting('r1', 'loop', datetime.now(UTC), dry_run=False) as report:\n"
        "    report.enter(Phase.ACTING); print('told', flush=True); sys.stdin.read()\n"
    )
    board = Board(tmp_path, Clock())
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "told\n"
        assert phase(board) is Phase.ACTING
        child.kill()
        child.wait(10)
    assert (tmp_path / "progress.json").exists()
    assert phase(board) is None


def test_another_process_of_the_same_number_is_not_taken_for_the_one_that_was_killed(tmp_path: Path) -> None:
    ours, theirs = Board(tmp_path, Clock()), Board(tmp_path, Clock())
    with ours.reporting("r1", "loop", START, dry_run=False) as report:
        report.enter(Phase.ACTING)
        path = tmp_path / "progress.json"
        left = msgspec.json.decode(path.read_bytes())
        assert left["pid"] == os.getpid()
        path.write_bytes(msgspec.json.encode(left | {"born": left["born"] - 1}))
        assert phase(theirs) is None


def test_what_is_older_than_a_run_may_take_counts_for_nothing(tmp_path: Path, time: FakeTime) -> None:
    ours, theirs = Board(tmp_path, time.clock), Board(tmp_path, time.clock)
    with ours.reporting("r1", "loop", START, dry_run=False) as report:
        report.enter(Phase.ACTING)
        time.sleep(LONGEST)
        assert phase(theirs) is Phase.ACTING
        time.sleep(1)
        assert phase(theirs) is None


@pytest.mark.parametrize("content", [b"", b"{", b"null", b'{"pid": 1}', b"\xff\xfe"])
def test_a_file_that_cannot_be_understood_counts_for_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "progress.json").write_bytes(content)
    assert Board(tmp_path, Clock()).read(LONGEST) is None


def test_where_nobody_watches_nothing_is_told() -> None:
    UNWATCHED.enter(Phase.ACTING)
    UNWATCHED.expect_pages(1)
    UNWATCHED.page()
    UNWATCHED.expect_actions(1)
    UNWATCHED.acted()
    assert type(UNWATCHED) is Reporter
