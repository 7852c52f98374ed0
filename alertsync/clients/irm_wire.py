"""What IRM's public API sends, field by field, and how it becomes the values that the planner judges.

Only what is used is decoded, and all of it strictly. An integration's inbound link is a secret: it is decoded
here and goes no further than the client (`irm_inbound.py`); the value that leaves only says whether there is one.
"""

from __future__ import annotations

import sys

import msgspec

from alertsync.clients.deliveries import WireDelivery, delivery
from alertsync.clients.irm_inbound import is_link
from alertsync.clients.wire import Time
from alertsync.errors import Reason, UpstreamError
from alertsync.models import AlertGroup, Integration


class _Permalinks(msgspec.Struct, gc=False):
    web: str | None = None


class WireAlertGroup(msgspec.Struct, gc=False):
    """An alert group as IRM lists and shows it."""

    id: str
    integration_id: str
    alerts_count: int
    state: str
    created_at: Time
    title: str | None = None
    permalinks: _Permalinks | None = None
    last_alert: WireDelivery | None = None
    silenced_at: Time | None = None
    resolved_at: Time | None = None
    resolved_by: str | None = None


class _Templates(msgspec.Struct, gc=False):
    grouping_key: str | None = None


class WireIntegration(msgspec.Struct, gc=False):
    """An integration as IRM lists it; it is never shown, as `link` is a secret."""

    id: str
    name: str | None
    type: str
    maintenance_mode: str | int | None
    link: str | None = None
    templates: _Templates | None = None
    heartbeat: object = None
    """Of any shape: no run shall fail for want of a heartbeat."""

    @property
    def heartbeat_link(self) -> str | None:
        """The link for its heartbeat, if IRM shows one; as secret as `link`."""
        link = self.heartbeat.get("link") if isinstance(self.heartbeat, dict) else None
        return link if isinstance(link, str) and is_link(link) else None

    def __repr__(self) -> str:
        return f"WireIntegration({self.id!r})"


class WireNote(msgspec.Struct, gc=False):
    """A resolution note as IRM lists it."""

    id: str
    text: str | None


class User(msgspec.Struct, gc=False):
    """The user whom a token belongs to; `role` is admin, editor, viewer or none."""

    id: str
    username: str = ""
    email: str | None = None
    role: str = ""


def alert_group(wire: WireAlertGroup) -> AlertGroup:
    """Turn an alert group of the wire into the value that the planner judges."""
    return AlertGroup(
        id=wire.id,
        # Tens of thousands have the same.
        integration_id=sys.intern(wire.integration_id),
        state=sys.intern(wire.state),
        alerts_count=wire.alerts_count,
        created_at=wire.created_at,
        title=(wire.title or "").strip(),
        url=wire.permalinks.web if wire.permalinks else None,
        last_delivery=delivery(wire.last_alert) if wire.last_alert else None,
        silenced_at=wire.silenced_at,
        resolved_at=wire.resolved_at,
        resolved_by=wire.resolved_by,
    )


def integration(wire: WireIntegration) -> Integration:
    """Turn an integration of the wire into a value without secrets.

    One whose templates are not shown may have one that merges, and is taken for one that does.
    """
    return Integration(
        id=wire.id,
        name=wire.name or "",
        type=wire.type,
        in_maintenance=wire.maintenance_mode is not None,
        receives=is_link(wire.link),
        beats=wire.heartbeat_link is not None,
        merges=wire.templates is None or wire.templates.grouping_key is not None,
    )


_REFUSALS = ("resolved", "acknowledged", "unsilenced", "unresolved", "attached")


def refusal(error: UpstreamError) -> str:
    """Give the gist of IRM's refusal of an action; "" if it is another.

    One of "resolved", "acknowledged", "unsilenced", "unresolved", "attached", "deleted", "forbidden". The texts are
    IRM's own: `Can't resolve a resolved alert group`, `Can't silence an acknowledged alert group`.
    """
    if error.reason is Reason.NOT_FOUND and error.detail == "Not found.":
        return "deleted"
    if error.reason in (Reason.FORBIDDEN, Reason.UNAUTHORIZED):
        return "forbidden"
    if error.reason is not Reason.REJECTED:
        return ""
    said = error.detail
    if "Object does not exist" in said:
        # So IRM answers to a note for an alert group that is not there any more.
        return "deleted"
    return next(
        (word for word in _REFUSALS if f"a {word} alert group" in said or f"an {word} alert group" in said),
        "",
    )
