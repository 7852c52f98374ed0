"""The addresses of the pages, and what all their templates need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, redirect, render_template, request, url_for

import alertsync
from alertsync.errors import NotReadyError, StoppedError, UnknownAlertGroupError, UpstreamError
from alertsync.web import problems, queries, reconcile, refusals, views
from alertsync.web.api import plan
from alertsync.web.pages import (
    asked,
    chart,
    decisions,
    frame,
    now,
    owed,
    phrases,
    places,
    silences,
    silencing,
    story,
    words,
)

if TYPE_CHECKING:
    from datetime import datetime

    from flask import Flask
    from markupsafe import Markup
    from werkzeug.wrappers import Response

    from alertsync.models import Run
    from alertsync.services import Services
    from alertsync.store import Page
    from alertsync.web.readings import Readings
    from alertsync.web.silencing import Silencing
    from alertsync.web.triggers import Triggers

_PLACES = (
    ("now", "index", "Now"),
    ("inconsistencies", "pages.inconsistencies", "Inconsistencies"),
    ("owed", "pages.owed_pages", "Owed"),
    ("silences", "pages.own_silences", "Silences"),
    ("history", "pages.history", "History"),
)
"""The pages of the navigation: name, endpoint and label."""

_ADDRESSES = (
    ("probes.readyz", "Readiness"),
    ("probes.page", "Metrics"),
    ("docs.page", "API"),
    ("alerts.all_alerts", "Alerts in Alertmanager"),
)
_AT_ONCE = 50
_MOST_DEBTS = 500
_MOST_IN_CHART = 480
_MOST_ACTIONS = 100


def register(app: Flask, services: Services) -> None:
    """Give the templates of `app` what they all need: the frame, and times and numbers as people read them."""
    clock = services.clock

    def moment(at: datetime) -> Markup:
        return words.moment(at, clock.now())

    def ago(at: datetime) -> Markup:
        return words.ago(at, clock.now())

    def exact(at: datetime) -> Markup:
        return words.exact(at, clock.now())

    def moments(text: str) -> Markup:
        return words.with_moments(text, clock.now())

    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    for shown in (
        moment,
        ago,
        exact,
        moments,
        words.sentence,
        words.number,
        words.span,
        words.many,
        words.iso,
        words.utc,
    ):
        app.add_template_filter(shown)
    app.jinja_env.globals.update(phrases=phrases, silence_link=places.silence_link)

    @app.context_processor
    def around() -> dict[str, Any]:
        return {
            "frame": lambda: frame.of(services, request),
            "places": _PLACES,
            "addresses": _ADDRESSES,
            "version": alertsync.__version__,
            "page": "",
            "bare": False,
        }


def show_now(services: Services) -> str:
    """Show whether it works."""
    queries.check(request)
    state = frame.of(services, request)
    return render_template("now.html", state=state, view=now.view(state, services))


def blueprint(services: Services, triggers: Triggers, readings: Readings, silencer: Silencing) -> Blueprint:
    """Make the blueprint over these services."""
    routes = Blueprint("pages", __name__)
    store = services.store

    @routes.get("/inconsistencies")
    def inconsistencies() -> str:
        wanted = asked.decisions_wanted(request)
        last = store.last_run()
        listing = decisions.listing(last, wanted) if last else None
        return render_template(
            "inconsistencies.html",
            run=last,
            wanted=wanted,
            listing=listing,
            shows=decisions.SHOWS,
            silences_at=_silences_at(services, last),
        )

    @routes.get("/owed")
    def owed_pages() -> str:
        queries.check(request, "show", "before")
        show = queries.choice(request, "show", "open", "all")
        try:
            page = store.debts(limit=_MOST_DEBTS, before=request.args.get("before"), open_only=show == "open")
        except ValueError:
            raise asked.cursor_error() from None
        return render_template(
            "owed.html",
            listing=owed.listing(page.items),
            show=show,
            next=page.next,
            degraded=store.degraded,
            policy=services.settings.policy,
            interval=services.settings.interval,
        )

    @routes.get("/runs/<run_id>")
    def run(run_id: str) -> str:
        return _run(services, run_id)

    @routes.post("/preview")
    def preview() -> Response:
        queries.check(request, "lift")
        lift = queries.lifted(request)
        queries.no_body(request)
        started = triggers.start(dry_run=True, lift=lift, trigger=plan.TRIGGER)
        started.wait(reconcile.PATIENCE_SECONDS)
        return redirect(url_for("pages.run", run_id=started.run_id), 303)

    _add_past(routes, services)
    _add_story(routes, services, readings)
    silencing.register(routes, services, silencer, lambda: _silences_at(services, store.last_run()))
    refusals.register(routes)
    return routes


def _silences_at(services: Services, run: Run | None) -> str:
    learned = run.external_urls if run else frozenset()
    return places.silences_at(services.settings.policy.external_urls, learned, own_host=request.host)


def _run(services: Services, run_id: str) -> str:
    wanted, found = asked.decisions_wanted(request), services.store.run(run_id)
    if found is None:
        raise problems.ProblemError(
            404, "Unknown run", "No run of that id is kept here.", "The history lists those that are kept."
        )
    one = views.as_of_now(found, services)
    listing = decisions.listing(one, wanted)
    progress = services.progress()
    return render_template(
        "run.html",
        run=one,
        wanted=wanted,
        listing=listing,
        shows=decisions.SHOWS,
        silences_at=_silences_at(services, one),
        progress=progress if progress is not None and progress.run_id == run_id else None,
        kept_back=[page for page in one.repages if page.held],
        mirrored=decisions.mirrored(one),
    )


def _add_past(routes: Blueprint, services: Services) -> None:
    store = services.store

    @routes.get("/history")
    def history() -> str:
        queries.check(request, "list", "status", "kind", "outcome", "q", "before")
        what = queries.choice(request, "list", "runs", "actions")
        before = request.args.get("before")
        runs, actions = asked.runs_asked(request), asked.actions_asked(request)
        found: Page[Any]
        try:
            if what == "runs":
                wanted = runs.wanted(services.clock.now() - views.longest(services))
                found = store.runs(limit=_AT_ONCE, before=before, wanted=wanted)
            else:
                found = store.actions(limit=_AT_ONCE, before=before, wanted=actions.wanted())
        except ValueError:
            raise asked.cursor_error() from None
        drawn = chart.chart(
            [views.as_of_now(one, services) for one in store.runs(limit=_MOST_IN_CHART).items]
        )
        return render_template(
            "history.html",
            what=what,
            found=found,
            runs=runs,
            actions=actions,
            chart=drawn,
            asked=asked,
            degraded=store.degraded,
            as_of_now=lambda one: views.as_of_now(one, services),
        )


def _add_story(routes: Blueprint, services: Services, readings: Readings) -> None:
    @routes.get("/alert-groups/<alert_group_id>")
    def alert_group(alert_group_id: str) -> str:
        queries.check(request, "done")
        done = queries.choice(request, "done", "", "made")
        failure, explained = "", None
        try:
            explained = readings.read(alert_group_id)
        except UnknownAlertGroupError as error:
            failure = words.sentence(f"IRM does not know it any more: {error}")
        except (UpstreamError, StoppedError, NotReadyError, problems.ProblemError) as error:
            failure = words.sentence(str(error))
        last = services.store.last_run()
        remembered = story.remembered(services.store, last, alert_group_id, _MOST_ACTIONS)
        if explained is None and not remembered:
            raise problems.ProblemError(
                404 if "does not know" in failure else 503,
                "No story to tell",
                f"Nothing is remembered of this alert group. {failure}",
                "The lists of inconsistencies and of actions lead to those that are known.",
            )
        shown = story.of(explained, remembered, services.settings.policy, services.clock.now())
        services.count_requests()
        return render_template(
            "story.html",
            story=shown,
            failure=failure,
            id=alert_group_id,
            done=done,
            durations=silences.DURATIONS,
            usual=silences.USUAL,
            silences_at=_silences_at(services, last),
        )
