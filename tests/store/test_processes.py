"""Several processes, and processes that die: one truth, and what was acknowledged is there."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from alertsync import exposition
from alertsync.clock import Clock
from alertsync.models import Counters, LedgerChange, Requests, Standing
from alertsync.store import migrate, sqlite
from alertsync.store.published import PublishedFiles
from tests.store import children
from tests.store.values import a_debt, a_run, a_store, url_of

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Barrier

    from alertsync.store import Store


def test_what_is_acknowledged_survives_a_process_that_is_killed(tmp_path: Path) -> None:
    url_of(tmp_path)
    ours, theirs = children.forked.Pipe(duplex=False)
    child = children.start(_commit_without_end, tmp_path, theirs)
    acknowledged = 0
    while acknowledged < 25:
        assert ours.poll(children.SECONDS)
        acknowledged = ours.recv()
    os.kill(child.pid or 0, signal.SIGKILL)
    child.join(children.SECONDS)
    while ours.poll():
        acknowledged = ours.recv()
    store = a_store(tmp_path)
    assert {debt.id for debt in store.ledger().debts} >= {
        a_debt(one).id for one in range(1, acknowledged + 1)
    }
    assert store.degraded == ""


def _commit_without_end(directory: Path, done: Connection) -> None:
    store = a_store(directory)
    for number in range(1, 9000):
        store.commit(LedgerChange(debts=(a_debt(number),)))
        done.send(number)


def test_a_run_is_counted_if_and_only_if_it_is_known_however_its_process_ends(tmp_path: Path) -> None:
    url_of(tmp_path)
    for turn in range(3):
        ours, theirs = children.forked.Pipe(duplex=False)
        child = children.start(_end_runs_without_end, tmp_path, theirs, turn)
        for _ in range(5):
            assert ours.poll(children.SECONDS)
            ours.recv()
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join(children.SECONDS)
    store = a_store(tmp_path)
    known = len(store.runs(limit=500).items)
    assert known >= 15
    assert store.standing().counters.runs == known
    assert store.requests().answers == {"read status/2xx": 3 * known}


def _end_runs_without_end(directory: Path, done: Connection, turn: int) -> None:
    store = a_store(directory)
    for number in range(turn * 1000, turn * 1000 + 400):
        standing = store.standing()
        counted = Counters(runs=standing.counters.runs + 1)
        store.end_run(a_run(number), Standing(counters=counted), Requests({"read status/2xx": 3}))
        done.send(number)


def test_requests_that_several_processes_count_at_once_are_all_counted(tmp_path: Path) -> None:
    url_of(tmp_path)
    barrier = children.forked.Barrier(4)
    children.finish(*(children.start(_count, tmp_path, barrier) for _ in range(4)))
    assert a_store(tmp_path).requests().answers == {"read alerts/2xx": 40, "read alerts/none": 40}


def _count(directory: Path, barrier: Barrier) -> None:
    store = a_store(directory, Clock())
    barrier.wait(children.SECONDS)
    for _ in range(10):
        store.count(Requests({"read alerts/2xx": 1}))
        store.count(Requests({"read alerts/none": 1}))


@pytest.mark.sqlite
def test_processes_that_are_killed_while_they_publish_leave_no_more_and_more_files(tmp_path: Path) -> None:
    for number in range(12):
        ours, theirs = children.forked.Pipe(duplex=False)
        child = children.start(_publish_without_end, tmp_path, theirs)
        assert ours.poll(children.SECONDS)
        ours.recv()
        time.sleep(number / 1000)  # each is killed at another moment
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join(children.SECONDS)
    left = {path.name for path in tmp_path.iterdir()} - {"metrics.page", "alerts.page", "last-run.json"}
    assert left <= {".metrics.page.new", ".alerts.page.new", ".last-run.json.new"}
    assert exposition.plain(PublishedFiles(tmp_path).metrics()).startswith(b"page")


def _publish_without_end(directory: Path, begun: Connection) -> None:
    files = PublishedFiles(directory)
    files.publish(b"page\n" * 9000)
    begun.send(True)
    while True:
        files.publish(b"page\n" * 9000)
        files.publish_decisions(a_run(), b"alerts\n" * 9000)


def test_a_store_that_was_used_before_a_fork_is_used_on_both_sides_of_it(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.commit(LedgerChange(debts=(a_debt(1),)))
    child = children.start(_commit_one, store, 2)
    children.finish(child)
    store.ledger()
    store.commit(LedgerChange(debts=(a_debt(3),)))
    assert [debt.id for debt in a_store(tmp_path).ledger().debts] == [a_debt(one).id for one in (1, 2, 3)]


def _commit_one(store: Store, number: int) -> None:
    store.commit(LedgerChange(debts=(a_debt(number),)))


@pytest.mark.sqlite
def test_no_file_of_the_database_is_open_between_two_calls(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.commit(LedgerChange(debts=(a_debt(1),)))
    store.runs(limit=5)
    opened = [str(fd.resolve()) for fd in Path("/proc/self/fd").iterdir()]
    assert [name for name in opened if str(tmp_path) in name] == []


def test_processes_that_start_at_once_make_one_database(tmp_path: Path, database: str) -> None:
    url_of(tmp_path)
    barrier = children.forked.Barrier(4)
    children.finish(*(children.start(_use, tmp_path, barrier, number) for number in range(4)))
    store = a_store(tmp_path)
    assert len(store.runs(limit=500).items) == 40
    if database == "sqlite":
        assert sorted(path.name for path in tmp_path.iterdir()) == ["alertsync.db", "store.lock"]


@pytest.mark.sqlite
def test_processes_that_start_at_once_bring_an_older_database_up_to_date_once(tmp_path: Path) -> None:
    with sqlite.engine(tmp_path / "alertsync.db", create=True).connect() as connection, connection.begin():
        migrate.upgrade(connection, "0001")
    barrier = children.forked.Barrier(4)
    children.finish(*(children.start(_use_and_tell, tmp_path, barrier, number) for number in range(4)))
    told = [path.read_text() for path in tmp_path.glob("*.log")]
    assert len(told) == 4
    assert [text for text in told if text] == ["the tables of the store were brought up to date\n"]
    assert len(a_store(tmp_path).runs(limit=500).items) == 40


def _use_and_tell(directory: Path, barrier: Barrier, number: int) -> None:
    log = logging.getLogger("alertsync.store.migrate")
    log.addHandler(logging.FileHandler(directory / f"{number}.log"))
    log.setLevel(logging.INFO)
    _use(directory, barrier, number)


@pytest.mark.sqlite
def test_processes_that_find_damage_at_once_move_it_aside_once(tmp_path: Path) -> None:
    for turn in range(3):
        (tmp_path / "alertsync.db").write_bytes(b"garbage" * 1000)
        barrier = children.forked.Barrier(4)
        children.finish(*(children.start(_use, tmp_path, barrier, number) for number in range(4)))
        aside = [path for path in tmp_path.iterdir() if ".corrupt-" in path.name]
        assert len(aside) == turn + 1
        assert {path.read_bytes() for path in aside} == {b"garbage" * 1000}
        assert len(a_store(tmp_path).runs(limit=500).items) == 40


def _use(directory: Path, barrier: Barrier, number: int) -> None:
    store = a_store(directory, Clock())
    barrier.wait(children.SECONDS)
    assert store.ledger().degraded == ""
    for one in range(10):
        store.save_run(a_run(number * 10 + one))
        assert store.degraded == ""


@pytest.mark.sqlite
def test_the_database_waits_for_the_disk_and_lets_readers_read(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.commit(LedgerChange(debts=(a_debt(1),)))
    writer = sqlite3.connect(tmp_path / "alertsync.db", isolation_level=None)
    assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM debts")
    assert len(store.ledger().debts) == 1
    writer.close()
    with store._database._engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
