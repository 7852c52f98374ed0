"""Counts the runs, so that what Prometheus is told only ever grows and survives a restart."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from alertsync.models import DURATION_BUCKETS, Counters, LeaseState, Owing, RunStatus, Standing, Summary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alertsync.models import Action, Ledger, Run, Upstream


def count(standing: Standing, run: Run, ledger: Ledger) -> Standing:
    """Count a run that ended and left this ledger behind.

    `run` is the whole one, before it is abridged for keeping. A run that failed keeps what the last one saw.
    """
    failed = run.status is RunStatus.FAILED
    owed = Counter(alert.state for debt in ledger.debts if not debt.void for alert in debt.alerts)
    counted = msgspec.structs.replace(
        standing,
        counters=_counters(standing.counters, run),
        last=_summary(run),
        upstreams=_upstreams(standing, run),
        debts={state.value: number for state, number in owed.items()},
        due=owed[Owing.DUE] + owed[Owing.POSTED],
        leases=sum(lease.state is LeaseState.HELD for lease in ledger.leases),
        last_success_at=run.ended_at if run.status is RunStatus.SUCCESS else standing.last_success_at,
        failures_in_a_row=standing.failures_in_a_row + 1 if failed else 0,
        cannot_act=ledger.credentials.message if ledger.credentials else "",
        degraded=ledger.degraded,
        irm_silences=dict(Counter(one.state.value for one in ledger.irm_silences if one.is_open)),
        hand_silences=sum(one.is_open for one in ledger.hand_silences),
        wake_at=run.wake_at,
    )
    if failed:
        return counted
    return msgspec.structs.replace(
        counted,
        inconsistencies_found=run.inconsistencies_found,
        decisions=dict(Counter(decision.kind.value for decision in run.decisions)),
        brakes=run.brakes,
    )


def count_actions(standing: Standing, actions: Iterable[Action], ledger: Ledger) -> Standing:
    """Count what was done without a run, by hand; all else stands as the last run left it."""
    done = Counter(f"{action.kind}/{action.outcome}" for action in actions)
    counted = dict(Counter(standing.counters.actions) + done)
    return msgspec.structs.replace(
        standing,
        counters=msgspec.structs.replace(standing.counters, actions=counted),
        irm_silences=dict(Counter(one.state.value for one in ledger.irm_silences if one.is_open)),
        hand_silences=sum(one.is_open for one in ledger.hand_silences),
    )


def _upstreams(standing: Standing, run: Run) -> dict[str, Upstream]:
    """Give how each was last seen; of peers that are not among the settings any more nobody wants to know."""
    read = "alertmanager" in run.upstreams
    kept = {name: one for name, one in standing.upstreams.items() if not read or name == "irm"}
    return kept | run.upstreams


def _counters(before: Counters, run: Run) -> Counters:
    durations = list(before.durations or (0,) * (len(DURATION_BUCKETS) + 1))
    fitting = (index for index, bound in enumerate(DURATION_BUCKETS) if run.duration_seconds <= bound)
    durations[next(fitting, len(DURATION_BUCKETS))] += 1
    done = (f"{action.kind}/{action.outcome}" for action in run.actions)
    held = (decision.held.value for decision in run.decisions if decision.held)
    return Counters(
        runs=before.runs + 1,
        failures=before.failures + (run.status is RunStatus.FAILED),
        resolved=before.resolved + run.inconsistencies_resolved,
        failed_resolves=before.failed_resolves + run.inconsistencies_failed,
        durations=tuple(durations),
        duration_sum=before.duration_sum + run.duration_seconds,
        actions=dict(Counter(before.actions) + Counter(done)),
        skipped=dict(Counter(before.skipped) + Counter(held)),
    )


def _summary(run: Run) -> Summary:
    return Summary(
        run_id=run.run_id,
        trigger=run.trigger,
        status=run.status,
        message=run.message,
        started_at=run.started_at,
        ended_at=run.ended_at or run.started_at,
        dry_run=run.dry_run,
        duration_seconds=run.duration_seconds,
        inconsistencies_found=run.inconsistencies_found,
        inconsistencies_resolved=run.inconsistencies_resolved,
        inconsistencies_failed=run.inconsistencies_failed,
    )
