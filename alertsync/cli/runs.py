"""`run` and `plan`: one run of the same reconciler that the service uses, for real or as a rehearsal."""

from __future__ import annotations

import json
import signal
import sys
import threading
from typing import TYPE_CHECKING

from alertsync.cli.tables import table
from alertsync.errors import NotReadyError
from alertsync.models import Held, RunStatus
from alertsync.web import views

if TYPE_CHECKING:
    from alertsync.models import Decision, Run
    from alertsync.services import Services

EXIT = {RunStatus.SUCCESS: 0, RunStatus.PARTIAL: 3}
"""Exit status of a run by how it ended; 1 for all others."""


def run(services: Services, *, rehearsal: bool, as_json: bool) -> int:
    """Run once, print what was found and done, and give the exit status."""
    if services.reconciler is None:
        missing = "; ".join(f"{name} {text}" for name, text in services.missing.items())
        raise NotReadyError(f"no run is possible: {missing}")
    asked = threading.Event()
    services.stop.attach(asked.is_set)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    done = services.reconciler.run_once(
        "command line", dry_run=rehearsal, wait=services.settings.reconcile_wait
    )
    if as_json:
        json.dump(views.run(done), sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        sys.stdout.write(_text(done))
    return EXIT.get(done.status, 1)


def _text(run: Run) -> str:
    lines = []
    if run.decisions:
        outcomes = {action.alert_group_id: action.outcome.value for action in run.actions}
        rows = [_row(decision, outcomes) for decision in run.decisions]
        lines.append(table(("ALERT GROUP", "TITLE", "DECISION", "ACTION", "WHY"), rows))
        lines.append("")
    lines.append(f"{run.status.value}: {run.message}")
    return "\n".join(lines) + "\n"


def _row(decision: Decision, outcomes: dict[str, str]) -> tuple[str, ...]:
    group = decision.alert_group
    done = outcomes.get(group.id, "")
    if not done and decision.held is Held.DRY_RUN:
        done = "would resolve"
    elif not done and decision.inconsistent:
        done = f"held ({decision.held.value})"
    return group.id, group.title[:40], decision.kind.value, done or "none", decision.reason
