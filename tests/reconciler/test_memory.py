"""What a run has read is let go as soon as it is not needed any more, without the help of Python's collector.

The collector is off during a run, and afterwards it may take many runs until it looks at what is old: what hangs
in a circle is held beside all that the next run reads.
"""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from typing import TYPE_CHECKING

from alertsync.attempt import Attempt
from alertsync.clients import alertmanager
from alertsync.clients.http import Answer
from alertsync.models import AlertmanagerSnapshot, Plan
from alertsync.observer import Observer
from alertsync.planner import plan
from alertsync.planner.membership import AlertIndex
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


class Watched:
    """Knows of everything that was read of Alertmanager, or rests on it, for as long as that is in memory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        known: list[weakref.ref[object]] = []
        index = AlertIndex.__init__

        class Snapshot(AlertmanagerSnapshot, frozen=True, gc=True, weakref=True):
            def __post_init__(self) -> None:
                known.append(weakref.ref(self))

        class Planned(Plan, frozen=True, gc=True, weakref=True):
            def __post_init__(self) -> None:
                known.append(weakref.ref(self))

        def indexed(self: AlertIndex, snapshot: AlertmanagerSnapshot) -> None:
            known.append(weakref.ref(self))
            index(self, snapshot)

        monkeypatch.setattr(alertmanager, "AlertmanagerSnapshot", Snapshot)
        monkeypatch.setattr(plan, "Plan", Planned)
        monkeypatch.setattr(AlertIndex, "__init__", indexed)
        self._known = known

    def now(self) -> list[str]:
        """Tell what is in memory now."""
        return sorted(type(one).__name__ for one in (ref() for ref in self._known) if one is not None)


def test_the_first_reading_is_let_go_before_the_one_that_is_proven(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    watched = Watched(monkeypatch)
    with bench(monkeypatch, tmp_path) as world:
        proof: list[list[str]] = []
        world.at_alertmanager.before("/api/v2/alerts", lambda: proof.append(watched.now()), times=-1)
        kept: list[list[str]] = []
        world.at_irm.before("/resolve/", lambda: kept.append(watched.now()), method="POST", times=-1)
        resolved_by_us(world)
        assert proof == [[]]
        assert kept == [["AlertIndex", "Planned", "Snapshot"]]
