"""Runs the real service for as long as one likes while its processes are killed: `make endure MINUTES=… SEED=…`.

gunicorn has three workers and a loop of one second. For the first part of the time, workers are killed, stopped,
ended and reloaded by chance; for the rest they are left alone and measured. All along, no counter may fall; at the
end the counters must be what the history adds up to, and IRM must know of all that is active.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import requests

from alertsync import exposition
from alertsync.clock import Clock
from alertsync.models import RunStatus
from alertsync.store import Store
from tests.e2e.processes import Rising, counting_directory, samples, total
from tests.e2e.worlds import expect
from tests.service import Service, value
from tests.soak.footprint import Footprints
from tests.soak.world import Hosted

if TYPE_CHECKING:
    from collections.abc import Callable

    from alertsync.models import Action, Summary
    from alertsync.store import Page

WORKERS = 3
SETTINGS = {
    "WEB_CONCURRENCY": str(WORKERS),
    "RECONCILE_INTERVAL": "1",
    "WATCH_INTERVAL": "1",
    "WATCH_MIN_GAP": "3",
}
CHAOS = 0.6
"""The part of the time in which processes are killed."""
_LOOK_SECONDS = 0.25
_PATIENCE = 60
_SEED_BITS = 32
_COUNTING_FILES = 4
"""Files of HTTP counters for each worker: its lock, and one for each kind of metric."""
_BYTES_A_RUN = 16 * 1024
_BYTES_AT_MOST = 6 * 1024 * 1024
_FILES = {
    *("alertsync.db", "alertsync.db-wal", "alertsync.db-shm", "store.lock", "leader.lock", "run.lock"),
    *("metrics.page", "alerts.page", "last-run.json"),
    *(".metrics.page.new", ".alerts.page.new", ".last-run.json.new"),
    "progress.json",
}
_COUNTED = (RunStatus.SUCCESS, RunStatus.PARTIAL, RunStatus.FAILED)
_DYING_SECONDS = 1.0
"""For how long a server may still be answering somebody who was killed."""

T = TypeVar("T")


class Endurance:
    """One soak of so many minutes, in a directory of its own; `play` raises AssertionError where something is wrong."""

    def __init__(self, directory: Path, *, minutes: float, seed: int) -> None:
        self._seconds = minutes * 60
        self._rng = random.Random(seed)
        self._world = Hosted(seed)
        self._directory = directory
        self._rising = Rising()
        self._footprints = Footprints()
        self._masters = Footprints()
        self._kills: list[tuple[str, float]] = []
        self._timers: list[threading.Timer] = []

    def play(self) -> str:
        """Play, and give what was measured, in lines."""
        with self._world as world:
            service = Service(self._directory, {**world.settings, **SETTINGS})
            with service:
                service.observe_runs(2, within=_PATIENCE)
                self._chaos(service)
                self._calm(service)
                self._end(service)
                counting = sorted(path.name for path in counting_directory(min(service.workers())).iterdir())
                assert len(counting) <= _COUNTING_FILES * 2 * WORKERS, counting
            report = world.report()
            assert not report.wrong, report.wrong
            alive = [at for at in report.overlaps if not self._dying_at(at)]
            assert not alive, f"runs began while another went on: {alive}"
            told = self._history(service)
        assert not (leaks := self._footprints.leaks() + self._masters.leaks()), leaks
        grown = [*self._masters.growth().values(), *self._footprints.growth().values()]
        return "\n".join(
            (
                f"{told}; {len(report.begun)} begun as IRM saw it, {report.resolves} resolves, {report.pages} pages",
                f"{dict(Counter(name for name, _ in self._kills))} in {report.changes} changes",
                f"{self._rising.scrapes} scrapes, {len(counting)} files of HTTP counters",
                "grown, master first: "
                + ", ".join(
                    f"{one.megabytes:.1f} MB {one.threads:+.0f} threads {one.files:+.0f} files"
                    for one in grown
                ),
            )
        )

    # The time with kills

    def _chaos(self, service: Service) -> None:
        ends = time.monotonic() + self._seconds * CHAOS
        try:
            next_at = time.monotonic()
            while time.monotonic() < ends:
                if time.monotonic() >= next_at:
                    next_at = time.monotonic() + self._rng.uniform(2, 6)
                    self._disturb(service)
                self._look(service)
        finally:
            for timer in self._timers:
                timer.join()
        expect("all workers are back", lambda: len(service.workers()) == WORKERS, within=_PATIENCE)

    def _disturb(self, service: Service) -> None:
        """Do one bad thing to a process: to the leader as often as to any of the others."""
        workers = sorted(service.workers())
        leader = service.leader()
        if not workers:
            return
        victim = leader if leader in workers and self._rng.random() < 0.5 else self._rng.choice(workers)
        assert victim is not None
        what = self._rng.choice(("SIGKILL", "SIGKILL", "SIGTERM", "SIGHUP", "SIGSTOP"))
        self._kills.append((what, time.monotonic()))
        with suppress(ProcessLookupError):
            if what == "SIGHUP":
                service.signal(signal.SIGHUP)
                return
            os.kill(victim, signal.Signals[what])
            if what == "SIGSTOP":
                # No scrape may be waited for here: it could be the one that was stopped that is to answer.
                self._timers.append(threading.Timer(self._rng.uniform(0.5, 3), _go_on, (victim,)))
                self._timers[-1].start()

    def _dying_at(self, at: float) -> bool:
        return any(0 <= at - killed < _DYING_SECONDS for name, killed in self._kills if name == "SIGKILL")

    def _look(self, service: Service) -> None:
        """Scrape, as Prometheus and a person would; who is killed answers nobody."""
        time.sleep(_LOOK_SECONDS)
        with suppress(requests.ConnectionError):
            page = service.metrics()
            self._rising.look(page)
            assert value(page, "alertsync_leader") in (0, 1)
            assert value(page, "alertsync_state_degraded") == 0
            assert service.get("/healthz").status_code == 200
            assert service.get("/all-alerts").status_code in (200, 503)
        self._masters.look(service.pid)

    # The time without

    def _calm(self, service: Service) -> None:
        """Let alerts live on, and measure the processes, which stay the same from now on."""
        ends = time.monotonic() + self._seconds * (1 - CHAOS)
        workers, begins = service.workers(), time.monotonic() + self._seconds * (1 - CHAOS) / 4
        while time.monotonic() < ends:
            self._look(service)
            if time.monotonic() > begins:
                self._footprints.look(*workers)
        assert service.workers() == workers
        assert service.metric("alertsync_leader") == 1

    def _end(self, service: Service) -> None:
        """Let all come to rest, and see that IRM knows what it should."""
        self._world.settle()
        expect("IRM knows all", lambda: not self._world.unsettled(), within=_PATIENCE)
        service.observe_runs(2, within=_PATIENCE)
        assert not (left := self._world.unsettled()), left
        assert service.runs()[-1]["status"] == "success"
        assert service.metric("alertsync_debts_due") == 0

    # What is left of it

    def _history(self, service: Service) -> str:
        """See that what was counted is what was recorded, and that it was recorded in a row."""
        store = Store(service.state_dir, service.state_dir, Clock(), retention=timedelta(days=30))
        runs: list[Summary] = _all(store.runs)
        actions: list[Action] = _all(store.actions)
        ended = {run.run_id: run for run in runs if run.status in _COUNTED}
        page = exposition.plain(store.metrics()).decode()
        assert store.standing().counters.runs == len(ended)
        assert total(page, "alertmanager_reconciliation_total") == len(ended)
        assert total(page, "alertmanager_reconciliation_duration_seconds_count") == len(ended)
        done = Counter((one.kind.value, one.outcome.value) for one in actions if one.run_id in ended)
        counted = {
            (dict(labels)["action"], dict(labels)["outcome"]): number
            for (name, labels), number in samples(page).items()
            if name == "alertsync_actions_total" and number
        }
        assert counted == done
        resolved = sum(run.inconsistencies_resolved for run in ended.values())
        assert total(page, "alertmanager_inconsistencies_resolved_total") == resolved
        spans = sorted((run.started_at, run.ended_at) for run in runs if run.ended_at is not None)
        assert all(one[1] <= other[0] for one, other in pairwise(spans)), "the records of runs overlap"
        # Who is killed between the two has told of the end, and not recorded it.
        untold = len(service.runs()) - len(spans)
        assert 0 <= untold <= sum(name == "SIGKILL" for name, _ in self._kills), untold
        size = sum(path.stat().st_size for path in service.state_dir.iterdir())
        assert size < _BYTES_AT_MOST + _BYTES_A_RUN * len(runs), f"{size} bytes for {len(runs)} runs"
        strays = {path.name for path in service.state_dir.iterdir()} - _FILES
        assert not strays, f"left behind: {strays}"
        return f"{len(runs)} runs, {len(ended)} ended and counted, {len(actions)} actions, {size // 1024} KB of state"


def _go_on(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def _all(read: Callable[..., Page[T]]) -> list[T]:
    """Read a list of the store to its end."""
    found, cursor = list[T](), None
    while True:
        page = read(limit=500, before=cursor)
        found += page.items
        cursor = page.next
        if cursor is None:
            return found


def main() -> int:
    """Play one soak, and give the exit status."""
    arguments = argparse.ArgumentParser(prog="make endure")
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--seed", type=int)
    chosen = arguments.parse_args()
    seed = secrets.randbits(_SEED_BITS) if chosen.seed is None else chosen.seed
    sys.stdout.write(f"playing for {chosen.minutes:g} minutes; again: make endure SEED={seed}\n")
    directory = Path(tempfile.mkdtemp(prefix="endure-"))
    try:
        told = Endurance(directory, minutes=chosen.minutes, seed=seed).play()
    except Exception:  # noqa: BLE001  whatever it ends with is what was looked for
        sys.excepthook(*sys.exc_info())
        sys.stdout.write(f"found; the log and the state are in {directory}; again: make endure SEED={seed}\n")
        return 1
    sys.stdout.write(f"{told}\nand nothing was found\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
