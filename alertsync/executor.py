"""Performs the actions of a plan, one by one, oldest alert group first, each with an outcome.

An alert group that fails does not stop the others. A token that may not act does, and so does an IRM that has
gone away: every further attempt would fail alike, and one clear message is worth more than a hundred. Nothing
is ever left half done: a wish to stop is heard between actions.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from alertsync.clients.irm import refusal
from alertsync.errors import Reason, StoppedError, UpstreamError
from alertsync.models import Action, ActionKind, DecisionKind, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from alertsync.clients.irm import IrmClient
    from alertsync.clock import Clock, Deadline
    from alertsync.models import Decision

log = logging.getLogger(__name__)

_HOPELESS = frozenset(
    {
        Reason.DNS,
        Reason.UNREACHABLE,
        Reason.TLS,
        Reason.PROXY,
        Reason.TIMEOUT,
        Reason.RATE_LIMITED,
        Reason.DEADLINE,
        Reason.UNAUTHORIZED,
        Reason.FORBIDDEN,
    }
)
"""Reasons that are not one alert group's: the next attempt would meet the same."""

_NOTE_SECONDS = 15.0


class Executor:
    """Acts on IRM. `confirm` takes a decision and gives what holds for its alert group now."""

    def __init__(
        self, irm: IrmClient, clock: Clock, confirm: Callable[[Decision], Decision], *, notes: bool
    ) -> None:
        self._irm = irm
        self._clock = clock
        self._confirm = confirm
        self._notes = notes

    def execute(self, decisions: Sequence[Decision], run_id: str, deadline: Deadline) -> tuple[Action, ...]:
        """Act on every decision whose turn comes; give one action with an outcome for each."""
        actions: list[Action] = []
        hopeless = ""
        for decision in decisions:
            if hopeless:
                actions.append(self._ended(decision, Outcome.NOT_ATTEMPTED, hopeless))
                continue
            action, hopeless = self._act(decision, run_id, deadline)
            actions.append(action)
            log.info(
                "action",
                extra={
                    "run_id": run_id,
                    "alert_group": action.alert_group_id,
                    "title": decision.alert_group.title,
                    "action": action.kind.value,
                    "outcome": action.outcome.value,
                    "reason": decision.reason,
                    "detail": action.detail,
                },
            )
        return tuple(actions)

    def _act(self, decision: Decision, run_id: str, deadline: Deadline) -> tuple[Action, str]:
        """Resolve one alert group; give its action, and why no other should be tried, or ""."""
        try:
            now = self._confirm(decision)
            if now.kind is not DecisionKind.SILENCED:
                why = f"when its turn came it was {now.kind.value}: {now.reason}"
                return self._ended(decision, Outcome.CANCELLED, why), ""
            self._resolve(decision.alert_group.id, deadline)
        except UpstreamError as error:
            return self._refused(decision, error)
        except StoppedError as error:
            return self._ended(decision, Outcome.NOT_ATTEMPTED, str(error)), str(error)
        except Exception:
            # One alert group that we stumble over must not hide what was done for the others.
            log.exception("an action met an unexpected error", extra={"run_id": run_id})
            why = "an unexpected error: alertsync's log has the details"
            return self._ended(decision, Outcome.FAILED, why), ""
        note, detail = self._note(now, run_id, deadline)
        return self._ended(decision, Outcome.RESOLVED, detail, note), ""

    def _resolve(self, alert_group_id: str, deadline: Deadline) -> None:
        """Resolve; "already resolved" after an answer that was lost means that it was us."""
        try:
            self._irm.resolve(alert_group_id, deadline)
        except UpstreamError as error:
            if not (refusal(error) == "resolved" and error.perhaps_done):
                raise

    def _refused(self, decision: Decision, error: UpstreamError) -> tuple[Action, str]:
        match refusal(error):
            case "resolved":
                return self._ended(decision, Outcome.ALREADY_RESOLVED, "somebody was faster"), ""
            case "deleted":
                return self._ended(decision, Outcome.DELETED, "somebody deleted it"), ""
            case "attached":
                return self._ended(decision, Outcome.ATTACHED, error.detail), ""
        hopeless = str(error) if error.reason in _HOPELESS or error.upstream != "irm" else ""
        return self._ended(decision, Outcome.FAILED, str(error)), hopeless

    def _note(self, decision: Decision, run_id: str, deadline: Deadline) -> tuple[str, str]:
        """Write why we resolved it; a note that fails is told, and undoes nothing."""
        if not self._notes:
            return "off", ""
        text = note_text(decision, run_id)
        try:
            self._irm.add_note(decision.alert_group.id, text, deadline.without_stop(_NOTE_SECONDS))
        except UpstreamError as error:
            return "failed", f"resolved, but the note could not be written: {error}"
        return "written", ""

    def _ended(self, decision: Decision, outcome: Outcome, detail: str, note: str = "") -> Action:
        return Action(
            alert_group_id=decision.alert_group.id,
            kind=ActionKind.RESOLVE,
            outcome=outcome,
            detail=detail,
            note=note,
            at=self._clock.now(),
        )


def note_text(decision: Decision, run_id: str) -> str:
    """Say in IRM who silenced what until when, and that it was alertsync that resolved it."""
    return f"Resolved by alertsync: in Alertmanager, {decision.reason}. [alertsync run {run_id}]"
