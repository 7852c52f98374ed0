"""Plays thousands of steps of a world in which everything goes wrong, and asks the servers what came of it.

See `machine.py` for what may happen, `judge.py` for what must hold after every step, `quiet.py` for what must hold
once nothing happens any more. The seed is printed; `make soak SEED=…` plays another, for as long as one likes.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.simulation.contents import Contents
from tests.simulation.machine import Simulation
from tests.simulation.world import quiet_logs

SEED = int(os.environ.get("SIMULATION_SEED", "20261124"))
STEPS_IN_ALL = 10_000
"""How many steps the tests of this file and of those beside it play at least."""
STEPS = {1: 3_000, 2: 2_000}
"""How many each test plays, by the peers that Alertmanager has: two are played with one peer, two with two."""
FURTHER = 1_000
"""How far the seeds of those that go on are from the first ones: no life is played twice."""
STEPS_OF_A_LIFE = 50
LIVES = 10
FLOORS = {
    "resolve as SILENCED: resolved": 120,
    "resolve as GONE: resolved": 60,
    "silence: silenced": 180,
    "unsilence: unsilenced": 50,
    "repage: posted": 130,
    "debts paid": 180,
    "debts lapsed": 80,
    "faults": 150,
    "runs that died": 80,
    "deaths between two commits": 10,
    "runs with a fault that lived on": 40,
    "later pages of lists": 1_000,
    "events between two pages of a list": 10,
    "runs refused because another went on": 30,
    "runs of two that share no database, at once": 10,
}
"""What there is at least of each kind in so many steps as are played in all."""
PHASES = (Phase.generate, Phase.shrink)


def play(
    monkeypatch: pytest.MonkeyPatch, number_of_peers: int, number: int, contents: Contents | None = None
) -> int:
    """Play some lives from a seed, and give the number of steps; count in `contents` what they contained."""
    quiet_logs()

    class Life(Simulation):
        pass

    Life.monkeypatch = monkeypatch
    Life.number_of_peers = number_of_peers
    Life.contents = Contents() if contents is None else contents
    print(f"\nSEED={number} PEERS={number_of_peers}")  # noqa: T201  whoever replays it needs it
    how = settings(
        max_examples=LIVES,
        stateful_step_count=STEPS_OF_A_LIFE,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.normal,
        phases=PHASES,
        print_blob=True,
    )
    run_state_machine_as_test(seed(number)(Life), settings=how)
    return Life.steps


def play_enough(monkeypatch: pytest.MonkeyPatch, number_of_peers: int, *, further: int = 0) -> None:
    """Play rounds from the seed on, or from `further` on, until there were enough steps, and enough in them.

    What lacks in as many steps as are wanted may still come in half as many more.
    """
    wanted, steps, number, contents = STEPS[number_of_peers], 0, SEED + further, Contents()
    floors = {what: floor * wanted // STEPS_IN_ALL for what, floor in FLOORS.items()}
    while steps < wanted or (contents.lacking(floors) and steps < 1.5 * wanted):
        steps += play(monkeypatch, number_of_peers, number, contents)
        number += 1
    print(f"{steps} steps with {number_of_peers} peers\n{contents.told()}")  # noqa: T201  what passed is worth what it contained
    assert not contents.lacking(floors), contents.told()


def test_enough_is_played() -> None:
    assert 2 * STEPS[1] + 2 * STEPS[2] >= STEPS_IN_ALL


@pytest.mark.timeout(900)
def test_no_page_is_lost_and_none_sent_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    play_enough(monkeypatch, 1)
