"""Cuts long lists into pages, so that no answer grows with the age of the installation.

A page ends at a row, and the next one begins behind it: a cursor names the row by what the list is sorted by.
Rows that are added meanwhile then neither shift the pages nor show up twice, as they would with numbered ones.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from alertsync.store.schema import moment

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")

Key = tuple[int, str, int]
"""What the lists are sorted by, newest first: a time (microseconds), an id, and a number within that."""


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A part of a list, newest first; `next` is the cursor of the part behind it, None at the end."""

    items: tuple[T, ...]
    next: str | None = None


def cursor(key: Key) -> str:
    """Write a cursor that leads behind the row with this key."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def key_of(before: str | None) -> Key | None:
    """Read a cursor; raise `ValueError` if it is none of ours."""
    if before is None:
        return None
    try:
        padded = before + "=" * (-len(before) % 4)
        key: Key = msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=Key)
        moment(key[0])
        key[2].to_bytes(4)  # raises what follows if no column could hold it
    except (binascii.Error, msgspec.DecodeError, ValueError, OverflowError):
        raise ValueError("the cursor is not understood: it wants the `next` of an earlier page") from None
    return key


def page(rows: Iterable[tuple[Key, T]], limit: int, before: Key | None = None) -> Page[T]:
    """Make a page of at most `limit` rows that stand behind `before`; of equal keys, the first row counts."""
    by_key: dict[Key, T] = {}
    for key, item in rows:
        if before is None or key < before:
            by_key.setdefault(key, item)
    keys = sorted(by_key, reverse=True)
    shown = keys[:limit]
    return Page(
        items=tuple(by_key[key] for key in shown),
        next=cursor(shown[-1]) if shown and len(keys) > limit else None,
    )
