"""A database that cannot be used, or is broken, really: what is known stays known, and nothing is lost."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import shutil
import sqlite3
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from alertsync import exposition
from alertsync.clock import Clock
from alertsync.errors import StoreDegradedError
from alertsync.locks import FileLock
from alertsync.models import Counters, Durations, Ledger, LedgerChange, Requests, RunStatus, Standing
from alertsync.store import Page, Store, migrate, sqlite
from tests.store import children
from tests.store.values import RETENTION, a_debt, a_lease, a_run, a_sighting, a_store
from tests.unit.clocks import START, FakeTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = (
    pytest.mark.sqlite
)  # what may happen to a file; `test_postgresql.py` has what may happen to a server

FULL = LedgerChange(
    debts=tuple(a_debt(number) for number in range(40)),
    leases=(a_lease(),),
    sightings={"GROUP1": a_sighting()},
    peers={"http://peer": START},
    fresh=False,
)
ASKED = Requests({"read status/2xx": 3})


def filled(directory: Path) -> Store:
    """Make a store that has recorded a little of everything."""
    store = a_store(directory)
    store.commit(FULL)
    store.end_run(a_run(acted=2), Standing(counters=Counters(runs=7)), ASKED)
    store.publish(b"page\n")
    return store


def kept_aside(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if ".corrupt-" in path.name)


def assert_degraded_but_knowing(store: Store, why: str) -> None:
    """See that nothing raises but a commit, and that memory holds what cannot be written."""
    with pytest.raises(StoreDegradedError, match=why):
        store.commit(LedgerChange(debts=(a_debt(1), a_debt(2)), fresh=False))
    store.save_run(a_run(1, RunStatus.RUNNING, decided=0))
    told = store.end_run(a_run(1, acted=1), Standing(counters=Counters(runs=8)), ASKED)
    assert told.degraded == store.degraded
    store.save_run(a_run(2))
    store.forget_run(a_run(2).run_id)
    store.publish(b"page\n")
    ledger = store.ledger()
    assert {a_debt(1).id, a_debt(2).id} <= {debt.id for debt in ledger.debts}
    assert not ledger.fresh
    assert ledger.degraded == store.degraded != ""
    assert "alertsync.db" in store.degraded
    assert store.standing().counters.runs == 8
    assert store.run(a_run(1).run_id) == a_run(1, acted=1)
    assert a_run(1).run_id in {run.run_id for run in store.runs(limit=5).items}
    assert [action.run_id for action in store.actions(limit=1).items] == [a_run(1).run_id]
    assert {a_debt(1).id, a_debt(2).id} <= {debt.id for debt in store.debts(limit=500).items}
    assert store.debts(limit=1).next is not None


def assert_recovered(store: Store, directory: Path) -> None:
    """See that the next run's first look writes down what was missed, for any process to read."""
    ledger = store.ledger()
    assert (ledger.degraded, store.degraded) == ("", "")
    other = a_store(directory)
    assert other.ledger() == ledger
    assert {a_debt(1).id, a_debt(2).id} <= {debt.id for debt in ledger.debts}
    assert other.run(a_run(1).run_id) == a_run(1, acted=1)
    assert other.run(a_run(2).run_id) is None
    assert other.standing().counters.runs == 8
    assert other.requests().answers["read status/2xx"] >= 3
    assert not (directory / "standing.json").exists()


# --- no place to write to


def test_a_missing_directory_is_made(tmp_path: Path) -> None:
    store = filled(tmp_path / "a" / "b")
    assert store.degraded == ""
    shutil.rmtree(tmp_path / "a")
    assert len(store.ledger().debts) == 40
    assert len(a_store(tmp_path / "a" / "b").ledger().debts) == 40


