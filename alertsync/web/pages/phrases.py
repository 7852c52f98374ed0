"""What the models call things, in the words that a person would use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alertsync.models import ActionKind, DecisionKind, Held, Outcome, Owing, RunStatus
from alertsync.web.pages.verdict import Tone
from alertsync.web.pages.words import utc

if TYPE_CHECKING:
    from alertsync.models import Action, Decision, PlannedRepage, SilenceChange

KINDS = {
    DecisionKind.SILENCED: "Silenced",
    DecisionKind.SILENCE_ENDING: "Silence ends soon",
    DecisionKind.MUTED: "Muted",
    DecisionKind.SILENCED_IN_IRM: "Silenced in IRM",
    DecisionKind.PARTIALLY_SILENCED: "Partly silenced",
    DecisionKind.CONSISTENT: "Fires in both",
    DecisionKind.GONE: "Gone",
    DecisionKind.GONE_UNPROVEN: "Gone, not proven",
    DecisionKind.REOPENED: "Opened again",
    DecisionKind.FLAPPING: "Flapping",
    DecisionKind.SUPERSEDED: "Superseded",
    DecisionKind.UNPAYABLE: "Could not be paged again",
    DecisionKind.PEERS_DISAGREE: "Peers disagree",
    DecisionKind.MEMBERS_UNPROVEN: "Alerts missing, not proven",
    DecisionKind.ATTACHED: "Attached",
    DecisionKind.UNKNOWN: "Not understood",
    DecisionKind.FOREIGN: "Not ours",
}
UNSURE = frozenset({DecisionKind.UNPAYABLE, DecisionKind.PEERS_DISAGREE, DecisionKind.UNKNOWN})
"""Decisions that somebody should look at, though nothing is to be done by us."""

WELL = frozenset(
    {
        Outcome.RESOLVED,
        Outcome.ALREADY_RESOLVED,
        Outcome.SILENCED,
        Outcome.UNSILENCED,
        Outcome.POSTED,
        Outcome.UNRESOLVED,
        Outcome.CREATED,
        Outcome.EXTENDED,
        Outcome.EXPIRED,
        Outcome.NOTED,
    }
)

ACTIONS = {
    ActionKind.NONE: "Nothing",
    ActionKind.RESOLVE: "Resolve",
    ActionKind.SILENCE: "Silence",
    ActionKind.UNSILENCE: "End the silence",
    ActionKind.REPAGE: "Page again",
    ActionKind.UNRESOLVE: "Open again",
    ActionKind.CREATE_SILENCE: "Silence in Alertmanager",
    ActionKind.EXTEND_SILENCE: "Change the end in Alertmanager",
    ActionKind.EXPIRE_SILENCE: "End the silence in Alertmanager",
    ActionKind.NOTE: "Write a note",
}
OUTCOMES = {
    Outcome.RESOLVED: "Resolved",
    Outcome.SILENCED: "Silenced in IRM",
    Outcome.UNSILENCED: "Un-silenced in IRM",
    Outcome.POSTED: "Paged again",
    Outcome.UNRESOLVED: "Opened again",
    Outcome.CREATED: "Silenced in Alertmanager",
    Outcome.EXTENDED: "Silence in Alertmanager changed",
    Outcome.EXPIRED: "Silence in Alertmanager ended",
    Outcome.NOTED: "Note written",
    Outcome.ALREADY_RESOLVED: "Was resolved already",
    Outcome.DELETED: "Was deleted",
    Outcome.ATTACHED: "Is attached to another",
    Outcome.CANCELLED: "Cancelled",
    Outcome.FAILED: "Failed",
    Outcome.NOT_ATTEMPTED: "Not attempted",
}
HELD = {
    Held.STATE: "it is in a state that IRM_STATES does not name",
    Held.DELIVERIES: "its deliveries are read in a later run",
    Held.POLICY: "ON_SILENCED or ON_GONE asks for a report only, or its page could not come back",
    Held.DRY_RUN: "this is a dry run",
    Held.MAX_ACTIONS: "MAX_ACTIONS_PER_RUN is reached, and the next run goes on",
    Held.GONE_RATIO: "the brake gone_ratio is engaged",
    Held.CREDENTIALS: "IRM does not let the token act",
    Held.PERSON: "a person ended our silence in IRM",
    Held.STORE: "the store cannot be written",
}
STATUSES = {
    RunStatus.RUNNING: "Running",
    RunStatus.SUCCESS: "Success",
    RunStatus.PARTIAL: "Partial",
    RunStatus.FAILED: "Failed",
    RunStatus.INTERRUPTED: "Interrupted",
}
STATUS_TONES = {
    RunStatus.RUNNING: Tone.IDLE,
    RunStatus.SUCCESS: Tone.GOOD,
    RunStatus.PARTIAL: Tone.WARN,
    RunStatus.FAILED: Tone.BAD,
    RunStatus.INTERRUPTED: Tone.BAD,
}
OWING = {
    Owing.OWED: "owed",
    Owing.DUE: "due now",
    Owing.POSTED: "paged, not seen in IRM yet",
    Owing.PAID: "paid",
    Owing.REROUTED: "told by Alertmanager elsewhere",
    Owing.LAPSED: "lapsed",
}
TRIGGERS = {
    "loop": "the loop",
    "watch": "a change of silences",
    "http": "somebody, over HTTP",
    "plan": "somebody, for a plan",
    "command line": "the command line",
    "by hand": "somebody, for one silence",
}

LEFT = {
    DecisionKind.SILENCE_ENDING: "Left alone: the silence is nearly over.",
    DecisionKind.MUTED: "Left alone: no silence holds all of it.",
    DecisionKind.SILENCED_IN_IRM: "Nothing to do: Alertmanager follows the silence in IRM.",
    DecisionKind.PARTIALLY_SILENCED: "Left alone: one active alert is enough.",
    DecisionKind.CONSISTENT: "Nothing to do: both say that it fires.",
    DecisionKind.GONE: "Reported only: ON_GONE does not ask for more.",
    DecisionKind.GONE_UNPROVEN: "Left alone until it is proven.",
    DecisionKind.MEMBERS_UNPROVEN: "Left alone until it is proven.",
    DecisionKind.REOPENED: "Left alone: somebody wanted it open.",
    DecisionKind.PEERS_DISAGREE: "Left alone until the peers agree.",
    DecisionKind.FOREIGN: "Left alone: it is not from this Alertmanager.",
}
"""What to say of those that are no inconsistency."""

_WILL = {
    ActionKind.RESOLVE: "resolved in IRM",
    ActionKind.SILENCE: "silenced in IRM",
    ActionKind.UNSILENCE: "un-silenced in IRM",
    ActionKind.REPAGE: "paged again",
    ActionKind.UNRESOLVE: "opened again in IRM",
    ActionKind.CREATE_SILENCE: "silenced in Alertmanager",
    ActionKind.EXTEND_SILENCE: "silenced in Alertmanager for another time",
    ActionKind.EXPIRE_SILENCE: "no longer silenced in Alertmanager",
    ActionKind.NOTE: "told by a note",
}


_DONE = {
    Outcome.RESOLVED: "Resolved by alertsync",
    Outcome.SILENCED: "Silenced in IRM by alertsync",
    Outcome.UNSILENCED: "Un-silenced in IRM by alertsync",
    Outcome.POSTED: "Paged again by alertsync",
    Outcome.UNRESOLVED: "Opened again by alertsync",
    Outcome.ALREADY_RESOLVED: "Was resolved already when its turn came",
    Outcome.DELETED: "Was deleted in IRM when its turn came",
    Outcome.ATTACHED: "Left alone, as it is attached to another",
}
_CHANGED = frozenset(_DONE) - {Outcome.POSTED, Outcome.ATTACHED}
"""Outcomes after which the alert group is not any more what the run had read."""


class Done(msgspec.Struct, frozen=True):
    """What was, will or would be done: a short sentence and how loud it is; `detail` is in the words of a server."""

    tone: Tone
    text: str
    detail: str = ""


def tone_of(outcome: Outcome) -> Tone:
    """Tell how loud an outcome is."""
    if outcome in WELL:
        return Tone.GOOD
    return Tone.BAD if outcome in (Outcome.FAILED, Outcome.NOT_ATTEMPTED) else Tone.IDLE


def done(one: Decision, action: Action | None) -> Done:
    """Say what was done about an alert group, what will be, or why nothing is."""
    if action is not None:
        note = {"written": ", with a note", "failed": ", but the note could not be written"}.get(
            action.note, ""
        )
        when = f" at {utc(action.at)}" if action.at and action.outcome in _DONE else ""
        text = _DONE.get(action.outcome, OUTCOMES[action.outcome])
        return Done(tone_of(action.outcome), f"{text}{when}{note}.", action.detail)
    if one.held is Held.DRY_RUN:
        return Done(Tone.WATCH, f"Would be {_becomes(one, one.would)}, were this not a dry run.")
    if one.held:
        return Done(Tone.WARN, f"Held: {HELD[one.held]}.")
    if one.action is not ActionKind.NONE:
        return Done(Tone.WARN, f"To be {_becomes(one, one.action)} by the next run.")
    if one.inconsistent:
        return Done(Tone.WARN, "Reported only.")
    return Done(Tone.IDLE, LEFT.get(one.kind, "Left alone."))


def state(read: str, action: Action | None) -> str:
    """Say how an alert group stands in IRM: as it was read, which an action of the same run may have changed since."""
    renewed = read == "silenced" and action is not None and action.outcome is Outcome.SILENCED
    if action is not None and action.outcome in _CHANGED and not renewed:
        return f"Was {read} in IRM when the run looked"
    return f"{read.capitalize()} in IRM"


def _becomes(one: Decision, kind: ActionKind) -> str:
    """Say what becomes of an alert group; records of older versions do not tell."""
    if kind is ActionKind.SILENCE and one.alert_group.state == "silenced":
        return "kept silenced in IRM"
    return _WILL.get(kind, "acted upon")


def silence_change(one: SilenceChange) -> str:
    """Say what a dry run would do because somebody silenced an alert group in IRM."""
    return f"would be {_WILL[one.kind]}, were this not a dry run."


def repage(one: PlannedRepage) -> Done:
    """Say what becomes of a page that is due."""
    if one.held is Held.DRY_RUN:
        return Done(Tone.WATCH, f"Would be {_WILL[one.action]}, were this not a dry run.")
    if one.held:
        return Done(Tone.BAD, "Nobody is paged: REPAGE=false keeps it back.")
    return Done(Tone.WARN, f"To be {_WILL[one.action]}.")
