"""Reads what IRM's outgoing webhooks post: liberal in what it does not need, strict in what it acts upon.

The body is IRM's own, without a template of somebody's: so what is missing was taken away, and is not guessed. A silence
without `until` would be one for ever, and one without `user` nobody's.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec

from alertsync.models import WebhookEvent
from alertsync.web.links import safe_link

if TYPE_CHECKING:
    from collections.abc import Sequence

BEGINS = "silence"
"""The kind of event that tells of a silence."""
ENDS = frozenset({"unsilence", "acknowledge", "resolve"})
"""Kinds of events that tell that a silence is over."""
MOST_CHARACTERS = 320
"""As many as an address of mail may have; names have fewer."""
ID = "^[0-9A-Za-z_-]{1,64}$"

_MOST_TITLE = 500
_SAME_SECONDS = 10
"""An event that names no time is the one of before if it comes again within so many seconds."""

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_Text = Annotated[str, msgspec.Meta(max_length=MOST_CHARACTERS)]
_Id = Annotated[str, msgspec.Meta(pattern=ID)]


class UnreadableError(ValueError):
    """The body is not what IRM sends; the text says where it is not."""


class _Happened(msgspec.Struct):
    type: Annotated[str, msgspec.Meta(min_length=1, max_length=MOST_CHARACTERS)]
    time: _Moment | msgspec.UnsetType | None = msgspec.UNSET
    until: _Moment | msgspec.UnsetType | None = msgspec.UNSET


class _User(msgspec.Struct):
    id: _Text | None = None
    username: _Text | None = None
    email: _Text | None = None


class _Links(msgspec.Struct):
    web: str | None = None


class _AlertGroup(msgspec.Struct):
    id: _Id
    title: str | None = None
    permalinks: _Links | None = None


class _Body(msgspec.Struct):
    event: _Happened
    user: _User | None
    alert_group: _AlertGroup


_decode = msgspec.json.Decoder(_Body).decode


def read(body: bytes, received_at: datetime) -> WebhookEvent:
    """Read the body of a delivery; raise `UnreadableError` where it lacks something, or is no JSON of IRM's."""
    try:
        found = _decode(body)
        json.loads(body, object_pairs_hook=_each_name_once)
    except (msgspec.MsgspecError, ValueError) as error:
        raise UnreadableError(str(error)) from None
    except RecursionError:
        raise UnreadableError("JSON is nested too deeply") from None
    kind = found.event.type.strip().lower()
    if kind == BEGINS and not isinstance(found.event.time, datetime):
        raise UnreadableError("a silence without its time - at `$.event.time`")
    if kind == BEGINS and found.event.until is msgspec.UNSET:
        raise UnreadableError(
            "a silence that does not say until when; null would be for ever - at `$.event.until`"
        )
    return _event(found, kind, received_at)


def _event(found: _Body, kind: str, received_at: datetime) -> WebhookEvent:
    at, until = _utc(found.event.time), _utc(found.event.until)
    user, group = found.user or _User(), found.alert_group
    when = at or received_at.timestamp() // _SAME_SECONDS
    same = repr((kind, group.id, when, until, user.id, user.email))
    links = group.permalinks or _Links()
    return WebhookEvent(
        id=hashlib.sha256(same.encode()).hexdigest()[:32],
        received_at=received_at,
        kind=kind,
        alert_group_id=group.id,
        title=(group.title or "").strip()[:_MOST_TITLE],
        at=at,
        until=until,
        user_id=_plain(user.id),
        user_email=_plain(user.email),
        username=_plain(user.username),
        url=safe_link(links.web) or None,
    )


def _plain(text: str | None) -> str:
    """Give a name or an address; "" for one that holds what no name does, and would forge a line of a log."""
    text = (text or "").strip()
    return text if text.isprintable() else ""


def _utc(at: datetime | msgspec.UnsetType | None) -> datetime | None:
    if not isinstance(at, datetime):
        return None
    try:
        return at.astimezone(UTC)
    except OverflowError:
        # At either end of time a zone makes no difference.
        return at.replace(tzinfo=UTC)


def _each_name_once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """Refuse an object that names something twice: which of them is meant, readers do not agree upon."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("JSON names something twice in one object")
    return found