def test_a_file_where_the_directory_should_be(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    place = tmp_path / "state"
    place.write_text("not a directory")
    store = a_store(place)
    assert store.ledger().degraded != ""
    assert_degraded_but_knowing(store, "STATE_DIR wants a directory on a local disk")
    assert "cannot be written" in caplog.text
    place.unlink()
    assert_recovered(store, place)
    assert "can be used again" in caplog.text


def test_trouble_is_logged_when_it_begins_and_not_at_every_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").touch()
    store = a_store(tmp_path / "state")
    for _ in range(5):
        store.save_run(a_run())
        store.ledger()
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 2  # one for writing, one for reading


def test_a_directory_that_may_only_be_read() -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        filled(directory)
        for path in directory.iterdir():
            path.chmod(0o444)
        directory.chmod(0o555)
        children.finish(children.start(_without_rights, directory))
        directory.chmod(0o755)
        assert len(a_store(directory).ledger().debts) == 40


def _without_rights(directory: Path) -> None:
    if os.getuid() == 0:
        os.setuid(65534)
    assert_degraded_but_knowing(a_store(directory), "may only be read|cannot be opened")


@contextlib.contextmanager
def small_disk(megabytes: int = 1) -> Iterator[Path]:
    """Mount a disk of so many megabytes; only root may, so elsewhere than in CI the test is skipped without."""
    with tempfile.TemporaryDirectory() as name:
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", name]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            if "CI" in os.environ:
                raise
            pytest.skip("only root may mount a small disk")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", name], check=True)  # noqa: S607  where it is depends on the system


def fill(directory: Path) -> Path:
    """Take the last byte of a disk."""
    ballast = directory / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    return ballast


def test_a_disk_that_fills_up_is_no_damage() -> None:
    with small_disk() as directory:
        store = filled(directory)
        ballast = fill(directory)
        assert_degraded_but_knowing(store, "the disk is full|failed to read or write")
        assert kept_aside(directory) == []
        ballast.unlink()
        assert_recovered(store, directory)
        assert len(store.ledger().debts) == 40
        assert kept_aside(directory) == []


def test_a_disk_that_is_full_at_the_start() -> None:
    with small_disk() as directory:
        ballast = fill(directory)
        store = a_store(directory)
        assert_degraded_but_knowing(store, "the disk is full|failed to read or write|cannot be opened")
        ballast.unlink()
        assert_recovered(store, directory)
        assert kept_aside(directory) == []


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    filled(tmp_path)
    children.finish(children.start(_not_growing, tmp_path))
    assert kept_aside(tmp_path) == []
    assert len(a_store(tmp_path).ledger().debts) == 42


def _not_growing(directory: Path) -> None:
    store = a_store(directory)
    before = store.ledger()
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, most))
    with pytest.raises(
        StoreDegradedError, match=r"the disk is full|failed to read or write|cannot be opened"
    ):
        store.commit(LedgerChange(debts=(a_debt(101), a_debt(102))))
    known = store.ledger()
    assert len(known.debts) == len(before.debts) + 2
    assert known.degraded != ""
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert store.ledger().degraded == ""


