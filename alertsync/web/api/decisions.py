"""The decisions of one run, page by page, filtered and searched: which alert group is what, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify, request

from alertsync.models import DecisionKind
from alertsync.store import cut, key_of, micros
from alertsync.web import answers, conditional, problems, queries, views

if TYPE_CHECKING:
    from collections.abc import Callable

    from alertsync.models import Decision, Run
    from alertsync.services import Services
    from alertsync.store import Key

_WHERE_RUNS = "GET /api/v1/runs lists the runs that are kept; without run_id= the last one counts"


def blueprint(services: Services) -> Blueprint:
    """Make the blueprint over these services."""
    routes = Blueprint("decisions", __name__)

    @routes.get("/api/v1/decisions")
    def decisions() -> Response:
        queries.check(request, "limit", "cursor", "before", "run_id", "decision", "inconsistent", "q")
        limit, key, wanted = queries.limit(request), _key(), _wanted()
        run_id = queries.identifier(request, "run_id", _WHERE_RUNS)
        if run_id is None:
            # Before the run is read: a tag that is too old costs an answer, one that is too new hides a run.
            tag = conditional.tag(request, services.store.last_run_stamp())
            if conditional.known(request, tag):
                return conditional.marked(request, Response(), tag)
            run = services.store.last_run()
        else:
            run = _kept(services, run_id)
            tag = conditional.tag(request, run.run_id, run.status, len(run.decisions), run.decisions_omitted)
        return conditional.marked(request, jsonify(views.plain(page(run, wanted, limit, key))), tag)

    return routes


def page(
    run: Run | None, wanted: Callable[[Decision], bool], limit: int, before: Key | None
) -> answers.Decisions:
    """Give the part of the decisions of a run that are wanted and stand behind `before`, at most `limit`.

    They are sorted by when and as what IRM made the alert group, which no run changes: so who reads page by page while
    runs go on meets no alert group twice, and misses none that was there all the time.
    """
    found = [(_sorted_by(one), one) for one in (run.decisions if run else ()) if wanted(one)]
    shown = cut(found, limit, before)
    return answers.Decisions(
        run_id=run.run_id if run else None,
        as_of=(run.ended_at or run.started_at) if run else None,
        dry_run=bool(run and run.dry_run),
        total=len(found),
        decisions_omitted=run.decisions_omitted if run else 0,
        items=tuple(map(views.of_decision, shown.items)),
        next=shown.next,
    )


def matches(decision: Decision, words: str) -> bool:
    """Tell whether title, id or a label of a member holds these words, in capitals or not."""
    group, words = decision.alert_group, words.casefold()
    if words in group.title.casefold() or words in group.id.casefold():
        return True
    return any(
        words in f"{name}={value}".casefold()
        for member in decision.members
        for name, value in member.labels.items()
    )


def _wanted() -> Callable[[Decision], bool]:
    kind = queries.member(request, "decision", DecisionKind)
    inconsistent = queries.optional_flag(request, "inconsistent")
    words = queries.text(request, "q").strip()
    return lambda one: (
        kind in (None, one.kind)
        and inconsistent in (None, one.inconsistent)
        and (not words or matches(one, words))
    )


def _key() -> Key | None:
    try:
        return key_of(queries.cursor(request))
    except ValueError:
        raise queries.unknown_cursor() from None


def _sorted_by(decision: Decision) -> Key:
    group = decision.alert_group
    return (micros(group.created_at), group.id, 0)


def _kept(services: Services, run_id: str) -> Run:
    run = services.store.run(run_id)
    if run is None:
        raise problems.ProblemError(404, "Unknown run", "no run of that id is kept here", _WHERE_RUNS)
    return views.as_of_now(run, services)
