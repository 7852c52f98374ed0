"""`run` and `plan`: one run of the same reconciler that the service uses, for real or as a rehearsal."""

from __future__ import annotations

import json
import sys
import threading
from typing import TYPE_CHECKING

from alertsync.cli import live, paper
from alertsync.cli.tables import Styled, paragraph, table
from alertsync.ending import Ending
from alertsync.errors import NotReadyError, RunBusyError
from alertsync.models import Held, Outcome, RunStatus
from alertsync.web import views

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alertsync.cli.paper import Paper
    from alertsync.cli.tables import Cell
    from alertsync.models import Action, ActionKind, Decision, Policy, Run
    from alertsync.reconciler import Reconciler
    from alertsync.services import Services

EXIT = {RunStatus.SUCCESS: 0, RunStatus.PARTIAL: 3}
"""Exit status of a run by how it ended; 1 for all others."""

_MAX_TITLE = 40
_STOPPING = "stopping once what is under way has ended"
_STYLES = {RunStatus.SUCCESS: "green", RunStatus.PARTIAL: "yellow", RunStatus.FAILED: "red"}
_BAD = frozenset({Outcome.FAILED, Outcome.NOT_ATTEMPTED})
_HELD = {
    Held.STATE: "its state in IRM is none that IRM_STATES names",
    Held.DELIVERIES: "its deliveries are read in one of the next runs",
    Held.POLICY: "it is only reported, by ON_SILENCED or ON_GONE, or as its debt could not be paid",
    Held.DRY_RUN: "this is a dry run",
    Held.MAX_ACTIONS: "MAX_ACTIONS_PER_RUN is reached; the next run goes on, or run --lift max_actions",
    Held.GONE_RATIO: "too many are gone at once; if that is right, run --lift gone_ratio",
    Held.CREDENTIALS: "IRM does not let the token act; check tells whose it is",
    Held.PERSON: "a person changed it in IRM, and it is left to them",
    Held.STORE: "the store cannot be written; see STATE_DIR, or DATABASE_URL where that is set",
}
"""Why something is not done now, and what would change that."""