def test_a_locked_database_is_waited_for_and_never_taken_for_a_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path)
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    holder = sqlite3.connect(tmp_path / "alertsync.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert_degraded_but_knowing(store, "keeps it locked")
    assert len(a_store(tmp_path).ledger().debts) == 40
    holder.execute("ROLLBACK")
    holder.close()
    assert_recovered(store, tmp_path)
    assert kept_aside(tmp_path) == []


def test_what_a_killed_process_could_not_write_had_not_been_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(tmp_path)
    store.count(ASKED)
    told = store.requests()
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    with contextlib.closing(sqlite3.connect(tmp_path / "alertsync.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        store.count(ASKED)
        assert store.requests() == told
    assert a_store(tmp_path).requests() == told, "another process goes on from there"
    store.ledger()
    assert store.requests() == told + ASKED, "it is told once it is durable"


def test_a_gate_that_stays_closed_is_not_waited_for_without_end(tmp_path: Path) -> None:
    filled(tmp_path)
    time = FakeTime()
    store = a_store(tmp_path, time.clock)
    lock = FileLock(tmp_path / "store.lock")
    assert lock.acquire()
    assert_degraded_but_knowing(store, "keeps it locked")
    assert time.passed < 300
    lock.release()
    assert_recovered(store, tmp_path)


# --- a database that is broken


@pytest.mark.parametrize("content", [b"garbage" * 1000, b"x" * 100, b"SQLite format 3\0" + bytes(5000)])
def test_garbage_at_the_start_is_kept_aside_and_a_new_database_made(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "alertsync.db").write_bytes(content)
    store = a_store(tmp_path)
    assert store.ledger() == Ledger(fresh=True)
    (name,) = kept_aside(tmp_path)
    assert name == "alertsync.db.corrupt-20261123T120000Z"
    assert (tmp_path / name).read_bytes() == content
    assert "damaged and was moved aside" in caplog.text
    store.commit(FULL)
    assert a_store(tmp_path).ledger() == store.ledger()


def test_nothing_that_was_moved_aside_is_ever_replaced(tmp_path: Path) -> None:
    for content in (b"first" * 1000, b"second" * 1000):
        (tmp_path / "alertsync.db").write_bytes(content)
        assert a_store(tmp_path).ledger().degraded == ""
    stem = "alertsync.db.corrupt-20261123T120000Z"
    assert kept_aside(tmp_path) == [stem, f"{stem}.2"]
    assert (tmp_path / stem).read_bytes() == b"first" * 1000


def test_what_a_deleted_file_left_beside_it_is_kept_and_never_read_into_a_new_one(tmp_path: Path) -> None:
    store = filled(tmp_path)
    before = store.ledger()
    path = tmp_path / "alertsync.db"
    with contextlib.closing(sqlite3.connect(path)) as holder:
        holder.execute("SELECT count(*) FROM debts").fetchone()
        store.commit(LedgerChange(debts=(a_debt(99),)))
        wal = (tmp_path / "alertsync.db-wal").read_bytes()
        assert wal != b""
        path.unlink()
        assert len(store.ledger().debts) == len(before.debts) + 1
        assert len(a_store(tmp_path).ledger().debts) == len(before.debts) + 1
    stem = "alertsync.db.corrupt-20261123T120000Z"
    assert kept_aside(tmp_path) == [f"{stem}-shm", f"{stem}-wal"]
    assert (tmp_path / f"{stem}-wal").read_bytes() == wal


def overwrite_head(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\xff" * 4096)


def overwrite_all_but_the_first_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (path.stat().st_size - 4096))


def overwrite_the_last_pages(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 3 // 4096 * 4096)
        file.write(os.urandom(path.stat().st_size))


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)


def cut_to_a_stump(path: Path) -> None:
    os.truncate(path, 100)


BREAKS = [
    overwrite_head,
    overwrite_all_but_the_first_page,
    overwrite_the_last_pages,
    cut_in_half,
    cut_to_a_stump,
]


@pytest.mark.parametrize("break_it", BREAKS)
def test_damage_while_running_costs_the_history_and_no_debt(
    tmp_path: Path, break_it: Callable[[Path], None]
) -> None:
    store = filled(tmp_path)
    before = store.ledger()
    break_it(tmp_path / "alertsync.db")
    assert store.ledger() == before
    assert len(kept_aside(tmp_path)) == 1
    assert a_store(tmp_path).ledger() == before
    assert a_store(tmp_path).standing().counters.runs == 7
    store.commit(LedgerChange(debts=(a_debt(99),)))
    assert len(a_store(tmp_path).ledger().debts) == 41


@pytest.mark.parametrize("break_it", BREAKS)
def test_damage_that_a_commit_finds_loses_neither_the_old_nor_the_new(
    tmp_path: Path, break_it: Callable[[Path], None]
) -> None:
    store = filled(tmp_path)
    break_it(tmp_path / "alertsync.db")
    store.commit(LedgerChange(debts=(a_debt(99),)))
    assert {debt.id for debt in a_store(tmp_path).ledger().debts} >= {a_debt(99).id}
    assert store.ledger() == a_store(tmp_path).ledger()
    assert len(store.ledger().debts) == 41


@pytest.mark.parametrize("break_it", BREAKS)
def test_damage_that_a_page_or_a_run_finds_raises_nothing(
    tmp_path: Path, break_it: Callable[[Path], None]
) -> None:
    store = filled(tmp_path)
    break_it(tmp_path / "alertsync.db")
    store.standing()
    store.runs(limit=5)
    store.debts(limit=5)
    store.save_run(a_run(5))
    assert len(store.ledger().debts) == 40
    assert store.run(a_run(5).run_id) == a_run(5)
    assert store.degraded == ""


def break_the_table(name: str) -> Callable[[Path], None]:
    """Give what breaks one table alone."""

    def break_it(path: Path) -> None:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
            (page,) = connection.execute(query, (name,)).fetchone()
        with path.open("r+b") as file:
            file.seek((page - 1) * 4096)
            file.write(b"\xa5" * 4096)

    return break_it


@pytest.mark.parametrize(
    "first",
    [
        lambda store: store.save_run(a_run(5, acted=1)),
        lambda store: store.actions(limit=5),
        lambda store: store.run(a_run().run_id),
    ],
)
def test_damage_to_the_history_alone_costs_no_debt_even_where_nobody_remembers(
    tmp_path: Path, first: Callable[[Store], object]
) -> None:
    before = filled(tmp_path).ledger()
    break_the_table("actions")(tmp_path / "alertsync.db")
    first(a_store(tmp_path))
    assert len(kept_aside(tmp_path)) == 1
    assert a_store(tmp_path).ledger() == before
    assert a_store(tmp_path).standing().counters.runs == 7


@pytest.mark.parametrize("table", ["debts", "ix_debts_closed_at", "facts", "identity", "alembic_version"])
def test_damage_to_the_ledger_alone_is_told_and_begun_anew_where_nobody_remembers(
    tmp_path: Path, table: str, caplog: pytest.LogCaptureFixture
) -> None:
    filled(tmp_path)
    break_the_table(table)(tmp_path / "alertsync.db")
    assert a_store(tmp_path).ledger() == Ledger(fresh=True)
    assert len(kept_aside(tmp_path)) == 1
    assert "nothing could be read" in caplog.text


def test_a_database_that_is_deleted_or_emptied_is_made_again_from_memory(tmp_path: Path) -> None:
    store = filled(tmp_path)
    before = store.ledger()
    path = tmp_path / "alertsync.db"
    path.unlink()
    assert store.ledger() == before == a_store(tmp_path).ledger()
    os.truncate(path, 0)
    assert store.ledger() == before == a_store(tmp_path).ledger()
    assert kept_aside(tmp_path) == []


@pytest.mark.parametrize("commits", [1, 4, 9], ids="after {} commits".format)
def test_a_new_database_that_another_process_made_is_filled_from_memory(tmp_path: Path, commits: int) -> None:
    store, bystander = filled(tmp_path), a_store(tmp_path)
    for number in range(100, 100 + commits):
        store.commit(LedgerChange(debts=(a_debt(number),)))
    before = store.ledger()
    (tmp_path / "alertsync.db").unlink()
    assert bystander.ledger() == Ledger(fresh=True)
    for number in range(200, 205):
        bystander.commit(LedgerChange(debts=(a_debt(number),), fresh=False))
    after = store.ledger()
    assert {debt.id for debt in before.debts} < {debt.id for debt in after.debts}
    assert len(after.debts) == 45 + commits
    assert bystander.ledger() == after


def test_a_new_database_in_which_another_process_counted_little_makes_no_count_fall(tmp_path: Path) -> None:
    store, bystander = filled(tmp_path), a_store(tmp_path)
    took = Requests({"read status/2xx": 5}, {"read status": Durations().with_one(0.5).with_one(20)})
    store.count(took)
    before = store.requests()
    (tmp_path / "alertsync.db").unlink()
    bystander.count(Requests({"read alerts/2xx": 1, "read status/2xx": 1}))
    store.ledger()
    store.count(ASKED)
    after = store.requests()
    assert after.answers == {
        "read alerts/2xx": 1,
        "read status/2xx": before.answers["read status/2xx"] + ASKED.answers["read status/2xx"],
    }
    assert after.durations == before.durations
    assert a_store(tmp_path).requests() == after


def test_an_older_copy_that_somebody_put_back_is_brought_up_to_date(tmp_path: Path) -> None:
    store = filled(tmp_path)
    path = tmp_path / "alertsync.db"
    backup = path.read_bytes()
    store.commit(LedgerChange(debts=(a_debt(99),), sightings={"GROUP9": a_sighting()}))
    before = store.ledger()
    path.write_bytes(backup)
    assert store.ledger() == before == a_store(tmp_path).ledger()


def test_a_directory_in_place_of_the_file(tmp_path: Path) -> None:
    store = filled(tmp_path)
    path = tmp_path / "alertsync.db"
    path.unlink()
    path.mkdir()
    assert_degraded_but_knowing(store, "nothing but a file under this name")
    path.rmdir()
    assert_recovered(store, tmp_path)
    assert len(store.ledger().debts) == 40


def test_a_database_of_a_later_version_is_left_as_it_is(tmp_path: Path) -> None:
    filled(tmp_path)
    path = tmp_path / "alertsync.db"
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    content = path.read_bytes()
    store = a_store(tmp_path)
    assert store.ledger().degraded != ""
    assert_degraded_but_knowing(store, "a later version of alertsync made it")
    assert path.read_bytes() == content
    assert kept_aside(tmp_path) == []
    path.rename(tmp_path / "elsewhere")
    assert_recovered(store, tmp_path)


def test_a_database_that_is_replaced_by_a_later_version_while_we_run(tmp_path: Path) -> None:
    store = filled(tmp_path)
    before = store.ledger()
    connection = sqlite3.connect(tmp_path / "alertsync.db")
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert_degraded_but_knowing(store, "a later version of alertsync made it")
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (migrate.HEAD,))
    connection.close()
    assert_recovered(store, tmp_path)
    assert {debt.id for debt in before.debts} <= {debt.id for debt in store.ledger().debts}


def test_an_open_debt_is_read_even_if_nothing_can_be_written_since_the_start(tmp_path: Path) -> None:
    filled(tmp_path)
    store = a_store(tmp_path)
    holder = sqlite3.connect(tmp_path / "alertsync.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite, "BUSY_SECONDS", 0.05)
        store.save_run(a_run(3))
        ledger = store.ledger()
    holder.close()
    assert len(ledger.debts) == 40
    assert "keeps it locked" in ledger.degraded


def test_other_workers_are_told_how_things_stand_while_the_database_cannot_tell(tmp_path: Path) -> None:
    state, published = tmp_path / "state", tmp_path / "published"
    state.touch()
    ours, theirs = (Store(state, published, Clock(), retention=RETENTION) for _ in range(2))
    ours.end_run(a_run(), Standing(counters=Counters(runs=8)), ASKED)
    ours.publish(b"page\n")
    assert theirs.standing().counters.runs == 8
    assert exposition.plain(theirs.metrics()) == b"page\n"
    state.unlink()
    ours.ledger()
    assert not (published / "standing.json").exists()
    assert theirs.standing().counters.runs == 8


def test_a_store_that_could_not_delete_what_is_old_is_tried_again(tmp_path: Path) -> None:
    store = filled(tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "alertsync.db")) as connection:
        connection.executescript(
            "CREATE TRIGGER no BEFORE DELETE ON sightings BEGIN SELECT RAISE(FAIL, 'not now'); END;"
            "UPDATE sightings SET changed_at = 0;"
        )
        other = a_store(tmp_path)
        other.save_run(a_run(3))
        assert "not now" in other.degraded
        connection.execute("DROP TRIGGER no")
    assert other.ledger().degraded == ""
    assert len(store.ledger().debts) == 40


def test_what_was_known_without_the_database_does_not_undo_what_it_holds(tmp_path: Path) -> None:
    filled(tmp_path)
    store = a_store(tmp_path, FakeTime().clock)
    lock = FileLock(tmp_path / "store.lock")
    assert lock.acquire()
    with pytest.raises(StoreDegradedError):
        store.commit(LedgerChange(debts=(a_debt(99),), peers={}, fresh=True))
    assert [debt.id for debt in store.ledger().debts] == [a_debt(99).id]
    lock.release()
    holder = sqlite3.connect(tmp_path / "alertsync.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite, "BUSY_SECONDS", 0.05)
        assert len(store.ledger().debts) == 41
    holder.close()
    ledger = store.ledger()
    assert (len(ledger.debts), set(ledger.peers), ledger.fresh) == (41, {"http://peer"}, False)
    assert ledger == a_store(tmp_path).ledger()


def test_no_more_than_twenty_runs_wait_to_be_written(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    store = a_store(tmp_path / "state")
    for number in range(30):
        store.save_run(a_run(number))
        store.forget_run("20261123T000000-ffffff")
    assert len(store.runs(limit=500).items) == 20
    assert store.actions(limit=9) == Page(())
    (tmp_path / "state").unlink()
    store.ledger()
    assert len(a_store(tmp_path / "state").runs(limit=500).items) == 20
