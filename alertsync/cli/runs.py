"""`run` and `plan`: one run of the same reconciler that the service uses, for real or as a rehearsal."""

from __future__ import annotations

import json
import signal
import sys
import threading
from typing import TYPE_CHECKING

from alertsync.cli.tables import table
from alertsync.errors import NotReadyError
from alertsync.models import ActionKind, DecisionKind, Held, Outcome, RunStatus
from alertsync.web import views

if TYPE_CHECKING:
    from alertsync.models import Decision, Policy, Run
    from alertsync.services import Services

EXIT = {RunStatus.SUCCESS: 0, RunStatus.PARTIAL: 3}
"""Exit status of a run by how it ended; 1 for all others."""

_MAX_TITLE = 40


def run(services: Services, *, rehearsal: bool, as_json: bool, lift: frozenset[str] = frozenset()) -> int:
    """Run once, without these brakes, print what was found and done, and give the exit status."""
    if services.reconciler is None:
        missing = "; ".join(f"{name} {text}" for name, text in services.missing.items())
        raise NotReadyError(f"no run is possible: {missing}")
    asked = threading.Event()
    services.stop.attach(asked.is_set)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    done = services.reconciler.run_once(
        "command line", dry_run=rehearsal, wait=services.settings.reconcile_wait, lift=lift
    )
    if as_json:
        json.dump(views.run(done), sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        sys.stdout.write(_text(done, services.settings.policy))
    return EXIT.get(done.status, 1)


def _text(run: Run, policy: Policy) -> str:
    lines = []
    if run.decisions:
        outcomes = {action.alert_group_id: _worded(action.outcome) for action in run.actions}
        rows = [_row(decision, outcomes, policy) for decision in run.decisions]
        lines.append(table(("ALERT GROUP", "TITLE", "DECISION", "ACTION", "WHY"), rows))
        lines.append("")
    shown = {decision.alert_group.id for decision in run.decisions}
    others = [action for action in run.actions if action.alert_group_id not in shown]
    if others:
        rows = [
            (one.alert_group_id, one.title[:_MAX_TITLE], one.kind.value, _worded(one.outcome), one.detail)
            for one in others
        ]
        lines.append(table(("ALERT GROUP", "TITLE", "ACTION", "OUTCOME", "DETAIL"), rows))
        lines.append("")
    lines.append(f"{run.status.value}: {run.message}")
    return "\n".join(lines) + "\n"


def _row(decision: Decision, outcomes: dict[str, str], policy: Policy) -> tuple[str, ...]:
    group = decision.alert_group
    done = outcomes.get(group.id, "")
    if not done and decision.held is Held.DRY_RUN:
        done = f"would {_would(decision, policy).value}"
    elif not done and (decision.inconsistent or decision.held):
        done = f"held ({decision.held.value})"
    return group.id, group.title[:_MAX_TITLE], decision.kind.value, done or "none", decision.reason


def _would(decision: Decision, policy: Policy) -> ActionKind:
    """Tell what a dry run held back: its decision does not say so any more."""
    if decision.kind is DecisionKind.GONE:
        return ActionKind.RESOLVE
    if decision.kind not in (DecisionKind.SILENCED, DecisionKind.UNPAYABLE):
        return ActionKind.UNSILENCE
    mirrors = policy.on_silenced == "silence" or decision.kind is DecisionKind.UNPAYABLE
    return ActionKind.SILENCE if mirrors else ActionKind.RESOLVE


def _worded(outcome: Outcome) -> str:
    return outcome.value.replace("_", " ")
