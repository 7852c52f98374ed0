"""`python -m tests.benchmarks.polling`: how long the running service takes for what is polled and scraped, with 1000 decisions.

Prints the median and the slowest answer of each request, in milliseconds, and how large it is. Fails where a median is
above its target, which leaves much room for a machine that has other work.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec
import requests

from alertsync import metrics
from alertsync.clock import Clock
from alertsync.models import (
    AggregationGroup,
    Alert,
    AlertmanagerSnapshot,
    AlertStatus,
    DecisionKind,
    LedgerChange,
    Member,
    Owing,
    Requests,
    Standing,
)
from alertsync.store import Store
from tests.service import Service
from tests.unit.clocks import START
from tests.unit.ledgers import debt, decision, run

DECISIONS = 1000
MEMBERS = 5
TARGET_MS = 150.0
ROUNDS = 30
_PATHS = (
    "/api/v1/status",
    "/api/v1/decisions",
    "/api/v1/decisions?limit=500",
    "/api/v1/decisions?q=instance%3Ddb7",
    "/api/v1/decisions?inconsistent=true",
    "/api/v1/runs",
    "/api/v1/actions",
    "/api/v1/debts",
)
_SCRAPED = "/metrics"


@dataclass(frozen=True)
class Timed:
    """A request and how long its answers took, in milliseconds; `size` in bytes."""

    name: str
    median: float
    slowest: float
    size: int


def measure(rounds: int = ROUNDS) -> list[Timed]:
    """Ask the running service for all that is polled, anew and with the tag of what is known."""
    with tempfile.TemporaryDirectory(prefix="alertsync-polling-") as directory:
        home = Path(directory)
        fill(home / "state")
        with Service(home, {}) as service, requests.Session() as session:
            found = [_time(session, service, path, rounds, known=False) for path in (*_PATHS, _SCRAPED)]
            return found + [_time(session, service, path, rounds, known=True) for path in _PATHS]


def fill(state_dir: Path) -> None:
    """Leave what a run with many decisions leaves, and some debts."""
    state_dir.mkdir(parents=True)
    store = Store(state_dir, state_dir, Clock(), retention=timedelta(days=3650))
    decisions = []
    for number in range(DECISIONS):
        members = tuple(
            Member(
                f"{number:08x}{one:08x}",
                AlertStatus.ACTIVE,
                {"alertname": "Disk", "instance": f"db{number}", "severity": "critical", "disk": str(one)},
            )
            for one in range(MEMBERS)
        )
        kind = DecisionKind.SILENCED if number % 3 == 0 else DecisionKind.CONSISTENT
        made = decision(f"I{number}", kind, members=members, inconsistent=number % 3 == 0)
        group = msgspec.structs.replace(made.alert_group, created_at=START + timedelta(seconds=number))
        decisions.append(msgspec.structs.replace(made, alert_group=group))
    done = run(1, decisions=tuple(decisions))
    store.save_run(done)
    store.publish_decisions(done, _alerts())
    store.publish(metrics.render_standing(store.end_run(done, Standing(), Requests())))
    store.commit(
        LedgerChange(debts=tuple(debt(Owing.OWED, name=f"I{number}", made_at=START) for number in range(200)))
    )


def _alerts() -> bytes:
    """Give the metrics of an alert for each decision."""
    alerts = tuple(
        Alert(f"{number:016x}", {"alertname": "Disk", "instance": f"db{number}"}, AlertStatus.ACTIVE)
        for number in range(DECISIONS)
    )
    group = AggregationGroup("oncall", {"alertname": "Disk"}, alerts)
    known = AlertmanagerSnapshot((group,), (), START, settled=True, version="", clock=START, read_at=START)
    return metrics.render_alerts(known, ("alertname", "instance"), ())


def _time(session: requests.Session, service: Service, path: str, rounds: int, *, known: bool) -> Timed:
    first = session.get(service.url + path, timeout=30)
    headers = {"If-None-Match": first.headers["ETag"]} if known else {}
    took, size = [], 0
    for _ in range(rounds):
        began = time.perf_counter()
        answer = session.get(service.url + path, headers=headers, timeout=30)
        took.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == (304 if known else 200)
        size = len(answer.content)
    return Timed(f"{path}{' (304)' if known else ''}", statistics.median(took), max(took), size)


def main() -> int:
    """Print the table; give the exit status: 1 if a target was missed."""
    found = measure()
    for one in found:
        sys.stdout.write(f"{one.name:44} {one.median:7.1f} ms {one.slowest:7.1f} ms {one.size:9} bytes\n")
    return int(any(one.median > TARGET_MS for one in found))


if __name__ == "__main__":
    raise SystemExit(main())