def run(services: Services, *, rehearsal: bool, as_json: bool, lift: frozenset[str] = frozenset()) -> int:
    """Run once, without these brakes, print what was found and done, and give the exit status."""
    if services.reconciler is None:
        missing = "; ".join(f"{name} {text}" for name, text in services.missing.items())
        raise NotReadyError(f"no run is possible: {missing}")
    ending, begun = Ending(), threading.Event()
    services.stop.attach(ending)
    tell = live.of_run(services, begun.is_set)
    with live.shown(services, lambda: _STOPPING if ending() else tell()):
        done = _run_once(services, services.reconciler, begun, rehearsal=rehearsal, lift=lift)
    if as_json:
        json.dump(views.run(done), sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        on = paper.here(services.clock)
        policy = services.settings.policy
        lines = (
            _for_a_person(done, policy, on, rehearsal=rehearsal) if on.is_terminal else _for_a_pipe(done, on)
        )
        sys.stdout.write("\n".join(lines) + "\n")
    return EXIT.get(done.status, 1)


def _run_once(
    services: Services,
    reconciler: Reconciler,
    begun: threading.Event,
    *,
    rehearsal: bool,
    lift: frozenset[str],
) -> Run:
    wait = services.settings.reconcile_wait
    try:
        return reconciler.run_once("command line", dry_run=rehearsal, wait=wait, lift=lift, started=begun.set)
    except RunBusyError as error:
        now = services.progress()
        whose = f" (of the {now.trigger}, {live.worded(now)})" if now else ""
        raise RunBusyError(
            f"another run{whose} did not end within {wait:g} s, so nothing was done: try again in a moment, or wait longer "
            "with a larger RECONCILE_WAIT",
            retry_after=error.retry_after,
        ) from None


def _for_a_pipe(run: Run, on: Paper) -> Iterator[str]:
    """Write one table of all decisions, in the order of the plan, and what else was done."""
    outcomes = {action.alert_group_id: action for action in run.actions}
    if run.decisions:
        rows = [
            (
                one.alert_group.id,
                one.alert_group.title[:_MAX_TITLE],
                one.kind.value,
                _done(one, outcomes)[0],
                one.reason,
            )
            for one in run.decisions
        ]
        yield table(("ALERT GROUP", "TITLE", "DECISION", "ACTION", "WHY"), rows, on)
        yield ""
    yield from _repages(run, on)
    yield from _silences(run, on)
    yield from _others(run, on)
    yield f"{run.status.value}: {paper.printable(run.message)}"


def _for_a_person(run: Run, policy: Policy, on: Paper, *, rehearsal: bool) -> Iterator[str]:
    """Write what was or would be done, what is held back, and what is left alone, each with its reason."""
    yield on.paint(_heading(run, rehearsal=rehearsal), "bold")
    yield ""
    outcomes = {action.alert_group_id: action for action in run.actions}
    parts: dict[str, list[Sequence[Cell]]] = {
        "Would be done" if run.dry_run else "Done": [],
        "Held back": [],
        "Left alone": [],
    }
    acted, held, alone = parts.values()
    yield from _repages(run, on)
    yield from _silences(run, on)
    for one in run.decisions:
        said, style = _done(one, outcomes)
        part = alone if said == "none" else held if said.startswith("held") else acted
        part.append(_row(one, said, style, outcomes, on))
    for title, rows in parts.items():
        if rows:
            yield f"{title} ({len(rows)})"
            yield table(("ALERT GROUP", "TITLE", "AGE", "DECISION", "ACTION", "WHY"), rows, on)
            yield ""
    yield from _others(run, on)
    yield paragraph(f"{run.status.value}: {run.message}", on, _STYLES.get(run.status, "yellow"))
    if run.dry_run and (acted or run.repages or run.silence_changes):
        yield ""
        yield paragraph(_next_step(policy), on, "dim")


def _heading(run: Run, *, rehearsal: bool) -> str:
    at = f"{run.started_at:%Y-%m-%d %H:%M:%S} UTC, in {run.duration_seconds:.1f} s"
    if rehearsal:
        return f"Plan of {at}: what a run would do now; nothing was done"
    return f"DRY RUN of {at}: DRY_RUN is set, so nothing was done" if run.dry_run else f"Run of {at}"


def _next_step(policy: Policy) -> str:
    explained = "«python -m alertsync explain ID» tells all about one alert group."
    if policy.dry_run:
        return f"With DRY_RUN=false it would be done by the next run. {explained}"
    return f"«python -m alertsync run» does this now. {explained}"


def _row(
    decision: Decision, said: str, style: str, outcomes: dict[str, Action], on: Paper
) -> tuple[Cell, ...]:
    group = decision.alert_group
    why = decision.reason
    if said.startswith("held"):
        said, why = "held", f"{why}. Not now: {_HELD.get(decision.held, decision.held.value)}"
    elif group.id in outcomes and outcomes[group.id].detail:
        why = f"{why}. {outcomes[group.id].detail}"
    return (
        group.id,
        group.title[:_MAX_TITLE],
        on.age(group.created_at),
        decision.kind.value,
        Styled(said, style),
        why,
    )


def _repages(run: Run, on: Paper) -> Iterator[str]:
    """Write which pages are due again and are kept back: those that were sent stand among what was done."""
    rows = [
        (
            one.alert_group_id,
            one.title[:_MAX_TITLE],
            one.receiver or "",
            Styled(f"would {one.action.value}", "green")
            if one.held is Held.DRY_RUN
            else Styled("held (REPAGE=false)", "red"),
            one.reason,
        )
        for one in run.repages
        if one.held
    ]
    if rows:
        would = any(one.held is Held.DRY_RUN for one in run.repages)
        said = "Would be paged again" if would else "Due, and nobody is paged"
        yield from [f"{said} ({len(rows) + run.repages_omitted})"] if on.is_terminal else []
        yield table(("ALERT GROUP", "TITLE", "RECEIVER", "ACTION", "WHY"), rows, on)
        yield ""


def _silences(run: Run, on: Paper) -> Iterator[str]:
    """Write what a dry run would do because people silenced in IRM: what was done stands among the actions."""
    rows = [
        (
            one.alert_group_id,
            one.title[:_MAX_TITLE],
            Styled(f"would {_worded(one.kind)}", "green"),
            ", ".join(f"{matcher.name}={matcher.value}" for matcher in one.matchers) or one.silence_id,
            one.reason,
        )
        for one in run.silence_changes
        if run.dry_run
    ]
    if rows:
        yield from [f"Because of silences in IRM ({len(rows)})"] if on.is_terminal else []
        yield table(("ALERT GROUP", "TITLE", "ACTION", "SILENCE", "WHY"), rows, on)
        yield ""


def _others(run: Run, on: Paper) -> Iterator[str]:
    """Write what was done for alert groups that are not open."""
    shown = {decision.alert_group.id for decision in run.decisions}
    rows = [
        (
            one.alert_group_id,
            one.title[:_MAX_TITLE],
            one.kind.value,
            Styled(_worded(one.outcome), "red" if one.outcome in _BAD else "green"),
            one.detail,
        )
        for one in run.actions
        if one.alert_group_id not in shown
    ]
    if rows:
        yield from ["For alert groups that are not open"] if on.is_terminal else []
        yield table(("ALERT GROUP", "TITLE", "ACTION", "OUTCOME", "DETAIL"), rows, on)
        yield ""


def _done(decision: Decision, outcomes: dict[str, Action]) -> tuple[str, str]:
    """Say what was done about an alert group, or would be, or that it is held back, or "none"; and give a style."""
    action = outcomes.get(decision.alert_group.id)
    if action is not None:
        return _worded(action.outcome), "red" if action.outcome in _BAD else "green"
    if decision.held is Held.DRY_RUN:
        return f"would {decision.would.value}", "green"
    if decision.inconsistent or decision.held:
        return f"held ({decision.held.value})", "yellow"
    return "none", ""


def _worded(word: Outcome | ActionKind) -> str:
    return word.value.replace("_", " ")
