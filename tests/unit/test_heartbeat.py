"""The pulse of the loop: shared by forked processes, true whatever the wall clock does, and nobody's once its leader is dead."""

from __future__ import annotations

import os
import signal
from datetime import timedelta

import pytest

from alertsync.clock import Clock
from alertsync.heartbeat import Heartbeat
from tests.unit.clocks import START, FakeTime


def told_by(heartbeat: Heartbeat) -> tuple[object, ...]:
    """Give all that it tells."""
    clock = Clock()
    return heartbeat.leader, heartbeat.age(clock), heartbeat.next_run_at(clock)


def test_nobody_leads_before_the_first_beat() -> None:
    heartbeat = Heartbeat()
    assert told_by(heartbeat) == (None, None, None)


def test_its_age_counts_from_the_last_beat_and_the_next_run_stays_where_it_was() -> None:
    time, heartbeat = FakeTime(), Heartbeat()
    heartbeat.beat(time.clock, next_run_in=60)
    time.sleep(20)
    assert heartbeat.age(time.clock) == pytest.approx(20)
    heartbeat.beat(time.clock)
    assert heartbeat.age(time.clock) == 0
    assert heartbeat.next_run_at(time.clock) == START + timedelta(seconds=60)
    assert heartbeat.leader == os.getpid()


@pytest.mark.parametrize("jump", [3600, -3600], ids=["back", "forth"])
def test_a_wall_clock_that_jumps_makes_no_loop_look_stuck(jump: float) -> None:
    time, heartbeat = FakeTime(), Heartbeat()
    heartbeat.beat(time.clock, next_run_in=60)
    time.set_back(jump)
    assert heartbeat.age(time.clock) == 0
    # By the new time the run is still a minute away.
    assert heartbeat.next_run_at(time.clock) == time.clock.now() + timedelta(seconds=60)


def test_a_process_that_was_forked_beats_for_all_and_its_death_ends_its_lead() -> None:
    heartbeat, clock = Heartbeat(), Clock()
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        heartbeat.beat(clock, next_run_in=60)
        os.write(tell, b"!")
        signal.pause()
    try:
        assert os.read(told, 1) == b"!"
        assert heartbeat.leader == child
        age = heartbeat.age(clock)
        assert age is not None
        assert age < 10
        # What others lead is not ours to give back.
        heartbeat.rest()
        assert heartbeat.leader == child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert told_by(heartbeat) == (None, None, None)


def test_who_rests_leads_no_more() -> None:
    time, heartbeat = FakeTime(), Heartbeat()
    heartbeat.beat(time.clock, next_run_in=60)
    heartbeat.rest()
    assert heartbeat.leader is None
