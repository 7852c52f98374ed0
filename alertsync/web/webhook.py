"""Takes in what IRM's outgoing webhooks tell: who silenced what, and until when.

Nothing is decided here. What may matter is kept until a run has looked, which compares it with what IRM shows; what cannot
matter is answered with the reason. IRM repeats a delivery whose connection broke, and never one that was refused: so a
delivery is kept durably before it is answered, and the answer to a repeated one is as good.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NoReturn

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from alertsync.errors import InboxFullError, StoreDegradedError
from alertsync.web import answers, irm_events, problems, queries, views

if TYPE_CHECKING:
    from collections.abc import Callable

    from alertsync.models import WebhookEvent
    from alertsync.services import Services
    from alertsync.web.http_metrics import HttpMetrics

log = logging.getLogger(__name__)

MOST_BYTES = 4 * 1024 * 1024
"""A delivery holds the last payload of Alertmanager twice, and some hundred alerts are a quarter of a megabyte."""
_RETRY_SECONDS = 30
_KINDS = (irm_events.BEGINS, *sorted(irm_events.ENDS))
_OTHER, _UNREAD = "other", "unread"
_SERIES = [
    *((kind, outcome) for kind in _KINDS for outcome in ("accepted", "repeated", "not_kept")),
    *((kind, "ignored") for kind in (*_KINDS[1:], _OTHER)),
    (_UNREAD, "refused"),
]
_HINT = (
    "let IRM send its own data: no custom payload template; docs/WEBHOOK.md has every field of the webhook in IRM, and GET "
    "/api/v1/docs what is read of it"
)


def blueprint(services: Services, http_metrics: HttpMetrics) -> Blueprint:
    """Make the blueprint over these services."""
    routes = Blueprint("webhook", __name__)
    counted = http_metrics.counter(
        "alertsync_webhook_deliveries",
        "Deliveries of IRM's outgoing webhooks, by what they told of and what became of them.",
        labels=("kind", "outcome"),
        values=_SERIES,
    )

    @routes.post("/webhook")
    def receive() -> Response:
        if not services.settings.webhook.on:
            _is_off()
        try:
            event = _read(services)
        except (problems.ProblemError, HTTPException) as error:
            counted(_UNREAD, "refused")
            said = error.detail if isinstance(error, problems.ProblemError) else error.name
            log.warning("a delivery of IRM's webhooks was refused", extra={"reason": said})
            raise
        return _taken(services, event, counted)

    return routes


def _is_off() -> NoReturn:
    raise problems.ProblemError(
        404,
        "Not Found",
        "no webhooks of IRM are taken in here",
        "set WEBHOOK_USERNAME and WEBHOOK_PASSWORD, and restart alertsync; docs/WEBHOOK.md has the steps",
    )


def _read(services: Services) -> WebhookEvent:
    queries.check(request)
    if request.mimetype != "application/json":
        raise problems.ProblemError(
            415,
            "Unsupported Media Type",
            f"a delivery is JSON, and not of the type {request.mimetype[:100]!r}",
            _HINT,
        )
    request.max_content_length = MOST_BYTES
    try:
        return irm_events.read(queries.read_body(request), services.clock.now())
    except irm_events.UnreadableError as error:
        raise problems.ProblemError(400, "Not a delivery of IRM", str(error), _HINT) from None


def _taken(services: Services, event: WebhookEvent, counted: Callable[..., None]) -> Response:
    """Keep an event that may matter, and tell what became of it."""
    kind = event.kind if event.kind in _KINDS else _OTHER
    if ignored := _why_ignored(services, event):
        outcome, reason = "ignored", ignored
    else:
        try:
            new = services.store.receive(event)
        except (InboxFullError, StoreDegradedError) as error:
            counted(kind, "not_kept")
            log.error("an event of IRM cannot be kept: %s", error, extra=_told(event))  # noqa: TRY400  the traceback says nothing more
            return _not_kept(error)
        outcome, reason = (
            ("accepted", "the next run looks at it") if new else ("repeated", "it was delivered before")
        )
    counted(kind, outcome)
    level = logging.DEBUG if outcome == "ignored" else logging.INFO
    log.log(level, "IRM told of an event", extra={**_told(event), "outcome": outcome})
    return jsonify(views.plain(answers.Receipt(outcome, reason, event.kind, event.alert_group_id)))


def _why_ignored(services: Services, event: WebhookEvent) -> str:
    """Say why an event cannot matter; "" if it may."""
    if event.kind == irm_events.BEGINS:
        return ""
    if event.kind not in irm_events.ENDS:
        return "it neither begins a silence nor ends one"
    # A run that goes on may be about to follow a silence of which nothing is written down yet.
    if services.store.is_looked_after(event.alert_group_id) or services.progress() is not None:
        return ""
    return "no silence of this alert group is followed"


def _told(event: WebhookEvent) -> dict[str, str]:
    return {"kind": event.kind, "alert_group_id": event.alert_group_id, "user": event.user_email}


def _not_kept(error: InboxFullError | StoreDegradedError) -> Response:
    title = "Too many events wait" if isinstance(error, InboxFullError) else "The store is degraded"
    hint = "IRM does not send it again: whoever silenced it there can do so once more when this is mended"
    headers = {"Retry-After": str(_RETRY_SECONDS)}
    return problems.response(503, title, str(error), hint, headers=headers)
