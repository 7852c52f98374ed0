"""What the models call things, in the words that a person would use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alertsync.models import ActionKind, DecisionKind, Held, Outcome, Owing, RunStatus
from alertsync.web.pages.verdict import Tone

if TYPE_CHECKING:
    from alertsync.models import Action, Decision, Policy

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


def done(one: Decision, action: Action | None, policy: Policy) -> Done:
    """Say what was done about an alert group, what will be, or why nothing is."""
    if action is not None:
        note = {"written": ", with a note", "failed": ", but the note could not be written"}.get(
            action.note, ""
        )
        return Done(tone_of(action.outcome), f"{OUTCOMES[action.outcome]}{note}.", action.detail)
    if one.held is Held.DRY_RUN:
        return Done(Tone.WATCH, f"Would be {_WILL[would(one, policy)]}, were this not a dry run.")
    if one.held:
        return Done(Tone.WARN, f"Held: {HELD[one.held]}.")
    if one.action is not ActionKind.NONE:
        return Done(Tone.WARN, f"To be {_WILL[one.action]} by the next run.")
    if one.inconsistent:
        return Done(Tone.WARN, "Reported only.")
    return Done(Tone.IDLE, LEFT.get(one.kind, "Left alone."))


def would(one: Decision, policy: Policy) -> ActionKind:
    """Tell what a dry run held back: its decision does not say so any more."""
    if one.kind is DecisionKind.GONE:
        return ActionKind.RESOLVE
    if one.kind not in (DecisionKind.SILENCED, DecisionKind.UNPAYABLE):
        return ActionKind.UNSILENCE
    mirrors = policy.on_silenced == "silence" or one.kind is DecisionKind.UNPAYABLE
    return ActionKind.SILENCE if mirrors else ActionKind.RESOLVE
