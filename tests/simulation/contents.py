"""What the lives really contained: an invariant over what never happens proves nothing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from alertsync.models import DecisionKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alertsync.models import Ledger, Run


class Contents(Counter[str]):
    """Counts by what happened, in words."""

    def add_run(self, run: Run | None, *, disturbed: bool) -> None:
        """Count a run and what it did; None for one that died."""
        if run is None:
            self["runs that died"] += 1
            return
        self["runs"] += 1
        self["runs with a fault that lived on"] += disturbed
        self["runs that failed"] += run.status.value == "failed"
        kinds = {one.alert_group.id: one.kind for one in run.decisions}
        self.update(f"decided {kind}" for kind in {*kinds.values()})
        for action in run.actions:
            kind = kinds.get(action.alert_group_id)
            which = f" as {kind}" if action.kind.value == "resolve" and isinstance(kind, DecisionKind) else ""
            self[f"{action.kind}{which}: {action.outcome}"] += 1

    def add_ledger(self, ledger: Ledger) -> None:
        """Count what became of what was owed, as it stands at the end of a life."""
        for debt in ledger.debts:
            self.update(f"debts {alert.state}" for alert in debt.alerts if not debt.void)

    def told(self) -> str:
        """Give all counts, a line each."""
        return "\n".join(f"{number:8} {what}" for what, number in sorted(self.items()))

    def lacking(self, floors: Mapping[str, int]) -> str:
        """Name what there is less of than there should be."""
        return ", ".join(
            f"{what}: {self[what]} of {floor}" for what, floor in floors.items() if self[what] < floor
        )
