"""Measures one size: runs and their floors in turn, then what a run does to everything beside it."""

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from alertsync.simulator.real_alertmanager import RealAlertmanager
from tests.benchmarks import filling, floor, recording, stalls, table
from tests.benchmarks.prober import Prober
from tests.benchmarks.recording import Count, Recorded
from tests.benchmarks.servers import Servers
from tests.benchmarks.service import TOKEN, MeasuredService
from tests.benchmarks.sizes import Size
from tests.benchmarks.table import Row
from tests.benchmarks.world import World

_PAGE_SIZE = 100
_OPEN = ("firing", "acknowledged", "silenced")
_AT_REST_SECONDS = 2
_SCRAPES = 30
_PATIENCE_SECONDS = 180
"""After so long no run of a size is repeated any more, and a single run that took longer is not replayed."""


@dataclass
class _Runs:
    """What was measured of several runs alike; times in seconds."""

    took: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    resolved: list[int] = field(default_factory=list)
    seen: list[list[Recorded]] = field(default_factory=list)

    @property
    def above_floor(self) -> float:
        """The median run, less the median floor."""
        return statistics.median(self.took) - statistics.median(self.floor)


class Bench:
    """Everything that runs for one size."""

    def __init__(
        self,
        size: Size,
        world: World,
        alertmanager: RealAlertmanager,
        servers: Servers,
        service: MeasuredService,
    ) -> None:
        self.size = size
        self.world = world
        self.alertmanager = alertmanager
        self.servers = servers
        self.service = service
        self._addresses = {recording.IRM: servers.irm, recording.ALERTMANAGER: servers.alertmanager}

    def measure(self) -> list[Row]:
        """Measure all there is, in an order in which nothing disturbs what comes after it."""
        startup = self.service.startup
        first, _ = self.service.run()
        quiet, acting = _Runs(), _Runs()
        self._once(quiet)
        began = time.monotonic()
        for batch in range(self.size.repeat):
            filling.silence_batch(self.alertmanager, batch)
            self._once(acting)
            if time.monotonic() - began > _PATIENCE_SECONDS:
                break
        beside = self._beside(len(acting.took))
        scrapes = self._scrapes()
        memory = self.service.peak_memory()
        self.service.stop()
        self.service.start()
        name = self.size.name
        return [
            *self._times(quiet, acting),
            table.megabytes(name, "peak memory, master and worker", memory, self.size.targets.memory),
            *self._requests(acting),
            *scrapes,
            *beside,
            table.seconds(
                name, "start-up: spawned to /healthz, new", startup, note=f"its first run took {first:.2f} s"
            ),
            table.seconds(name, "start-up: spawned to /healthz, with this state", self.service.startup),
        ]

    def _once(self, runs: _Runs) -> None:
        """Run, then send the bare client through the same requests."""
        self.servers.mark()
        self.servers.taken()
        before, cpu = len(self.servers.resolved()), self.service.cpu_seconds()
        took, _ = self.service.run()
        runs.cpu.append(self.service.cpu_seconds() - cpu)
        runs.took.append(took)
        seen = self.servers.taken()
        runs.seen.append(seen)
        runs.alone.append(took - recording.in_flight(seen))
        runs.resolved.append(len(self.servers.resolved()) - before)
        if took > _PATIENCE_SECONDS:
            runs.floor.append(recording.in_flight(seen))
            return
        self.servers.rewind()
        runs.floor.append(floor.replay(seen, self._addresses, TOKEN))
        self.servers.taken()

    def _times(self, quiet: _Runs, acting: _Runs) -> list[Row]:
        name, actions = self.size.name, self.size.actions
        note = f"{_shown(acting.took)} less {_shown(acting.floor)}"
        rows = [
            table.seconds(
                name,
                f"run with {actions} resolves above its floor",
                acting.above_floor,
                self.size.targets.above_floor,
                note,
            ),
            table.seconds(
                name,
                "run with nothing to do above its floor",
                quiet.above_floor,
                self.size.targets.above_floor,
                f"{_shown(quiet.took)} less {_shown(quiet.floor)}",
            ),
            table.seconds(name, "in a run, time with no request under way", statistics.median(acting.alone)),
            table.seconds(name, "in a run, time computed", statistics.median(acting.cpu)),
        ]
        return [*rows, table.number(name, "resolved in each run", min(acting.resolved), actions)]

    # Requests

    def _requests(self, acting: _Runs) -> list[Row]:
        name, run = self.size.name, len(acting.seen) - 1
        counted = recording.count(acting.seen[run])
        wanted = self._floor_of(run)
        what = "requests of the floor and for nothing"
        spent = sum(counted.floor.values()) + len(counted.other)
        return [
            table.number(name, what, spent, sum(wanted.values()), _differences(counted, wanted)),
            *(
                table.number(name, f"requests for safety: {safety}", counted.safety.get(safety, 0))
                for safety in (recording.SECOND, recording.CONFIRMED, recording.READ_BACK)
            ),
            table.number(name, "requests in all", counted.total),
        ]

    def _floor_of(self, run: int) -> Counter[str]:
        """Work out what the run that resolves this batch cannot do without."""
        states = Counter(group.state for group in self.world)
        states["firing"] -= run * self.size.actions
        several = sum(group.batch == run and group.deliveries > 1 for group in self.world)
        return Counter(
            {
                "read aggregation groups": 1,
                "read silences": 1,
                "read status": 1,
                "list integrations": 1,
                "list alert groups": sum(max(-(-states[one] // _PAGE_SIZE), 1) for one in _OPEN),
                "list deliveries": several,
                "write note": self.size.actions,
                "resolve": self.size.actions,
            }
        )

    # Beside a run

    def _beside(self, batch: int) -> list[Row]:
        """Probe while nothing happens, then through a run, whose answer is the one that curl gets by default."""
        name = self.size.name
        with stalls.measured(self.service.stalls) as rest, Prober(self.service.url) as at_rest:
            time.sleep(_AT_REST_SECONDS)
        filling.silence_batch(self.alertmanager, batch)
        with stalls.measured(self.service.stalls) as stall, Prober(self.service.url) as probed:
            self.service.run(accept="application/json")
        return [
            table.seconds(
                name,
                "longest /healthz during a run",
                probed.longest,
                self.size.targets.healthz,
                f"{len(probed.times)} probes; at rest {at_rest.longest * 1e3:.0f} ms",
            ),
            table.seconds(
                name,
                "longest stall of another thread",
                stall.longest,
                note=f"at rest {rest.longest * 1e3:.0f} ms",
            ),
        ]

    def _scrapes(self) -> list[Row]:
        rows = []
        for what, gzip in (("/metrics, median", False), ("/metrics with gzip, median", True)):
            took, size, encoded = self.service.scrape(_SCRAPES, gzip=gzip)
            row = table.seconds(self.size.name, what, took, self.size.targets.scrape, f"{size / 1e6:.2f} MB")
            if gzip and not encoded:
                row = Row(self.size.name, what, "-", took, row.target, ok=False, note="gzip is not offered")
            rows.append(row)
        return rows


def _differences(counted: Count, wanted: Counter[str]) -> str:
    told = [
        f"{what}: {counted.floor.get(what, 0)} rather than {number}"
        for what, number in wanted.items()
        if counted.floor.get(what, 0) != number
    ]
    told += [f"{number} times {what}" for what, number in Counter(counted.other).most_common(3)]
    return "; ".join(told)


def _shown(times: Sequence[float]) -> str:
    return " ".join(f"{one:.2f}" for one in times)


def measure(size: Size, directory: Path) -> list[Row]:
    """Start everything that a size needs, measure it, and end it."""
    directory.mkdir()
    world = World(size.groups, size.alerts, size.actions, batches=size.repeat + 1, epoch=datetime.now(UTC))
    with (
        filling.alertmanager(directory / "alertmanager", world) as alertmanager,
        Servers(world, alertmanager.url) as servers,
        MeasuredService(directory / "service", irm=servers.irm, alertmanager=servers.alertmanager) as service,
    ):
        return Bench(size, world, alertmanager, servers, service).measure()
