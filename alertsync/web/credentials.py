"""Judges what a request shows of itself: a pure decision, made in the same time whatever is wrong.

People send a user name and a password (HTTP Basic, RFC 7617), scripts a token (Bearer, RFC 6750). Which of the two
parts of a pair was wrong is told nowhere, not even in a metric: it would help only those who guess.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from alertsync.settings import Secret


class Failure(StrEnum):
    """Why a request was not let in; bounded, fit for a metric label."""

    MISSING = "missing"
    MALFORMED = "malformed"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105  the name of a failure
    WRONG_TOKEN = "wrong_token"  # noqa: S105  the same


class Wanted(Protocol):
    """What lets somebody in: a user name with its password, a token, or either; `open` where nothing is wanted."""

    @property
    def username(self) -> str | None:
        """The user name, None where there is no password."""

    @property
    def password(self) -> Secret | None:
        """Its password."""

    @property
    def token(self) -> Secret | None:
        """The token."""

    @property
    def open(self) -> bool:
        """Whether anybody is let in."""


def judge(header: str | None, web: Wanted) -> Failure | None:
    """Tell why the value of the header Authorization lets nobody in; None if it does, or if nothing guards the service.

    Where only a token is set, a browser sends it as the password, with any user name.
    """
    if web.open:
        return None
    if header is None:
        return Failure.MISSING
    scheme, _, rest = header.partition(" ")
    # WSGI hands over bytes as Latin-1.
    given = rest.strip(" ").encode("latin-1", "replace")
    match scheme.lower():
        case "bearer":
            return None if _is_token(given, web) else Failure.WRONG_TOKEN
        case "basic":
            try:
                username, colon, password = base64.b64decode(given, validate=True).partition(b":")
            except binascii.Error:
                return Failure.MALFORMED
            if not colon:
                return Failure.MALFORMED
            return None if _is_person(username, password, web) else Failure.WRONG_PASSWORD
    return Failure.MALFORMED


def challenges(web: Wanted) -> list[str]:
    """Give what the header WWW-Authenticate offers, a value each; browsers ask for a user name because of the first."""
    offered = ['Basic realm="alertsync", charset="UTF-8"']
    return offered if web.token is None else [*offered, 'Bearer realm="alertsync"']


def _is_token(given: bytes, web: Wanted) -> bool:
    return web.token is not None and _same(given, web.token.value)


def _is_person(username: bytes, password: bytes, web: Wanted) -> bool:
    if web.username is None or web.password is None:
        return _is_token(password, web)
    right = _same(username, web.username), _same(password, web.password.value)
    return all(right)


def _same(given: bytes, wanted: str) -> bool:
    return hmac.compare_digest(given, wanted.encode())
