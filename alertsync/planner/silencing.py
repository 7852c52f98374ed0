"""Plans what follows people's silences in IRM, all alert groups together: events, what the ledger holds, our markers.

An installation without any of these pays nothing for it. What is made is braked like what is closed: so many silences
a run, whole alert groups, those silenced first; what ends or is renewed is never held.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from alertsync.models import (
    ActionKind,
    AlertGroup,
    Brake,
    HandledEvent,
    HandSilence,
    IrmSilence,
    SilenceChange,
)
from alertsync.planner import markers
from alertsync.planner.by_hand import adopted as adopted_by_hand
from alertsync.planner.context import heard
from alertsync.planner.following import Follower, adopted, asked_about
from alertsync.planner.inbox import read_events

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from alertsync.models import Decision, Snapshots
    from alertsync.planner.context import Context

_SOON = timedelta(seconds=10)
"""How soon the next run goes on with what the brake held, or looks again for what an event told."""


class Silencing(msgspec.Struct, frozen=True):
    """What is planned about silences, as in `Plan`; `braked` if some are left for the next run."""

    silences: tuple[IrmSilence, ...] = ()
    by_hand: tuple[HandSilence, ...] = ()
    changes: tuple[SilenceChange, ...] = ()
    unread: tuple[AlertGroup, ...] = ()
    handled: tuple[HandledEvent, ...] = ()
    braked: bool = False
    wake_at: datetime | None = None


def follow_all(
    snapshots: Snapshots, decisions: Sequence[Decision], whole: Container[str], context: Context
) -> Silencing:
    """Plan for every silence of IRM that is followed, or is to be; `whole` names the groups that are read whole."""
    ledger = context.ledger
    peers = heard(snapshots.alertmanagers)
    there = {one.id: one for peer in peers for one in peer.silences}
    ours = markers.ours(there.values(), ledger, _in_scope(context))
    known = {one.alert_group_id: one for one in ledger.irm_silences}
    here = {decision.alert_group.id: decision.alert_group for decision in decisions}
    found = adopted_by_hand(there.values(), ledger.hand_silences, here, context.now)
    kept = {one.id for one in found}
    gone = (
        one
        for one in ledger.hand_silences
        if one.is_open and one.id not in kept and not any(mine.id in there for mine in one.silences)
    )
    by_hand = (*found, *(_over(one, context) for one in gone))
    if not (ours or snapshots.events or any(one.is_open for one in known.values())):
        return Silencing(by_hand=by_hand)
    read = read_events(snapshots, known, context)
    current = known | read.silences
    lost = (one for name, mine in ours.items() if name not in current for one in mine.values())
    current |= {one.alert_group_id: one for one in adopted(lost, here, context)}
    wanted = [one for name, one in current.items() if one.is_open or name in ours]
    about = {decision.alert_group.id: decision for decision in decisions}
    members = (
        member.labels
        for one in wanted
        if (decision := about.get(one.alert_group_id)) is not None
        for member in decision.members
    )
    ended = {one.id: one for peer in peers for one in peer.ended}
    asked = asked_about(members, (one for mine in ours.values() for one in mine.values()))
    follower = Follower(context, ours, ended, asked)
    plans = []
    for silence in sorted(wanted, key=lambda one: (one.silenced_at, one.alert_group_id)):
        name = silence.alert_group_id
        plans.append(follower.follow(silence, here.get(name), about.get(name), whole=name in whole))
    changes, braked = _brake([*read.changes, *(one for _, made, _ in plans for one in made)], context)
    after = [silence for silence, _, _ in plans]
    done = {one.event.id for one in read.handled} | {one.event_id for one in changes}
    goes_on = braked or any(event.id not in done for event in snapshots.events)
    renewals = [at for one in after if (at := follower.renewal(one)) is not None]
    return Silencing(
        silences=tuple(one for one in after if one != known.get(one.alert_group_id)),
        by_hand=by_hand,
        changes=changes,
        unread=tuple(here[one.alert_group_id] for one, _, unread in plans if unread),
        handled=tuple(read.handled),
        braked=braked,
        wake_at=min([*renewals, *([context.now + _SOON] if goes_on else [])], default=None),
    )


def _in_scope(context: Context) -> frozenset[str]:
    named = context.policy.integration_ids
    return frozenset(context.integrations) & named if named else frozenset(context.integrations)


def _over(one: HandSilence, context: Context) -> HandSilence:
    now = max(view.now for view in context.views)
    early = now < one.ends_at - timedelta(seconds=1)
    by = "somebody, in Alertmanager" if early else ""
    return msgspec.structs.replace(one, ended_at=context.now, ended_by=by)


def _brake(changes: Sequence[SilenceChange], context: Context) -> tuple[tuple[SilenceChange, ...], bool]:
    """Hold the silences beyond those that one run may make, whole alert groups, and what they would replace."""
    most = context.policy.max_actions_per_run
    if Brake.MAX_ACTIONS.value in context.policy.lifted:
        return tuple(changes), False
    made: dict[str, int] = {}
    for one in changes:
        if one.kind is ActionKind.CREATE_SILENCE:
            made[one.alert_group_id] = made.get(one.alert_group_id, 0) + 1
    held, total = set(), 0
    for name, number in made.items():
        # One alert group that needs more than a run may make by itself is not held for ever.
        if total and total + number > most:
            held.add(name)
        else:
            total += number
    kept = tuple(
        one
        for one in changes
        if one.alert_group_id not in held or not (one.kind is ActionKind.CREATE_SILENCE or one.replaced)
    )
    return kept, bool(held)
