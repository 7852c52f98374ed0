"""Strikes secrets out of text: out of log lines, and out of what strangers' servers say before it is passed on."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_REDACTED = "[redacted]"
_MIN_LENGTH = 4
"""Shorter secrets would strike out parts of ordinary words."""


def strike(text: str, secrets: Iterable[str]) -> str:
    """Replace every secret in `text`, plain or as JSON writes it."""
    for secret in secrets:
        if len(secret) >= _MIN_LENGTH:
            text = text.replace(secret, _REDACTED).replace(json.dumps(secret)[1:-1], _REDACTED)
    return text


def basic(username: str, password: str) -> str:
    """Give the form in which HTTP basic auth sends a user name and password; it is as secret as they are."""
    return b64encode(f"{username}:{password}".encode()).decode()
