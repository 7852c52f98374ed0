"""`python -m tests.benchmarks`: measures, prints the table, and fails where a target is missed."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks import consistency, measure, planning, table
from tests.benchmarks.sizes import SIZES

if TYPE_CHECKING:
    from tests.benchmarks.table import Row


def main() -> int:
    """Give the exit status: 1 if a target was missed."""
    chosen = _arguments()
    began = time.monotonic()
    rows: list[Row] = []
    if chosen.planner:
        _tell("the planner alone")
        rows += planning.measure()
    with tempfile.TemporaryDirectory(prefix="alertsync-bench-") as directory:
        for name in chosen.sizes:
            _tell(f"{name}: {SIZES[name].alerts} alerts in {SIZES[name].groups} alert groups")
            rows += measure.measure(SIZES[name], Path(directory) / name)
        if chosen.silences:
            _tell("time to consistency")
            rows += consistency.measure(
                SIZES["1k"], Path(directory) / "consistency", interval=chosen.watch, repeat=chosen.silences
            )
    missed = table.missed(rows)
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    sys.stdout.write(
        f"{table.text(rows)}\n\n{len(missed)} target(s) missed; took {time.monotonic() - began:.0f} s on "
        f"{os.cpu_count()} processors, load {load}\n"
    )
    if chosen.json:
        chosen.json.write_text(table.as_json(rows) + "\n")
    return 1 if missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "--sizes", type=_sizes, default=list(SIZES), help=f"those to measure, with commas ({','.join(SIZES)})"
    )
    parser.add_argument(
        "--silences", type=int, default=20, help="how many for the time to consistency; 0: none"
    )
    parser.add_argument("--watch", type=float, default=2, help="WATCH_INTERVAL for the time to consistency")
    parser.add_argument(
        "--no-planner", dest="planner", action="store_false", help="leave the planner alone out"
    )
    parser.add_argument("--json", type=Path, help="a file to write the rows to, too")
    return parser.parse_args()


def _sizes(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    if unknown := [name for name in names if name not in SIZES]:
        raise argparse.ArgumentTypeError(f"no such size: {', '.join(unknown)}")
    return names


def _tell(what: str) -> None:
    sys.stderr.write(f"measuring {what} …\n")


if __name__ == "__main__":
    sys.exit(main())
