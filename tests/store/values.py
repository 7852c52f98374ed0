"""Debts, leases and runs as the tests of the store want them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from alertsync.clock import Clock
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
from alertsync.store import Store
from tests.unit.clocks import START

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

RETENTION = timedelta(days=30)


def a_store(directory: Path, clock: Clock | None = None) -> Store:
    return Store(directory, directory, clock or Clock(now=lambda: START), retention=RETENTION)


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
