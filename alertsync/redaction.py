"""Strikes secrets out of text: out of log lines, and out of what strangers' servers say before it is passed on.

The log learns the secrets through `remember`, as a setting of the log would show them to whoever prints it.
"""

from __future__ import annotations

import json
from base64 import b64encode
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

_REDACTED = "[redacted]"
_MIN_LENGTH = 4
"""Shorter secrets would strike out parts of ordinary words."""

_remembered: set[str] = set()


def remember(secrets: Iterable[str]) -> None:
    """Strike these out of every log line of this process from now on."""
    _remembered.update(secrets)


def strike_remembered(text: str) -> str:
    """Replace every secret that was remembered."""
    # A copy, as another thread may be remembering more.
    return strike(text, tuple(_remembered))


def strike(text: str, secrets: Iterable[str]) -> str:
    """Replace every secret in `text`: plain, or as JSON, Python or an address write it, or one of them within another."""
    # The longest form of all first, as a shorter one, of another secret too, may be part of it.
    found = {form for secret in secrets for form in _forms(secret) if form in text}
    for form in sorted(found, key=len, reverse=True):
        text = text.replace(form, _REDACTED)
    return text


@lru_cache(maxsize=1 << 14)
def _forms(secret: str) -> frozenset[str]:
    """Give every form in which a secret may stand in a text; most secrets have but one."""
    if len(secret) < _MIN_LENGTH:
        return frozenset()
    once = _written(secret)
    return once.union(*map(_written, once))


def _written(text: str) -> frozenset[str]:
    """Give a text as it is, and as Python, JSON (in ASCII or not) and an address write it."""
    as_json = (json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
    return frozenset({text, repr(text)[1:-1], *as_json, quote(text, safe=""), quote(text)})


def basic(username: str, password: str) -> str:
    """Give the form in which HTTP basic auth sends a user name and password; it is as secret as they are."""
    return b64encode(f"{username}:{password}".encode()).decode()
