"""One action's turn: what may go wrong in it, what that means for the action, and for those after it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alertsync.clients.irm import refusal
from alertsync.errors import Reason, StoppedError, StoreDegradedError, UpstreamError
from alertsync.models import Action, ActionKind, Credentials, Decision, LedgerChange, Outcome
from alertsync.progress import UNWATCHED

if TYPE_CHECKING:
    from collections.abc import Callable

    from alertsync.clients.irm import IrmClient
    from alertsync.clients.peers import Peers
    from alertsync.clock import Clock, Deadline
    from alertsync.models import Policy, Repage, SilenceChange
    from alertsync.observer import Observer
    from alertsync.progress import Reporter
    from alertsync.store.store import Store

    Subject = Decision | Repage | SilenceChange

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
_MOST_REFUSALS = 2
_ACTED = frozenset({Outcome.RESOLVED, Outcome.SILENCED, Outcome.UNSILENCED, Outcome.UNRESOLVED})


class ChangedError(Exception):
    """What was decided holds no more; the text says what holds now."""


@dataclass
class Hands:
    """What acts in a run, several alert groups at a time: what they share here is only ever set or added to.

    `hopeless` says why no other request to IRM's API should be tried; "" if one may. `acted` once an action has worked.
    """

    irm: IrmClient
    alertmanager: Peers
    store: Store
    observer: Observer
    clock: Clock
    deadline: Deadline
    policy: Policy
    run_id: str
    hopeless: str = ""
    unwritten: str = ""
    credentials_refused: bool = False
    progress: Reporter = UNWATCHED
    acted: bool = False
    attached: list[str] = field(default_factory=list)
    _forbidden_ids: list[str] = field(default_factory=list)
    _forbidden_message: str = ""
    _notes: list[tuple[str, str]] = field(default_factory=list)

    def take_turn(
        self, subject: Subject, kind: ActionKind, work: Callable[[], tuple[Outcome, str, str]]
    ) -> Action:
        """Do `work`, which gives outcome, detail and note, and make an action of what came of it."""
        # What is owed needs no store: memory keeps what cannot be written down.
        closes = kind in (ActionKind.RESOLVE, ActionKind.SILENCE)
        if why := self.hopeless or (self.unwritten if closes else ""):
            return self.ended(subject, kind, Outcome.NOT_ATTEMPTED, why)
        try:
            self.deadline.check()
            action = self.ended(subject, kind, *work())
        except ChangedError as change:
            return self.ended(subject, kind, Outcome.CANCELLED, str(change))
        except UpstreamError as error:
            return self._refused(subject, kind, error)
        except (StoppedError, StoreDegradedError) as error:
            self.hopeless = str(error)
            return self.ended(subject, kind, Outcome.NOT_ATTEMPTED, str(error))
        except Exception:
            # One alert group that we stumble over must not hide what was done for the others.
            log.exception("an action met an unexpected error", extra={"run_id": self.run_id})
            why = "an unexpected error: alertsync's log has the details"
            return self.ended(subject, kind, Outcome.FAILED, why)
        self._credentials_work(kind, action.outcome)
        return action

    def commit(self, change: LedgerChange) -> None:
        """Write down what is known; where that is impossible memory keeps it, and nothing new is closed."""
        try:
            self.store.commit(change)
        except StoreDegradedError as error:
            self.unwritten = self.unwritten or str(error)

    def note(self, alert_group_id: str, text: str) -> None:
        """Have a note written that is no marker: after all actions, as nobody waits for it."""
        if self.policy.notes:
            self._notes.append((alert_group_id, text))

    def write_notes(self) -> dict[str, str]:
        """Write the notes that waited; tell of each alert group "written" or "failed". Undoes nothing."""
        written: dict[str, str] = {}
        for alert_group_id, text in self._notes:
            try:
                self.irm.add_note(alert_group_id, text, self.deadline.without_stop(_NOTE_SECONDS))
                written[alert_group_id] = "written"
            except UpstreamError as error:
                written[alert_group_id] = "failed"
                log.warning(
                    "a note could not be written",
                    extra={"run_id": self.run_id, "alert_group": alert_group_id, "reason": str(error)},
                )
                if error.reason in _HOPELESS:
                    break
            except StoppedError:
                # Not by a wish to stop, to which notes are deaf: another host may act now.
                break
        return written

    def settle_refusals(self) -> None:
        """Tell a token that may not act from alert groups that are not ours to act on."""
        if self._forbidden_message and self.acted:
            self.attached += self._forbidden_ids
        elif self._forbidden_message:
            self.commit(LedgerChange(credentials=Credentials(self.clock.now(), self._forbidden_message)))

    def _forbidden(self, subject: Subject, kind: ActionKind, error: UpstreamError) -> Action:
        """Take a few refusals without any success between them for what they are: the token may not act."""
        self._forbidden_message = str(error)
        self._forbidden_ids.append(subject_id(subject))
        most = 1 if self.credentials_refused else _MOST_REFUSALS
        if len(self._forbidden_ids) >= most and not self.acted and kind is not ActionKind.UNSILENCE:
            self.hopeless = str(error)
        return self.ended(subject, kind, Outcome.FAILED, str(error))

    def _credentials_work(self, kind: ActionKind, outcome: Outcome) -> None:
        if kind is ActionKind.REPAGE or outcome not in _ACTED:
            return
        self.acted = True
        if self.credentials_refused:
            self.credentials_refused = False
            self.commit(LedgerChange(credentials_work=True))

    def _refused(self, subject: Subject, kind: ActionKind, error: UpstreamError) -> Action:
        if kind is not ActionKind.REPAGE:
            match refusal(error):
                case "resolved":
                    return self.ended(subject, kind, Outcome.ALREADY_RESOLVED, "somebody was faster")
                case "deleted":
                    return self.ended(subject, kind, Outcome.DELETED, "somebody deleted it")
                case "attached":
                    self.attached.append(subject_id(subject))
                    return self.ended(subject, kind, Outcome.ATTACHED, error.detail)
                case "acknowledged" | "unsilenced" | "unresolved":
                    return self.ended(subject, kind, Outcome.CANCELLED, f"IRM said: {error.detail}")
                case "forbidden":
                    return self._forbidden(subject, kind, error)
            # What fails at the inbound URL of one integration says nothing of IRM's API.
            if error.reason in _HOPELESS or error.upstream != "irm":
                self.hopeless = str(error)
        return self.ended(subject, kind, Outcome.FAILED, str(error))

    def ended(
        self,
        subject: Subject,
        kind: ActionKind,
        outcome: Outcome,
        detail: str = "",
        note: str = "",
    ) -> Action:
        """Make an action of what came of it, and say so in the log."""
        titled = subject.alert_group if isinstance(subject, Decision) else subject
        action = Action(
            alert_group_id=subject_id(subject),
            kind=kind,
            outcome=outcome,
            detail=detail,
            note=note,
            at=self.clock.now(),
            title=titled.title,
            reason=subject.reason,
            run_id=self.run_id,
        )
        log.info(
            "action",
            extra={
                "run_id": self.run_id,
                "alert_group": action.alert_group_id,
                "title": action.title,
                "action": kind.value,
                "outcome": outcome.value,
                "reason": action.reason,
                "detail": detail,
            },
        )
        self.progress.acted()
        return action


def subject_id(subject: Subject) -> str:
    """Give the id of the alert group that a decision or a re-page is about."""
    return subject.alert_group.id if isinstance(subject, Decision) else subject.alert_group_id
