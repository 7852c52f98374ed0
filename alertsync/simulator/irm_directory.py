"""Who may speak to the IRM simulator, and through which doors: its users and integrations.

Apart from the alert groups, because these facts hardly ever change during a test, while everything
about an alert group does.
"""

from __future__ import annotations

import random
import string
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from alertsync.simulator import irm_intake
from alertsync.simulator.irm_records import ROLES, SERVICE_ACCOUNT_PREFIX, Integration, User

if TYPE_CHECKING:
    from collections.abc import Callable

_ID_ALPHABET = string.ascii_uppercase + string.digits
_ID_LENGTH = 12


def utc_now() -> datetime:
    """Return the true time."""
    return datetime.now(UTC)


class Directory:
    """The settings, users and integrations of one IRM organisation.

    `clock` gives aware UTC times. Equal seeds give equal ids. `api_url` is the address that IRM
    believes to have: set it to the server's URL if clients are to follow `link`. `grafana_url` is
    the stack it belongs to. `rate_limit` is (requests, seconds) for each user. `lock` is held
    while anything is read or changed.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] = utc_now,
        seed: int = 0,
        api_url: str = "http://irm.example",
        grafana_url: str = "http://grafana.example",
        rate_limit: tuple[int, float] | None = None,
    ) -> None:
        self.clock = clock
        self.api_url = api_url
        self.grafana_url = grafana_url
        self.rate_limit = rate_limit
        self.lock = threading.RLock()
        self._random = random.Random(seed)
        self._tokens: dict[str, User] = {}
        self._integrations: dict[str, Integration] = {}

    def add_user(
        self, token: str, *, role: str = "editor", email: str | None = None, kind: str = "user"
    ) -> User:
        """Create a user with a token. `role`: admin, editor, viewer, none; `kind`: user, service_account."""
        if role not in ROLES or kind not in ("user", "service_account"):
            raise ValueError(f"no such role or kind: {role!r}, {kind!r}")
        if (kind == "service_account") != token.startswith(SERVICE_ACCOUNT_PREFIX):
            raise ValueError(f"tokens of service accounts, and only those, start {SERVICE_ACCOUNT_PREFIX}")
        with self.lock:
            number = len(self.users()) + 1
            username = email.partition("@")[0] if email else f"user{number}"
            email = email or f"{username}@irm.example"
            user = User(self._new_id("U"), token, role, email, username, number, kind)
            self._tokens[token] = user
            return user

    def add_token(self, user: User, token: str) -> None:
        """Give a user one more token."""
        with self.lock:
            self._tokens[token] = user

    def user_of(self, token: str) -> User | None:
        """Return the user that a token stands for."""
        return self._tokens.get(token)

    def users(self) -> list[User]:
        """Return all users and service accounts, in order of creation."""
        with self.lock:
            return list(dict.fromkeys(self._tokens.values()))

    def user_by_id(self, user_id: str | None) -> User | None:
        """Return the user of this id, None if there is none."""
        return next((user for user in self._tokens.values() if user.id == user_id), None)

    def add_integration(
        self,
        name: str,
        *,
        type: str = "alertmanager",  # noqa: A002 - IRM's word
        grouping: str | None = None,
        key: str | None = None,
    ) -> Integration:
        """Create an integration, `grouping` being None (by groupKey) or "label:<name>"."""
        irm_intake.check_grouping(grouping)
        with self.lock:
            key = key or "".join(self._random.choices(string.ascii_lowercase + string.digits, k=25))
            ids = [self._new_id(prefix) for prefix in "CRF"]
            integration = Integration(ids[0], name, type, key, ids[1], ids[2], grouping)
            self._integrations[integration.id] = integration
            return integration

    def integration(self, integration_id: str) -> Integration:
        """Return an integration; KeyError if there is none."""
        return self._integrations[integration_id]

    def integrations(self) -> list[Integration]:
        """Return all integrations, in order of creation."""
        with self.lock:
            return list(self._integrations.values())

    def _new_id(self, prefix: str) -> str:
        return prefix + "".join(self._random.choices(_ID_ALPHABET, k=_ID_LENGTH))
