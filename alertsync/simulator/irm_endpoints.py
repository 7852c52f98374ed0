"""One method for each thing that IRM's public API can be asked, and for what is posted to it.

Every method of the API gets the user who asks, who has passed the gate, and the variable parts of
the path. Answers follow those recorded from Grafana OnCall 2026-01: an action that succeeded says
nothing at all, not even a content type.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from flask import Response, request

from alertsync.simulator import irm_listing, irm_views
from alertsync.simulator.irm_gate import RefusalError, refuse
from alertsync.simulator.irm_records import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeVar

    from alertsync.simulator.irm_model import Group, Integration, Irm, User

    T = TypeVar("T")

_USERS_PAGE_SIZE = 100
_DELETED, _WIPED = "delete", "wipe"


def answer(body: object, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON."""
    return Response(msgspec.json.encode(body), status, headers, mimetype="application/json")


def nothing(status: int = HTTPStatus.OK) -> Response:
    """Answer without a body and without a content type."""
    response = Response(b"", status)
    del response.headers["Content-Type"]
    return response


class Endpoints:
    """The views of the simulator's public API and of its inbound endpoints."""

    def __init__(self, irm: Irm) -> None:
        self._irm = irm

    # Alert groups

    def list_groups(self, _: User) -> Response:
        """List alert groups, newest first."""
        with self._irm.lock:
            groups = irm_listing.select(self._irm.groups(), request.args)
            page = self._page(groups, lambda group: irm_views.group(self._irm, group))
            response = answer(page)
        if self._irm.on_page_read is not None:
            self._irm.on_page_read(request.args.get("state", ""), page["current_page_number"])
        return response

    def show_group(self, _: User, group_id: str) -> Response:
        """Show one alert group."""
        with self._irm.lock:
            return answer(irm_views.group(self._irm, self._group(group_id)))

    def remove_group(self, _: User, group_id: str) -> Response:
        """Delete or wipe an alert group, as the body's `mode` says."""
        mode = _mapping(_json_body()).get("mode", _WIPED)
        with self._irm.lock:
            self._group(group_id)
            if mode == _DELETED:
                self._irm.delete(group_id)
            elif mode == _WIPED:
                self._irm.wipe(group_id)
            else:
                raise RefusalError(HTTPStatus.BAD_REQUEST, "Invalid mode")
        return nothing(HTTPStatus.NO_CONTENT)

    def act(self, user: User, group_id: str, action: str) -> Response:
        """Acknowledge, resolve, silence an alert group, or the inverse."""
        if user.is_service_account:
            text = f"Service accounts are not allowed to {action} alert groups"
            raise refuse(HTTPStatus.FORBIDDEN, text)
        with self._irm.lock:
            self._group(group_id)
            delay = _delay(_json_body()) if action == "silence" else 0
            try:
                self._irm.act(group_id, action, by=user, delay=delay)
            except RefusedError as refused:
                raise refuse(HTTPStatus.BAD_REQUEST, str(refused)) from None
        return nothing()

    def list_deliveries(self, _: User) -> Response:
        """List the deliveries of all alert groups or of one, newest first."""
        with self._irm.lock:
            deliveries = [it for group in self._asked_groups() for it in group.deliveries]
            deliveries.sort(key=lambda it: it.created_at)
            return answer(self._page(deliveries[::-1], irm_views.delivery))

    # Resolution notes

    def list_notes(self, _: User) -> Response:
        """List the resolution notes of all alert groups or of one, oldest first in each."""
        with self._irm.lock:
            notes = [it for group in self._asked_groups() for it in group.notes]
            return answer(self._page(notes, irm_views.note))

    def add_note(self, user: User) -> Response:
        """Write a resolution note."""
        body = _mapping(_json_body())
        for name in ("alert_group_id", "text"):
            if name not in body:
                raise RefusalError(HTTPStatus.BAD_REQUEST, {name: ["This field is required."]})
        group_id, text = str(body["alert_group_id"]), str(body["text"])
        with self._irm.lock:
            try:
                note = self._irm.add_note(group_id, text, by=user)
            except KeyError:
                problem = {"alert_group_id": ["Object does not exist"]}
                raise RefusalError(HTTPStatus.BAD_REQUEST, problem) from None
            return answer(irm_views.note(note), HTTPStatus.CREATED)

    # What surrounds them

    def list_integrations(self, _: User) -> Response:
        """List integrations."""
        integrations = self._irm.integrations()
        return answer(self._page(integrations, lambda it: irm_views.integration(self._irm, it)))

    def show_integration(self, _: User, integration_id: str) -> Response:
        """Show one integration."""
        try:
            return answer(irm_views.integration(self._irm, self._irm.integration(integration_id)))
        except KeyError:
            raise _unknown() from None

    def list_users(self, _: User) -> Response:
        """List the people; service accounts are not among them."""
        people = [user for user in self._irm.users() if not user.is_service_account]
        return answer(self._page(people, irm_views.user, size=_USERS_PAGE_SIZE))

    def show_user(self, user: User, user_id: str) -> Response:
        """Show a user, "current" being the one who asks; a service account breaks the server there."""
        if user_id == "current":
            if user.is_service_account:
                raise ServerError
            return answer(irm_views.user(user))
        for known in self._irm.users():
            if known.id == user_id and not known.is_service_account:
                return answer(irm_views.user(known))
        raise _unknown()

    def show_info(self, _: User) -> Response:
        """Tell which Grafana this IRM belongs to."""
        return answer({"url": self._irm.grafana_url})

    # Inbound, without a user

    def deliver(self, kind: str, key: str) -> Response:
        """Take a payload for an integration."""
        integration = self._inbound_integration(kind, key)
        if integration is None:
            return _unknown_key()
        self._irm.deliver(integration, _json_body())
        return answer("Ok.")

    def beat(self, kind: str, key: str) -> Response:
        """Note a heartbeat of an integration."""
        integration = self._inbound_integration(kind, key)
        if integration is None:
            return _unknown_key()
        integration.heartbeats.append(self._irm.clock())
        return answer(":)") if request.method == "GET" else nothing()

    # Inside

    def _group(self, group_id: str) -> Group:
        try:
            return self._irm.group(group_id)
        except KeyError:
            raise _unknown() from None

    def _asked_groups(self) -> list[Group]:
        wanted = request.args.get("alert_group_id")
        return [group for group in self._irm.groups() if wanted in (None, group.id)]

    def _inbound_integration(self, kind: str, key: str) -> Integration | None:
        known = (it for it in self._irm.integrations() if (it.shown_type, it.key) == (kind, key))
        return next(known, None)

    def _page(
        self, items: Sequence[T], show: Callable[[T], object], *, size: int | None = None
    ) -> irm_listing.Listing:
        url = f"{self._irm.api_url}{request.path}"
        return irm_listing.page(items, show, url=url, query=request.args, default_size=size)


class ServerError(Exception):
    """IRM breaks: 500 with an HTML page."""


def _json_body() -> object:
    """Read the request's JSON; an empty body is an empty object, as IRM reads it."""
    data = request.get_data()
    if not data:
        return {}
    try:
        return json.loads(data)
    except ValueError as error:
        raise refuse(HTTPStatus.BAD_REQUEST, f"JSON parse error - {error}") from None


def _delay(body: object) -> int:
    delay = _mapping(body).get("delay")
    if delay is None:
        raise refuse(HTTPStatus.BAD_REQUEST, "delay is required")
    if not isinstance(delay, int | float | str):
        raise ServerError
    try:
        seconds = int(delay)
    except ValueError:
        seconds = -2
    if seconds < -1:
        raise refuse(HTTPStatus.BAD_REQUEST, "invalid delay value")
    return seconds


def _mapping(body: object) -> Mapping[str, object]:
    if not isinstance(body, dict):
        raise ServerError
    return body


def _unknown() -> RefusalError:
    return refuse(HTTPStatus.NOT_FOUND, "Not found.")


def _unknown_key() -> Response:
    text = "Integration key was not found. Permission denied."
    return Response(text, HTTPStatus.FORBIDDEN, mimetype="text/html")
