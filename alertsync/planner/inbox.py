"""The table of events: what IRM's webhooks told, against what IRM shows now.

    | the event                                         | IRM shows                     | then                          |
    |---------------------------------------------------|-------------------------------|-------------------------------|
    | silence, by our own user, or a lease of ours      | any                           | OURS                          |
    | silence, by somebody on the list                  | silenced since that very time | FOLLOWED                      |
    | silence, by somebody who is not                   | silenced since that very time | STRANGER, or UNSILENCED       |
    | silence, by nobody that the event names           | silenced since that very time | STRANGER                      |
    | silence                                           | silenced later, or not at all | NOTHING, after a moment       |
    | anything else, of an alert group that is followed | any                           | ENDED if it is over           |
    | anything else                                     | any                           | NOTHING                       |

Deliveries repeat, come late and out of order: what an event says counts only for the silence that it began, and
whether that still holds is what IRM shows. So no order of the events can make anything of them but the last word.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from alertsync.models import (
    ActionKind,
    EventOutcome,
    HandledEvent,
    IrmSilence,
    IrmSilenceState,
    LeaseState,
    SilenceChange,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from alertsync.models import AlertGroup, Lease, Policy, Snapshots, WebhookEvent
    from alertsync.planner.context import Context

_SAME, _CUT = timedelta(milliseconds=1), timedelta(seconds=1)
"""How far two times of one event may be apart: they are the same, but a format may cut milli- or whole seconds off."""
_MOMENT = timedelta(seconds=30)
"""How long an event waits for IRM to show what it tells of."""
_TRY_FOR = timedelta(hours=1)
"""How long a stranger's silence is tried to be ended; then it is left."""
_ASKED_FOR = timedelta(seconds=60)


class Read(msgspec.Struct):
    """What events led to: silences to follow by alert group, what is to be done about strangers, what is handled."""

    silences: dict[str, IrmSilence] = {}
    changes: list[SilenceChange] = []
    handled: list[HandledEvent] = []


def read_events(snapshots: Snapshots, known: Mapping[str, IrmSilence], context: Context) -> Read:
    """Sort the events, oldest first; `known` are the silences that are looked after, by alert group."""
    is_open = {group.id: group for group in snapshots.irm.alert_groups}
    read = Read()
    for event in sorted(snapshots.events, key=lambda one: (one.received_at, one.id)):
        group = is_open.get(event.alert_group_id)
        if event.kind != "silence":
            _other(event, group, known, read, context)
        elif _is_ours(event, snapshots.me, context.leases.get(event.alert_group_id)):
            _handle(read, event, EventOutcome.OURS, "alertsync set this silence itself", context)
        elif group is None or not _shown(event, group):
            _not_shown(event, group, snapshots, read, context)
        elif allowed(event.user_email, context.policy):
            read.silences[group.id] = _followed(event, group, known.get(group.id), context)
            _handle(read, event, EventOutcome.FOLLOWED, f"{event.user_email} may silence", context)
        else:
            _stranger(event, group, known.get(group.id), read, context)
    return read


def allowed(email: str, policy: Policy) -> bool:
    """Tell whether Alertmanager follows the silences of this address."""
    address = email.strip().lower()
    name, _, domain = address.partition("@")
    if not name or not domain or "@" in domain or "*" in name:
        return False
    silencers = {one.strip().lower() for one in policy.silencers}
    return address in silencers or f"*@{domain}" in silencers


def _other(
    event: WebhookEvent,
    group: AlertGroup | None,
    known: Mapping[str, IrmSilence],
    read: Read,
    context: Context,
) -> None:
    followed = read.silences.get(event.alert_group_id) or known.get(event.alert_group_id)
    if followed is None or not followed.is_open:
        _handle(read, event, EventOutcome.NOTHING, "no silence of it is followed", context)
    elif group is not None and holds(followed, group):
        _handle(read, event, EventOutcome.NOTHING, "IRM still shows it silenced, and that counts", context)
    else:
        _handle(read, event, EventOutcome.ENDED, "its silence in Alertmanager ends", context)


