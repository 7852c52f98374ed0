"""Resolves one alert group: a marker note, then the act, then the truth, in a few attempts if need be.

The marker stands in IRM before the resolve, so that even a lost ledger can be made anew. If the answer of a resolve
is lost, its debt stays in doubt, and the next run looks at the alert group to settle it.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from alertsync.clients.http import ATTEMPTS
from alertsync.clients.irm import refusal
from alertsync.errors import StoppedError, StoreDegradedError, UpstreamError
from alertsync.executor.turns import ChangedError
from alertsync.models import ActionKind, Operation, Outcome
from alertsync.planner.adopt import marker, withdrawal

if TYPE_CHECKING:
    from datetime import datetime

    from alertsync.executor.closing import Closing
    from alertsync.executor.turns import Hands
    from alertsync.models import Decision

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 1.0
_CLOCK_ERROR = timedelta(seconds=1)
"""IRM's `Date` is cut to whole seconds: what arrived in that second may have come before the resolve."""
_LOOK_SECONDS = 15.0
_STOPPING = "alertsync is stopping, and this was not begun"


class _ResolvedError(Exception):
    """The alert group is resolved, after an attempt of ours whose answer was lost."""


class Resolving:
    """One alert group's resolve; `in_doubt` while it is not known whether it happened.

    `abreast` if others have their turns at the same time, which share the rate limit with it.
    """

    def __init__(self, decision: Decision, hands: Hands, closing: Closing, *, abreast: bool) -> None:
        self._decision = decision
        self._hands = hands
        self._closing = closing
        self._abreast = abreast
        self._noted = False
        self.in_doubt = False

    def perform(self) -> tuple[Outcome, str, str]:
        """Resolve it, and give outcome, detail and what became of the note.

        "Already resolved" after an attempt whose answer was lost means that it was us.
        """
        unclear: UpstreamError | None = None
        for attempt in range(1, ATTEMPTS + 1):
            try:
                if attempt > 1:
                    self._hands.deadline.sleep(_PAUSE_SECONDS * attempt)
                self._make_ready()
                return self._send()
            except UpstreamError as error:
                if unclear is not None and refusal(error) == "resolved":
                    return self._it_was_us()
                if error.operation == Operation.RESOLVE and self.in_doubt:
                    unclear = error
                if not error.retryable or attempt == ATTEMPTS:
                    self._withdraw()
                    raise
            except _ResolvedError:
                return self._it_was_us()
            except StoppedError:
                self._withdraw()
                # An attempt was made, so its failure is the truth to tell.
                raise unclear or StoppedError(_STOPPING) from None
            except (ChangedError, StoreDegradedError):
                self._withdraw()
                raise
        raise AssertionError("every attempt returns or raises")

    def _make_ready(self) -> None:
        """Do all that comes before the act: wait, confirm, mark, and confirm again if that took long.

        All waiting is done before the decision is confirmed, for each attempt anew: a resolve that waited for
        the rate limit, or for a server to recover, would rest on what was true before.
        """
        hands = self._hands
        hands.irm.wait_for_turn(hands.deadline, abreast=self._abreast)
        if hands.policy.notes and not self._noted:
            self._confirm()
            text = note_text(self._decision, hands.run_id)
            hands.irm.add_note(self._decision.alert_group.id, text, hands.deadline)
            self._noted = True
        # It may wait for a database that other turns write to, and must be over before what grows old is looked at.
        hands.deadline.hold.prove()
        self._confirm()

    def _confirm(self) -> None:
        """Make sure that the decision still holds, and that all that it would owe is written down."""
        now, owed = self._hands.observer.confirm(self._decision)
        if self.in_doubt and now.alert_group.state == "resolved":
            raise _ResolvedError
        if now.action is not ActionKind.RESOLVE:
            raise ChangedError(f"when its turn came it was {now.kind.value}: {now.reason}")
        known = self._closing.owed(self._decision)
        if owed and [debt.alerts for debt in owed] != [debt.alerts for debt in known]:
            self._closing.owes(self._decision, owed)

    def _send(self) -> tuple[Outcome, str, str]:
        """Resolve in one attempt. Until IRM says what came of it, it is in doubt whether it happened."""
        before, self.in_doubt = self.in_doubt, True
        try:
            at = self._hands.irm.resolve(self._decision.alert_group.id, self._hands.deadline)
        except UpstreamError as error:
            if error.never_arrived or refusal(error):
                self.in_doubt = before
            raise
        self._record(at + _CLOCK_ERROR)
        return Outcome.RESOLVED, "", self._note_state()

    def _record(self, at: datetime) -> None:
        """Write down, by looking, when exactly it happened, and what joined it at the last moment.

        Until then its debt stays in doubt, so that after a crash, or a look in vain, the next run looks.
        """
        deadline = self._hands.deadline.without_stop(_LOOK_SECONDS)
        try:
            exactly, joined = self._hands.observer.closed(self._decision.alert_group, deadline)
        except (UpstreamError, StoppedError) as error:
            log.warning(
                "what joined an alert group at the last moment is not known yet, and the next run looks",
                extra={"reason": str(error)},
            )
            return
        owed = self._closing.owed(self._decision)
        if joined and owed:
            known = {
                "silences": owed[0].silences,
                "silenced_until": owed[0].silenced_until,
                "reason": owed[0].reason,
            }
            joined = tuple(msgspec.structs.replace(debt, **known) for debt in joined)
        self._closing.happened(exactly or at, joined or owed)

    def _it_was_us(self) -> tuple[Outcome, str, str]:
        return Outcome.RESOLVED, "an answer was lost, but it is resolved", self._note_state()

    def _withdraw(self) -> None:
        """Take the marker back, where it is certain that the alert group was not resolved by us."""
        if self._noted and not self.in_doubt:
            text = f"alertsync did not resolve it after all. {withdrawal(self._hands.run_id)}"
            self._hands.note(self._decision.alert_group.id, text)

    def _note_state(self) -> str:
        return "written" if self._hands.policy.notes else "off"


def note_text(decision: Decision, run_id: str) -> str:
    """Say in IRM who silenced what until when, and that it is alertsync that resolves it."""
    return f"Resolved by alertsync: in Alertmanager, {decision.reason}. {marker(run_id)}"
