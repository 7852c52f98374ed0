"""A minute of the soak: `make endure` plays it for longer."""

import random
import sys
from pathlib import Path

import pytest

from tests.soak.endure import Endurance


@pytest.mark.timeout(180)
def test_a_service_whose_processes_are_killed_for_a_minute_loses_nothing_and_leaks_nothing(
    tmp_path: Path,
) -> None:
    seed = random.randrange(2**32)
    sys.stdout.write(f"make endure SEED={seed} MINUTES=1\n")
    sys.stdout.write(Endurance(tmp_path, minutes=1, seed=seed).play() + "\n")
