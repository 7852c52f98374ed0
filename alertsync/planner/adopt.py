"""Makes debts of alert groups that are resolved already: because of us, or by us before the ledger was lost."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from alertsync.planner import context as contexts
from alertsync.planner.decide import divide
from alertsync.planner.evidence import told
from alertsync.planner.obligations import of_resolved
from alertsync.planner.provenance import foreign_integration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from alertsync.models import AlertGroup, Debt, Deliveries, Ledger, Policy, Snapshots

_MARKER = re.compile(r"\[alertsync run ([0-9A-Za-z-]+)\]")
_WITHDRAWN = re.compile(r"\[alertsync withdrew run ([0-9A-Za-z-]+)\]")


def marker(run_id: str) -> str:
    """Give the mark of a note that says that we are about to resolve an alert group."""
    return f"[alertsync run {run_id}]"


def withdrawal(run_id: str) -> str:
    """Give the mark of a note that takes a marker back: the resolve did not happen."""
    return f"[alertsync withdrew run {run_id}]"


def is_marked(notes: Iterable[str]) -> bool:
    """Tell whether notes say that we resolved their alert group, and do not take it back."""
    texts = list(notes)
    said = {run_id for text in texts for run_id in _MARKER.findall(text)}
    return bool(said - {run_id for text in texts for run_id in _WITHDRAWN.findall(text)})


def debts_of(  # noqa: PLR0913  a snapshot, the rules, and what was resolved, when and how
    resolved: Sequence[tuple[AlertGroup, Deliveries]],
    snapshots: Snapshots,
    ledger: Ledger,
    policy: Policy,
    now: datetime,
    *,
    origin: str,
    reason: str,
) -> tuple[Debt, ...]:
    """Give the debts of alert groups that were resolved, for all of their places that are ours.

    What their readable deliveries name is owed, even if others cannot be read: a page too many is the lesser harm.
    """
    known = msgspec.structs.replace(
        snapshots, deliveries=snapshots.deliveries | {group.id: read for group, read in resolved}
    )
    context = contexts.build(known, ledger, policy, now)
    debts: list[Debt] = []
    for group, deliveries in resolved:
        if foreign_integration(group, context.integrations, policy):
            continue
        own, foreign = divide(group, told(deliveries), context)
        if origin == "adopted" and not policy.external_urls:
            # Our marker says that it was judged ours, even if nothing in Alertmanager is left to show it.
            own += [stream for stream, _ in foreign if stream.fires]
        at = group.resolved_at or context.irm_now
        debts += of_resolved(group, own, context, origin=origin, reason=reason, resolved_at=at)
    return tuple(debts)
