"""The history: runs, actions and debts in pages, whole where they are new and bounded where they are old."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from alertsync import exposition
from alertsync.models import Counters, LedgerChange, Requests, RunStatus, Standing
from alertsync.store import Page, WantedActions
from tests.store.values import a_debt, a_run, a_store
from tests.unit.clocks import START, FakeTime

if TYPE_CHECKING:
    from pathlib import Path


def test_a_run_is_read_back_at_its_beginning_and_at_its_end(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    begun, ended = a_run(status=RunStatus.RUNNING, decided=0), a_run(acted=3, decided=4)
    store.save_run(begun)
    assert a_store(tmp_path).run(begun.run_id) == begun
    store.save_run(ended)
    assert a_store(tmp_path).run(begun.run_id) == ended
    store.save_run(msgspec.structs.replace(ended, actions=ended.actions[:1]))
    assert len(store.actions(limit=9).items) == 1


def test_a_run_that_never_began_is_forgotten(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.save_run(a_run(acted=2))
    store.forget_run(a_run().run_id)
    assert store.run(a_run().run_id) is None
    assert store.actions(limit=9) == Page(())
    assert store.runs(limit=9) == Page(())


@pytest.mark.parametrize("run_id", ["../standing", "a/b", "", "x" * 65, "..", "a.json", "' OR 1=1 --"])
def test_what_cannot_be_the_id_of_a_run_is_none(tmp_path: Path, run_id: str) -> None:
    assert a_store(tmp_path).run(run_id) is None


def test_only_the_newest_two_hundred_runs_keep_their_decisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alertsync.store.history.KEPT_DECISIONS", 3)
    store = a_store(tmp_path)
    for number in range(5):
        store.save_run(a_run(number, decided=7, acted=1))
    old, young = store.run(a_run(1).run_id), store.run(a_run(2).run_id)
    assert old is not None
    assert (old.decisions, old.decisions_omitted, len(old.actions)) == ((), 7, 1)
    assert young == a_run(2, decided=7, acted=1)
    assert len(store.runs(limit=9).items) == 5


def test_runs_older_than_retention_go_at_most_once_an_hour(tmp_path: Path) -> None:
    time = FakeTime()
    store = a_store(tmp_path, time.clock)
    old, odd = a_run(1, acted=1), a_run(2)
    for run in (old, odd):
        store.save_run(msgspec.structs.replace(run, started_at=START - timedelta(days=31)))
    assert store.run(old.run_id) is None
    assert store.run(odd.run_id) is not None
    time.sleep(3601)
    store.save_run(a_run(3))
    assert store.run(odd.run_id) is None
    assert [run.run_id for run in store.runs(limit=9).items] == [a_run(3).run_id]


def test_runs_are_listed_newest_first_in_pages_that_neither_miss_nor_repeat(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    for number in range(7):
        store.save_run(a_run(number))
    first = store.runs(limit=3)
    store.save_run(a_run(8))
    second = store.runs(limit=3, before=first.next)
    third = store.runs(limit=3, before=second.next)
    ids = [run.run_id for page in (first, second, third) for run in page.items]
    assert ids == [a_run(number).run_id for number in (6, 5, 4, 3, 2, 1, 0)]
    assert third.next is None
    assert store.runs(limit=8).next is None
    assert first.items[0].status is RunStatus.SUCCESS


def test_rows_of_the_same_time_are_paged_by_their_id(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    debts = tuple(a_debt(number, made_at=START) for number in range(5))
    store.commit(LedgerChange(debts=debts))
    first = store.debts(limit=2)
    rest = store.debts(limit=9, before=first.next)
    assert [debt.id for debt in (*first.items, *rest.items)] == [debt.id for debt in reversed(debts)]


def test_ids_of_every_case_are_paged_without_missing_or_repeating_one(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    ids = ("B", "a", "A", "b", "_", "Z9", "é", "-1")
    store.commit(LedgerChange(debts=tuple(msgspec.structs.replace(a_debt(), id=one) for one in ids)))
    seen, cursor = list[str](), None
    while True:
        page = store.debts(limit=1, before=cursor)
        seen += [debt.id for debt in page.items]
        if (cursor := page.next) is None:
            break
    assert seen == sorted(ids, reverse=True)


def test_actions_are_listed_newest_first_by_alert_group_too(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    for number in range(3):
        store.save_run(a_run(number, acted=3))
    first = store.actions(limit=4)
    rest = store.actions(limit=9, before=first.next)
    listed = [(action.run_id, action.alert_group_id) for action in (*first.items, *rest.items)]
    assert listed == [(a_run(run).run_id, f"GROUP{one}") for run in (2, 1, 0) for one in (2, 1, 0)]
    of_one = store.actions(limit=9, wanted=WantedActions(alert_group_id="GROUP1")).items
    assert [action.run_id for action in of_one] == [a_run(run).run_id for run in (2, 1, 0)]


def test_an_action_without_time_or_run_gets_those_of_its_run(tmp_path: Path) -> None:
    run = a_run(acted=1)
    bare = msgspec.structs.replace(run.actions[0], at=None, run_id="")
    store = a_store(tmp_path)
    store.save_run(msgspec.structs.replace(run, actions=(bare,)))
    assert store.actions(limit=9).items == (msgspec.structs.replace(bare, run_id=run.run_id),)


def test_debts_are_listed_open_ones_alone_and_by_alert_group(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.commit(LedgerChange(debts=(a_debt(1), a_debt(2, paid=START), a_debt(4))))
    assert [debt.id for debt in store.debts(limit=9).items] == ["debt-0004", "debt-0002", "debt-0001"]
    assert [debt.id for debt in store.debts(limit=9, open_only=True).items] == ["debt-0004", "debt-0001"]
    assert [debt.id for debt in store.debts(limit=9, alert_group_id="GROUP2").items] == ["debt-0002"]
    assert store.debts(limit=9, open_only=True, alert_group_id="GROUP2").items == ()


@pytest.mark.parametrize("cursor", ["", "?", "abc", "W10", "é", "WzFlOTk5LCJ4IiwwXQ", "x" * 3000, "bnVsbA"])
def test_a_cursor_that_is_not_understood_is_refused(tmp_path: Path, cursor: str) -> None:
    store = a_store(tmp_path)
    for listing in (store.runs, store.actions, store.debts):
        with pytest.raises(ValueError, match="cursor is not understood"):
            listing(limit=3, before=cursor)


def test_a_cursor_beyond_all_rows_is_refused(tmp_path: Path) -> None:
    from alertsync.store.pages import cursor  # noqa: PLC0415  the one test that looks inside a cursor

    store = a_store(tmp_path)
    for key in ((10**18, "x", 0), (0, "x", 10**30), (0, "x", -1)):
        with pytest.raises(ValueError, match="cursor is not understood"):
            store.actions(limit=3, before=cursor(key))
    assert store.actions(limit=3, before=cursor((-(10**15), "x", 9))) == Page(())


def test_counters_survive_and_the_page_is_a_file(tmp_path: Path) -> None:
    standing = Standing(counters=Counters(runs=3), inconsistencies_found=2)
    store = a_store(tmp_path)
    assert store.end_run(a_run(), standing, Requests()) == standing
    store.publish(b"page\n")
    a_store(tmp_path).publish_decisions(a_run(), b"alerts\n")
    other = a_store(tmp_path)
    assert other.standing() == standing
    assert exposition.plain(other.metrics()) == b"page\nalerts\n"
    assert other.last_run() == a_run()
    assert not (tmp_path / "standing.json").exists()


@pytest.mark.sqlite  # a file that nobody else had
def test_how_things_stood_in_version_0_1_0_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "standing.json").write_bytes(b'{"counters":{"runs":41,"failures":2},"attached":{}}')
    store = a_store(tmp_path)
    assert store.standing().counters.runs == 41
    store.end_run(a_run(), Standing(counters=Counters(runs=42)), Requests())
    assert a_store(tmp_path).standing().counters.runs == 42
    assert not (tmp_path / "standing.json").exists()


def test_an_empty_store_knows_nothing_and_says_so(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    assert (store.standing(), store.last_run(), store.metrics()) == (Standing(), None, ())
    assert (store.run(a_run().run_id), store.runs(limit=3), store.degraded) == (None, Page(()), "")
