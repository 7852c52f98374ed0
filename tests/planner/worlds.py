"""Worlds for hypothesis: odd Alertmanagers, odd alert groups, an odd past.

A world has a mood, for were all of it drawn by chance, hardly any would be quiet enough for something to be closed.What is true of a world stands in `truths.py`.
"""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import NamedTuple

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from alertsync.models import (
    Address,
    AlertGroup,
    AlertmanagerSnapshot,
    AlertStatus,
    Debt,
    Deliveries,
    Lease,
    LeaseState,
    Ledger,
    LegacyAlert,
    Owing,
    Policy,
    Sighting,
    Snapshots,
    Unreadable,
    Webhook,
)
from tests.planner.owing import RESOLVED_AT, SET_AT, debt, lease, owed, told
from tests.planner.world import (
    INTEGRATION,
    NOW,
    OURS,
    THEIRS,
    alert,
    alert_group,
    alertmanager,
    deliver,
    group,
    irm,
    silence,
    webhook,
)

NAMES = ("a", "b", "c", "d")
PLACES = ("Disk", "Cpu")
PEERS = ("one:9093", "two:9093")
INTEGRATIONS = (
    INTEGRATION,
    msgspec.structs.replace(INTEGRATION, id="C2", type="webhook"),
    msgspec.structs.replace(INTEGRATION, id="C3", in_maintenance=True),
    msgspec.structs.replace(INTEGRATION, id="C4", type="legacy_alertmanager"),
    msgspec.structs.replace(INTEGRATION, id="C6", receives=False),
    msgspec.structs.replace(INTEGRATION, id="C7", merges=True),
)
JUDGED = ("C1", "C4", "C6", "C7")

Content = Webhook | LegacyAlert | Unreadable


class World(NamedTuple):
    """What was read, and what is remembered."""

    snapshots: Snapshots
    ledger: Ledger


MOODS = ("silenced", "silenced", "gone", "gone", "wild")

