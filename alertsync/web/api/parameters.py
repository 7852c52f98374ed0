"""The parameters that requests take, as the document tells of them; `queries.py` reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertsync.models import ActionKind, Brake, DecisionKind, Outcome, RunStatus
from alertsync.web import queries
from alertsync.web.history import TRIGGERS
from alertsync.web.pages import asked, decisions
from alertsync.web.reconcile import MAX_WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

_ID = {"type": "string", "pattern": "^[0-9A-Za-z_-]{1,64}$"}
_TIME = {"type": "string", "format": "date-time", "examples": ["2026-11-23T09:30:00Z"]}
_FLAG = {"type": "boolean"}
_CURSOR = {"type": "string", "minLength": 1}


def _words(words: Iterable[str]) -> dict[str, Any]:
    return {"type": "string", "enum": list(words)}


def _query(name: str, description: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401  what OpenAPI knows
    return {"name": name, "in": "query", "description": description, "schema": schema, **more}


def _path(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The `ETag` of an answer that you have; 304 says that it still holds.",
    "schema": {"type": "string"},
}
SILENCE_PATH = _path("silence_id", "The id of a silence of ours: `id` in the list, or Alertmanager's.", _ID)
RUN_PATH = _path("run_id", "The id of a run.", _ID)
ALERT_GROUP_PATH = _path("alert_group_id", "IRM's id of an alert group.", _ID)
FILE_PATH = _path("filename", "The name of a file.", {"type": "string", "minLength": 1})

LIMIT = _query(
    "limit",
    "How many entries to give.",
    {"type": "integer", "minimum": 1, "maximum": queries.MAX_LIMIT, "default": queries.DEFAULT_LIMIT},
)
CURSOR = _query("cursor", "The `next` of an earlier page: give what stands behind it.", _CURSOR)
BEFORE = _query("before", "The older name of `cursor`.", _CURSOR, deprecated=True)
PAGING = (LIMIT, CURSOR, BEFORE)

SINCE = _query("since", "Only what began, or was done, since then.", _TIME)
STATUS = _query("status", "Only runs that stand so.", _words(RunStatus))
TRIGGER = _query("trigger", "Only runs that this asked for.", _words(TRIGGERS))
KIND = _query("kind", "Only actions of this kind.", _words(ActionKind))
OUTCOME = _query("outcome", "Only actions that ended so.", _words(Outcome))
OF_ALERT_GROUP = _query("alert_group_id", "Only what is about this alert group.", _ID)
OF_RUN = _query("run_id", "Only what this run did.", _ID)
STATE = _query(
    "state",
    "`open`: debts of which something is still owed; `all`: those that are over too.",
    {**_words(("open", "all")), "default": "open"},
)
SILENCE_STATE = _query(
    "state",
    "`open`: silences that may still hold, or are to hold; `all`: those that are over too.",
    {**_words(("open", "all")), "default": "open"},
)
DECIDED_BY = _query("run_id", "The run whose decisions to give; the last one if it is absent.", _ID)
DECISION = _query("decision", "Only decisions that say so.", _words(DecisionKind))
INCONSISTENT = _query("inconsistent", "Only about alert groups that are inconsistent, or are not.", _FLAG)
WORDS = _query(
    "q",
    "Only with these words in the title, the id or a label (`instance=db1`), in capitals or not.",
    {"type": "string", "maxLength": queries.MAX_TEXT},
)
DRY_RUN = _query("dry_run", "Decide, and act on nothing.", {**_FLAG, "default": False})
WAIT = _query(
    "wait",
    "Answer 202 if the run has not ended after so many seconds. Without it the answer comes when it has ended.",
    {"type": "integer", "minimum": 0, "maximum": MAX_WAIT_SECONDS},
)
SHOWN = (
    _query("show", "Which alert groups to show.", _words(decisions.SHOWS)),
    _query("decision", "Only decisions that say so; empty for all.", _words(("", *DecisionKind))),
    _query("q", "Only with these words in the title, a label, the id or a silence.", {"type": "string"}),
    _query("page", "The number of the page.", {"type": "integer", "minimum": 1, "maximum": 999_999}),
)
DONE = (_query("done", "`made`: say that its silence was made.", _words(("", "made"))),)
OWN = (
    _query("show", "`all`: what is over, too.", _words(("open", "all"))),
    _query("done", "`ended`: say that a silence was ended.", _words(("", "ended"))),
    _query("before", "Where the page before of what IRM told ended.", _CURSOR),
)
OWING = (
    _query("show", "`all`: what is over, too.", _words(("open", "all"))),
    _query("before", "Where the page before ended.", _CURSOR),
)
PAST = (
    _query("list", "What to list.", _words(("runs", "actions"))),
    _query("status", "Only runs that stand so; empty for all.", _words(asked.STATUSES)),
    _query("kind", "Only actions of this kind; empty for all.", _words(asked.KINDS)),
    _query("outcome", "Only actions that ended so; empty for all.", _words(asked.OUTCOMES)),
    _query("q", "Only actions with these words.", {"type": "string"}),
    _query("before", "Where the page before ended.", _CURSOR),
)
LIFT = _query(
    "lift",
    "Lift these brakes for this run.",
    {"type": "array", "items": _words(Brake), "minItems": 1, "uniqueItems": True},
    style="form",
    explode=False,
)
