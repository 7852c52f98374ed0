"""Proves that alerts are gone: absence is never assumed, because an empty answer looks the same as peace.

After a restart Alertmanager answers with an empty list until Prometheus has sent again; a peer lags; Prometheus
itself may be out. So an alert group is gone only if every peer answered, has been up and settled for
ABSENCE_AFTER and knows none of its alerts; if its last delivery is older than that; if every run over that time
(two at least) found it so; and if we have seen it alive before.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from alertsync.models import DecisionKind, Sighting

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from alertsync.models import AlertGroup, Decision
    from alertsync.planner.context import Context, View
    from alertsync.planner.evidence import Evidence

_RUNS = 2
_REWRITE_AFTER = timedelta(days=1)
_UNPROVEN = frozenset({DecisionKind.GONE, DecisionKind.GONE_UNPROVEN})
_SAYS_NOTHING = frozenset(
    {DecisionKind.FOREIGN, DecisionKind.UNKNOWN, DecisionKind.ATTACHED, DecisionKind.PEERS_DISAGREE}
)


def gone_doubt(group: AlertGroup, evidence: Evidence, view: View, context: Context) -> str:
    """Say why an alert group without members may still be alive; "" if it is gone."""
    if doubt := context.absence_doubt or view.doubt:
        return doubt
    wanted = context.policy.absence_after
    seconds = f"ABSENCE_AFTER ({wanted.total_seconds():.0f} s)"
    sighting = context.ledger.sightings.get(group.id, Sighting())
    if sighting.alive_at is None:
        return "alertsync never saw it alive, so that it may belong to another Alertmanager"
    if evidence.last_at is None or context.irm_now - evidence.last_at < wanted:
        return f"its last delivery is younger than {seconds}"
    if sighting.absent_since is None or sighting.absent_runs + 1 < _RUNS:
        return f"it is absent for the first time; it counts as ended after {seconds}"
    if (absent := view.now - sighting.absent_since) < wanted:
        return f"it has been absent for {max(absent.total_seconds(), 0):.0f} s, and counts as ended after {seconds}"
    return ""


def absent_for_long(group_id: str, context: Context) -> bool:
    """Tell whether an absence has held four times as long as it must: long enough to lift the brake on many."""
    since = context.ledger.sightings.get(group_id, Sighting()).absent_since
    if since is None:
        return False
    return alertmanager_now(context) - since >= 4 * context.policy.absence_after


def sightings(decisions: Iterable[Decision], context: Context) -> dict[str, Sighting | None]:
    """Tell what this run saw of each open alert group, where that changes what is remembered."""
    remembered = context.ledger.sightings
    now = alertmanager_now(context)
    changes: dict[str, Sighting | None] = {}
    open_ids = set()
    for decision in decisions:
        group_id = decision.alert_group.id
        open_ids.add(group_id)
        known = remembered.get(group_id)
        seen = _seen(decision, known, now, certain=not context.absence_doubt)
        if seen is not None and seen != known:
            changes[group_id] = seen
    # None forgets those that are no longer open. One that changes its state while IRM's lists are read may be in
    # none of them: so they are forgotten by the second run that misses them, and the absence is to be proven anew.
    for group_id in remembered.keys() - open_ids:
        missed = remembered[group_id]
        changes[group_id] = None if missed.missed else Sighting(missed.alive_at, missed=True)
    return changes


def _seen(decision: Decision, known: Sighting | None, now: datetime, *, certain: bool) -> Sighting | None:
    """Give the sighting of one alert group; None where nothing needs to be remembered."""
    if decision.members and decision.kind not in _SAYS_NOTHING:
        # Each sighting would be written anew in every run; one a day keeps it from being forgotten.
        fresh = known is not None and known.alive_at is not None and now - known.alive_at < _REWRITE_AFTER
        if fresh and known is not None and known.absent_since is None and not known.missed:
            return known
        return Sighting(alive_at=now)
    if known is None:
        return None
    # One that is gone, and whose debt could not be paid, is UNPAYABLE, and no less gone.
    absent = decision.kind in _UNPROVEN or decision.kind is DecisionKind.UNPAYABLE
    if absent and certain:
        return Sighting(known.alive_at, known.absent_since or now, known.absent_runs + 1)
    return Sighting(known.alive_at)


def alertmanager_now(context: Context) -> datetime:
    """Give Alertmanager's time: the earliest of its peers', so that no absence seems longer than it is."""
    return min(view.now for view in context.views)
