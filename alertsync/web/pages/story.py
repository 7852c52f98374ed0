"""The whole story of one alert group, as one line of time: what IRM was told, who silenced what, what was decided and done.

It is read live. Where that fails, what is remembered is a story too, and is told with the reason why there is no more of it.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from alertsync.models import (
    Action,
    AlertGroup,
    Debt,
    Decision,
    DecisionKind,
    Delivery,
    HandledEvent,
    Lease,
    Ledger,
    LegacyAlert,
    Silence,
    Unreadable,
)
from alertsync.store import WantedActions
from alertsync.web.pages import phrases
from alertsync.web.pages.decisions import Row, row
from alertsync.web.pages.owed import Owed, owed
from alertsync.web.pages.phrases import ACTIONS, OUTCOMES, WELL, tone_of
from alertsync.web.pages.silences import Shown, listing
from alertsync.web.pages.silences import told as heard
from alertsync.web.pages.verdict import Tone
from alertsync.web.pages.words import many

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from alertsync.models import Explanation, Policy, Run
    from alertsync.store import Store

_MOST_DELIVERIES = 100
_NOT_TOLD = frozenset({DecisionKind.FOREIGN, DecisionKind.ATTACHED, DecisionKind.UNKNOWN})
"""What is known of these is not enough to silence exactly them."""


class Event(msgspec.Struct, frozen=True):
    """Something that happened, or will; `kind` is whose doing it is: "irm", "alertmanager" or "alertsync"."""

    at: datetime
    kind: str
    tone: Tone
    title: str
    text: str = ""
    silence_id: str = ""
    run_id: str = ""


class Told(msgspec.Struct, frozen=True):
    """The line of time, newest first, in two parts: what will happen and what did."""

    ahead: tuple[Event, ...]
    behind: tuple[Event, ...]


class Known(msgspec.Struct, frozen=True):
    """All that a story is made of; what is not known is empty. `acted` is what came of `decision`."""

    alert_group: AlertGroup | None = None
    deliveries: tuple[Delivery, ...] = ()
    silences: tuple[Silence, ...] = ()
    actions: tuple[Action, ...] = ()
    debts: tuple[Debt, ...] = ()
    lease: Lease | None = None
    decision: Decision | None = None
    acted: Action | None = None
    own: tuple[Shown, ...] = ()
    events: tuple[HandledEvent, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.alert_group or self.actions or self.debts or self.lease or self.own or self.events)


def told(known: Known, now: datetime) -> Told:
    """Put all that is known in the order of time."""
    events = sorted(_events(known), key=lambda one: one.at, reverse=True)
    ahead = tuple(reversed([one for one in events if one.at > now]))
    return Told(ahead, tuple(one for one in events if one.at <= now))


def _events(known: Known) -> Iterator[Event]:
    if known.alert_group is not None:
        yield from _of_group(known.alert_group)
    yield from _of_deliveries(known.deliveries)
    for silence in known.silences:
        yield from _of_silence(silence)
    yield from map(_of_event, known.events)
    for action in known.actions:
        if action.at is not None:
            yield _of_action(action)
    for debt in known.debts:
        yield from _of_debt(debt)
    if known.lease is not None:
        yield Event(
            known.lease.until,
            "alertsync",
            Tone.IDLE,
            "Our silence in IRM ends",
            known.lease.why or "IRM escalates again then, unless it is renewed.",
        )


def _of_group(group: AlertGroup) -> Iterator[Event]:
    yield Event(group.created_at, "irm", Tone.IDLE, "Alert group opened in IRM")
    if group.silenced_at is not None and group.state == "silenced":
        yield Event(group.silenced_at, "irm", Tone.IDLE, "Silenced in IRM")
    if group.resolved_at is not None:
        who = f"by user {group.resolved_by}" if group.resolved_by else "by its source"
        yield Event(group.resolved_at, "irm", Tone.GOOD, "Resolved in IRM", f"IRM says: {who}.")


def _of_deliveries(deliveries: Iterable[Delivery]) -> Iterator[Event]:
    for delivery in tuple(deliveries)[:_MOST_DELIVERIES]:
        content = delivery.content
        if isinstance(content, Unreadable):
            yield Event(
                delivery.created_at, "alertmanager", Tone.WARN, "A delivery that cannot be read", content.why
            )
        elif isinstance(content, LegacyAlert):
            state = "firing" if content.firing else "resolved"
            yield Event(delivery.created_at, "alertmanager", Tone.IDLE, f"Delivery: its alert is {state}")
        else:
            cut = f", {content.truncated} cut off" if content.truncated else ""
            yield Event(
                delivery.created_at,
                "alertmanager",
                Tone.IDLE,
                f"Delivery: {len(content.firing)} firing, {len(content.resolved)} resolved{cut}",
                f"To receiver {content.receiver}, from {content.external_url}",
            )


def _of_silence(silence: Silence) -> Iterator[Event]:
    who, why = silence.created_by or "Somebody", f"«{silence.said}»" if silence.said else ""
    yield Event(silence.starts_at, "alertmanager", Tone.WATCH, f"{who} silenced it", why, silence.id)
    yield Event(silence.ends_at, "alertmanager", Tone.WATCH, f"The silence of {who} ends", why, silence.id)


def _of_event(event: HandledEvent) -> Event:
    told = heard(event)
    why = f"{told.pill}: {told.why}" if told.why else told.pill
    return Event(told.at, "irm", told.tone, told.what.removesuffix("."), why)


def _of_action(action: Action) -> Event:
    assert action.at is not None  # noqa: S101  told apart by the caller
    text = "; ".join(filter(None, (action.reason, action.detail)))
    outcome = OUTCOMES[action.outcome]
    title = outcome if action.outcome in WELL else f"{ACTIONS[action.kind]}: {outcome.lower()}"
    return Event(action.at, "alertsync", tone_of(action.outcome), title, text, run_id=action.run_id)


def _of_debt(debt: Debt) -> Iterator[Event]:
    count = many(len(debt.alerts), "alert")
    if debt.void:
        yield Event(debt.made_at, "alertsync", Tone.IDLE, "Nothing is owed: the resolve did not happen")
        return
    yield Event(debt.made_at, "alertsync", Tone.IDLE, f"Written down: {count} owed to IRM")
    for name, text in (("due_at", "fires again: a page is due"), ("posted_at", "was paged again")):
        times = [at for alert in debt.alerts if (at := getattr(alert, name)) is not None]
        if times:
            yield Event(max(times), "alertsync", Tone.WARN, f"{many(len(times), 'alert')} {text}")
    if debt.closed_at is not None:
        yield Event(debt.closed_at, "alertsync", Tone.GOOD, "Nothing is owed any more")
    if debt.is_open and debt.silenced_until is not None:
        yield Event(
            debt.silenced_until,
            "alertsync",
            Tone.WATCH,
            "The first silence ends",
            "If an alert still fires then, alertsync pages again.",
        )


class Story(msgspec.Struct, frozen=True):
    """What the page of an alert group shows; `row` is its decision, None if it is resolved or unknown by now."""

    title: str
    url: str
    state: str
    resolved: bool
    row: Row | None
    told: Told
    owed: tuple[Owed, ...]
    lease: Lease | None
    deliveries: int
    complete: bool
    absent: int
    own: tuple[Shown, ...] = ()
    may_silence: bool = False


def remembered(store: Store, last: Run | None, alert_group_id: str, most: int) -> Known:
    """Gather what is known of an alert group without asking anybody."""
    decided = (
        next((one for one in last.decisions if one.alert_group.id == alert_group_id), None) if last else None
    )
    ledger: Ledger = store.ledger()
    leases = (lease for lease in ledger.leases if lease.alert_group_id == alert_group_id)
    acted = (one for one in last.actions if one.alert_group_id == alert_group_id) if last and decided else ()
    return Known(
        alert_group=decided.alert_group if decided else None,
        decision=decided,
        acted=next(iter(acted), None),
        silences=decided.silences if decided else (),
        actions=store.actions(limit=most, wanted=WantedActions(alert_group_id=alert_group_id)).items,
        debts=store.debts(limit=most, alert_group_id=alert_group_id).items,
        lease=next(leases, None),
        own=listing(ledger, open_only=True, alert_group_id=alert_group_id),
        events=store.events_about(alert_group_id, most=most),
    )


def _may_silence(decided: Decision | None, policy: Policy) -> bool:
    """Tell whether the form makes sense: whether it is done is decided when it is asked for."""
    if decided is None or policy.dry_run or not decided.members:
        return False
    return decided.kind not in _NOT_TOLD


def of(explained: Explanation | None, known: Known, policy: Policy, now: datetime) -> Story:
    """Tell the story: as it was read, or as far as it is remembered."""
    if explained is not None:
        decided = explained.decision
        known = msgspec.structs.replace(
            known,
            alert_group=explained.alert_group,
            decision=decided,
            acted=None,
            deliveries=explained.deliveries,
            silences=decided.silences if decided else (),
            debts=explained.debts or known.debts,
            lease=explained.lease,
        )
    group, decided = known.alert_group, known.decision
    titles = [
        group.title if group else "",
        *(debt.title for debt in known.debts),
        *(action.title for action in known.actions),
        *(one.title for one in known.own),
        *(one.event.title for one in known.events),
    ]
    return Story(
        title=next((title.strip() for title in titles if title.strip()), "Alert group"),
        url=(group.url if group else next((debt.url for debt in known.debts if debt.url), "")) or "",
        state=phrases.state(group.state, known.acted) if group else "",
        resolved=group is not None and group.state == "resolved",
        row=row(decided, known.acted) if decided else None,
        told=told(known, now),
        owed=tuple(map(owed, known.debts)),
        lease=known.lease,
        deliveries=len(known.deliveries),
        complete=explained is None or explained.complete,
        absent=len(decided.absent) if decided else 0,
        own=known.own,
        may_silence=explained is not None and _may_silence(decided, policy),
    )
