"""Debts, leases and runs as the tests of the store want them."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import msgspec

from alertsync.clock import Clock, never_stop
from alertsync.config_parsers import database_url
from alertsync.errors import SharedLockError
from alertsync.models import (
    Action,
    ActionKind,
    Address,
    AlertGroup,
    Debt,
    Decision,
    DecisionKind,
    HandSilence,
    IrmSilence,
    IrmSilenceState,
    Lease,
    LeaseState,
    Matcher,
    OurSilence,
    Outcome,
    OwedAlert,
    Owing,
    Run,
    RunStatus,
    Sighting,
)
from alertsync.store import Store, postgresql, sqlite
from alertsync.store.database import Database
from tests.store import children
from tests.unit.clocks import START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Executable

    from alertsync.models import HandledEvent, Ledger, LedgerChange, Requests, Standing
    from tests.postgresql import PostgresServer

T = TypeVar("T")

RETENTION = timedelta(days=30)


server: PostgresServer | None = None
"""Where `a_store` keeps what it is given; None for a file in its directory."""
schemas: dict[Path, str] = {}
"""The schema that stands for each directory."""
prefix = ""
opened: list[Store] = []
"""What a test has opened, to be closed after it."""


class AsRuns(Store):
    """A store of which each call is one of a run: where hosts share the database, under their run lock."""

    def _as_a_run(self, call: Callable[[], T]) -> T:
        if not isinstance(self._database, Database) and self._database.session is None:
            # A server that is away is what the call is to meet.
            with contextlib.suppress(SharedLockError), self.reserved(children.SECONDS, never_stop):
                return call()
        return call()

    def ledger(self) -> Ledger:
        return self._as_a_run(super().ledger)

    def commit(self, change: LedgerChange) -> None:
        self._as_a_run(lambda: super(AsRuns, self).commit(change))

    def save_run(self, run: Run) -> None:
        self._as_a_run(lambda: super(AsRuns, self).save_run(run))

    def end_run(self, run: Run, standing: Standing, requests: Requests) -> Standing:
        return self._as_a_run(lambda: super(AsRuns, self).end_run(run, standing, requests))

    def handle(self, handled: Iterable[HandledEvent]) -> None:
        self._as_a_run(lambda: super(AsRuns, self).handle(handled))

    def publish(self, metrics_page: bytes) -> None:
        self._as_a_run(lambda: super(AsRuns, self).publish(metrics_page))

    def publish_decisions(self, run: Run, alerts_page: bytes) -> None:
        self._as_a_run(lambda: super(AsRuns, self).publish_decisions(run, alerts_page))


def a_store(directory: Path, clock: Clock | None = None, *, away: bool = False) -> Store:
    """Open the database in a directory, or the schema that stands for it; on a server that is `away`, if it is one."""
    url = url_of(directory, port=1 if away else 0)
    clock = clock or Clock(now=lambda: START)
    opened.append(AsRuns(directory, directory, clock, retention=RETENTION, url=url))
    return opened[-1]


def close_all() -> None:
    """Close what was opened so far."""
    for store in opened:
        store.close()
    opened.clear()


def url_of(directory: Path, *, port: int = 0) -> str | None:
    """Give the address of the schema that stands for a directory, which is made if need be; None for a file."""
    if server is None:
        return None
    if directory not in schemas:
        schemas[directory] = f"{prefix}_{len(schemas)}"
        server.make_schema(schemas[directory])
    url, _, problem = database_url(server.url(schemas[directory], port=port))
    assert not problem
    return url


def change(directory: Path, statement: Executable) -> None:
    """Change the database behind the store's back."""
    url = url_of(directory)
    engine = (
        sqlite.engine(directory / "alertsync.db") if url is None else postgresql.engine(url, pooled=False)
    )
    with engine.begin() as connection:
        connection.execute(statement)


def a_debt(number: int = 1, *, paid: datetime | None = None, made_at: datetime | None = None) -> Debt:
    return Debt(
        id=f"debt-{number:04d}",
        alert_group_id=f"GROUP{number % 3}",
        title="HighLatency",
        integration_id="INT1",
        receiver="team-a",
        group_labels={"alertname": "HighLatency"},
        external_url="http://alertmanager",
        group_key='{}:{alertname="HighLatency"}',
        alerts=(OwedAlert("f1", {"alertname": "HighLatency"}, Owing.PAID if paid else Owing.OWED),),
        silences=("silence-1",),
        reason="all silenced",
        run_id="run-1",
        made_at=made_at or START + timedelta(seconds=number),
        last_delivery_at=START,
        closed_at=paid,
    )


def a_lease(
    name: str = "GROUP1", state: LeaseState = LeaseState.HELD, until: datetime | None = None
) -> Lease:
    return Lease(
        name, "HighLatency", "run-1", START, until or START + timedelta(minutes=15), ("silence-1",), state
    )


def our_silence(name: str = "silence-1") -> OurSilence:
    return OurSilence(name, (Matcher("alertname", "HighLatency"),), START + timedelta(hours=1))


def an_irm_silence(name: str = "GROUP1", *, ended_at: datetime | None = None) -> IrmSilence:
    return IrmSilence(
        name,
        "HighLatency",
        "USER1",
        "ann@example.org",
        silenced_at=START,
        made_at=START,
        until=START + timedelta(hours=1),
        state=IrmSilenceState.ENDED if ended_at else IrmSilenceState.FOLLOWED,
        silences=() if ended_at else (our_silence(),),
        ended_at=ended_at,
    )


def a_hand_silence(name: str = "hand-1", *, ended_at: datetime | None = None) -> HandSilence:
    return HandSilence(
        name,
        "GROUP1",
        "HighLatency",
        "ann",
        "known",
        made_at=START,
        ends_at=START + timedelta(hours=1),
        silences=(our_silence(),),
        ended_at=ended_at,
    )


def a_sighting(minutes: int = 0) -> Sighting:
    return Sighting(alive_at=START + timedelta(minutes=minutes), absent_runs=minutes)


def an_address(days: int = 0) -> Address:
    return Address(seen_at=START - timedelta(days=days), known=True)


def a_decision(number: int) -> Decision:
    group = AlertGroup(f"GROUP{number}", "INT1", "firing", 1, START, "HighLatency")
    return Decision(group, DecisionKind.CONSISTENT, "one is active")


def a_run(number: int = 0, status: RunStatus = RunStatus.SUCCESS, *, acted: int = 0, decided: int = 1) -> Run:
    at = START + timedelta(seconds=number)
    run_id = f"20261123T12{number:04d}-abcdef"
    return Run(
        run_id=run_id,
        trigger="test",
        dry_run=False,
        status=status,
        message="done",
        started_at=at,
        ended_at=None if status is RunStatus.RUNNING else at,
        decisions=tuple(a_decision(one) for one in range(decided)),
        actions=tuple(
            Action(f"GROUP{one}", ActionKind.RESOLVE, Outcome.RESOLVED, at=at, run_id=run_id)
            for one in range(acted)
        ),
    )


def later(debt: Debt, state: Owing) -> Debt:
    """Give the debt as it is once its alerts are in another state."""
    alerts = tuple(msgspec.structs.replace(alert, state=state) for alert in debt.alerts)
    return msgspec.structs.replace(debt, alerts=alerts, closed_at=None if state.is_open else START)
