"""How much of the machine processes and directories hold, and whether that grows."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

_MOST_MEGABYTES = 8.0
_MOST_THREADS = 3
_MOST_FILES = 6
"""How much more of each a process may hold in the last third of a time than in its first: pools and caches fill up."""


class Footprint(NamedTuple):
    """What a process holds."""

    megabytes: float
    threads: float
    files: float


def of(pid: int) -> Footprint | None:
    """Measure a process; None if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except (FileNotFoundError, ProcessLookupError):
        return None
    status = dict(line.split(":", 1) for line in lines)
    if "VmRSS" not in status:
        return None
    return Footprint(int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), files)


@dataclass
class Footprints:
    """What some processes held from time to time."""

    seen: dict[int, list[Footprint]] = field(default_factory=dict)

    def look(self, *pids: int) -> None:
        """Measure these now."""
        for pid in pids:
            measured = of(pid)
            if measured is not None:
                self.seen.setdefault(pid, []).append(measured)

    def growth(self) -> dict[int, Footprint]:
        """Give by how much each process grew, from the first third of its measurements to the last."""
        grown = {}
        for pid, all_of_it in self.seen.items():
            third = len(all_of_it) // 3
            if third:
                first, last = (
                    Footprint(*(statistics.median(column) for column in zip(*part, strict=True)))
                    for part in (all_of_it[:third], all_of_it[-third:])
                )
                grown[pid] = Footprint(*(after - before for before, after in zip(first, last, strict=True)))
        return grown

    def leaks(self) -> list[str]:
        """Tell, in sentences, which processes grew too much."""
        bounds = Footprint(_MOST_MEGABYTES, _MOST_THREADS, _MOST_FILES)
        return [
            f"process {pid} holds {by:.1f} more {what} than at first, {self.seen[pid][-1]} in the end"
            for pid, grown in self.growth().items()
            for what, by, most in zip(Footprint._fields, grown, bounds, strict=True)
            if by > most
        ]
