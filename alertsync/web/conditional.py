"""Lets those who poll ask "has it changed?", and answers 304 with an empty body while it has not.

A tag is weak: it says that the answer means the same, whether or not something between us compressed it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import alertsync

if TYPE_CHECKING:
    from flask import Request, Response

_CACHE_CONTROL = "private, no-cache"


def tag(request: Request, *facts: object) -> str:
    """Make the tag of an answer that follows from the request and these facts, and changes with the version."""
    said = repr((alertsync.__version__, request.script_root, request.full_path, facts)).encode()
    return hashlib.blake2b(said, digest_size=12).hexdigest()


def tag_of(request: Request, body: bytes) -> str:
    """Make the tag of an answer with this body, where nothing cheaper tells whether it has changed."""
    return tag(request, hashlib.blake2b(body, digest_size=16).digest())


def known(request: Request, tag: str) -> bool:
    """Tell whether the client has the answer with this tag already, so that it need not be made."""
    return request.if_none_match.contains_weak(tag)


def marked(request: Request, answer: Response, tag: str) -> Response:
    """Mark an answer with its tag, so that it can be asked for again; make it a 304 if the client has it."""
    answer.set_etag(tag, weak=True)
    answer.headers["Cache-Control"] = _CACHE_CONTROL
    if known(request, tag):
        answer.status_code = 304
        answer.set_data(b"")
        answer.headers.pop("Content-Type", None)
        answer.headers.pop("Content-Length", None)
    return answer
