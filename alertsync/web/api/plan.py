"""What would be done: a dry run that somebody asks for, and the newest one that was asked for.

It is kept as a run like any other, so that any worker shows it and retention takes it. One at a time is made, and it
takes its turn with the runs: it reads IRM like them, and what IRM allows is needed to page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from alertsync.store import WantedRuns
from alertsync.web import conditional, lists, problems, queries, reconcile, refusals, views

if TYPE_CHECKING:
    from alertsync.models import Run
    from alertsync.services import Services
    from alertsync.web.triggers import Triggers

TRIGGER = "plan"


def blueprint(services: Services, triggers: Triggers) -> Blueprint:
    """Make the blueprint over these services."""
    routes = Blueprint("plan", __name__)

    @routes.post("/api/v1/plan")
    def make() -> Response:
        queries.check(request, "wait")
        wait = queries.whole_seconds(request, "wait", reconcile.MAX_WAIT_SECONDS)
        queries.no_body(request)
        started = triggers.start(dry_run=True, trigger=TRIGGER)
        run = started.wait(wait)
        return reconcile.going_on(started.run_id) if run is None else reconcile.ended(run)

    @routes.get("/api/v1/plan")
    def show() -> Response:
        queries.check(request)
        run = newest(services)
        if run is None:
            raise problems.ProblemError(
                404,
                "No plan yet",
                "no plan was asked for, or it is not kept any more",
                "POST to this address makes one; it acts on nothing",
            )
        run = views.as_of_now(run, services)
        tag = conditional.tag(request, run.run_id, run.status, len(run.decisions))
        return conditional.marked(request, lists.run(run), tag)

    refusals.register(routes)
    return routes


def newest(services: Services) -> Run | None:
    """Give the newest plan that was asked for, also while it is being made; None if none is kept."""
    listed = services.store.runs(limit=1, wanted=WantedRuns(trigger=TRIGGER)).items
    return services.store.run(listed[0].run_id) if listed else None
