"""The JSON bodies of Alertmanager's API v2, both ways.

What the simulator accepts it must accept as narrowly as the real program: a client that leaves out a field
must fail here too. Field names and refusals are those of recordings and of Alertmanager's OpenAPI document.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from flask import Request

from alertsync.simulator.alertmanager_model import (
    RESOLVE_TIMEOUT,
    Alert,
    Alertmanager,
    GroupView,
    Matcher,
    Sighting,
    Silence,
)
from alertsync.simulator.alertmanager_text import api_time, parse_time

_REQUIRED = 602
_TOO_FEW = 612


class BodyError(Exception):
    """A request that is refused before Alertmanager looks at what it means; ``code`` is go-openapi's."""

    def __init__(self, status: HTTPStatus, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def alert_json(seen: Sighting, alertmanager: Alertmanager) -> dict[str, Any]:
    """Return a GettableAlert; ``generatorURL`` only if there is one, ``mutedBy`` only from 0.28 on."""
    alert = seen.alert
    status = {
        "state": seen.state,
        "silencedBy": list(seen.silenced_by),
        "inhibitedBy": list(seen.inhibited_by),
    }
    body = {
        "annotations": dict(alert.annotations),
        "endsAt": api_time(alert.ends_at),
        "fingerprint": alert.fingerprint,
        "receivers": [{"name": name} for name in seen.receivers],
        "startsAt": api_time(alert.starts_at),
        "status": status | ({"mutedBy": list(seen.muted_by)} if alertmanager.since_028 else {}),
        "updatedAt": api_time(alert.updated_at),
        "labels": dict(alert.labels),
    }
    return body | ({"generatorURL": alert.generator_url} if alert.generator_url else {})


def group_json(view: GroupView, alertmanager: Alertmanager) -> dict[str, Any]:
    """Return an AlertGroup."""
    return {
        "alerts": [alert_json(seen, alertmanager) for seen in view.alerts],
        "labels": dict(view.labels),
        "receiver": {"name": view.receiver},
    }


def silence_json(silence: Silence, now: datetime) -> dict[str, Any]:
    """Return a GettableSilence with its state at this moment."""
    return {
        "id": silence.id,
        "status": {"state": silence.state(now)},
        "updatedAt": api_time(silence.updated_at),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "endsAt": api_time(silence.ends_at),
        "matchers": [
            {"isEqual": one.is_equal, "isRegex": one.is_regex, "name": one.name, "value": one.value}
            for one in silence.matchers
        ],
        "startsAt": api_time(silence.starts_at),
    }


def status_json(alertmanager: Alertmanager) -> dict[str, Any]:
    """Return the AlertmanagerStatus; ``uptime`` is the moment of the start."""
    cluster: dict[str, Any] = {"peers": [], "status": alertmanager.cluster_status}
    if alertmanager.cluster_status != "disabled":
        name = "01SIMULATEDPEER00000000000"
        cluster |= {"name": name, "peers": [{"name": name, "address": "127.0.0.1:9094"}]}
    return {
        "cluster": cluster,
        "config": {"original": alertmanager.configuration.yaml()},
        "uptime": api_time(alertmanager.started_at),
        "versionInfo": {
            "branch": "HEAD",
            "buildDate": "20250101-00:00:00",
            "buildUser": "simulator",
            "goVersion": "none",
            "revision": "simulated",
            "version": alertmanager.version,
        },
    }


def read_alerts(request: Request, now: datetime) -> list[Alert]:
    """Read posted alerts; one without an end ends by itself after the ``resolve_timeout``."""
    posted = _read(request, "alerts")
    if not isinstance(posted, list):
        raise BodyError(
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.BAD_REQUEST,
            'parsing alerts body from "" failed, because json: cannot unmarshal object into Go value of type '
            "models.PostableAlerts",
        )
    for index, alert in enumerate(posted):
        _require(alert, ("labels",), f"{index}.")
    return [_read_alert(alert, now) for alert in posted]


def _read_alert(posted: Mapping[str, Any], now: datetime) -> Alert:
    starts_at, ends_at = (_time(posted.get(name), "alerts") for name in ("startsAt", "endsAt"))
    return Alert(
        labels=posted["labels"],
        annotations=posted.get("annotations") or {},
        starts_at=starts_at or ends_at or now,
        ends_at=ends_at or now + RESOLVE_TIMEOUT,
        updated_at=now,
        generator_url=posted.get("generatorURL", ""),
        timeout=ends_at is None,
    )


def read_silence(request: Request, now: datetime) -> Silence:
    """Read a posted silence; an ``id`` means that one is to be changed."""
    posted = _read(request, "silence")
    times = [_time(posted.get(name), "silence") for name in ("startsAt", "endsAt")]
    _require(posted, ("comment", "createdBy", "endsAt", "matchers", "startsAt"))
    if not posted["matchers"]:
        raise BodyError(
            HTTPStatus.UNPROCESSABLE_ENTITY, _TOO_FEW, "matchers in body should have at least 1 items"
        )
    for index, matcher in enumerate(posted["matchers"]):
        _require(matcher, ("isRegex", "name", "value"), f"matchers.{index}.")
    matchers = tuple(
        Matcher(one["name"], one["value"], one["isRegex"], one.get("isEqual", True))
        for one in posted["matchers"]
    )
    starts_at, ends_at = (moment or now for moment in times)
    return Silence(
        posted.get("id", ""), matchers, starts_at, ends_at, now, posted["createdBy"], posted["comment"]
    )


def _read(request: Request, what: str) -> Any:  # noqa: ANN401 - whatever JSON can say
    if request.mimetype != "application/json":
        unsupported = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
        message = f'unsupported media type "{request.mimetype}", only [application/json] are allowed'
        raise BodyError(unsupported, unsupported, message)
    try:
        return json.loads(request.get_data())
    except ValueError as error:
        raise _unreadable(what, error) from error


def _require(body: Any, names: Sequence[str], place: str = "") -> None:  # noqa: ANN401 - a stranger's JSON
    for name in names:
        if not isinstance(body, dict) or body.get(name) is None:
            message = f"{place}{name} in body is required"
            raise BodyError(HTTPStatus.UNPROCESSABLE_ENTITY, _REQUIRED, message)


def _time(text: str | None, what: str) -> datetime | None:
    try:
        return parse_time(text) if text else None
    except ValueError as error:
        raise _unreadable(what, error) from error


def _unreadable(what: str, error: ValueError) -> BodyError:
    bad = HTTPStatus.BAD_REQUEST
    return BodyError(bad, bad, f'parsing {what} body from "" failed, because {error}')
