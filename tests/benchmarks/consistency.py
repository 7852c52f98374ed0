"""How long it takes from making a silence until its alert group is resolved, with nobody triggering a run.

The loop is on, but so slow that it never helps: what is measured is the watch on Alertmanager's silences. Each
silence is made at another moment between two looks.
"""

import dataclasses
import random
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

from alertsync.settings import Settings
from tests.benchmarks import filling, table
from tests.benchmarks.servers import Servers
from tests.benchmarks.service import MeasuredService
from tests.benchmarks.sizes import Size
from tests.benchmarks.table import Row
from tests.benchmarks.world import World
from tests.servers import poll_until

WHAT = "from a silence to the resolve, 95th percentile"
_GAP_SECONDS = 1
_WITHIN_SECONDS = 60
_NEVER = "86400"


def possible() -> bool:
    """Tell whether this version watches silences at all."""
    return any(field.name == "watch_interval" for field in dataclasses.fields(Settings))


def measure(size: Size, directory: Path, *, interval: float, repeat: int) -> list[Row]:
    """Make `repeat` silences, one after another, with WATCH_INTERVAL at `interval` seconds."""
    if not possible():
        note = "not measured: this version knows no WATCH_INTERVAL"
        return [Row(size.name, WHAT, "-", 0, note=note)]
    directory.mkdir()
    world = World(size.groups, size.alerts, actions=1, batches=repeat, epoch=datetime.now(UTC))
    with (
        filling.alertmanager(directory / "alertmanager", world) as alertmanager,
        Servers(world, alertmanager.url) as servers,
        MeasuredService(
            directory / "service",
            irm=servers.irm,
            alertmanager=servers.alertmanager,
            RECONCILE_INTERVAL=_NEVER,
            WATCH_INTERVAL=f"{interval:g}",
            WATCH_MIN_GAP=str(_GAP_SECONDS),
        ) as service,
    ):
        service.wait_for("run ended", within=_WITHIN_SECONDS)
        times = []
        for batch in range(repeat):
            time.sleep(_GAP_SECONDS + random.uniform(0, interval))
            made = time.monotonic()
            filling.silence_batch(alertmanager, batch)
            times.append(_resolved(servers, batch + 1) - made)
        runs = [run["duration_seconds"] for run in service.runs() if run["inconsistencies_resolved"]]
    bound = interval + _ninety_fifth(runs)
    note = f"{repeat} silences, WATCH_INTERVAL={interval:g}; a run took {_ninety_fifth(runs):.2f} s (95th percentile)"
    return [
        table.seconds(size.name, WHAT, _ninety_fifth(times), bound, note),
        table.seconds(size.name, "from a silence to the resolve, median", statistics.median(times)),
    ]


def _resolved(servers: Servers, wanted: int) -> float:
    """Wait until so many alert groups are resolved; give when the last of them was."""
    within, what = _WITHIN_SECONDS, f"{wanted} alert groups are resolved"
    poll_until(lambda: len(servers.resolved()) >= wanted, within=within, what=what)
    return max(servers.resolved().values())


def _ninety_fifth(values: list[float]) -> float:
    """Give the 95th percentile: of 20 values, the second largest."""
    return sorted(values)[max(-(-95 * len(values) // 100) - 1, 0)]
