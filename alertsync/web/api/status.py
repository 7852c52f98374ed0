"""How things stand, in one answer: what a program polls to know whether alertsync works, and what it is doing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
from flask import Blueprint, Response, jsonify, request

import alertsync
from alertsync.models import peer_name
from alertsync.web import answers, attention, conditional, queries, views

if TYPE_CHECKING:
    from datetime import datetime

    from alertsync.models import Standing, Upstream
    from alertsync.services import Services


def blueprint(services: Services) -> Blueprint:
    """Make the blueprint over these services."""
    routes = Blueprint("status", __name__)

    @routes.get("/api/v1/status")
    def status() -> Response:
        queries.check(request)
        found = of(services, curl=attention.curl(request))
        # The time of day is no news.
        timeless = msgspec.json.encode(msgspec.structs.replace(found, now=found.now.min))
        return conditional.marked(request, jsonify(views.plain(found)), conditional.tag_of(request, timeless))

    return routes


def of(services: Services, *, curl: str) -> answers.Status:
    """Tell how things stand; `curl` is the command that triggers a run."""
    settings, standing = services.settings, services.store.standing()
    return answers.Status(
        service="alertsync",
        version=alertsync.__version__,
        now=services.clock.now(),
        ready=services.reconciler is not None,
        missing=services.missing,
        mode=answers.Mode(
            dry_run=settings.policy.dry_run,
            repage=settings.policy.repage,
            on_silenced=settings.policy.on_silenced,
            on_gone=settings.policy.on_gone,
        ),
        loop=answers.Loop(
            interval=settings.interval,
            leader=services.heartbeat.leader is not None,
            next_run_at=_whole(services.heartbeat.next_run_at(services.clock)),
        ),
        upstreams=answers.Upstreams(
            alertmanager=tuple(_seen(url, _peer(url, standing)) for url in settings.alertmanager.urls),
            irm=_seen(settings.irm.url, standing.upstreams.get("irm")) if settings.irm.url else None,
        ),
        attention=attention.of(services, curl=curl),
        last_run=standing.last,
        progress=services.progress(),
    )


def _peer(url: str, standing: Standing) -> Upstream | None:
    """Tell how a peer was last seen: where none answered, or there is only one, as they all were."""
    whole, own = (standing.upstreams.get(name) for name in ("alertmanager", peer_name(url)))
    return own if own is not None and whole is not None and own.seen_at >= whole.seen_at else whole


def _seen(url: str, seen: Upstream | None) -> answers.Seen:
    return answers.Seen(url) if seen is None else answers.Seen(url, **msgspec.structs.asdict(seen))


def _whole(moment: datetime | None) -> datetime | None:
    """Round to seconds: what is left until then is counted anew each time, and differs by a hair."""
    if moment is None:
        return None
    return (moment + timedelta(milliseconds=500)).replace(microsecond=0)
