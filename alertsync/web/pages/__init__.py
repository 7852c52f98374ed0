"""What people see: pages rendered here, which work without JavaScript and are better with it.

A page is a view, made by a pure function of what the store holds, and a template that shows it. The handlers only bring
the two together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import render_template, request

import alertsync
from alertsync.web.pages import frame, now, words

if TYPE_CHECKING:
    from datetime import datetime

    from flask import Flask
    from markupsafe import Markup

    from alertsync.services import Services

_PLACES = (("now", "index", "Now"),)
"""The pages of the navigation: name, endpoint and label."""

_ADDRESSES = (
    ("probes.readyz", "Readiness"),
    ("probes.page", "Metrics"),
    ("alerts.all_alerts", "Alerts in Alertmanager"),
)


def register(app: Flask, services: Services) -> None:
    """Give the templates of `app` what they all need: the frame, and times and numbers as people read them."""
    clock = services.clock

    def moment(at: datetime) -> Markup:
        return words.moment(at, clock.now())

    def ago(at: datetime) -> Markup:
        return words.ago(at, clock.now())

    def moments(text: str) -> Markup:
        return words.with_moments(text, clock.now())

    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    for shown in (moment, ago, moments, words.number, words.span):
        app.add_template_filter(shown)

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
    state = frame.of(services, request)
    return render_template("now.html", state=state, view=now.view(state, services))
