"""The settings as values; how they are read from the environment stands in `config.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alertsync.redaction import basic

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from alertsync.config_parsers import RateLimit
    from alertsync.models import Policy


@dataclass(frozen=True)
class Secret:
    """A value that is never shown: neither `str` nor `repr` gives it away."""

    value: str = field(repr=False)

    def __str__(self) -> str:
        return "[redacted]"


@dataclass(frozen=True)
class AlertmanagerSettings:
    """Where Alertmanager's peers are (at least one) and how to speak to each; `timeout` in seconds."""

    urls: tuple[str, ...]
    username: str | None
    password: Secret | None
    token: Secret | None
    tenant: str | None
    ca_file: str | None
    cert_file: str | None
    key_file: str | None
    timeout: float

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret value, in each form in which it travels."""
        held = tuple(secret.value for secret in (self.password, self.token) if secret is not None)
        if self.username is not None and self.password is not None:
            return (*held, basic(self.username, self.password.value))
        return held


@dataclass(frozen=True)
class IrmSettings:
    """Where IRM is and how to speak to it.

    `heartbeat_integration_id` names the integration whose heartbeat is sent, None if none is. `problems` names what keeps it from being used, variable name to explanation; empty when it can be.
    """

    url: str | None
    token: Secret | None
    ca_file: str | None
    stack_url: str | None
    timeout: float
    page_size: int
    rate_limit: RateLimit
    max_deliveries: int
    resolution_notes: bool
    heartbeat_integration_id: str | None
    problems: dict[str, str]

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret value."""
        return () if self.token is None else (self.token.value,)


@dataclass(frozen=True)
class WebSettings:
    """Who may use the pages and the API, and how many proxies in front tell the truth about where they come from.

    `username` and `password` are both there or both None; either they or the `token` let somebody in.
    """

    username: str | None
    password: Secret | None
    token: Secret | None
    trusted_proxies: int

    @property
    def open(self) -> bool:
        """Whether anybody who reaches the service may use it."""
        return self.password is None and self.token is None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret value, in each form in which it travels."""
        held = tuple(secret.value for secret in (self.password, self.token) if secret is not None)
        if self.username is not None and self.password is not None:
            return (*held, basic(self.username, self.password.value))
        return held


@dataclass(frozen=True)
class WebhookSettings:
    """What IRM's outgoing webhooks show to be let in; both are None where there are to be none.

    Whose silences are followed, and for how long, is a matter of the policy.
    """

    username: str | None
    password: Secret | None
    token: None = None

    @property
    def on(self) -> bool:
        """Whether deliveries of IRM are taken in."""
        return self.password is not None

    @property
    def open(self) -> bool:
        """Whether anybody may deliver: never."""
        return False

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret value, in each form in which it travels."""
        if self.username is None or self.password is None:
            return ()
        return (self.password.value, basic(self.username, self.password.value))


@dataclass(frozen=True)
class Settings:
    """All settings; durations in seconds unless they are timedelta.

    `interval` is 0 when the loop is off, `watch_interval` when nobody watches the silences between two runs.
    `database_url` is None where the store is a file in `state_dir`; `database_password` is the one in it, if it has one.
    """

    alertmanager: AlertmanagerSettings
    irm: IrmSettings
    web: WebSettings
    webhook: WebhookSettings
    policy: Policy
    interval: float
    reconcile_wait: float
    run_timeout: float
    watch_interval: float
    watch_min_gap: float
    confirm_after: float
    adopt_within: float
    history_retention: timedelta
    port: int
    workers: int
    threads: int
    state_dir: Path
    database_url: Secret | None
    database_password: Secret | None
    alert_labels: tuple[str, ...]
    alert_annotations: tuple[str, ...]
    log_level: str
    log_format: str

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret value, for the log to strike out."""
        database = (self.database_url, self.database_password)
        held = tuple(secret.value for secret in database if secret is not None)
        others = (self.alertmanager, self.irm, self.web, self.webhook)
        return (*held, *(secret for one in others for secret in one.secrets))
