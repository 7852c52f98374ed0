"""JSON answers that hold a long list, written entry by entry.

Encoded in one piece, thousands of decisions would let no other thread run for as long as that takes, and a probe that
comes meanwhile would wait; and all that they are made of would be in memory at once, beside the text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from flask import Response

from alertsync.web import views

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from alertsync.models import Run

_encode = msgspec.json.Encoder().encode


def run(one: Run) -> Response:
    """Answer with a run, its actions and its decisions, as `views.run` shows it."""
    head = views.run(msgspec.structs.replace(one, decisions=()))
    return listed(head, "decisions", map(views.of_decision, one.decisions))


def listed(head: Mapping[str, Any], name: str, entries: Iterable[Any]) -> Response:
    """Answer with the object `head`, in which `entries` stand as the list `name`: at its place, or at the end."""
    body = bytearray(b"{")
    for field in dict.fromkeys((*head, name)):
        body += (b"," if len(body) > 1 else b"") + _encode(field) + b":"
        if field == name:
            _write(body, entries)
        else:
            body += _encode(head[field])
    body += b"}\n"
    return Response(bytes(body), mimetype="application/json")


def _write(body: bytearray, entries: Iterable[Any]) -> None:
    separator = b"["
    for entry in entries:
        body += separator
        body += _encode(entry)
        separator = b","
    body += b"]" if separator == b"," else b"[]"
