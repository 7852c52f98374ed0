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
    del head["decisions"]
    return listed(head, "decisions", map(views.of_decision, one.decisions))


def listed(head: Mapping[str, Any], name: str, entries: Iterable[Any]) -> Response:
    """Answer with the object `head` (not empty), and with `entries` as the list `name` at its end; each is encoded on its own."""
    body = bytearray(_encode(head))
    body[-1:] = b"," + _encode(name) + b":["
    separator = b""
    for entry in entries:
        body += separator
        body += _encode(entry)
        separator = b","
    body += b"]}\n"
    return Response(bytes(body), mimetype="application/json")
