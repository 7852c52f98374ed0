"""The manual trigger: a run now, by curl or by a button, in the same module as the loop's."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from flask import Blueprint, Response, jsonify, redirect, request, url_for

from alertsync.models import RunStatus
from alertsync.web import answers, lists, problems, queries, refusals, views

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as BaseResponse

    from alertsync.models import Run
    from alertsync.web.triggers import Triggers

PATIENCE_SECONDS = 1.0
"""How long a browser waits for a run: then it is shown how far that is."""
MAX_WAIT_SECONDS = 3600
_STATUS = {RunStatus.FAILED: 500, RunStatus.INTERRUPTED: 503}
_KINDS = ("application/json", "text/plain", "text/html")


def blueprint(triggers: Triggers) -> Blueprint:
    """Make the blueprint that starts runs."""
    routes = Blueprint("reconcile", __name__)

    @routes.get("/reconcile")
    def page() -> BaseResponse:
        queries.check(request)
        if _wants() != "text/html":
            return problems.response(
                405,
                "Method Not Allowed",
                "this address runs the reconciliation when it is POSTed to",
                "curl -X POST …/reconcile, or ?dry_run=true to see what would be done",
                headers={"Allow": "POST"},
            )
        return redirect(url_for("index"))

    @routes.post("/reconcile")
    def trigger() -> BaseResponse:
        queries.check(request, "dry_run", "wait", "lift")
        dry_run = queries.flag(request, "dry_run")
        wait = queries.whole_seconds(request, "wait", MAX_WAIT_SECONDS)
        lift = queries.lifted(request)
        queries.no_body(request)
        started = triggers.start(dry_run=dry_run, lift=lift)
        if _wants() == "text/html":
            started.wait(PATIENCE_SECONDS)
            return redirect(url_for("pages.run", run_id=started.run_id), 303)
        run = started.wait(wait)
        return _going_on(started.run_id) if run is None else _answer(run)

    refusals.register(routes)
    return routes


def _wants() -> str:
    return request.accept_mimetypes.best_match(_KINDS) or _KINDS[0]


def ended(run: Run) -> Response:
    """Answer for a run that has ended: a problem if it failed."""
    status = _STATUS.get(run.status, HTTPStatus.OK)
    if status != HTTPStatus.OK:
        failed = run.status is RunStatus.FAILED
        title, hint = (
            ("The run failed", "mend what it names; the next run tries again by itself")
            if failed
            else ("The run was interrupted", "the next run mends what it left; try again in a moment")
        )
        return problems.response(status, title, run.message, hint, message=run.message, run_id=run.run_id)
    return lists.run(run)


def going_on(run_id: str) -> Response:
    """Answer for a run that goes on: where to look for its end."""
    address = url_for("history.one_run", run_id=run_id)
    begun = answers.RunBegun(
        status=RunStatus.RUNNING,
        message=f"the run goes on; GET {address} tells how it ends",
        run_id=run_id,
        location=address,
    )
    answer = jsonify(views.plain(begun))
    answer.headers["Location"] = address
    answer.headers["Retry-After"] = "5"
    answer.status_code = 202
    return answer


def _answer(run: Run) -> Response:
    if _wants() == "text/plain":
        # The line says nothing of the decisions, so they are not written out for it first.
        return _line(
            f"{run.status.value}: {run.message}",
            ended(msgspec.structs.replace(run, decisions=(), actions=())),
        )
    return ended(run)


def _going_on(run_id: str) -> Response:
    answer = going_on(run_id)
    return (
        _line(f"running: GET {answer.location} tells how it ends", answer)
        if _wants() == "text/plain"
        else answer
    )


def _line(text: str, answer: Response) -> Response:
    """Say it in one line, in place of JSON."""
    answer.set_data(f"{text}\n")
    answer.mimetype = "text/plain"
    return answer
