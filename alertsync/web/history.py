"""What was done and is owed, page by page: runs, actions and debts, newest first.

The lists have no end, so an answer has one: at most `limit` entries, and a cursor that leads to the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from flask import Blueprint, Response, jsonify, request

from alertsync.web import problems, queries, views

if TYPE_CHECKING:
    from collections.abc import Callable

    from alertsync.services import Services
    from alertsync.store import Page

T = TypeVar("T")

_MAX_ID = 64


def blueprint(services: Services) -> Blueprint:
    """Make the blueprint over these services."""
    routes = Blueprint("history", __name__)
    store = services.store

    @routes.get("/api/v1/runs")
    def runs() -> Response:
        queries.check(request, "limit", "before")
        page = _page(lambda limit, before: store.runs(limit=limit, before=before))
        return _answer(services, page, lambda one: views.summary(views.as_of_now(one, services)))

    @routes.get("/api/v1/actions")
    def actions() -> Response:
        queries.check(request, "limit", "before", "alert_group_id")
        wanted = _alert_group_id()
        page = _page(lambda limit, before: store.actions(limit=limit, before=before, alert_group_id=wanted))
        return _answer(services, page, views.action)

    @routes.get("/api/v1/debts")
    def debts() -> Response:
        queries.check(request, "limit", "before", "state")
        only = queries.choice(request, "state", "open", "all") == "open"
        page = _page(lambda limit, before: store.debts(limit=limit, before=before, open_only=only))
        return _answer(services, page, views.debt)

    return routes


def _page(read: Callable[[int, str | None], Page[T]]) -> Page[T]:
    limit = queries.limit(request)
    try:
        return read(limit, request.args.get("before"))
    except ValueError:
        raise problems.ProblemError(
            400,
            "Unknown cursor",
            "before= is no cursor of this list",
            "take the `next` of the page before it; without before= the list begins with the newest",
        ) from None


def _alert_group_id() -> str | None:
    wanted = request.args.get("alert_group_id")
    if wanted is not None and not 0 < len(wanted) <= _MAX_ID:
        raise problems.ProblemError(
            400,
            "Bad query value",
            "alert_group_id is no id of an alert group",
            "GET /grafana-alerts shows the ids of those that are open",
        )
    return wanted


def _answer(services: Services, page: Page[T], view: Callable[[T], Any]) -> Response:
    body: dict[str, Any] = {"items": [view(each) for each in page.items], "next": page.next}
    if services.store.degraded:
        # An empty list must not pass for the truth where it only could not be read.
        body["degraded"] = services.store.degraded
    return jsonify(body)
