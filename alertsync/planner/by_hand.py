"""Plans a silence that somebody asks for by hand: for exactly the alerts of an alert group, as for those of IRM.

In Alertmanager it is a plain silence of that person: what follows in IRM is decided as for any other. Our marker in its
comment is there only so that it can be listed and ended here, even if the ledger is lost.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from alertsync.models import DecisionKind, HandSilence, OurSilence
from alertsync.planner import context as contexts
from alertsync.planner.following import asked_about
from alertsync.planner.matchers import Cover, Crowd, cover, unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from alertsync.models import AlertGroup, Decision, Ledger, Policy, Silence, Snapshots

_MARKER = re.compile(
    r"(?P<comment>.*) \[alertsync by hand (?P<id>[0-9A-Za-z-]+) (?P<group>[^\s\]]+)\]\Z", re.DOTALL
)
_NOT_TOLD = frozenset({DecisionKind.FOREIGN, DecisionKind.ATTACHED, DecisionKind.UNKNOWN})


def marked(comment: str, hand_id: str, alert_group_id: str) -> str:
    """Give the comment of a silence that is made by hand."""
    return f"{comment} [alertsync by hand {hand_id} {alert_group_id}]"


def wanted(
    decision: Decision | None, snapshots: Snapshots, ledger: Ledger, policy: Policy, now: datetime
) -> Cover:
    """Give the silences that catch exactly the members of an alert group, or why there are none."""
    if decision is None:
        return Cover(refused="it is resolved in IRM: there is nothing to silence")
    if policy.dry_run:
        return Cover(refused="DRY_RUN=true: alertsync acts on nothing")
    if ledger.degraded:
        return Cover(refused=f"what is made could not be written down: {ledger.degraded}")
    if decision.kind in _NOT_TOLD:
        return Cover(refused=decision.reason)
    if not decision.members:
        return Cover(refused=f"no alert of it is in Alertmanager now: {decision.reason}")
    context = contexts.build(snapshots, ledger, policy, now)
    members = {member.fingerprint: member.labels for member in decision.members}
    everybody = (alert for view in context.views for alert in view.alerts.everybody())
    found = cover(members, Crowd(everybody, asked_about(members.values(), ())))
    if found.refused:
        return found
    return Cover(found.silences, unsupported(found.silences, [view.version for view in context.views]))


def adopted(
    silences: Iterable[Silence], known: Iterable[HandSilence], groups: Mapping[str, AlertGroup], now: datetime
) -> tuple[HandSilence, ...]:
    """Give the silences that were made by hand here and that the ledger does not know, as their markers tell."""
    remembered = {one.id: one for one in known}
    found: dict[str, HandSilence] = {}
    for silence in silences:
        said = _MARKER.match(silence.comment) if "[alertsync by hand " in silence.comment else None
        if said is None:
            continue
        group = groups.get(said["group"])
        before = found.get(said["id"]) or remembered.get(said["id"])
        if before is None:
            before = HandSilence(
                id=said["id"],
                alert_group_id=said["group"],
                title=group.title.strip() if group else said["group"],
                author=silence.created_by,
                comment=said["comment"],
                made_at=now,
                ends_at=silence.ends_at,
                url=group.url if group else None,
            )
        # With the marker of one that is over, it is a person's copy.
        if before.is_open and silence.id not in (one.id for one in before.silences):
            mine = OurSilence(silence.id, silence.matchers, silence.ends_at)
            found[before.id] = msgspec.structs.replace(before, silences=(*before.silences, mine))
    return tuple(found.values())
