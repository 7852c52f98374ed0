"""The store moves to PostgreSQL and back, whole or not at all, and is never there twice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Insert, Table, insert, select

from alertsync.clock import never_stop
from alertsync.errors import MovingError
from alertsync.locks import FileLock
from alertsync.models import Counters, LedgerChange, Requests, Standing
from alertsync.store import Store, move_store, postgresql, sqlite
from alertsync.store.schema import actions, metadata
from tests.service import command
from tests.store import values
from tests.store.values import RETENTION, a_debt, a_lease, a_run, a_sighting, url_of
from tests.unit.clocks import START, FakeTime

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from alertsync.store.moving import Moved

pytestmark = pytest.mark.postgresql

CLOCK = FakeTime().clock


def opened(directory: Path, *, in_file: bool) -> Store:
    url = None if in_file else url_of(directory)
    values.opened.append(values.AsRuns(directory, directory, CLOCK, retention=RETENTION, url=url))
    return values.opened[-1]


def filled(directory: Path) -> Store:
    """Fill a file with a little of everything."""
    store = opened(directory, in_file=True)
    store.commit(
        LedgerChange(
            debts=tuple(a_debt(number, paid=START if number % 2 else None) for number in range(700)),
            leases=(a_lease(),),
            sightings={"GROUP1": a_sighting()},
            peers={"http://peer": START},
            fresh=False,
        )
    )
    for number in range(3):
        standing = Standing(counters=Counters(runs=number + 1))
        store.end_run(a_run(number, acted=2, decided=3), standing, Requests({"read status/2xx": 3}))
    return store


def move(directory: Path, *, back: bool = False) -> Moved:
    url = url_of(directory)
    assert url is not None
    return move_store(directory, url, CLOCK, back=back)


def rows(engine: Engine) -> dict[str, list[Any]]:
    """Give all that is in a database."""
    with engine.connect() as connection:
        return {
            table.name: sorted(map(str, connection.execute(select(table)).all()))
            for table in metadata.sorted_tables
        }


def file_of(directory: Path) -> Path:
    return directory / "alertsync.db"


def test_a_store_is_moved_whole_and_back_and_what_was_moved_is_set_aside(tmp_path: Path) -> None:
    before = filled(tmp_path)
    ledger, told = before.ledger(), rows(sqlite.engine(file_of(tmp_path)))
    url = url_of(tmp_path)
    assert url is not None

    moved = move(tmp_path)
    assert (moved.rows["debts"], moved.rows["runs"], moved.rows["actions"]) == (700, 3, 6)
    assert not file_of(tmp_path).exists()
    assert rows(sqlite.engine(Path(moved.kept_as))) == told
    assert rows(postgresql.engine(url, pooled=False)) == told
    there = opened(tmp_path, in_file=False)
    assert there.ledger() == ledger
    there.publish(b"page\n")
    there.commit(LedgerChange(debts=(a_debt(900),)))

    back = move(tmp_path, back=True)
    assert back.rows["debts"] == 701
    here = opened(tmp_path, in_file=True)
    assert len(here.ledger().debts) == 701
    assert here.standing().counters.runs == 3
    assert here.run(a_run(1).run_id) == a_run(1, acted=2, decided=3)
    # What was moved is not found there by anybody who starts.
    there = opened(tmp_path, in_file=False)
    assert there.ledger().debts == ()
    assert there.runs(limit=9).items == ()
    assert there.degraded == ""
    assert move(tmp_path).rows["debts"] == 701
    assert len(opened(tmp_path, in_file=False).ledger().debts) == 701


def test_nothing_is_moved_over_anything_or_from_nothing(tmp_path: Path) -> None:
    with pytest.raises(MovingError, match=r"alertsync\.db does not exist"):
        move(tmp_path)
    opened(tmp_path, in_file=False).commit(LedgerChange(debts=(a_debt(1),)))
    filled(tmp_path)
    for back in (False, True):
        with pytest.raises(MovingError, match="nothing is written over"):
            move(tmp_path, back=back)
    assert len(opened(tmp_path, in_file=True).ledger().debts) == 700
    assert len(opened(tmp_path, in_file=False).ledger().debts) == 1
    opened(tmp_path / "empty", in_file=True).ledger()
    with pytest.raises(MovingError, match="holds nothing"):
        move(tmp_path / "empty")


@pytest.mark.parametrize("name", ["leader.lock", "run.lock"])
def test_nothing_is_moved_while_alertsync_runs_on_this_host_or_another(tmp_path: Path, name: str) -> None:
    filled(tmp_path)
    lock = FileLock(tmp_path / name)
    assert lock.acquire()
    with pytest.raises(MovingError, match="stop it everywhere"):
        move(tmp_path)
    lock.release()
    elsewhere = opened(tmp_path, in_file=False)
    leads = elsewhere.leadership(FileLock(tmp_path / "elsewhere"))
    assert leads.acquire()
    with pytest.raises(MovingError, match="stop it everywhere"):
        move(tmp_path)
    leads.release()
    with elsewhere.reserved(5.0, never_stop), pytest.raises(MovingError, match="stop it everywhere"):
        move(tmp_path)
    assert file_of(tmp_path).exists()
    assert move(tmp_path).rows["runs"] == 3


def test_a_copy_that_breaks_off_leaves_both_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tmp_path)

    def breaks_off(table: Table) -> Insert:
        if table is actions:
            raise OSError("the machine is going down")
        return insert(table)

    monkeypatch.setattr("alertsync.store.moving.insert", breaks_off)
    with pytest.raises(MovingError, match="the machine is going down"):
        move(tmp_path)
    monkeypatch.undo()
    assert len(opened(tmp_path, in_file=True).ledger().debts) == 700
    assert opened(tmp_path, in_file=False).ledger().debts == ()
    assert move(tmp_path).rows["debts"] == 700


def test_the_command_moves_the_state_and_says_what_to_do_next(tmp_path: Path) -> None:
    state = tmp_path / "state"
    filled(state)
    assert values.server is not None
    url_of(state)
    settings = {"DATABASE_URL": values.server.url(values.schemas[state])}
    done = command("migrate-store", "postgresql", home=tmp_path, settings=settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert "700 debts" in done.stdout
    assert "now start alertsync" in done.stdout
    listed = command("history", "--debts", "--limit", "2", home=tmp_path, settings=settings)
    assert "HighLatency" in listed.stdout
    again = command("migrate-store", "postgresql", home=tmp_path, settings=settings)
    assert again.returncode == 1
    assert "does not exist" in again.stderr
    assert "s3cret" not in done.stdout + again.stderr + listed.stdout
    unset = command("migrate-store", "sqlite", home=tmp_path, settings={})
    assert (unset.returncode, unset.stdout) == (1, "")
    assert "DATABASE_URL is not set" in unset.stderr
    back = command("migrate-store", "sqlite", "--json", home=tmp_path, settings=settings)
    assert back.returncode == 0
    assert '"debts": 700' in back.stdout
