"""Reads what a page was asked for; a filter that is not understood is said, and does not pass for one that finds nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from alertsync.models import ActionKind, DecisionKind, Outcome, RunStatus
from alertsync.store import WantedActions, WantedRuns
from alertsync.web import queries
from alertsync.web.pages import decisions
from alertsync.web.problems import ProblemError

if TYPE_CHECKING:
    from datetime import datetime

    from flask import Request

STATUSES = ("something", "", *(one.value for one in RunStatus))
"""Which runs can be asked for: those with something to tell, every one, or those that stand so."""
KINDS = ("", *(one.value for one in ActionKind if one is not ActionKind.NONE))
OUTCOMES = ("", *(one.value for one in Outcome))
_MOST_CHARACTERS = 200
_MOST_WORDS = 20


class Runs(msgspec.Struct, frozen=True):
    """Which runs are asked for: one of `STATUSES`."""

    status: str

    def wanted(self, dead_before: datetime) -> WantedRuns:
        """Ask the store; a run that goes on since before `dead_before` was interrupted."""
        named = RunStatus(self.status) if self.status not in ("", "something") else None
        return WantedRuns(status=named, telling=self.status == "something", dead_before=dead_before)


class Actions(msgspec.Struct, frozen=True):
    """Which actions are asked for: by kind and outcome, "" for all, and by words."""

    kind: str = ""
    outcome: str = ""
    q: str = ""

    def wanted(self) -> WantedActions:
        """Ask the store."""
        return WantedActions(
            kind=ActionKind(self.kind) if self.kind else None,
            outcome=Outcome(self.outcome) if self.outcome else None,
            words=tuple(self.q.split()[:_MOST_WORDS]),
        )


def decisions_wanted(request: Request) -> decisions.Wanted:
    """Read which decisions to show."""
    queries.check(request, "show", "decision", "q", "page")
    # A form sends what is left empty, too.
    return decisions.Wanted(
        show=queries.choice(request, "show", *decisions.SHOWS),
        kind=queries.choice(request, "decision", "", *DecisionKind),
        q=text(request, "q"),
        page=number(request, "page"),
    )


def runs_asked(request: Request) -> Runs:
    """Read which runs to show."""
    return Runs(queries.choice(request, "status", *STATUSES))


def actions_asked(request: Request) -> Actions:
    """Read which actions to show."""
    return Actions(
        kind=queries.choice(request, "kind", *KINDS),
        outcome=queries.choice(request, "outcome", *OUTCOMES),
        q=text(request, "q"),
    )


def text(request: Request, name: str) -> str:
    """Read words to search for; "" if there are none."""
    return request.args.get(name, "").strip()[:_MOST_CHARACTERS]


def number(request: Request, name: str) -> int:
    """Read the number of a page; 1 if it is absent."""
    value = request.args.get(name, "1")
    if not re.fullmatch(r"[1-9][0-9]{0,5}", value):
        raise ProblemError(
            400, "Bad query value", f"{name}={value[:100]!r} is no page", f"write a number, such as {name}=2"
        )
    return int(value)


def cursor_error() -> ProblemError:
    """Give what to raise for a cursor that is none."""
    return ProblemError(
        400,
        "Unknown cursor",
        "before= is no place in this list",
        "begin with the newest, and follow the links",
    )
