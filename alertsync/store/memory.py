"""What a ledger becomes by a change: the same rules as in the database, for the copy that a process keeps.

The copy is what debts are paid from while nothing can be written, and what a lost database is rebuilt from. All
here is pure.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

import msgspec

from alertsync.models import HandSilence, IrmSilence, Lease, LeaseState, Ledger, LedgerChange

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from alertsync.models import Debt

KEPT = 5000
"""How many closed debts, ended leases and silences that are over a ledger holds at most, each."""

HOLDING = frozenset({LeaseState.INTENDED, LeaseState.HELD})
"""The states in which a lease has to be followed."""

_PARTS = ("addresses", "attached", "peers", "open_before")

T = TypeVar("T")
S = TypeVar("S", bound=IrmSilence | HandSilence)


def apply(ledger: Ledger, change: LedgerChange) -> Ledger:
    """Give the ledger after the change."""
    sightings = dict(ledger.sightings)
    for alert_group_id, sighting in change.sightings.items():
        if sighting is None:
            sightings.pop(alert_group_id, None)
        else:
            sightings[alert_group_id] = sighting
    return msgspec.structs.replace(
        ledger,
        debts=sorted_debts(_over(ledger.debts, change.debts, "id")),
        leases=sorted_leases(_over(ledger.leases, change.leases, "alert_group_id")),
        irm_silences=sorted_silences(_over(ledger.irm_silences, change.irm_silences, "alert_group_id")),
        hand_silences=sorted_silences(_over(ledger.hand_silences, change.hand_silences, "id")),
        sightings=sightings,
        credentials=change.credentials or (None if change.credentials_work else ledger.credentials),
        fresh=ledger.fresh if change.fresh is None else change.fresh,
        **{name: part for name in _PARTS if (part := getattr(change, name)) is not None},
    )


def merge(first: LedgerChange, then: LedgerChange) -> LedgerChange:
    """Give the one change that does what the two do one after the other."""
    last = {name: part for name in _PARTS if (part := getattr(then, name)) is not None}
    decided = then.credentials is not None or then.credentials_work
    return msgspec.structs.replace(
        first,
        debts=_over(first.debts, then.debts, "id"),
        leases=_over(first.leases, then.leases, "alert_group_id"),
        irm_silences=_over(first.irm_silences, then.irm_silences, "alert_group_id"),
        hand_silences=_over(first.hand_silences, then.hand_silences, "id"),
        sightings=first.sightings | then.sightings,
        credentials=then.credentials if decided else first.credentials,
        credentials_work=then.credentials_work if decided else first.credentials_work,
        fresh=first.fresh if then.fresh is None else then.fresh,
        **last,
    )


def everything(ledger: Ledger) -> LedgerChange:
    """Give the change that makes an empty ledger this one."""
    return LedgerChange(
        debts=ledger.debts,
        leases=ledger.leases,
        irm_silences=ledger.irm_silences,
        hand_silences=ledger.hand_silences,
        sightings=dict(ledger.sightings),
        addresses=ledger.addresses,
        attached=ledger.attached,
        peers=ledger.peers,
        open_before=ledger.open_before,
        credentials=ledger.credentials,
        credentials_work=ledger.credentials is None,
        fresh=ledger.fresh,
    )


def trim(ledger: Ledger, oldest: datetime) -> Ledger:
    """Drop what is over and older than `oldest`, and of the rest that is over all but the newest 5,000."""
    over = [debt for debt in ledger.debts if not debt.is_open and closed_at(debt) >= oldest]
    ended = [lease for lease in ledger.leases if lease.state not in HOLDING and lease.until >= oldest]
    if len(over) > KEPT:
        over = sorted(over, key=closed_at)[-KEPT:]
    if len(ended) > KEPT:
        ended = sorted(ended, key=attrgetter("until"))[-KEPT:]
    return msgspec.structs.replace(
        ledger,
        debts=sorted_debts([*(debt for debt in ledger.debts if debt.is_open), *over]),
        leases=sorted_leases([*(lease for lease in ledger.leases if lease.state in HOLDING), *ended]),
        irm_silences=_young(ledger.irm_silences, oldest),
        hand_silences=_young(ledger.hand_silences, oldest),
    )


def closed_at(debt: Debt) -> datetime:
    """Tell when a debt that is over was over, as far as it is known."""
    return debt.closed_at or debt.made_at


def ended_at(silence: IrmSilence | HandSilence) -> datetime:
    """Tell when a silence that is over was over, as far as it is known."""
    return silence.ended_at or silence.made_at


def _young(silences: Iterable[S], oldest: datetime) -> tuple[S, ...]:
    known = tuple(silences)
    over = [one for one in known if not one.is_open and ended_at(one) >= oldest]
    held = [one for one in known if one.is_open]
    return sorted_silences([*held, *sorted(over, key=ended_at)[-KEPT:]])


def sorted_debts(debts: Iterable[Debt]) -> tuple[Debt, ...]:
    """Give the debts oldest first."""
    return tuple(sorted(debts, key=attrgetter("made_at", "id")))


def sorted_leases(leases: Iterable[Lease]) -> tuple[Lease, ...]:
    """Give the leases oldest first."""
    return tuple(sorted(leases, key=attrgetter("asked_at", "alert_group_id")))


def sorted_silences(silences: Iterable[S]) -> tuple[S, ...]:
    """Give the silences oldest first."""
    return tuple(sorted(silences, key=attrgetter("made_at", "alert_group_id")))


def _over(old: Iterable[T], new: Iterable[T], name: str) -> tuple[T, ...]:
    """Write the new over the old of the same id."""
    by_id = {getattr(item, name): item for item in old}
    by_id.update((getattr(item, name), item) for item in new)
    return tuple(by_id.values())
