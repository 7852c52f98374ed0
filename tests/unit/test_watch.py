"""The watch over silences: when it looks, when it calls for a run, and when it leaves that alone."""

from __future__ import annotations

import logging
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from alertsync.errors import Reason, StoppedError, UpstreamError
from alertsync.watch import Watch
from tests.unit.clocks import FakeTime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alertsync.clock import Deadline

ONE, TWO = frozenset({"S1"}), frozenset({"S1", "S2"})


class Watched:
    """A watch with an interval of 5 s and a gap of 10 s, and the silences that it looks at."""

    def __init__(self) -> None:
        self.time = FakeTime()
        self.silences: dict[str, frozenset[str]] = {"a": ONE}
        self.trouble: Exception | None = None
        self.affordable = True
        self.looks: list[float] = []
        self.waiting: frozenset[str] = frozenset()
        self.watch = Watch(
            self._look,
            lambda: self.affordable,
            self.time.clock,
            lambda: False,
            interval=5,
            min_gap=10,
            waiting=lambda: self.waiting,
        )
        assert not self.watch.wants_run()

    def _look(self, deadline: Deadline) -> Mapping[str, object]:
        assert 0 < deadline.remaining() <= 5
        self.looks.append(self.time.passed)
        if self.trouble is not None:
            raise self.trouble
        return dict(self.silences)

    def within(self, seconds: float) -> list[float]:
        """Ask every fifth of a second, as the loop does; give the times at which a run was wanted."""
        ends, wanted = self.time.passed + seconds, []
        while self.time.passed < ends:
            self.time.sleep(0.2)
            if self.watch.wants_run():
                wanted.append(round(self.time.passed, 1))
        return wanted


def test_what_stays_as_it_is_calls_for_no_run_and_is_looked_at_at_its_interval() -> None:
    watched = Watched()
    assert watched.within(30) == []
    assert len(watched.looks) >= 6
    assert all(5 <= later - earlier < 5.3 for earlier, later in pairwise(watched.looks))


@pytest.mark.parametrize("now", [TWO, frozenset[str]()], ids=["made", "ended"])
def test_a_silence_that_is_made_or_ended_calls_for_one_run_within_the_interval(now: frozenset[str]) -> None:
    watched = Watched()
    watched.within(2)
    watched.silences["a"] = now
    wanted = watched.within(30)
    assert len(wanted) == 1
    assert wanted[0] <= 2 + 5.2


def test_an_event_that_waits_calls_for_one_run_also_where_alertmanager_cannot_be_asked() -> None:
    watched = Watched()
    watched.within(2)
    watched.trouble = UpstreamError(
        Reason.UNREACHABLE, "gone", upstream="alertmanager", operation="watch silences"
    )
    watched.waiting = frozenset({"e1"})
    assert len(watched.within(30)) == 1, "what no run could handle does not call for another"
    watched.waiting = frozenset({"e1", "e2"})
    assert len(watched.within(30)) == 1
    watched.waiting = frozenset()
    assert watched.within(30) == []


def test_silences_that_keep_changing_call_for_no_more_runs_than_the_gap_allows() -> None:
    watched = Watched()
    wanted = []
    for turn in range(20):
        watched.silences["a"] = frozenset({str(turn)})
        wanted += watched.within(3)
    assert len(wanted) >= 4
    assert all(later - earlier >= 10 for earlier, later in pairwise(wanted))


def test_a_change_within_the_gap_is_not_forgotten() -> None:
    watched = Watched()
    watched.silences["a"] = TWO
    assert len(watched.within(6)) == 1
    watched.silences["a"] = ONE
    assert len(watched.within(12)) == 1


def test_a_run_that_begins_sees_what_changed_so_that_no_other_is_called_for() -> None:
    watched = Watched()
    watched.affordable = False
    watched.silences["a"] = TWO
    assert watched.within(6) == []
    watched.watch.run_begins()
    watched.affordable = True
    assert watched.within(20) == []


def test_where_irms_rate_limit_is_half_used_a_change_waits() -> None:
    watched = Watched()
    watched.affordable = False
    watched.silences["a"] = TWO
    assert watched.within(30) == []
    watched.affordable = True
    assert len(watched.within(1)) == 1


def test_a_peer_that_is_away_for_a_while_is_no_change_and_what_it_missed_to_say_is() -> None:
    watched = Watched()
    watched.silences = {"a": ONE, "b": ONE}
    assert watched.within(6) == []
    del watched.silences["b"]
    assert watched.within(20) == []
    watched.silences["b"] = ONE
    assert watched.within(20) == []
    watched.silences["b"] = TWO
    assert len(watched.within(6)) == 1


def test_an_alertmanager_that_does_not_answer_is_told_once_and_calls_for_no_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    watched = Watched()
    watched.trouble = UpstreamError(
        Reason.TIMEOUT, "no answer within 5 s", upstream="alertmanager", operation="watch silences"
    )
    assert watched.within(30) == []
    assert [record.getMessage() for record in caplog.records] == [
        "Alertmanager's silences cannot be watched; runs come by the interval alone"
    ]
    watched.trouble, watched.silences["a"] = None, TWO
    assert len(watched.within(10)) == 1
    assert "are watched again" in caplog.text


def test_a_stop_in_the_middle_of_a_look_is_no_change() -> None:
    watched = Watched()
    watched.trouble = StoppedError("alertsync is stopping")
    assert watched.within(10) == []
