"""Keeps what IRM's outgoing webhooks told until a run has looked, within a transaction of the caller.

Any process takes a delivery in, and the one that holds the run lock handles it. An event has the hash of what it said
for an id, so that one that is delivered again, and was handled long ago, changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import bindparam, delete, func, insert, select

from alertsync.models import HandledEvent, WebhookEvent
from alertsync.store.history import readable
from alertsync.store.schema import events, micros

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection

    from alertsync.store.pages import Key

MOST_WAITING = 5000
"""How many events wait at most: a flood, or hours without a run, must not fill the disk.

Leases of ours are told of too, each by every webhook that there is, and a run may renew hundreds.
"""

MOST_HANDLED = 5000
"""How many events are kept at most once they are handled."""

_encode = msgspec.json.Encoder().encode
_handled = msgspec.json.Decoder(HandledEvent)

_WAITING = select(events.c.received_at, events.c.id, events.c.body).where(events.c.handled_at.is_(None))
_COUNT = select(func.count()).select_from(events).where(events.c.handled_at.is_(None))
_ONE = select(events.c.id).where(events.c.id == bindparam("wanted"))


class Full(Exception):  # noqa: N818  it never leaves the store
    """As many events wait as are kept."""


def receive(connection: Connection, event: WebhookEvent) -> bool:
    """Take an event in; False if it is known already. Raise `Full` where too many wait."""
    if connection.scalar(_ONE, {"wanted": event.id}) is not None:
        return False
    if (connection.scalar(_COUNT) or 0) >= MOST_WAITING:
        raise Full
    connection.execute(insert(events), _row(HandledEvent(event)))
    return True


def waiting(connection: Connection) -> tuple[WebhookEvent, ...]:
    """Read the events that wait for a run, oldest first."""
    found = []
    rows = connection.execute(_WAITING.order_by(events.c.received_at, events.c.id).limit(MOST_WAITING))
    for _, _, body in rows:
        try:
            found.append(_handled.decode(body).event)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue  # nobody can tell what it said; retention takes it
    return tuple(found)


def count_waiting(connection: Connection) -> int:
    """Count the events that wait for a run."""
    return connection.scalar(_COUNT) or 0


def write(connection: Connection, handled: Iterable[HandledEvent]) -> None:
    """Write events over what was known of them; what is handled does not wait again."""
    for one in handled:
        if one.handled_at is None and connection.scalar(_ONE, {"wanted": one.event.id}) is not None:
            continue
        connection.execute(delete(events).where(events.c.id == one.event.id))
        connection.execute(insert(events), _row(one))


def read(connection: Connection, limit: int, before: Key | None) -> list[tuple[Key, HandledEvent]]:
    """Read events, those received last first, whether they are handled or not."""
    query = select(events.c.received_at, events.c.id, events.c.body)
    by = (events.c.received_at, events.c.id)
    return readable(connection, query, by, limit, before, decode=lambda body, _: _handled.decode(body))


def rows(kept: Iterable[HandledEvent]) -> list[tuple[Key, HandledEvent]]:
    """Give events that are not in the database as `read` would."""
    return [((micros(one.event.received_at), one.event.id, 0), one) for one in kept]


def prune(connection: Connection, oldest: datetime) -> None:
    """Delete the events that were received before `oldest`, and of the handled ones all but the newest."""
    connection.execute(delete(events).where(events.c.received_at < oldest))
    over = select(events.c.id).where(events.c.handled_at.is_not(None))
    over = over.order_by(events.c.handled_at.desc(), events.c.id).offset(MOST_HANDLED)
    connection.execute(delete(events).where(events.c.id.in_(connection.scalars(over).all())))


def _row(one: HandledEvent) -> dict[str, object]:
    return {
        "id": one.event.id,
        "received_at": one.event.received_at,
        "handled_at": one.handled_at,
        "body": _encode(one),
    }
