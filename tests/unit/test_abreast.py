"""Calls side by side: no more at a time than allowed, answers in order, and nothing goes on once it is over."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from alertsync.clients.abreast import Abreast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Counted:
    """Calls that tell how many of them were made at the same time."""

    def __init__(self) -> None:
        self.now = self.most = self.ended = 0
        self._guard = threading.Lock()

    def call(self, number: int, *, fails: bool = False) -> int:
        """Take a moment, and give the number."""
        with self._guard:
            self.now += 1
            self.most = max(self.most, self.now)
        # The later ones end first.
        time.sleep(0.02 / (number + 1))
        with self._guard:
            self.now -= 1
            self.ended += 1
        if fails:
            raise ValueError(str(number))
        return number


def test_as_many_as_allowed_are_made_at_a_time_and_answers_come_in_order() -> None:
    counted = Counted()
    calls = [partial(counted.call, number) for number in range(20)]
    assert Abreast(4, "test").all(calls) == list(range(20))
    assert counted.most == 4


def test_the_first_that_failed_is_raised_once_all_are_over() -> None:
    counted = Counted()
    calls = [partial(counted.call, number, fails=number in (3, 5)) for number in range(8)]
    with pytest.raises(ValueError, match="3"):
        Abreast(2, "test").all(calls)
    assert counted.ended == 8


def test_threads_last() -> None:
    abreast, names = Abreast(2, "lasting"), set[str]()
    for _ in range(5):
        names |= set(abreast.all([lambda: threading.current_thread().name]))
    assert len(names) == 1


def test_where_no_thread_can_be_had_calls_are_made_one_after_the_other_and_once() -> None:
    abreast, counted = Abreast(4, "test"), Counted()

    def calls() -> Iterator[Callable[[], int]]:
        yield lambda: counted.call(0)
        abreast._threads.shutdown(wait=False)
        yield from (partial(counted.call, number) for number in range(1, 6))

    assert abreast.all(calls()) == list(range(6))
    assert (counted.most <= 2, counted.ended) == (True, 6)


def test_a_call_that_waits_for_a_thread_that_cannot_be_made_is_made_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    abreast, counted, busy = Abreast(2, "test"), Counted(), threading.Event()
    first = abreast.begin(lambda: busy.wait(10))

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert abreast.begin(lambda: counted.call(7)).result() == 7
    busy.set()
    assert first.result()
    # What the thread that is free again finds in its queue was made.
    assert abreast.begin(lambda: counted.call(8)).result() == 8
    assert counted.ended == 2
