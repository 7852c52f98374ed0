"""Silences that are ours: listed, made for the alerts of one alert group, and ended."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import msgspec
from flask import Blueprint, Response, jsonify, request

from alertsync.errors import UpstreamError
from alertsync.store import cut, key_of
from alertsync.web import (
    access,
    answers,
    conditional,
    own_silences,
    problems,
    queries,
    refusals,
    silencing,
    views,
)

if TYPE_CHECKING:
    from alertsync.models import HandResult
    from alertsync.services import Services
    from alertsync.store import Key
    from alertsync.web.silencing import Silencing

ID = "^[0-9A-Za-z_-]{1,64}$"
SOMETHING = r"\S"
"""A comment says something."""
_WHERE_GROUPS = "GET /grafana-alerts shows the ids of the alert groups that are open"
_HINT = 'send JSON such as {"alert_group_id": "IPGQOUSLM4JUA", "duration": 3600, "comment": "db migration"}'


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """A silence that is asked for; `duration` in whole seconds, which JSON may write as 3600.0."""

    alert_group_id: Annotated[str, msgspec.Meta(pattern=ID)]
    duration: Annotated[float, msgspec.Meta(ge=silencing.LEAST_SECONDS, le=silencing.MOST_SECONDS)]
    comment: Annotated[str, msgspec.Meta(pattern=SOMETHING, max_length=silencing.MOST_COMMENT)]


_decode = msgspec.json.Decoder(Wanted).decode


def blueprint(services: Services, silences: Silencing) -> Blueprint:
    """Make the blueprint over these services."""
    routes = Blueprint("silences", __name__)

    @routes.get("/api/v1/silences")
    def listed() -> Response:
        queries.check(request, "limit", "cursor", "before", "state", "alert_group_id")
        limit, before = queries.limit(request), _key()
        only = queries.choice(request, "state", "open", "all") == "open"
        of = queries.identifier(request, "alert_group_id", _WHERE_GROUPS)
        found = own_silences.of(services.store.ledger(), open_only=only, alert_group_id=of)
        page = cut([(own_silences.key(one), one) for one in found], limit, before)
        degraded = services.store.degraded or msgspec.UNSET
        answer = jsonify(views.plain(answers.OwnSilenceList(page.items, page.next, degraded)))
        return conditional.marked(request, answer, conditional.tag_of(request, answer.get_data()))

    @routes.post("/api/v1/silences")
    def make() -> tuple[Response, int]:
        queries.check(request)
        wanted = _wanted()
        duration = timedelta(seconds=wanted.duration)
        author = access.who(request, services.settings.web)
        return _done(silences.make(wanted.alert_group_id, duration, wanted.comment.strip(), author)), 201

    @routes.delete("/api/v1/silences/<silence_id>")
    def end(silence_id: str) -> Response:
        queries.check(request)
        queries.no_body(request)
        check_id(silence_id)
        return _done(silences.end(silence_id, access.who(request, services.settings.web)))

    refuse(routes, services)
    return routes


def check_id(silence_id: str) -> None:
    """Raise a problem for an id that there cannot be."""
    if not re.fullmatch(ID[1:-1], silence_id):
        hint = "GET /api/v1/silences lists those that are ours"
        raise problems.ProblemError(404, "Unknown silence", "this is no id of a silence of ours", hint)


def refuse(routes: Blueprint, services: Services) -> None:
    """Answer for the reasons why there is none, at all addresses of `routes`."""
    refusals.register(routes)

    @routes.errorhandler(UpstreamError)
    def upstream_failed(error: UpstreamError) -> Response:
        name = "Alertmanager" if error.upstream == "alertmanager" else "IRM"
        hint = "python -m alertsync check explains how to reach it"
        return problems.response(502, f"{name} gave no usable answer", str(error), hint)

    @routes.after_request
    def counted(answer: Response) -> Response:
        services.count_requests()
        return answer


def _wanted() -> Wanted:
    if request.mimetype != "application/json":
        raise problems.ProblemError(
            415, "Unsupported Media Type", f"this wants JSON, and not {request.mimetype[:100]!r}", _HINT
        )
    try:
        wanted = _decode(queries.read_body(request))
        if wanted.duration.is_integer():
            return wanted
        raise _unwanted("a duration is in whole seconds - at `$.duration`")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _unwanted(str(error)) from None
    except RecursionError:
        raise _unwanted("JSON is nested too deeply") from None


def _unwanted(why: str) -> problems.ProblemError:
    return problems.ProblemError(400, "Not a silence that can be made", why, _HINT)


def _key() -> Key | None:
    try:
        return key_of(queries.cursor(request))
    except ValueError:
        raise queries.unknown_cursor() from None


def _done(result: HandResult) -> Response:
    silence = own_silences.by_hand(result.silence) if result.silence else None
    return jsonify(views.plain(answers.SilenceDone(result.why, silence)))
