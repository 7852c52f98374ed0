"""Performs the actions of a plan, one by one, oldest alert group first, each with an outcome.

An alert group that fails does not stop the others. A token that may not act does, and so does an IRM that has
gone away: every further attempt would fail alike, and one clear message is worth more than a hundred. Nothing
is ever left half done: a wish to stop is heard between actions.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from alertsync.clients.http import ATTEMPTS
from alertsync.clients.irm import RESOLVE, refusal
from alertsync.errors import Reason, StoppedError, UpstreamError
from alertsync.models import Action, ActionKind, DecisionKind, Held, Outcome

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
_PAUSE_SECONDS = 1.0
_STOPPING = "alertsync is stopping, and this was not begun"


class _ChangedError(Exception):
    """What was decided holds no more; the text says what holds now."""


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
            now = self._resolve(decision, deadline)
        except _ChangedError as change:
            return self._ended(decision, Outcome.CANCELLED, str(change)), ""
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

    def _resolve(self, decision: Decision, deadline: Deadline) -> Decision:
        """Resolve, in a few attempts if need be, and give the decision that the last of them rested on.

        "Already resolved" after an attempt whose answer was lost means that it was us.
        """
        unclear: UpstreamError | None = None
        attempt = 0
        while True:
            attempt += 1
            try:
                if attempt > 1:
                    deadline.sleep(_PAUSE_SECONDS * attempt)
                return self._attempt(decision, deadline, again=unclear is not None)
            except UpstreamError as error:
                if unclear is not None and refusal(error) == "resolved":
                    return decision
                if error.operation == RESOLVE and not error.never_arrived:
                    unclear = error
                if not error.retryable or attempt == ATTEMPTS:
                    raise
            except StoppedError:
                # An attempt was made, so its failure is the truth to tell.
                raise unclear or StoppedError(_STOPPING) from None

    def _attempt(self, decision: Decision, deadline: Deadline, *, again: bool) -> Decision:
        """Resolve in one attempt.

        All waiting is done before the decision is confirmed, for each attempt anew: a resolve that waited for
        the rate limit, or for a server to recover, would rest on what was true before.
        """
        self._irm.wait_for_turn(deadline)
        now = self._confirm(decision)
        if again and now.alert_group.state == "resolved":
            return decision
        if now.kind is not DecisionKind.SILENCED or now.held in (Held.DELIVERIES, Held.STATE):
            raise _ChangedError(f"when its turn came it was {now.kind.value}: {now.reason}")
        self._irm.resolve(decision.alert_group.id, deadline)
        return now

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
