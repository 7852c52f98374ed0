"""The inbox: an event of IRM's webhooks is kept until a run has looked, once, and never without end."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from alertsync.errors import InboxFullError, StoreDegradedError
from alertsync.models import EventOutcome, HandledEvent, LedgerChange, WebhookEvent
from tests.store.values import RETENTION, a_hand_silence, a_run, a_store, an_irm_silence
from tests.unit.clocks import START, FakeTime

if TYPE_CHECKING:
    from pathlib import Path

    from alertsync.store import Store


def an_event(number: int = 1, kind: str = "silence") -> WebhookEvent:
    at = START + timedelta(seconds=number)
    return WebhookEvent(
        f"event-{number:04d}", at, kind, "GROUP1", "HighLatency", at, user_email="a@b.example"
    )


def done(event: WebhookEvent) -> HandledEvent:
    return HandledEvent(event, event.received_at, EventOutcome.FOLLOWED, "on the list")


def broken(directory: Path) -> Path:
    """Put a file where the directory is, and tell where that is now."""
    moved = directory.with_name(f"{directory.name}-moved")
    directory.rename(moved)
    directory.write_text("in the way")
    return moved


def mended(directory: Path) -> None:
    directory.unlink()
    directory.with_name(f"{directory.name}-moved").rename(directory)


def test_an_event_waits_for_any_process_until_it_is_handled(tmp_path: Path) -> None:
    taker, leader = a_store(tmp_path), a_store(tmp_path)
    assert leader.count_waiting_events() == 0
    assert taker.receive(an_event(2))
    assert taker.receive(an_event(1))
    assert leader.count_waiting_events() == 2
    assert leader.waiting_events() == (an_event(1), an_event(2))
    leader.handle([done(an_event(1))])
    assert taker.waiting_events() == (an_event(2),)
    leader.handle([done(an_event(2))])
    assert taker.count_waiting_events() == 0
    assert taker.events(limit=9).items == (done(an_event(2)), done(an_event(1)))


def test_a_delivery_that_repeats_is_the_same_event_also_after_it_was_handled(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    assert store.receive(an_event())
    assert not store.receive(an_event())
    store.handle([done(an_event())])
    assert not a_store(tmp_path).receive(an_event())
    assert store.waiting_events() == ()


def test_events_are_listed_page_by_page_the_newest_first(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    for number in (1, 2, 3):
        store.receive(an_event(number))
    first = store.events(limit=2)
    assert [one.event.id for one in first.items] == ["event-0003", "event-0002"]
    rest = store.events(limit=2, before=first.next)
    assert ([one.event.id for one in rest.items], rest.next) == (["event-0001"], None)


@pytest.mark.sqlite
def test_what_cannot_be_written_is_said_kept_in_memory_and_written_once_it_can_be(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.receive(an_event(1))
    broken(tmp_path)
    with pytest.raises(StoreDegradedError, match="cannot be written"):
        store.receive(an_event(2))
    assert store.waiting_events() == (an_event(2),)
    assert [one.event.id for one in store.events(limit=9).items] == ["event-0002"]
    mended(tmp_path)
    store.save_run(a_run())
    assert a_store(tmp_path).waiting_events() == (an_event(1), an_event(2))


@pytest.mark.sqlite
def test_what_was_handled_while_nothing_could_be_written_does_not_wait_again(tmp_path: Path) -> None:
    store, other = a_store(tmp_path), a_store(tmp_path)
    store.receive(an_event(1))
    moved = broken(tmp_path)
    with pytest.raises(StoreDegradedError):
        other.receive(an_event(1))
    store.handle([done(an_event(1))])
    assert store.waiting_events() == ()
    assert moved.exists()
    mended(tmp_path)
    store.handle([])
    other.save_run(a_run())
    assert a_store(tmp_path).waiting_events() == ()


def test_no_more_than_so_many_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alertsync.store.inbox.MOST_WAITING", 2)
    store = a_store(tmp_path)
    fill(store, 2)
    with pytest.raises(InboxFullError, match="is the loop on"):
        store.receive(an_event(3))
    assert not store.receive(an_event(1))
    store.handle([done(an_event(1))])
    assert store.receive(an_event(3))


@pytest.mark.sqlite
def test_no_more_than_so_many_wait_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alertsync.store.inbox.MOST_WAITING", 2)
    store = a_store(tmp_path)
    store.ledger()
    broken(tmp_path)
    for number in (1, 2, 2):
        with pytest.raises((StoreDegradedError, InboxFullError)):
            store.receive(an_event(number))
    with pytest.raises(InboxFullError):
        store.receive(an_event(3))
    assert len(store.waiting_events()) == 2


def test_retention_takes_what_is_old_and_what_is_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alertsync.store.inbox.MOST_HANDLED", 2)
    time = FakeTime()
    store = a_store(tmp_path, time.clock)
    fill(store, 4)
    store.handle([done(an_event(number)) for number in (1, 2, 3)])
    store.save_run(a_run())
    assert [one.event.id for one in store.events(limit=9).items] == ["event-0004", "event-0003", "event-0002"]
    time.sleep(RETENTION.total_seconds() + 60)
    store.save_run(a_run(1))
    assert store.events(limit=9).items == ()


def test_silences_that_are_over_go_with_retention_and_those_that_hold_stay(tmp_path: Path) -> None:
    time = FakeTime()
    store = a_store(tmp_path, time.clock)
    held, over = an_irm_silence("HELD"), an_irm_silence("OVER", ended_at=START)
    by_hand, ended = a_hand_silence("held"), a_hand_silence("over", ended_at=START)
    store.commit(LedgerChange(irm_silences=(held, over), hand_silences=(by_hand, ended)))
    assert a_store(tmp_path).ledger().irm_silences == (held, over)
    assert a_store(tmp_path).ledger().hand_silences == (by_hand, ended)
    time.sleep(RETENTION.total_seconds() + 60)
    store.save_run(a_run())
    assert (store.ledger().irm_silences, store.ledger().hand_silences) == ((held,), (by_hand,))


def fill(store: Store, number: int) -> None:
    for one in range(1, number + 1):
        store.receive(an_event(one))
