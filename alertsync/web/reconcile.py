"""The manual trigger: a run now, by curl or by a button, in the same module as the loop's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify, redirect, request, url_for

from alertsync.errors import NotReadyError, RunBusyError, StateDirError
from alertsync.models import RunStatus
from alertsync.web import problems, queries, views

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as BaseResponse

    from alertsync.models import Run
    from alertsync.services import Services
    from alertsync.web.triggers import Triggers

PATIENCE_SECONDS = 1.0
"""How long a browser waits for a run: then it is shown how far that is."""
_MAX_WAIT_SECONDS = 3600
_KINDS = ("application/json", "text/plain", "text/html")


def blueprint(services: Services, triggers: Triggers) -> Blueprint:
    """Make the blueprint over these services."""
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
        wait = queries.whole_seconds(request, "wait", _MAX_WAIT_SECONDS)
        lift = queries.lifted(request)
        queries.no_body(request)
        started = triggers.start(dry_run=dry_run, lift=lift)
        if _wants() == "text/html":
            started.wait(PATIENCE_SECONDS)
            return redirect(url_for("pages.run", run_id=started.run_id), 303)
        run = started.wait(wait)
        return _going_on(started.run_id) if run is None else _answer(run)

    @routes.get("/api/v1/runs/<run_id>")
    def one_run(run_id: str) -> Response:
        queries.check(request)
        run = services.store.run(run_id)
        if run is None:
            raise problems.ProblemError(
                404,
                "Unknown run",
                "no run of that id is kept here",
                "GET /api/v1/runs lists those that are kept",
            )
        return jsonify(views.run(views.as_of_now(run, services)))

    explain_refusals(routes)
    return routes


def explain_refusals(routes: Blueprint) -> None:
    """Answer for the reasons why there is no run at all."""

    @routes.errorhandler(NotReadyError)
    def not_ready(error: NotReadyError) -> Response:
        hint = "set what is missing and restart alertsync; GET /readyz tells when it is ready"
        return problems.response(503, "Not ready", str(error), hint)

    @routes.errorhandler(RunBusyError)
    def busy(error: RunBusyError) -> Response:
        hint = "try again after the seconds of Retry-After"
        headers = {"Retry-After": str(error.retry_after)}
        return problems.response(409, "A run is going on", str(error), hint, headers=headers)

    @routes.errorhandler(StateDirError)
    def no_lock(error: StateDirError) -> Response:
        hint = "without its locks alertsync starts no run, as two at once could not be told apart"
        return problems.response(500, "STATE_DIR cannot be used", str(error), hint)


def _wants() -> str:
    return request.accept_mimetypes.best_match(_KINDS) or _KINDS[0]


def _answer(run: Run) -> Response:
    status = {RunStatus.FAILED: 500, RunStatus.INTERRUPTED: 503}.get(run.status, 200)
    if _wants() == "text/plain":
        return Response(f"{run.status.value}: {run.message}\n", status=status, mimetype="text/plain")
    if run.status is RunStatus.FAILED:
        hint = "mend what it names; the next run tries again by itself"
        return problems.response(
            500, "The run failed", run.message, hint, message=run.message, run_id=run.run_id
        )
    answer = jsonify(views.run(run))
    answer.status_code = status
    return answer


def _going_on(run_id: str) -> Response:
    address = url_for("reconcile.one_run", run_id=run_id)
    answer = jsonify(
        status="running",
        message=f"the run goes on; GET {address} tells how it ends",
        run_id=run_id,
        location=address,
    )
    if _wants() == "text/plain":
        answer = Response(f"running: GET {address} tells how it ends\n", mimetype="text/plain")
    answer.headers["Location"] = address
    answer.headers["Retry-After"] = "5"
    answer.status_code = 202
    return answer
