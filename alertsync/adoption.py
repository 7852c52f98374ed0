"""Finds what we owe and do not know of: what we resolved before a ledger was lost, and what IRM resolved with ours.

Both are told by IRM alone: by our marker in the notes of an alert group, and by an alert group that vanished in our
name at the moment at which we resolved another, to which it was attached. If that cannot be read, what is known
is paid all the same, the run says so, and the next one looks again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from alertsync.errors import UpstreamError
from alertsync.models import LedgerChange
from alertsync.planner.adopt import debts_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from alertsync.clock import Clock
    from alertsync.models import AlertGroup, Debt, Deliveries, Ledger, OwedAlert, Plan, Policy
    from alertsync.observer import Observer

log = logging.getLogger(__name__)

_MAX_LOOKUPS = 100
"""How many alert groups a run looks up that IRM may have resolved with ours; the rest is the next run's."""


@dataclass
class Adoption:
    """Looks for unknown debts in one run, and hands them to `commit`.

    `looked_at` names the alert groups whose notes were read already, and is added to. `unsure` says what could not be
    found out; `goes_on` whether there is more to look at than one run may; `in_doubt` names the alert groups whose
    resolve is not to be settled yet, as what joined them could not be read.
    """

    observer: Observer
    policy: Policy
    commit: Callable[[LedgerChange], None]
    clock: Clock
    run_id: str
    looked_at: set[str] = field(default_factory=set)
    unsure: str = ""
    goes_on: bool = False
    in_doubt: frozenset[str] = frozenset()

    def look(self, ledger: Ledger, planned: Plan, *, within: timedelta) -> bool:
        """Tell whether there were any; `within` is how long ago what is to be adopted was resolved at most."""
        found = False
        try:
            if ledger.fresh and not ledger.degraded:
                found = self._marked(ledger, within)
            found = self._joined(ledger, planned) or found
            if ledger.open_before:
                found = self._children(ledger, planned) or found
        except UpstreamError as error:
            self.unsure = f"what else is owed could not be found out, and is looked for again: {error}"
            log.warning("%s", self.unsure)
        return found

    def _marked(self, ledger: Ledger, within: timedelta) -> bool:
        """Make debts of what we resolved before the ledger was lost."""
        found: list[tuple[AlertGroup, Deliveries]] = []
        left = 0
        if self.policy.notes:
            # What we resolved since carries our marker too, and is known better than that.
            self.looked_at |= {debt.alert_group_id for debt in ledger.debts}
            before = len(self.looked_at)
            found, left = self.observer.inquiry.marked(self.observer.irm_now(), within, self.looked_at)
            # What cannot be read is tried again by the interval; only what was not reached yet is hurried for.
            self.goes_on = bool(left) and len(self.looked_at) > before
        if left:
            self.unsure = f"{left} resolved alert group(s) are still to be looked at for our marker"
        debts = self._debts_of(found, ledger, "adopted", "alertsync resolved it before it lost its memory")
        if debts:
            log.warning("alert groups with our marker are adopted", extra={"debts": len(debts)})
        self.commit(LedgerChange(debts=debts, fresh=None if left else False))
        return bool(debts)

    def _joined(self, ledger: Ledger, planned: Plan) -> bool:
        """Make debts of what joined, for other places, an alert group of which this run found out that we resolved it.

        A grouping template merges places, and only the last delivery shows in the alert group itself. What is owed
        already is not owed twice.
        """
        doubtful = {debt.alert_group_id for debt in ledger.debts if debt.is_open and debt.resolved_at is None}
        settled = {debt.alert_group_id for debt in planned.change.debts if debt.resolved_at and not debt.void}
        snapshots = self.observer.snapshots
        looked_up = snapshots.found if snapshots else {}
        groups = [group for one in sorted(doubtful & settled) if (group := looked_up.get(one)) is not None]
        found, unread = self.observer.inquiry.delivered_into([one for one in groups if one.alerts_count > 1])
        self.in_doubt = frozenset(group.id for group in unread)
        if unread:
            self.unsure = (
                f"what joined {len(unread)} alert group(s) before they were resolved could not be read"
            )
        known = {
            one for debt in (*ledger.debts, *planned.change.debts) if not debt.void for one in _owed(debt)
        }
        reason = "it joined an alert group at the moment at which alertsync resolved it"
        debts = tuple(
            msgspec.structs.replace(debt, id=f"{debt.id}/joined", alerts=joined)
            for debt in self._debts_of(found, ledger, "resolve", reason)
            if (joined := tuple(alert for one, alert in _owed(debt).items() if one not in known))
        )
        if debts:
            self.commit(LedgerChange(debts=debts))
        return bool(debts)

    def _children(self, ledger: Ledger, planned: Plan) -> bool:
        """Make debts of what IRM resolved together with what we resolved.

        While a resolve is in doubt, its children are looked for again.
        """
        known = {debt.id: debt for debt in (*ledger.debts, *planned.change.debts) if not debt.void}
        times = {
            debt.alert_group_id: debt.resolved_at for debt in known.values() if debt.resolved_at is not None
        }
        in_doubt = any(debt.resolved_at is None and debt.is_open for debt in known.values())
        vanished = [one for one in self.observer.vanished(ledger.open_before) if one not in times]
        now, later = vanished[:_MAX_LOOKUPS], vanished[_MAX_LOOKUPS:]
        found, unread = self.observer.inquiry.resolved_with_ours(now, times.values())
        if unread:
            self.unsure = (
                f"what IRM resolved together with ours could not be read for {len(unread)} alert group(s)"
            )
        self.goes_on = self.goes_on or bool(later)
        reason = "IRM resolved it together with one that alertsync resolved"
        debts = self._debts_of(found, ledger, "child", reason)
        left = ledger.open_before if in_doubt else (*unread, *later)
        self.commit(LedgerChange(debts=debts, open_before=left))
        return bool(debts)

    def _debts_of(
        self, found: list[tuple[AlertGroup, Deliveries]], ledger: Ledger, origin: str, reason: str
    ) -> tuple[Debt, ...]:
        snapshots = self.observer.snapshots
        if snapshots is None or not found:
            return ()
        debts = debts_of(
            found, snapshots, ledger, self.policy, self.clock.now(), origin=origin, reason=reason
        )
        return tuple(msgspec.structs.replace(debt, run_id=self.run_id) for debt in debts)


def _owed(debt: Debt) -> dict[tuple[object, ...], OwedAlert]:
    """Give the alerts that a debt owes, by alert group, place and fingerprint."""
    labels = frozenset(debt.group_labels.items())
    place = (debt.alert_group_id, debt.external_url, debt.receiver, labels)
    return {(*place, alert.fingerprint): alert for alert in debt.alerts}
