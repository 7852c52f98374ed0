"""What can still be read where something cannot: a bad row, a full disk after a restart, leftovers of a kill."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from sqlalchemy import update

from alertsync.locks import FileLock
from alertsync.models import Counters, LedgerChange, Requests, Standing
from alertsync.store.schema import actions, debts, runs
from tests.store.test_faults import fill, filled, small_disk
from tests.store.values import a_debt, a_run, a_store, change
from tests.unit.clocks import FakeTime

if TYPE_CHECKING:
    from pathlib import Path

    from alertsync.store import Store


def test_a_row_that_cannot_be_decoded_hides_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = filled(tmp_path)
    for number in range(1, 6):
        store.save_run(a_run(number, acted=1))
    bad = b'{"status": "of a later version", "kind": "too"}'
    change(tmp_path, update(actions).where(actions.c.run_id == a_run(3).run_id).values(body=bad))
    change(tmp_path, update(runs).where(runs.c.run_id == a_run(3).run_id).values(body=bad))
    change(tmp_path, update(debts).where(debts.c.id == a_debt(7).id).values(body=b"{}"))
    other = a_store(tmp_path)
    assert len(other.runs(limit=50).items) == 5
    assert len(other.actions(limit=50).items) == 6
    assert len(other.debts(limit=50).items) == 39
    seen, cursor = [], None
    while True:
        page = other.runs(limit=2, before=cursor)
        seen += [run.run_id for run in page.items]
        if (cursor := page.next) is None:
            break
    assert seen == [a_run(number).run_id for number in (5, 4, 2, 1, 0)]
    assert a_run(3).run_id in str([vars(record).get("row") for record in caplog.records])


@pytest.mark.sqlite
def test_a_disk_that_is_full_at_a_restart_hides_no_debt_and_no_count() -> None:
    with small_disk() as directory:
        filled(directory)
        ballast = fill(directory)
        store = a_store(directory)
        assert len(store.ledger().debts) == 40
        assert store.degraded != ""
        assert store.standing().counters.runs == 7
        end(store, 8)
        ballast.unlink()
        store.commit(LedgerChange(debts=(a_debt(99),)))
        other = a_store(directory)
        assert len(other.ledger().debts) == 41
        assert other.standing().counters.runs == 8


def counted(runs: int) -> Standing:
    return Standing(counters=Counters(runs=runs))


def end(store: Store, runs: int) -> None:
    """Let the run of this number end."""
    store.end_run(a_run(runs), counted(runs), Requests())


@pytest.mark.sqlite
def test_what_could_not_be_written_in_time_does_not_undo_what_another_counted_since(tmp_path: Path) -> None:
    ours, theirs = a_store(tmp_path, FakeTime().clock), a_store(tmp_path)
    end(ours, 4)
    lock = FileLock(tmp_path / "store.lock")
    assert lock.acquire()
    end(ours, 5)
    lock.release()
    assert theirs.standing().counters.runs == 5
    end(theirs, 6)
    assert ours.standing().counters.runs == 6
    ours.save_run(a_run(1))
    assert {store.standing().counters.runs for store in (ours, theirs, a_store(tmp_path))} == {6}


@pytest.mark.sqlite
def test_a_kill_before_the_file_is_removed_does_not_turn_counters_back(tmp_path: Path) -> None:
    end(a_store(tmp_path), 6)
    (tmp_path / "standing.json").write_bytes(msgspec.json.encode(counted(5)))
    assert a_store(tmp_path).standing().counters.runs == 6
