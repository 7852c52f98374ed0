"""Sets, renews and ends leases: silences in IRM that mirror those of Alertmanager.

What is about to be asked is written down first; what IRM then shows as `silenced_at` makes the lease ours. IRM
takes 0 and -1 as "for ever", so a lease is at least one second long.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from alertsync.clients.irm import refusal
from alertsync.errors import UpstreamError
from alertsync.executor.turns import ChangedError
from alertsync.models import ActionKind, Held, Lease, LeaseState, LedgerChange, Outcome
from alertsync.planner.leases import speaks

if TYPE_CHECKING:
    from alertsync.executor.turns import Hands
    from alertsync.models import Action, Decision


class Leasing:
    """Performs the silences and un-silences of a plan."""

    def __init__(self, hands: Hands) -> None:
        self._hands = hands

    @cached_property
    def _leases(self) -> dict[str, Lease]:
        """The leases before this run: most runs have none to set or end."""
        return {lease.alert_group_id: lease for lease in self._hands.store.ledger().leases}

    def silence(self, decision: Decision) -> Action:
        """Set a lease, or renew or shorten it."""
        return self._hands.take_turn(decision, ActionKind.SILENCE, lambda: self._silence(decision))

    def unsilence(self, decision: Decision) -> Action:
        """End a lease: IRM escalates again."""
        return self._hands.take_turn(decision, ActionKind.UNSILENCE, lambda: self._unsilence(decision))

    def _silence(self, decision: Decision) -> tuple[Outcome, str, str]:
        hands, group = self._hands, decision.alert_group
        hands.irm.wait_for_turn(hands.deadline)
        now, _ = hands.observer.confirm(decision)
        # What is to be closed and is only held by a brake goes on being mirrored.
        braked = decision.held in (Held.GONE_RATIO, Held.MAX_ACTIONS) and now.action is ActionKind.RESOLVE
        if now.action is not ActionKind.SILENCE and not braked:
            raise ChangedError(f"when its turn came it was {now.kind.value}: {now.reason}")
        seconds = hands.observer.lease_seconds(now)
        asked_at = hands.observer.irm_now()
        lease = Lease(
            alert_group_id=group.id,
            title=group.title,
            run_id=hands.run_id,
            asked_at=asked_at,
            until=asked_at + timedelta(seconds=seconds),
            silences=tuple(silence.id for silence in now.silences) or self._mirrored(group.id),
            # Should this renewal fail, what was set before still holds, and is still ours.
            silenced_at=group.silenced_at if group.state == "silenced" else None,
        )
        hands.store.commit(LedgerChange(leases=(lease,)))
        at = hands.irm.silence(group.id, seconds, hands.deadline)
        shown = hands.irm.alert_group(group.id, hands.deadline)
        lease = msgspec.structs.replace(
            lease, state=LeaseState.HELD, silenced_at=shown.silenced_at, until=at + timedelta(seconds=seconds)
        )
        self._leases[group.id] = lease
        hands.commit(LedgerChange(leases=(lease,)))
        if group.state == "silenced":
            return Outcome.SILENCED, f"until {lease.until:%H:%M:%S} UTC", ""
        text = f"Silenced by alertsync for as long as it is in Alertmanager: {now.reason}."
        hands.note(group.id, text)
        return Outcome.SILENCED, f"until {lease.until:%H:%M:%S} UTC, renewed while it holds", ""

    def _mirrored(self, alert_group_id: str) -> tuple[str, ...]:
        lease = self._leases.get(alert_group_id)
        return lease.silences if lease else ()

    def _unsilence(self, decision: Decision) -> tuple[Outcome, str, str]:
        hands, group = self._hands, decision.alert_group
        hands.irm.wait_for_turn(hands.deadline)
        for_another = not speaks(decision)
        if not for_another:
            decision, _ = hands.observer.confirm(decision, anew=True)
        if decision.action is not ActionKind.UNSILENCE:
            raise ChangedError(f"when its turn came it was {decision.kind.value}: {decision.reason}")
        try:
            hands.irm.unsilence(group.id, hands.deadline)
        except UpstreamError as error:
            if refusal(error) != "unsilenced":
                raise
        if lease := self._leases.get(group.id):
            why = f"alertsync ended it: {decision.reason}"
            # What is silenced itself is not to be silenced again while its silences are the same.
            state = LeaseState.TAKEN if for_another else LeaseState.ENDED
            hands.commit(LedgerChange(leases=(msgspec.structs.replace(lease, state=state, why=why),)))
        hands.note(group.id, f"Un-silenced by alertsync: in Alertmanager, {decision.reason}.")
        return Outcome.UNSILENCED, "", ""
