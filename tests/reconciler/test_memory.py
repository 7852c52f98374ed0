"""What a run has read is let go as soon as it is not needed any more, without the help of Python's collector.

The collector is off during a run, and afterwards it may take many runs until it looks at what is old: what hangs
in a circle is held beside all that the next run reads.
"""

from __future__ import annotations

import gc
from collections import Counter
from typing import TYPE_CHECKING

from alertsync.attempt import Attempt
from alertsync.clients.http import Answer
from alertsync.observer import Observer
from tests.reconciler.bench import bench
from tests.reconciler.test_debts import resolved_by_us

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_run_leaves_nothing_large_to_the_collector(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with bench(monkeypatch, tmp_path) as world:
        world.run()
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            resolved_by_us(world)
            gc.collect()
            left = Counter(type(one).__name__ for one in gc.garbage)
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
        assert not {one.__name__ for one in (Attempt, Observer, Answer)} & left.keys()
