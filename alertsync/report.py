"""Sums up a run: its status, one sentence about it, its counts, and its lines in the log."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from alertsync.models import Held, Outcome, RunStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alertsync.models import Action, Plan, Run

log = logging.getLogger(__name__)

_KEPT_DECISIONS = 1000
_DONE = frozenset({Outcome.RESOLVED, Outcome.ALREADY_RESOLVED})
_UNDONE = frozenset({Outcome.FAILED, Outcome.NOT_ATTEMPTED})
_LEVELS = {RunStatus.FAILED: logging.ERROR, RunStatus.PARTIAL: logging.WARNING}


def counts(planned: Plan | None, actions: Sequence[Action]) -> dict[str, Any]:
    """Give the fields of `Run` that count and list what was found and done; none for a run without plan."""
    if planned is None:
        return {}
    return {
        "inconsistencies_found": sum(decision.inconsistent for decision in planned.decisions),
        "inconsistencies_resolved": sum(action.outcome in _DONE for action in actions),
        "inconsistencies_failed": sum(action.outcome is Outcome.FAILED for action in actions),
        "decisions": planned.decisions,
        "actions": tuple(actions),
        "external_urls": planned.external_urls,
    }


def outcome(planned: Plan, actions: Sequence[Action]) -> tuple[RunStatus, str]:
    """Give the status of a run that could look and act, and a sentence about it."""
    undone = [action for action in actions if action.outcome in _UNDONE]
    found = sum(decision.inconsistent for decision in planned.decisions)
    resolved = sum(action.outcome in _DONE for action in actions)
    total = len(planned.decisions)
    parts = [f"{total} open alert group{'s' * (total != 1)}, {found} inconsistent, {resolved} resolved"]
    others = Counter(action.outcome for action in actions if action.outcome not in _DONE)
    parts += [f"{number} {kind.value.replace('_', ' ')}" for kind, number in sorted(others.items())]
    held = Counter(decision.held for decision in planned.decisions if decision.inconsistent)
    parts += [f"{held[kind]} {text}" for kind, text in _HELD.items() if held[kind]]
    message = ", ".join(parts)
    if not undone:
        return RunStatus.SUCCESS, message
    return RunStatus.PARTIAL, f"{message}. {undone[0].detail}"


_HELD = {
    Held.DRY_RUN: "to be resolved were this not a dry run",
    Held.POLICY: "only reported (ON_SILENCED)",
    Held.MAX_ACTIONS: "waiting for the next run (MAX_ACTIONS_PER_RUN)",
    Held.DELIVERIES: "whose deliveries were not read (MAX_ACTIONS_PER_RUN)",
}


def abridged(run: Run) -> Run:
    """Give a run for keeping: with no more than 1000 decisions, the inconsistent ones first to stay."""
    if len(run.decisions) <= _KEPT_DECISIONS:
        return run
    first = sorted(run.decisions, key=lambda decision: not decision.inconsistent)
    omitted = len(run.decisions) - _KEPT_DECISIONS
    return msgspec.structs.replace(run, decisions=tuple(first[:_KEPT_DECISIONS]), decisions_omitted=omitted)


def log_run(run: Run) -> None:
    """Log the end of a run, and each inconsistency that was held."""
    for decision in run.decisions:
        if decision.inconsistent and decision.held is not Held.NOT_HELD:
            log.info(
                "inconsistency left alone",
                extra={
                    "run_id": run.run_id,
                    "alert_group": decision.alert_group.id,
                    "title": decision.alert_group.title,
                    "held": decision.held.value,
                    "reason": decision.reason,
                },
            )
    log.log(
        _LEVELS.get(run.status, logging.INFO),
        "run ended",
        extra={
            "run_id": run.run_id,
            "trigger": run.trigger,
            "status": run.status.value,
            "detail": run.message,
            "dry_run": run.dry_run,
            "decisions": dict(Counter(decision.kind.value for decision in run.decisions)),
            "inconsistencies_found": run.inconsistencies_found,
            "inconsistencies_resolved": run.inconsistencies_resolved,
            "inconsistencies_failed": run.inconsistencies_failed,
            "duration_seconds": run.duration_seconds,
        },
    )
