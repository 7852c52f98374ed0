"""Plays the simulation for as long as one likes: `make soak SEED=… MINUTES=…`.

Each round has a seed of its own, printed before it, so that what was found after hours can be played again at once.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time

import pytest

from tests.simulation.test_simulation import play

_SEED_BITS = 32


def main() -> int:
    """Play rounds until the time is over or a round fails; give the exit status."""
    arguments = argparse.ArgumentParser(prog="make soak")
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--seed", type=int)
    arguments.add_argument("--peers", type=int, choices=(1, 2))
    chosen = arguments.parse_args()
    seed = secrets.randbits(_SEED_BITS) if chosen.seed is None else chosen.seed
    ends, steps, rounds = time.monotonic() + chosen.minutes * 60, 0, 0
    with pytest.MonkeyPatch.context() as monkeypatch:
        while time.monotonic() < ends:
            for peers in (chosen.peers,) if chosen.peers else (1, 2):
                try:
                    steps += play(monkeypatch, peers, seed + rounds)
                except Exception:  # noqa: BLE001  whatever a life ends with is what was looked for
                    sys.excepthook(*sys.exc_info())
                    sys.stdout.write(f"found; again: make soak SEED={seed + rounds} PEERS={peers}\n")
                    return 1
            rounds += 1
    sys.stdout.write(f"{steps} steps in {rounds} rounds from SEED={seed}, and nothing was found\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
