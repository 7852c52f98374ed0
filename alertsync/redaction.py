"""Strikes secrets out of text: out of log lines, and out of what strangers' servers say before it is passed on.

The log learns the secrets through `remember`, as a setting of the log would show them to whoever prints it.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING

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
    return strike(text, _remembered)


def strike(text: str, secrets: Iterable[str]) -> str:
    """Replace every secret in `text`, plain or as JSON, Python or both write it."""
    for secret in secrets:
        if len(secret) < _MIN_LENGTH:
            continue
        shown = repr(secret)[1:-1]
        # The longest form first, as a shorter one may be part of it.
        forms = {json.dumps(shown)[1:-1], json.dumps(secret)[1:-1], shown, secret}
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, _REDACTED)
    return text


def basic(username: str, password: str) -> str:
    """Give the form in which HTTP basic auth sends a user name and password; it is as secret as they are."""
    return b64encode(f"{username}:{password}".encode()).decode()