def holds(silence: IrmSilence, group: AlertGroup) -> bool:
    """Tell whether IRM shows this very silence."""
    return group.state == "silenced" and group.silenced_at == silence.silenced_at


def _shown(event: WebhookEvent, group: AlertGroup) -> bool:
    if group.state != "silenced" or group.silenced_at is None or event.at is None:
        return False
    return _same(event.at, group.silenced_at)


def _same(one: datetime, other: datetime) -> bool:
    return abs(one - other) < (_SAME if one.microsecond and other.microsecond else _CUT)


def _not_shown(
    event: WebhookEvent, group: AlertGroup | None, snapshots: Snapshots, read: Read, context: Context
) -> None:
    later = (
        group is not None
        and group.silenced_at is not None
        and event.at is not None
        and group.silenced_at > event.at
    )
    if later or snapshots.irm.read_at - event.received_at > _MOMENT or event.at is None:
        why = "IRM does not show this silence (any more)"
        _handle(read, event, EventOutcome.NOTHING, why, context)


def _is_ours(event: WebhookEvent, me: str, lease: Lease | None) -> bool:
    if me and event.user_id == me:
        return True
    if lease is None or event.at is None:
        return False
    if lease.silenced_at is not None and _same(event.at, lease.silenced_at):
        return True
    return lease.state is LeaseState.INTENDED and abs(event.at - lease.asked_at) <= _ASKED_FOR


def _followed(
    event: WebhookEvent, group: AlertGroup, known: IrmSilence | None, context: Context
) -> IrmSilence:
    """Make what is to be followed; what we made for an earlier silence of the alert group goes on with it."""
    at = group.silenced_at or context.irm_now
    again = known is not None and known.is_open
    same = known if known is not None and known.silenced_at == at else None
    return IrmSilence(
        alert_group_id=group.id,
        title=group.title.strip() or event.title.strip(),
        user_id=event.user_id,
        user_email=event.user_email,
        silenced_at=at,
        made_at=same.made_at if same else context.now,
        until=event.until,
        url=group.url or event.url,
        username=event.username,
        state=same.state if same and same.is_open else IrmSilenceState.FOLLOWED,
        why=same.why if same and same.is_open else "",
        for_good=same.for_good if same else False,
        noted=same.noted if same else "",
        silences=known.silences if known is not None and again else (),
    )


def _stranger(
    event: WebhookEvent, group: AlertGroup, known: IrmSilence | None, read: Read, context: Context
) -> None:
    who = event.user_email or event.username or "nobody that IRM names"
    known = read.silences.get(group.id, known)
    unsilence = context.policy.strangers == "unsilence" and bool(event.user_id)
    why = f"{who} is not on the list of those whose silences Alertmanager follows (WEBHOOK_EMAIL_ALLOWLIST)"
    if unsilence and context.now - event.received_at <= _TRY_FOR:
        text = f"Un-silenced by alertsync: {why}. Ask somebody who is, or silence it in Alertmanager."
        kind, event_id = ActionKind.UNSILENCE, event.id
    else:
        text = f"alertsync does not silence this in Alertmanager, where other receivers go on: {why}."
        kind, event_id = ActionKind.NOTE, ""
        _handle(read, event, EventOutcome.STRANGER, why, context)
    if known is not None and holds(known, group) and known.noted == why and kind is ActionKind.NOTE:
        # Delivered again, or by a second webhook: one note is enough.
        return
    silence = _followed(event, group, known, context)
    read.silences[group.id] = msgspec.structs.replace(
        silence, state=IrmSilenceState.REFUSED, why=why, for_good=True, noted=why
    )
    read.changes.append(
        SilenceChange(
            kind,
            group.id,
            group.title,
            why,
            silenced_at=group.silenced_at,
            event_id=event_id,
            text=text,
        )
    )


def _handle(read: Read, event: WebhookEvent, outcome: EventOutcome, why: str, context: Context) -> None:
    read.handled.append(HandledEvent(event, context.now, outcome, why))
