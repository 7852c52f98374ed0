"""Reads what a page was asked for; a filter that is not understood is said, and does not pass for one that finds nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from alertsync.models import DecisionKind
from alertsync.web import queries
from alertsync.web.pages import decisions, past
from alertsync.web.problems import ProblemError

if TYPE_CHECKING:
    from flask import Request

_MOST_CHARACTERS = 200


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


def runs_wanted(request: Request) -> past.WantedRuns:
    """Read which runs to show."""
    return past.WantedRuns(queries.choice(request, "status", *past.STATUSES))


def actions_wanted(request: Request) -> past.WantedActions:
    """Read which actions to show."""
    return past.WantedActions(
        kind=queries.choice(request, "kind", *past.KINDS),
        outcome=queries.choice(request, "outcome", *past.OUTCOMES),
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