holds = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How long to look for a world in which an invariant does not hold."""

names = st.sampled_from(NAMES)
wild_alerts = st.builds(
    alert,
    names,
    st.sampled_from((*AlertStatus, AlertStatus.SILENCED, AlertStatus.SILENCED)),
    st.sampled_from((("s1",), ("s1",), ("s2",), ("s1", "s2"), ("lost",))),
)
silenced_alerts = st.builds(
    alert, names, st.just(AlertStatus.SILENCED), st.sampled_from((("s1",), ("s2",), ("s1", "s2")))
)
ALERTS = {
    "wild": st.lists(wild_alerts, max_size=3, unique_by=lambda one: one.fingerprint),
    "silenced": st.lists(silenced_alerts, min_size=1, max_size=3, unique_by=lambda one: one.fingerprint),
    "gone": st.sampled_from((*[()] * 20, (alert("a", AlertStatus.SILENCED),), (alert("b"),))),
}
webhooks = st.builds(
    lambda firing, resolved, url, place, cut: webhook(
        *firing, resolved=tuple(resolved - firing), url=url, truncated=cut, alertname=place
    ),
    st.sets(names),
    st.sets(names),
    st.sampled_from((OURS, OURS, OURS, THEIRS)),
    st.sampled_from(PLACES),
    st.sampled_from((0, 0, 0, 2)),
)
plain = st.builds(
    lambda firing, place: webhook(*firing, alertname=place),
    st.sets(names, min_size=1, max_size=3),
    st.sampled_from(PLACES),
)
contents: st.SearchStrategy[Content] = st.one_of(
    webhooks,
    webhooks,
    webhooks,
    st.builds(LegacyAlert, fingerprint=names, firing=st.booleans()),
    st.just(Unreadable(why="its payload was wiped")),
)
STORIES: dict[str, st.SearchStrategy[list[Content]]] = {
    "wild": st.lists(contents, max_size=3),
    "silenced": st.one_of(
        st.lists(plain, min_size=1, max_size=2), st.lists(webhooks, min_size=1, max_size=3)
    ),
    "gone": st.one_of(st.lists(plain, min_size=1, max_size=2), st.lists(webhooks, min_size=1, max_size=3)),
}
policies = st.builds(
    Policy,
    on_silenced=st.sampled_from(("resolve", "resolve", "silence", "report")),
    on_gone=st.sampled_from(("resolve", "resolve", "report")),
    states=st.sampled_from((frozenset({"firing"}), frozenset({"firing", "acknowledged"}))),
    external_urls=st.sampled_from((frozenset({OURS}), frozenset({OURS}), frozenset[str]())),
    max_actions_per_run=st.sampled_from((1, 2, 100)),
)


@st.composite
def one_alertmanager(draw: st.DrawFn, peer: str, mood: str) -> AlertmanagerSnapshot:
    groups = [group(alert("w"), alertname="Witness")] if draw(st.integers(0, 9)) else []
    for place in PLACES:
        for receiver in ("oncall", "other"):
            members = draw(ALERTS[mood])
            groups.append(group(*members, receiver=receiver, alertname=place))
    return alertmanager(
        *groups,
        silences=(silence("s1", draw(st.sampled_from((60, 60, 60, 0.5)))), silence("s2", 30)),
        started_at=NOW - draw(st.sampled_from((timedelta(days=1), timedelta(days=1), timedelta(minutes=1)))),
        settled=draw(st.sampled_from((True, True, True, False))),
        peer=peer,
        repeat_interval=draw(st.sampled_from((None, timedelta(minutes=1)))),
    )


@st.composite
def peers(draw: st.DrawFn, mood: str) -> tuple[AlertmanagerSnapshot, ...]:
    """Draw one peer, or two that often say the same."""
    first = draw(one_alertmanager(PEERS[0], mood))
    match draw(st.sampled_from(("one", "one", "alike", "other"))):
        case "alike":
            return first, msgspec.structs.replace(first, peer=PEERS[1])
        case "other":
            return first, draw(one_alertmanager(PEERS[1], mood))
        case _:
            return (first,)


@st.composite
def open_groups(draw: st.DrawFn, mood: str) -> tuple[tuple[AlertGroup, ...], dict[str, Deliveries]]:
    groups: list[AlertGroup] = []
    read: dict[str, Deliveries] = {}
    for number in range(draw(st.integers(1, 4))):
        stories = draw(STORIES[mood])
        state = draw(st.sampled_from(("firing", "firing", "firing", "acknowledged", "silenced")))
        ages = itertools.count(draw(st.sampled_from((30, 30, 30, 5))), 10)
        items = tuple(deliver(story, age) for story, age in zip(stories, ages, strict=False))
        one = alert_group(
            None,
            last_delivery=items[0] if items else None,
            count=len(items),
            id=f"I{number}",
            state=state,
            silenced_at=SET_AT if state == "silenced" else None,
            integration_id=draw(st.sampled_from((*["C1"] * 9, "C2", "C3", "C4", "C5", "C6", "C7"))),
            created_at=NOW - timedelta(minutes=draw(st.integers(0, 99))),
        )
        groups.append(one)
        if stories and draw(st.sampled_from((True, True, True, False))):
            read_at = NOW - timedelta(seconds=draw(st.sampled_from((1, 1, 1, -1))))
            read[one.id] = Deliveries(items=items, read_at=read_at)
    return tuple(groups), read


@st.composite
def sightings(draw: st.DrawFn) -> Sighting:
    absent = draw(st.sampled_from((timedelta(hours=2), timedelta(hours=2), timedelta(minutes=1), None)))
    return Sighting(
        alive_at=draw(st.sampled_from((NOW - timedelta(hours=3), NOW - timedelta(hours=3), None))),
        absent_since=None if absent is None else NOW - absent,
        absent_runs=0 if absent is None else draw(st.integers(1, 3)),
    )


@st.composite
def debts(draw: st.DrawFn, number: int) -> Debt:
    """Draw a debt of a place, of an alert group that is resolved, open again, or in doubt."""
    states = st.sampled_from((Owing.OWED, Owing.OWED, Owing.DUE, Owing.POSTED, Owing.PAID))
    counts = st.integers(0, 3)
    some = draw(
        st.lists(
            st.builds(owed, names, states, posts=counts, waited=counts, elsewhere=counts),
            min_size=1,
            max_size=3,
            unique_by=lambda one: one.fingerprint,
        )
    )
    return debt(
        *some,
        id=f"D{number}/0",
        alert_group_id=draw(st.sampled_from((*[f"D{number}"] * 5, "I0", "I1"))),
        group_labels={"alertname": draw(st.sampled_from(PLACES))},
        integration_id=draw(st.sampled_from(("C1", "C1", "C3", "C6", "C7"))),
        resolved_at=draw(st.sampled_from((RESOLVED_AT, RESOLVED_AT, None))),
        repaged=draw(st.booleans()),
        unresolved=draw(st.sampled_from((False, False, False, True))),
    )  # fmt: skip


@st.composite
def leases(draw: st.DrawFn, group_id: str) -> Lease:
    return lease(
        alert_group_id=group_id,
        state=draw(st.sampled_from((LeaseState.HELD, LeaseState.HELD, *LeaseState))),
        until=NOW + timedelta(minutes=draw(st.sampled_from((-1, 3, 10)))),
    )


@st.composite
def ledgers(draw: st.DrawFn) -> Ledger:
    ids = ("I0", "I1", "I2", "I3")
    past = Address(seen_at=NOW - timedelta(days=1), known=True, rival=draw(st.booleans()))
    return Ledger(
        debts=tuple(draw(debts(number)) for number in range(draw(st.sampled_from((0, 0, 1, 2))))),
        leases=tuple(draw(leases(one)) for one in draw(st.sets(st.sampled_from(ids), max_size=2))),
        sightings={one: draw(sightings()) for one in ids if draw(st.integers(0, 3))},
        addresses=draw(st.sampled_from(({}, {}, {OURS: past}))),
        attached=draw(st.sampled_from(({}, {}, {}, {}, {"I0": NOW}))),
        peers=draw(st.sampled_from(({}, {PEERS[1]: NOW - timedelta(hours=1)}))),
        degraded=draw(st.sampled_from((*[""] * 9, "the disk is full"))),
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    mood = draw(st.sampled_from(MOODS))
    groups, read = draw(open_groups(mood))
    answered = draw(peers(mood))
    missing = draw(st.sampled_from(((), (), (), PEERS[len(answered) : 2])))
    later = (told(draw(webhooks), state="resolved", id="L1"),) if draw(st.booleans()) else ()
    return World(
        Snapshots(
            irm(*groups, integrations=INTEGRATIONS),
            answered,
            (*(peer.peer for peer in answered), *missing),
            read,
            later={"C1": later},
            searched=draw(st.sampled_from((True, True, False))),
        ),
        draw(ledgers()),
    )
