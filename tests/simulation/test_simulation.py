"""Plays thousands of steps of a world in which everything goes wrong, and asks the servers what came of it.

See `machine.py` for what may happen, `judge.py` for what must hold after every step, `quiet.py` for what must hold
once nothing happens any more. The seed is printed; `make soak SEED=…` plays another, for as long as one likes.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.simulation.machine import Simulation
from tests.simulation.world import quiet_logs

SEED = int(os.environ.get("SIMULATION_SEED", "20261124"))
STEPS = int(os.environ.get("SIMULATION_STEPS", "5000"))
"""How many steps each test plays at least."""
STEPS_OF_A_LIFE = 50
LIVES = 10
PHASES = (Phase.generate, Phase.shrink)


def play(monkeypatch: pytest.MonkeyPatch, number_of_peers: int, number: int) -> int:
    """Play some lives from a seed, and give the number of steps."""
    quiet_logs()

    class Life(Simulation):
        pass

    Life.monkeypatch = monkeypatch
    Life.number_of_peers = number_of_peers
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


def play_enough(monkeypatch: pytest.MonkeyPatch, number_of_peers: int) -> None:
    """Play rounds from the seed on until there were enough steps."""
    steps, number = 0, SEED
    while steps < STEPS:
        steps += play(monkeypatch, number_of_peers, number)
        number += 1


@pytest.mark.timeout(900)
def test_no_page_is_lost_and_none_sent_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    play_enough(monkeypatch, 1)
