"""What is asked for all the time is read from the database only where it may have changed, and no change is missed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from alertsync.models import Counters, Requests, Standing
from alertsync.store import Store
from alertsync.store.faults import Fault
from alertsync.store.writer import read_standing
from tests.store.values import a_run
from tests.unit.clocks import FakeTime

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection


class World:
    """Two processes with one state directory, and how often the second has read how things stand."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.time = FakeTime()
        self.reads = 0
        self.writer, self.reader = (
            Store(directory, directory, self.time.clock, retention=timedelta(days=30)) for _ in range(2)
        )

        def counted(connection: Connection) -> Standing | None:
            self.reads += 1
            return read_standing(connection)

        monkeypatch.setattr("alertsync.store.store.read_standing", counted)

    def end_run(self, number: int) -> None:
        """End a run, as the holder of the run lock does."""
        self.writer.end_run(a_run(number), Standing(counters=Counters(runs=number)), Requests())
        self.writer.publish(b"page of run %d\n" % number)

    def seen(self) -> int:
        """Give how many runs the other process knows of."""
        return self.reader.standing_at_a_glance().counters.runs

    def asks(self) -> int:
        """Count the readings that one glance costs."""
        before = self.reads
        self.reader.standing_at_a_glance()
        return self.reads - before


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_each_run_that_ends_is_known_at_once_and_read_once(world: World) -> None:
    for number in range(1, 5):
        world.end_run(number)
        assert world.seen() == number
        assert [world.asks() for _ in range(3)] == [0, 0, 0]


def test_after_some_seconds_it_is_read_though_nothing_says_that_it_changed(world: World) -> None:
    world.end_run(1)
    world.seen()
    world.time.sleep(4.9)
    assert world.asks() == 0
    world.time.sleep(0.2)
    assert world.asks() == 1


def test_a_database_that_is_gone_is_noticed_at_the_next_glance(world: World) -> None:
    world.end_run(1)
    world.seen()
    assert world.reader.degraded == ""
    database = world.directory / "alertsync.db"
    database.unlink()
    database.mkdir()
    world.reader.standing_at_a_glance()
    assert world.reader.degraded


def test_one_that_cannot_be_used_is_tried_at_every_glance_until_it_can(world: World) -> None:
    database = world.directory / "alertsync.db"
    database.mkdir()
    world.end_run(1)
    assert world.seen() == 1, "the file stands in for the database"
    assert world.reader.standing_at_a_glance().degraded
    database.rmdir()
    assert world.seen() == 1
    world.end_run(2)
    assert (world.seen(), world.reader.degraded) == (2, "")
    assert world.asks() == 0


def test_a_fault_that_changes_no_file_is_not_kept_when_it_is_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise Fault("the disk does not answer")

    world.end_run(1)
    with monkeypatch.context() as patched:
        patched.setattr(world.reader._database, "run", broken)
        for _ in range(2):
            world.reader.standing_at_a_glance()
            assert "does not answer" in world.reader.degraded
    assert (world.seen(), world.reader.degraded) == (1, "")


def test_another_database_in_its_place_is_read(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    other = Store(elsewhere, elsewhere, world.time.clock, retention=timedelta(days=30))
    other.end_run(a_run(9), Standing(counters=Counters(runs=9)), Requests())
    world.end_run(1)
    assert world.seen() == 1
    for name in ("alertsync.db", "alertsync.db-wal", "alertsync.db-shm"):
        (world.directory / name).unlink(missing_ok=True)
    (elsewhere / "alertsync.db").rename(world.directory / "alertsync.db")
    assert world.seen() == 9


def test_the_metrics_of_a_run_are_read_once_and_those_of_the_next_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    files = world.reader._files
    original = files._read

    def counted(name: str) -> bytes | None:
        read.append(name)
        return original(name)

    monkeypatch.setattr(files, "_read", counted)
    for number in range(1, 4):
        world.end_run(number)
        world.writer.publish_decisions(a_run(number), b"alerts of run %d\n" % number)
        for _ in range(3):
            told = b"".join(page.plain for page in world.reader.metrics())
            assert told == b"page of run %d\nalerts of run %d\n" % (number, number)
    assert len(read) == 3 * 2


def test_a_very_large_page_is_not_kept_in_memory(world: World) -> None:
    world.end_run(1)
    world.writer.publish_decisions(a_run(1), b"x" * (1 << 20))
    assert len(world.reader.metrics()) == 2
    assert world.reader._files._kept == ("", ())
