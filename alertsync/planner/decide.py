"""The table of decisions. The first row that holds is the decision.

    | what is known of the alert group                        | decision           |
    |---------------------------------------------------------|--------------------|
    | its integration or its firing deliveries are not ours   | FOREIGN            |
    | IRM said that it is attached to another                 | ATTACHED           |
    | a delivery cannot be judged, or there are too many      | UNKNOWN            |
    | some members active, some silenced                      | PARTIALLY_SILENCED |
    | some members active, none silenced                      | CONSISTENT         |
    | all suppressed, not all by silences                     | MUTED              |
    | an absent alert is not certain to have ended            | MEMBERS_UNPROVEN   |
    | no members                                              | GONE               |
    | all silenced, a silence ends within the minimum         | SILENCE_ENDING     |
    | all silenced, long enough                               | SILENCED           |

Only SILENCED may lead to an action; every other row leaves the alert group as it is. The rows above it are the
ways in which a live alert could hide, which is why they come first.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from alertsync.models import AlertStatus, Decision, DecisionKind
from alertsync.planner import wording
from alertsync.planner.provenance import foreign_integration, foreign_stream

if TYPE_CHECKING:
    from alertsync.models import AlertGroup
    from alertsync.planner.context import Context
    from alertsync.planner.evidence import Evidence
    from alertsync.planner.membership import Membership


def decide(group: AlertGroup, evidence: Evidence, context: Context) -> Decision:
    """Find the row of the table that holds for an open alert group."""
    if why := foreign_integration(group, context.integrations, context.policy):
        return Decision(alert_group=group, kind=DecisionKind.FOREIGN, reason=why)
    if group.id in context.attached:
        reason = "IRM said that it is attached to another alert group, and follows that one"
        return Decision(alert_group=group, kind=DecisionKind.ATTACHED, reason=reason)
    if evidence.unknown:
        return Decision(alert_group=group, kind=DecisionKind.UNKNOWN, reason=evidence.unknown)
    foreign = {
        index: why
        for index, stream in enumerate(evidence.streams)
        if (why := foreign_stream(stream, context.ours, context.alerts, context.policy))
    }
    firing_foreign = [why for index, why in foreign.items() if evidence.streams[index].fires]
    if firing_foreign or len(foreign) == len(evidence.streams):
        reason = (firing_foreign or list(foreign.values()))[0]
        return Decision(alert_group=group, kind=DecisionKind.FOREIGN, reason=reason)
    own = [stream for index, stream in enumerate(evidence.streams) if index not in foreign]
    return _by_members(group, context.alerts.membership(own), context)


def _by_members(group: AlertGroup, found: Membership, context: Context) -> Decision:
    members = found.members
    counts = {status: sum(member.status is status for member in members) for status in AlertStatus}
    silences = context.silences.holding(members)

    def decision(kind: DecisionKind, reason: str) -> Decision:
        return Decision(alert_group=group, kind=kind, reason=reason, members=members, silences=silences)

    if counts[AlertStatus.ACTIVE] and counts[AlertStatus.SILENCED]:
        return decision(DecisionKind.PARTIALLY_SILENCED, wording.partially(counts))
    if counts[AlertStatus.ACTIVE]:
        return decision(DecisionKind.CONSISTENT, wording.consistent(counts))
    if counts[AlertStatus.MUTED]:
        return decision(DecisionKind.MUTED, wording.muted(counts))
    if (found.absent or found.nameless or not members) and not context.absence_is_certain:
        return decision(DecisionKind.MEMBERS_UNPROVEN, wording.unproven(found, context.doubt))
    if not members:
        return decision(DecisionKind.GONE, wording.gone(found))
    until = min(context.silences.held_until(member, context.alertmanager_now) for member in members)
    # A silence that is gone holds nothing, however little the policy asks to remain.
    remaining = until - context.alertmanager_now
    if remaining <= timedelta(0) or remaining < context.policy.min_silence_remaining:
        kind, reason = DecisionKind.SILENCE_ENDING, wording.ending(members, silences, until)
    else:
        kind, reason = DecisionKind.SILENCED, wording.silenced(members, silences, until)
    return Decision(
        alert_group=group,
        kind=kind,
        reason=reason,
        members=members,
        silences=silences,
        silenced_until=until,
    )
