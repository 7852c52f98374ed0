"""Deadlines, the rate limit and the loop, on a clock that nobody waits for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest

from alertsync.clients.limiter import Limiter
from alertsync.clock import Deadline
from alertsync.config_parsers import RateLimit
from alertsync.errors import RunBusyError, StoppedError
from alertsync.heartbeat import Heartbeat
from alertsync.locks import FileLock, held
from alertsync.models import Run, RunStatus
from alertsync.scheduler import Scheduler
from tests.unit.clocks import START, FakeTime

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from alertsync.watch import Watch


def test_a_limit_of_three_in_ten_seconds_lets_the_fourth_wait_for_the_first_to_leave_the_window() -> None:
    time = FakeTime()
    limiter = Limiter(RateLimit(3, 10), time.clock)
    for _ in range(3):
        assert limiter.wait_needed() == 0
        assert limiter.claim() == 0
        time.sleep(2)
    assert limiter.wait_needed() == limiter.claim() == 4
    time.sleep(4)
    assert limiter.wait_needed() == 0


def test_of_several_threads_that_want_the_last_request_one_gets_it() -> None:
    limiter = Limiter(RateLimit(3, 10), FakeTime().clock)
    with ThreadPoolExecutor(8) as threads:
        waits = list(threads.map(lambda _: limiter.claim(), range(8)))
    assert sorted(waits) == [0] * 3 + [10] * 5


def test_a_server_that_wants_quiet_gets_it() -> None:
    time = FakeTime()
    limiter = Limiter(RateLimit(3, 10), time.clock)
    limiter.close_for(46)
    limiter.close_for(5)
    assert limiter.wait_needed() == 46


def test_a_deadline_ends_a_wait_when_the_process_is_asked_to_stop() -> None:
    time = FakeTime()
    deadline = Deadline(time.clock, 300, should_stop=lambda: time.passed > 3)
    with pytest.raises(StoppedError):
        deadline.sleep(60)
    assert time.passed < 4


def test_what_must_not_be_left_half_done_is_deaf_to_a_stop_but_not_to_time() -> None:
    time = FakeTime()
    deadline = Deadline(time.clock, 10, should_stop=lambda: True).without_stop(15)
    deadline.check()
    deadline.sleep(9)
    assert deadline.remaining() == pytest.approx(1)


def loop(  # noqa: PLR0913, PLR0917  each is one fact of the loop
    time: FakeTime,
    path: Path,
    run: list[float],
    takes: float,
    until: float,
    follow_after: float | None = None,
    wanted: Callable[[], datetime | None] = lambda: None,
) -> None:
    def work(_: str) -> Run:
        run.append(time.passed)
        time.sleep(takes)
        if len(run) == 2:
            raise RunBusyError("another run is going on", 5)
        if len(run) == 3:
            raise ValueError("something unexpected")
        now = time.clock.now()
        wake_at = None if follow_after is None else now + timedelta(seconds=follow_after)
        return Run(
            "r", "loop", dry_run=False, status=RunStatus.SUCCESS, message="", started_at=now, wake_at=wake_at
        )

    Scheduler(
        work,
        FileLock(path),
        60,
        time.clock,
        should_stop=lambda: time.passed >= until,
        wanted=wanted,
        heartbeat=Heartbeat(),
        watch=None,
    ).serve()


def test_the_loop_runs_at_once_then_at_its_interval_whatever_a_run_meets(tmp_path: Path) -> None:
    time, runs = FakeTime(), list[float]()
    loop(time, tmp_path / "leader.lock", runs, takes=5, until=290)
    assert runs == pytest.approx([0, 60, 120, 180, 240])


def test_runs_that_take_longer_than_the_interval_follow_one_another_without_piling_up(tmp_path: Path) -> None:
    time, runs = FakeTime(), list[float]()
    loop(time, tmp_path / "leader.lock", runs, takes=100, until=450)
    assert runs == pytest.approx([0, 100.5, 201, 301.5, 402])


def test_a_run_that_asks_to_be_followed_early_is_and_one_that_asks_again_and_again_does_not_spin(
    tmp_path: Path,
) -> None:
    time, runs = FakeTime(), list[float]()
    loop(time, tmp_path / "leader.lock", runs, takes=1, until=200, follow_after=10)
    assert runs == pytest.approx([0, 11, 71, 131, 142, 153, 164, 175, 186, 197])
    time, runs = FakeTime(), list[float]()
    loop(time, tmp_path / "leader.lock", runs, takes=0, until=150, follow_after=-100)
    assert runs[:5] == pytest.approx([0, 2, 62, 122, 124])


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        pytest.param(
            40, [0, 40, 100], id="earlier than the next run: at that time, and the interval begins anew"
        ),
        pytest.param(90, [0, 60, 120], id="later than the next run: as before"),
        pytest.param(5, [0, 22, 82], id="in the past: now, or a moment later"),
    ],
)
def test_a_run_of_another_process_that_wants_to_be_followed_at_a_time_is(
    tmp_path: Path, at: float, expected: list[float]
) -> None:
    time, runs = FakeTime(), list[float]()

    def wanted() -> datetime | None:
        """Give what a run of another process wants that ends after 20 seconds, and that the next run clears."""
        return START + timedelta(seconds=at) if time.passed >= 20 and len(runs) == 1 else None

    loop(time, tmp_path / "leader.lock", runs, takes=1, until=125, wanted=wanted)
    # The other's wish is heard within two seconds, and no run follows sooner than after two.
    assert runs == pytest.approx(expected, abs=2.1)


def test_a_loop_without_the_leader_lock_stands_by_and_takes_over(tmp_path: Path) -> None:
    time, runs = FakeTime(), list[float]()
    leader = FileLock(tmp_path / "leader.lock")
    assert leader.acquire()
    loop(time, tmp_path / "leader.lock", runs, takes=1, until=30)
    assert runs == []
    leader.release()
    loop(time, tmp_path / "leader.lock", runs, takes=1, until=60)
    assert runs != []


class Calling:
    """A watch that calls for a run at these times."""

    def __init__(self, time: FakeTime, at: list[float]) -> None:
        self.time, self.at, self.begun = time, at, 0

    def wants_run(self) -> bool:
        if self.at and self.time.passed >= self.at[0]:
            self.at.pop(0)
            return True
        return False

    def run_begins(self) -> None:
        self.begun += 1


def test_a_run_that_the_watch_calls_for_comes_at_once_and_leaves_the_others_where_they_are(
    tmp_path: Path,
) -> None:
    time, heartbeat = FakeTime(), Heartbeat()
    watch, runs = Calling(time, [20, 21, 90]), list[tuple[str, float]]()

    def work(trigger: str) -> Run:
        runs.append((trigger, round(time.passed)))
        time.sleep(1)
        now = time.clock.now()
        return Run("r", trigger, dry_run=False, status=RunStatus.SUCCESS, message="", started_at=now)

    Scheduler(
        work,
        FileLock(tmp_path / "leader.lock"),
        60,
        time.clock,
        should_stop=lambda: time.passed >= 130,
        wanted=lambda: None,
        heartbeat=heartbeat,
        watch=cast("Watch", watch),
    ).serve()
    assert runs == [("loop", 0), ("watch", 20), ("watch", 22), ("loop", 60), ("watch", 90), ("loop", 120)]
    assert watch.begun == len(runs)


def test_while_it_leads_the_loop_beats_and_tells_when_the_next_run_is_due(tmp_path: Path) -> None:
    time, heartbeat = FakeTime(), Heartbeat()
    told: list[tuple[float, float]] = []

    def due() -> float:
        at = heartbeat.next_run_at(time.clock)
        assert at is not None
        return round((at - START).total_seconds())

    def work(_: str) -> Run:
        told.append((round(time.passed), due()))
        time.sleep(30)
        # In the middle of a run nothing beats.
        assert heartbeat.age(time.clock) == pytest.approx(30)
        return Run("r", "loop", dry_run=False, status=RunStatus.SUCCESS, message="", started_at=START)

    def should_stop() -> bool:
        if heartbeat.leader is not None and time.passed % 60 > 31:
            age = heartbeat.age(time.clock)
            assert age is not None
            assert age < 1
            assert due() == (time.passed // 60 + 1) * 60
        return time.passed >= 170

    Scheduler(
        work,
        FileLock(tmp_path / "leader.lock"),
        60,
        time.clock,
        should_stop,
        wanted=lambda: None,
        heartbeat=heartbeat,
        watch=None,
    ).serve()
    assert told == [(0, 60), (60, 120), (120, 180)]
    assert heartbeat.leader is None


def test_a_lock_has_one_holder_at_a_time_in_one_process_too(tmp_path: Path) -> None:
    time = FakeTime()
    with held(tmp_path / "run.lock", time.clock, 0, lambda: False) as first:
        assert first
        with held(tmp_path / "run.lock", time.clock, 5, lambda: False) as second:
            assert not second
        assert time.passed == pytest.approx(5, abs=0.2)
    with held(tmp_path / "run.lock", time.clock, 0, lambda: False) as third:
        assert third
    assert (tmp_path / "run.lock").exists()
