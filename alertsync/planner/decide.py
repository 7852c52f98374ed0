"""The table of decisions. The first row that holds is the decision.

    | what is known of the alert group                         | decision           |
    |----------------------------------------------------------|--------------------|
    | its integration or its firing deliveries are not ours    | FOREIGN            |
    | IRM said that it is attached to another                  | ATTACHED           |
    | a delivery cannot be judged, or there are too many       | UNKNOWN            |
    | the peers of Alertmanager say different things           | PEERS_DISAGREE     |
    | some members active, some silenced                       | PARTIALLY_SILENCED |
    | some members active, none silenced                       | CONSISTENT         |
    | all suppressed, not all by silences                      | MUTED              |
    | all silenced, some only as IRM is silenced               | SILENCED_IN_IRM    |
    | no members, absence proven, seen alive by us before      | GONE               |
    | no members, otherwise                                    | GONE_UNPROVEN      |
    | an absent alert is not certain to have ended             | MEMBERS_UNPROVEN   |
    | all silenced, a silence ends within the minimum          | SILENCE_ENDING     |
    | all silenced, long enough                                | SILENCED           |

Then the ledger has its say (`remember.py`): REOPENED, FLAPPING, SUPERSEDED and UNPAYABLE take the place of what
stands here. Only SILENCED, and GONE where policy says so, may lead to a closing; the rows above them are the ways
in which a live alert could hide, which is why they come first.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from alertsync.models import AlertStatus, Decision, DecisionKind
from alertsync.planner import wording
from alertsync.planner.absence import gone_doubt
from alertsync.planner.leases import held
from alertsync.planner.provenance import foreign_integration, foreign_stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alertsync.models import AlertGroup
    from alertsync.planner.context import Context, View
    from alertsync.planner.evidence import Evidence, Stream
    from alertsync.planner.membership import Membership


def decide(
    group: AlertGroup,
    evidence: Evidence,
    own: Sequence[Stream],
    foreign: Sequence[tuple[Stream, str]],
    context: Context,
) -> Decision:
    """Find the row of the table that holds for an open alert group, whose streams were divided by `divide`."""
    leased = held(group, context.leases) is not None
    if why := foreign_integration(group, context.integrations, context.policy, leased=leased):
        return Decision(alert_group=group, kind=DecisionKind.FOREIGN, reason=why)
    if group.id in context.ledger.attached:
        reason = "IRM did not let it be resolved for itself: it is attached to another, or not ours to act on"
        return Decision(alert_group=group, kind=DecisionKind.ATTACHED, reason=reason)
    if evidence.unknown:
        return Decision(alert_group=group, kind=DecisionKind.UNKNOWN, reason=evidence.unknown)
    firing_foreign = [why for stream, why in foreign if stream.fires]
    if firing_foreign or not own:
        reason = firing_foreign[0] if firing_foreign else foreign[0][1]
        return Decision(alert_group=group, kind=DecisionKind.FOREIGN, reason=reason)
    said = [_by_members(group, own, evidence, view, context) for view in context.views]
    return _together(said, context)


def divide(
    group: AlertGroup, streams: Sequence[Stream], context: Context
) -> tuple[list[Stream], list[tuple[Stream, str]]]:
    """Divide streams into our own, and those that are not, each with the reason."""
    foreign, own = [], []
    seen_alive = group.id in context.ledger.sightings
    for stream in streams:
        peers = [view.alerts for view in context.views]
        why = foreign_stream(stream, context.ours, context.addresses, peers, context.policy)
        # A legacy alert that has ended is nobody's any more, unless we saw it alive.
        if why and not (stream.external_url is None and seen_alive):
            foreign.append((stream, why))
        else:
            own.append(stream)
    return own, foreign


def _by_members(
    group: AlertGroup, own: Sequence[Stream], evidence: Evidence, view: View, context: Context
) -> Decision:
    """Judge an alert group by what one peer says of its members."""
    found = view.alerts.membership(own)
    members = found.members
    counts = dict.fromkeys(AlertStatus, 0)
    for member in members:
        counts[member.status] += 1
    silences = view.silences.holding(members)

    def decision(kind: DecisionKind, reason: str) -> Decision:
        return Decision(
            alert_group=group,
            kind=kind,
            reason=reason,
            members=members,
            absent=tuple(sorted(found.absent)),
            nameless=any(stream.cut for stream in own),
            silences=silences,
        )

    if counts[AlertStatus.ACTIVE] and counts[AlertStatus.SILENCED]:
        return decision(DecisionKind.PARTIALLY_SILENCED, wording.partially(counts))
    if counts[AlertStatus.ACTIVE]:
        return decision(DecisionKind.CONSISTENT, wording.consistent(counts))
    if counts[AlertStatus.MUTED]:
        return decision(DecisionKind.MUTED, wording.muted(counts))
    if members and any(map(view.silences.echoes, members)):
        echoing = msgspec.structs.replace(
            decision(DecisionKind.SILENCED_IN_IRM, ""), silences=view.silences.holding(members, echoes=True)
        )
        return msgspec.structs.replace(echoing, reason=wording.echo(members, echoing.silences))
    if not members:
        if doubt := gone_doubt(group, evidence, view, context):
            return decision(DecisionKind.GONE_UNPROVEN, wording.unproven(found, doubt))
        return decision(DecisionKind.GONE, wording.gone(found))
    if (found.absent or found.nameless) and (doubt := context.absence_doubt or view.doubt):
        return decision(DecisionKind.MEMBERS_UNPROVEN, wording.unproven(found, doubt))
    return _silenced(decision(DecisionKind.SILENCED, ""), found, view, context)


def _silenced(decision: Decision, found: Membership, view: View, context: Context) -> Decision:
    until = min(view.silences.held_until(member, view.now) for member in found.members)
    # A silence that is gone holds nothing, however little the policy asks to remain.
    remaining = until - view.now
    if remaining <= timedelta(0) or remaining < context.policy.min_silence_remaining:
        kind, reason = DecisionKind.SILENCE_ENDING, wording.ending(found.members, decision.silences, until)
    else:
        kind, reason = DecisionKind.SILENCED, wording.silenced(found.members, decision.silences, until)
    return msgspec.structs.replace(decision, kind=kind, reason=reason, silenced_until=until)


def _together(said: Sequence[Decision], context: Context) -> Decision:
    """Make one decision of what each peer says: they must agree, and those that speak less must be heard."""
    kinds = {decision.kind for decision in said} if len(said) > 1 else set()
    if kinds == {DecisionKind.SILENCED, DecisionKind.SILENCE_ENDING}:
        return next(decision for decision in said if decision.kind is DecisionKind.SILENCE_ENDING)
    if len(kinds) > 1:
        views = [
            f"{view.peer} says {decision.kind.value}"
            for view, decision in zip(context.views, said, strict=True)
        ]
        return msgspec.structs.replace(
            _most_wakeful(said), kind=DecisionKind.PEERS_DISAGREE, reason="; ".join(views)
        )
    decision = _most_wakeful(said) if kinds else said[0]
    if decision.kind is DecisionKind.SILENCED and context.missed:
        names = ", ".join(context.missed)
        reason = (
            f"{names} does not answer now, but did within ABSENCE_AFTER; the others say: {decision.reason}"
        )
        return msgspec.structs.replace(decision, kind=DecisionKind.PEERS_DISAGREE, reason=reason)
    return decision


def _most_wakeful(said: Sequence[Decision]) -> Decision:
    """Give the decision with an active member if there is one, else that whose silence ends first."""

    def wakefulness(decision: Decision) -> tuple[bool, float]:
        active = any(member.status is AlertStatus.ACTIVE for member in decision.members)
        until = decision.silenced_until
        return not active, until.timestamp() if until else float("inf")

    return min(said, key=wakefulness)
