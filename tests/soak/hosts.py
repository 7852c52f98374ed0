"""Several hosts that are killed, stopped and cut off from PostgreSQL at random, for as long as one likes.

`python -m tests.soak.hosts --minutes … --seed …`. What must not happen is looked for on IRM's side: a page that is lost,
one that is sent twice, and two hosts that act at once.
"""

from __future__ import annotations

import argparse
import random
import secrets
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.hosts import Cluster, asks, overlapping, paid_twice, watched_world
from tests.e2e.processes import Rising, kill
from tests.e2e.worlds import expect
from tests.postgresql import PostgresServer
from tests.soak.world import Life

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.worlds import World

HANDED_OVER_WITHIN = 10.0
"""Seconds from the end of a cause until runs go on."""
_SETTLED_WITHIN = 60.0
_SEED_BITS = 32
_WAYS = ("kill", "stop", "cut", "cut", "hold", "close", "restart")


def goes_on(cluster: Cluster, since: float) -> None:
    """See that a run begins in time after the end of a cause."""
    left = since + HANDED_OVER_WITHIN - time.monotonic()
    expect("a run begins", lambda: any(at > since for at in cluster.begun()), within=left)


class Chaos:
    """Does bad things to hosts and to their ways to PostgreSQL, by chance from a seed."""

    def __init__(self, cluster: Cluster, rng: random.Random) -> None:
        self._cluster = cluster
        self._rng = rng
        self._timers: list[threading.Timer] = []
        self.done: list[str] = []

    def disturb(self) -> None:
        """Do one of them, to the leader more often than to the others."""
        host = self._rng.choice(self._cluster.hosts)
        with suppress(AssertionError):
            if self._rng.random() < 0.6:
                host = self._cluster.leader(within=1)
        what = self._rng.choice(_WAYS)
        self.done.append(f"{what} {host.name}")
        match what:
            case "kill":
                for pid in host.service.workers():
                    kill(pid)
            case "stop":
                host.signal(signal.SIGSTOP)
                self._later(self._rng.choice((1.0, 3.0, 12.0)), lambda: host.signal(signal.SIGCONT))
            case "cut":
                host.proxy.cut()
            case "hold":
                host.proxy.hold()
                self._later(self._rng.choice((1.0, 6.0)), host.proxy.go_on)
            case "close":
                host.proxy.close()
                self._later(self._rng.choice((1.0, 4.0)), host.proxy.open)
            case "restart":
                self._cluster.postgres.restart(self._rng.choice((signal.SIGINT, signal.SIGQUIT)))

    def end(self) -> None:
        """Wait until everything goes on that was stopped."""
        for timer in self._timers:
            timer.join()

    def _later(self, seconds: float, do: Callable[[], None]) -> None:
        self._timers.append(threading.Timer(seconds, do))
        self._timers[-1].start()


def play(cluster: Cluster, world: World, seed: int, seconds: float) -> str:
    """Let alerts live while hosts are disturbed, then let all come to rest; give what was seen, or raise."""
    rng = random.Random(seed)
    life, chaos, rising = Life(world, seed), Chaos(cluster, rng), Rising("alertmanager_", "alertsync_")
    ends, next_at = time.monotonic() + seconds, time.monotonic() + 1
    while time.monotonic() < ends:
        time.sleep(0.1)
        if rng.random() < 0.2:
            life.change()
        if time.monotonic() > next_at:
            next_at = time.monotonic() + rng.uniform(1, 4)
            chaos.disturb()
    chaos.end()
    calm = time.monotonic()
    life.settle()
    goes_on(cluster, calm)
    expect(
        "IRM knows all",
        lambda: not (life.uncalled() + life.open_though_silenced()),
        within=_SETTLED_WITHIN,
    )
    leader = cluster.leader()
    expect(
        "nothing is due", lambda: leader.service.metric("alertsync_debts_due") == 0, within=_SETTLED_WITHIN
    )
    rising.look(leader.service.metrics())
    seen = asks(world)
    late = overlapping(seen)
    twice = paid_twice(world)
    told = f"{chaos.done}; {len(cluster.begun())} runs, overtaken {late}, twice {twice}"
    assert all(len(acts) <= 1 for _, acts in late), told
    assert len(twice) <= 2 * len(late), told
    assert not [one for one in life.report.wrong if "twice" not in one], (life.report.wrong, told)
    again = [one for one in life.report.wrong if "twice" in one]
    assert len(again) <= len(late), (again, told)
    return f"{life.report.changes} changes, {life.report.resolves} resolves; {told}"


def main() -> int:
    """Play once, and give the exit status."""
    arguments = argparse.ArgumentParser(prog="python -m tests.soak.hosts")
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--seed", type=int)
    chosen = arguments.parse_args()
    seed = secrets.randbits(_SEED_BITS) if chosen.seed is None else chosen.seed
    directory = Path(tempfile.mkdtemp(prefix="hosts-"))
    sys.stdout.write(f"playing for {chosen.minutes:g} minutes in {directory}; again with --seed {seed}\n")
    with (
        watched_world() as world,
        PostgresServer() as postgres,
        Cluster(directory, world, postgres) as cluster,
    ):
        cluster.leader()
        sys.stdout.write(play(cluster, world, seed, chosen.minutes * 60) + "\nand nothing was found\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
