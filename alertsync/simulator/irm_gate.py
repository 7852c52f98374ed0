"""What IRM checks before it looks at a request: the token, the role, the rate.

The order is visible from outside and is kept: a token that is not known is refused before its role
is looked at, and a user without the right role is refused even while throttled, without being
counted (observed on Grafana OnCall 2026-01).
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from alertsync.simulator.irm_records import SERVICE_ACCOUNT_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.datastructures import Headers

    from alertsync.simulator.irm_model import Irm, User

_ORGANISATION_SYNC_SECONDS = "350"


class RefusalError(Exception):
    """An answer other than the wanted one: status, JSON body and extra headers."""

    def __init__(self, status: HTTPStatus, body: object, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


def refuse(status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None) -> RefusalError:
    """Build the refusal whose body is `{"detail": …}`."""
    return RefusalError(status, {"detail": detail}, headers)


class Gate:
    """Lets a request in, or raises `RefusalError`."""

    def __init__(self, irm: Irm) -> None:
        self._irm = irm
        self._requests: defaultdict[tuple[str, str], deque[datetime]] = defaultdict(deque)

    def enter(self, headers: Headers, *, to_act: bool, scope: str) -> User:
        """Return who asks. `scope` names the group of endpoints whose requests are counted together."""
        user = self._identify(headers)
        if not (user.may_act if to_act else user.may_read):
            raise refuse(HTTPStatus.FORBIDDEN, "You do not have permission to perform this action.")
        self._count(user, scope)
        return user

    def _identify(self, headers: Headers) -> User:
        token = headers.get("Authorization", "")
        invalid = refuse(HTTPStatus.FORBIDDEN, "Invalid token.")
        if token.startswith(SERVICE_ACCOUNT_PREFIX):
            stack = headers.get("X-Grafana-URL")
            if stack is None:
                raise invalid
            if stack.rstrip("/") != self._irm.grafana_url.rstrip("/"):
                raise refuse(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    "Organization being synced, please retry.",
                    {"RateLimit-Reset": _ORGANISATION_SYNC_SECONDS},
                )
        user = self._irm.user_of(token)
        if user is None:
            raise invalid
        return user

    def _count(self, user: User, scope: str) -> None:
        if self._irm.rate_limit is None:
            return
        limit, seconds = self._irm.rate_limit
        with self._irm.lock:
            now = self._irm.clock()
            requests = self._requests[user.id, scope]
            while requests and requests[0] <= now - timedelta(seconds=seconds):
                requests.popleft()
            if len(requests) < limit:
                requests.append(now)
                return
            wait = (
                math.ceil(seconds - (now - requests[0]).total_seconds()) if requests else math.ceil(seconds)
            )
        raise refuse(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"Request was throttled. Expected available in {wait} second{'' if wait == 1 else 's'}.",
            {"Retry-After": str(wait), "RateLimit-Reset": str(wait)},
        )
