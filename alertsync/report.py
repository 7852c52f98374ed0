"""Sums up a run: its status, one sentence about it, its counts, and its lines in the log.

What needs a person is said loudly, in the message of the run and as warnings in the log: a page that is due and
is not sent must not hide behind a list of numbers.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from alertsync.models import ActionKind, Brake, Held, Ledger, Outcome, Owing, Policy, RunStatus
from alertsync.planner import foreseen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alertsync.models import Action, Debt, Plan, Run

log = logging.getLogger(__name__)

_KEPT_DECISIONS = 1000
_MAX_NAMED = 3
_CLOSING = frozenset({ActionKind.RESOLVE, ActionKind.SILENCE})
_RESOLVED = frozenset({Outcome.RESOLVED, Outcome.ALREADY_RESOLVED})
_UNDONE = frozenset({Outcome.FAILED, Outcome.NOT_ATTEMPTED})
_IMPOSSIBLE = frozenset({Held.CREDENTIALS, Held.STORE})
"""Reasons for which something that was due could not be done, as opposed to: was not wanted now."""

_LEVELS = {RunStatus.FAILED: logging.ERROR, RunStatus.PARTIAL: logging.WARNING}

_HELD = {
    Held.DRY_RUN: "to be acted upon were this not a dry run",
    Held.POLICY: "only reported (ON_SILENCED, or no debt of theirs could be paid)",
    Held.STATE: "in a state that IRM_STATES does not name",
    Held.MAX_ACTIONS: "waiting for the next run (MAX_ACTIONS_PER_RUN)",
    Held.GONE_RATIO: "held by the brake MAX_GONE_RATIO",
    Held.DELIVERIES: "whose deliveries were not read (MAX_ACTIONS_PER_RUN)",
    Held.CREDENTIALS: "that IRM does not let the token act upon",
    Held.PERSON: "left to the person who changed them",
    Held.STORE: "left alone as the store cannot be written",
}

BRAKES = {
    Brake.MAX_ACTIONS: "More is due than MAX_ACTIONS_PER_RUN allows in one run; the rest waits for the next ones.",
    Brake.GONE_RATIO: "More alert groups are newly gone than MAX_GONE_RATIO allows, so none is closed as gone yet. "
    "Is Alertmanager whole?",
}
"""What it means that a brake is engaged."""


def counts(planned: Plan | None, actions: Sequence[Action], policy: Policy | None = None) -> dict[str, Any]:
    """Give the fields of `Run` that count and list what was found and done; none for a run without plan."""
    if planned is None:
        return {}
    repages, omitted = foreseen.repages(planned, policy or Policy())
    failed = sum(action.kind in _CLOSING and action.outcome is Outcome.FAILED for action in actions)
    return {
        "inconsistencies_found": sum(decision.inconsistent for decision in planned.decisions),
        "inconsistencies_resolved": len(_closed(actions)) + len(_leased(planned, actions)),
        "inconsistencies_failed": failed,
        "decisions": planned.decisions,
        "repages": repages,
        "repages_omitted": omitted,
        "actions": tuple(actions),
        "external_urls": planned.external_urls,
        "brakes": planned.brakes,
        "wake_at": planned.wake_at,
        "silence_changes": planned.silence_changes[:_KEPT_DECISIONS],
    }


def outcome(
    planned: Plan, actions: Sequence[Action], policy: Policy | None = None, ledger: Ledger | None = None
) -> tuple[RunStatus, str]:
    """Give the status of a run that could look and act, and a sentence about it.

    `policy` is that of the run, `ledger` what stands in it after the last action. Without a ledger the debts
    of the plan count, and it is not told which of those that are due were left.
    """
    policy = policy or Policy()
    undone = [action for action in actions if action.outcome in _UNDONE]
    left = 0 if ledger is None or _suspended(policy) else _left(planned, actions, ledger)
    known = ledger or Ledger()
    if ledger is None or policy.dry_run:
        # A dry run changes nothing, so the plan knows better than the ledger what is due.
        known = msgspec.structs.replace(known, debts=planned.debts)
    parts = [*_sentence(planned, actions), *([f"{left} alert(s) still to be re-paged"] if left else [])]
    told = [
        ", ".join(parts),
        *(action.detail for action in undone[:1]),
        *alarms(planned.brakes, policy, known),
    ]
    impossible = any(decision.held in _IMPOSSIBLE for decision in planned.decisions)
    short = undone or left or impossible or any(_alarms(debt) for debt in known.debts)
    message = ". ".join(text.rstrip(".") for text in told if text)
    return RunStatus.PARTIAL if short else RunStatus.SUCCESS, message


def _sentence(planned: Plan, actions: Sequence[Action]) -> Iterator[str]:
    found = sum(decision.inconsistent for decision in planned.decisions)
    total = len(planned.decisions)
    closed = len(_closed(actions))
    yield f"{total} open alert group{'s' * (total != 1)}, {found} inconsistent, {closed} resolved"
    done = Counter(action.outcome for action in actions)
    leased = len(_leased(planned, actions))
    counted = {
        "silenced": leased,
        "kept silenced": done.pop(Outcome.SILENCED, 0) - leased,
        "un-silenced": done.pop(Outcome.UNSILENCED, 0),
        "re-paged": done.pop(Outcome.POSTED, 0),
        "opened again": done.pop(Outcome.UNRESOLVED, 0),
        "silence(s) made in Alertmanager": done.pop(Outcome.CREATED, 0),
        "renewed there": done.pop(Outcome.EXTENDED, 0),
        "expired there": done.pop(Outcome.EXPIRED, 0),
        "note(s) written about silences": done.pop(Outcome.NOTED, 0),
    }
    if not actions and planned.silence_changes:
        yield f"{len(planned.silence_changes)} thing(s) to be done about silences in IRM were this not a dry run"
    yield from (f"{number} {text}" for text, number in counted.items() if number)
    if gone := sum(action.outcome in _RESOLVED for action in actions) - closed:
        yield f"{gone} resolved by somebody else"
    others = {kind: number for kind, number in sorted(done.items()) if kind not in _RESOLVED}
    yield from (f"{number} {kind.value.replace('_', ' ')}" for kind, number in others.items())
    held = Counter(decision.held for decision in planned.decisions)
    yield from (f"{held[kind]} {text}" for kind, text in _HELD.items() if held[kind])


def _closed(actions: Sequence[Action]) -> list[Action]:
    """Give the actions that found or made an alert group resolved that was to be."""
    return [one for one in actions if one.kind is ActionKind.RESOLVE and one.outcome in _RESOLVED]


def _leased(planned: Plan, actions: Sequence[Action]) -> list[Action]:
    """Give the actions that silenced an alert group which was not silenced already: first leases, no renewals."""
    kept = {one.alert_group.id for one in planned.decisions if one.alert_group.state == "silenced"}
    return [one for one in actions if one.outcome is Outcome.SILENCED and one.alert_group_id not in kept]


def _left(planned: Plan, actions: Sequence[Action], ledger: Ledger) -> int:
    """Count the alerts that are still due after the last action, but those that need no page after all."""
    cancelled = {one.alert_group_id for one in actions if one.outcome is Outcome.CANCELLED}
    needless = {debt for one in planned.repages if one.alert_group_id in cancelled for debt in one.debts}
    return sum(_due(debt) for debt in ledger.debts if debt.id not in needless)


def _due(debt: Debt) -> int:
    return 0 if debt.void else sum(alert.state is Owing.DUE for alert in debt.alerts)


def _alarms(debt: Debt) -> list[str]:
    """Say why alerts of a debt could not be paid although they are due."""
    if debt.void:
        return []
    return [alert.alarm for alert in debt.alerts if alert.state.is_open and alert.alarm]


def _suspended(policy: Policy) -> str:
    """Say what keeps debts from being paid, if anything does, and what would change it."""
    if policy.dry_run:
        return "DRY RUN: a run that is none pages for"
    return "" if policy.repage else "REPAGE=false: only REPAGE=true pages for"


def alarms(brakes: frozenset[Brake], policy: Policy, ledger: Ledger) -> tuple[str, ...]:
    """Give what a person must know of at once, a sentence each, with what to do about it."""
    told = [f"BRAKE {brake}: {BRAKES[brake]} {lifting(brake)}" for brake in sorted(brakes)]
    due = sum(map(_due, ledger.debts))
    if due and (why := _suspended(policy)):
        told.append(
            f"{why} the {due} alert(s) that fire again since alertsync resolved their alert group; until then "
            "NOBODY IS PAGED for them"
        )
    if stuck := [debt for debt in ledger.debts if _alarms(debt)]:
        names = ", ".join(f"«{debt.title or debt.alert_group_id}»" for debt in stuck[:_MAX_NAMED])
        more = f" and {len(stuck) - _MAX_NAMED} more" if len(stuck) > _MAX_NAMED else ""
        told.append(
            f"NOBODY IS PAGED for {names}{more}: {_alarms(stuck[0])[0]}. Tell who is on call; "
            "python -m alertsync explain followed by the id of the alert group shows what was tried"
        )
    if ledger.credentials:
        told.append(
            f"IRM does not let the token act ({ledger.credentials.message}): give its user the role Editor, or "
            "use another's token; python -m alertsync check tells whose it is"
        )
    if ledger.degraded:
        told.append(f"the store is degraded, so nothing new is resolved: {ledger.degraded}")
    return tuple(told)


def lifting(brake: Brake) -> str:
    """Say how to lift a brake for one run."""
    return f"POST /reconcile?lift={brake} lifts it for one run"


def abridged(run: Run) -> Run:
    """Give a run for keeping: with no more than 1000 decisions, the inconsistent ones first to stay."""
    if len(run.decisions) <= _KEPT_DECISIONS:
        return run
    first = sorted(run.decisions, key=lambda decision: not decision.inconsistent)
    omitted = len(run.decisions) - _KEPT_DECISIONS
    return msgspec.structs.replace(run, decisions=tuple(first[:_KEPT_DECISIONS]), decisions_omitted=omitted)


def log_run(run: Run, policy: Policy | None = None, ledger: Ledger | None = None) -> None:
    """Log the end of a run, each inconsistency that was held, and what a person must know of.

    `policy` and `ledger` are those that were given to `outcome`.
    """
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
    for detail in alarms(run.brakes, policy or Policy(dry_run=run.dry_run), ledger or Ledger()):
        log.warning("attention", extra={"run_id": run.run_id, "detail": detail})
    log.log(
        _LEVELS.get(run.status, logging.INFO),
        "run ended",
        extra={
            "run_id": run.run_id,
            "trigger": run.trigger,
            "status": run.status.value,
            "detail": run.message,
            "dry_run": run.dry_run,
            "lifted": sorted(run.lifted),
            "decisions": dict(Counter(decision.kind.value for decision in run.decisions)),
            "inconsistencies_found": run.inconsistencies_found,
            "inconsistencies_resolved": run.inconsistencies_resolved,
            "inconsistencies_failed": run.inconsistencies_failed,
            "duration_seconds": run.duration_seconds,
        },
    )
