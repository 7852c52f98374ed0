"""Small builders for what is remembered: each test names only what it is about."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from alertsync.models import (
    Action,
    ActionKind,
    AlertGroup,
    Debt,
    Decision,
    DecisionKind,
    Lease,
    LeaseState,
    Outcome,
    OwedAlert,
    Owing,
    Run,
    RunStatus,
)
from tests.unit.clocks import START


def debt(*states: Owing, name: str = "I1", **more: Any) -> Debt:
    """Make the debt of a resolve of the alert group `name`, with an alert in each of these states."""
    alerts = tuple(
        OwedAlert(f"f{number}", {"alertname": "Disk"}, state) for number, state in enumerate(states)
    )
    values: dict[str, Any] = {
        "id": f"{name}/0",
        "alert_group_id": name,
        "title": f"Disk of {name}",
        "integration_id": "C1",
        "receiver": "oncall",
        "group_labels": {"alertname": "Disk"},
        "external_url": "http://alertmanager.example:9093",
        "group_key": '{}:{alertname="Disk"}',
        "alerts": alerts,
        "silences": ("s1",),
        "reason": "its only alert is silenced by ana@example.org",
        "run_id": "20261123T120000-000001",
        "made_at": START,
        "last_delivery_at": START - timedelta(minutes=30),
        "resolved_at": START + timedelta(seconds=1),
    }
    return Debt(**(values | more))


def lease(name: str = "I1", state: LeaseState = LeaseState.HELD, **more: Any) -> Lease:
    """Make the lease of the alert group `name`."""
    values: dict[str, Any] = {
        "alert_group_id": name,
        "title": f"Disk of {name}",
        "run_id": "20261123T120000-000001",
        "asked_at": START,
        "until": START + timedelta(minutes=15),
        "silences": ("s1",),
        "state": state,
    }
    return Lease(**(values | more))


def decision(
    name: str = "I1", kind: DecisionKind = DecisionKind.SILENCED, *, state: str = "firing", **more: Any
) -> Decision:
    """Make the decision about the alert group `name`."""
    group = AlertGroup(
        id=name,
        integration_id="C1",
        state=state,
        alerts_count=1,
        created_at=START - timedelta(hours=1),
        title=f"Disk of {name}",
        url=f"https://irm.example/a/{name}",
    )
    return Decision(alert_group=group, kind=kind, reason=more.pop("reason", "so it is"), **more)


def action(kind: ActionKind, outcome: Outcome, name: str = "I1", **more: Any) -> Action:
    """Make an action on the alert group `name`."""
    return Action(alert_group_id=name, kind=kind, outcome=outcome, at=START, title=f"Disk of {name}", **more)


def run(number: int = 1, status: RunStatus = RunStatus.SUCCESS, **more: Any) -> Run:
    """Make a run that ended, the `number`-th of its minute."""
    values: dict[str, Any] = {
        "run_id": f"20261123T1200{number:02}-000001",
        "trigger": "loop",
        "dry_run": False,
        "status": status,
        "message": "1 open alert group, 0 inconsistent, 0 resolved",
        "started_at": START + timedelta(seconds=number),
        "ended_at": START + timedelta(seconds=number + 0.2),
        "duration_seconds": 0.2,
    }
    return Run(**(values | more))
