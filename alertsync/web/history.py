"""What was done and is owed, page by page: runs, actions and debts, newest first.

The lists have no end, so an answer has one: at most `limit` entries, and a cursor that leads to the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec
from flask import Blueprint, Response, jsonify, request

from alertsync.models import ActionKind, Outcome, RunStatus
from alertsync.store import WantedActions, WantedRuns
from alertsync.web import answers, conditional, lists, problems, queries, views

if TYPE_CHECKING:
    from collections.abc import Callable

    from alertsync.services import Services
    from alertsync.store import Page

T = TypeVar("T")

TRIGGERS = ("loop", "watch", "http", "plan", "by hand", "command line")
"""What asks for runs."""
_PAGING = ("limit", "cursor", "before")
_WHERE_RUNS = "GET /api/v1/runs lists the runs that are kept"
_WHERE_GROUPS = "GET /grafana-alerts shows the ids of the alert groups that are open"


def blueprint(services: Services) -> Blueprint:
    """Make the blueprint over these services."""
    routes = Blueprint("history", __name__)
    store = services.store

    @routes.get("/api/v1/runs")
    def runs() -> Response:
        queries.check(request, *_PAGING, "status", "trigger", "since")
        wanted = WantedRuns(
            status=queries.member(request, "status", RunStatus),
            trigger=queries.one_of(request, "trigger", TRIGGERS),
            since=queries.moment(request, "since"),
            dead_before=services.clock.now() - views.longest(services),
        )
        page = _page(lambda limit, before: store.runs(limit=limit, before=before, wanted=wanted))
        items = tuple(views.as_of_now(one, services) for one in page.items)
        return _answer(answers.RunList(items, page.next, _degraded(services)))

    @routes.get("/api/v1/runs/<run_id>")
    def one_run(run_id: str) -> Response:
        queries.check(request)
        run = services.store.run(run_id)
        if run is None:
            raise problems.ProblemError(404, "Unknown run", "no run of that id is kept here", _WHERE_RUNS)
        return lists.run(views.as_of_now(run, services))

    @routes.get("/api/v1/actions")
    def actions() -> Response:
        queries.check(request, *_PAGING, "kind", "outcome", "alert_group_id", "run_id", "since")
        wanted = WantedActions(
            alert_group_id=queries.identifier(request, "alert_group_id", _WHERE_GROUPS),
            kind=queries.member(request, "kind", ActionKind),
            outcome=queries.member(request, "outcome", Outcome),
            run_id=queries.identifier(request, "run_id", _WHERE_RUNS),
            since=queries.moment(request, "since"),
        )
        page = _page(lambda limit, before: store.actions(limit=limit, before=before, wanted=wanted))
        return _answer(answers.ActionList(page.items, page.next, _degraded(services)))

    @routes.get("/api/v1/debts")
    def debts() -> Response:
        queries.check(request, *_PAGING, "state", "alert_group_id")
        only = queries.choice(request, "state", "open", "all") == "open"
        of = queries.identifier(request, "alert_group_id", _WHERE_GROUPS)
        page = _page(
            lambda limit, before: store.debts(limit=limit, before=before, open_only=only, alert_group_id=of)
        )
        items = tuple(map(views.of_debt, page.items))
        return _answer(answers.DebtList(items, page.next, _degraded(services)))

    return routes


def _page(read: Callable[[int, str | None], Page[T]]) -> Page[T]:
    limit, cursor = queries.limit(request), queries.cursor(request)
    try:
        return read(limit, cursor)
    except ValueError:
        raise queries.unknown_cursor() from None


def _degraded(services: Services) -> str | msgspec.UnsetType:
    """Say why the list may lack something: an empty one must not pass for the truth where it could not be read."""
    return services.store.degraded or msgspec.UNSET


def _answer(page: msgspec.Struct) -> Response:
    answer = jsonify(views.plain(page))
    return conditional.marked(request, answer, conditional.tag_of(request, answer.get_data()))
