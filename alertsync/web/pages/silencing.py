"""The page of our silences, and what its forms ask for: a silence for an alert group, or the end of one."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from flask import redirect, render_template, request, url_for

from alertsync.web import access, problems, queries
from alertsync.web import silencing as limits
from alertsync.web.api.silences import check_id, refuse
from alertsync.web.pages import asked, silences

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Blueprint
    from werkzeug.wrappers import Response

    from alertsync.services import Services
    from alertsync.web.silencing import Silencing

_SECONDS = re.compile(r"([0-9]{1,8})(?:\.0+)?")
"""Whole seconds, also as programs write them."""
_MOST_SHOWN = 200
_MOST_EVENTS = 50
_FORM = "go back to the page of the alert group, and fill in its form again"


def register(
    routes: Blueprint, services: Services, silencing: Silencing, silences_at: Callable[[], str]
) -> None:
    """Add them to the pages; `silences_at` gives the address before the id of a silence."""
    store, web = services.store, services.settings.web

    @routes.get("/silences")
    def own_silences() -> str:
        queries.check(request, "show", "done", "before")
        show = queries.choice(request, "show", "open", "all")
        done = queries.choice(request, "done", "", "ended")
        try:
            events = store.events(limit=_MOST_EVENTS, before=request.args.get("before"))
        except ValueError:
            raise asked.cursor_error() from None
        found = silences.listing(store.ledger(), open_only=show == "open")
        return render_template(
            "silences.html",
            shown=found[:_MOST_SHOWN],
            more=max(len(found) - _MOST_SHOWN, 0),
            show=show,
            done=done,
            events=silences.heard(events.items),
            next=events.next,
            webhook=services.settings.webhook.on,
            dry_run=services.settings.policy.dry_run,
            silences_at=silences_at(),
        )

    @routes.post("/silences")
    def silence() -> Response:
        queries.check(request)
        form = queries.form(request, "alert_group_id", "duration", "comment")
        group_id, duration, comment = _asked(form)
        silencing.make(group_id, duration, comment, access.who(request, web))
        return redirect(url_for("pages.alert_group", alert_group_id=group_id, done="made"), 303)

    @routes.post("/silences/<silence_id>/end")
    def end_silence(silence_id: str) -> Response:
        queries.check(request)
        queries.form(request)
        check_id(silence_id)
        silencing.end(silence_id, access.who(request, web))
        return redirect(url_for("pages.own_silences", done="ended"), 303)

    refuse(routes, services)


def _asked(form: dict[str, str]) -> tuple[str, timedelta, str]:
    group_id, comment = form.get("alert_group_id", ""), form.get("comment", "").strip()
    if not queries.is_id(group_id):
        raise problems.ProblemError(400, "No alert group", "the form names no alert group", _FORM)
    found = _SECONDS.fullmatch(form.get("duration", ""))
    seconds = int(found[1]) if found else 0
    if not limits.LEAST_SECONDS <= seconds <= limits.MOST_SECONDS:
        most = f"from {limits.LEAST_SECONDS} to {limits.MOST_SECONDS} seconds"
        raise problems.ProblemError(400, "No such duration", f"a silence takes {most}", _FORM)
    if not 1 <= len(comment) <= limits.MOST_COMMENT:
        detail = f"a silence wants a comment of at most {limits.MOST_COMMENT} characters: those who meet it ask why"
        raise problems.ProblemError(400, "No comment", detail, _FORM)
    return group_id, timedelta(seconds=seconds), comment
