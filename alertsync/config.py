"""All settings, read in one place, with every mistake told at once.

A setting that cannot be understood stops the start: half a configuration at 3 a.m. is worse than none.
Settings of IRM that are missing, or name a file that cannot be read, are another matter: the service then
starts, stays alive and says what is missing (`IrmSettings.problems`), so that its pages can explain the fault.
Every secret can come from `NAME` or, as Kubernetes and Docker mount them, from the file named by `NAME_FILE`.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from environs import Env, EnvValidationError

from alertsync import config_parsers as parse
from alertsync.errors import ConfigError
from alertsync.models import Policy
from alertsync.redaction import remember
from alertsync.settings import (
    AlertmanagerSettings,
    IrmSettings,
    Secret,
    Settings,
    WebhookSettings,
    WebSettings,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


_OWN = "alertsync_"
"""Prefix of our parsers, as environs has some of the same names."""


class _Reader:
    """Reads variables through environs and gathers what is wrong with them.

    A blank variable counts as unset: that is what `NAME=` in a compose file or a ConfigMap means.
    """

    def __init__(self) -> None:
        self.env = Env(eager=False)
        for name, parser in parse.PARSERS.items():
            self.env.add_parser(f"{_OWN}{name}", parser)
        self.problems: dict[str, str] = {}

    def get(self, kind: str, name: str, default: Any) -> Any:  # noqa: ANN401  its kind decides its type
        if not os.environ.get(name, "").strip():
            return default
        value = getattr(self.env, f"{_OWN}{kind}")(name)
        return default if value is None else value

    def text(self, name: str) -> str | None:
        value: str | None = self.get("text", name, None)
        return value

    def seconds(self, name: str, default: float) -> float:
        return float(self.get("seconds", name, default))

    def secret(self, name: str, *, into: dict[str, str] | None = None) -> Secret | None:
        """Read `name` or the file of `name`_FILE; a secret that cannot be used is a problem put `into`."""
        problems = self.problems if into is None else into
        file_name = f"{name}_FILE"
        value, path = self.text(name), self.text(file_name)
        if value is not None and path is not None:
            self.problems[file_name] = f"set either {name} or {file_name}, not both"
            return None
        if path is not None:
            value, problem = parse.secret_file(path)
            if problem:
                problems[file_name] = problem
                return None
        if value is None:
            return None
        if problem := parse.secret_problem(value, one_word=not name.endswith("_PASSWORD")):
            problems[name if path is None else file_name] = problem
            return None
        return Secret(value.strip())

    def file(self, name: str, *, into: dict[str, str] | None = None) -> str | None:
        """Read the path in `name`; one that cannot be read is a problem put `into`."""
        path = self.text(name)
        if path is not None and (problem := parse.file_problem(path)):
            (self.problems if into is None else into)[name] = problem
            return None
        return path

    def seal(self) -> None:
        """Raise `ConfigError` if anything was wrong."""
        try:
            self.env.seal()
        except EnvValidationError as error:
            texts = cast("Mapping[str, list[str]]", error.error_messages)
            self.problems = {name: "; ".join(texts[name]) for name in texts} | self.problems
        if self.problems:
            raise ConfigError(self.problems)


def warnings(settings: Settings) -> list[str]:
    """Say what is allowed, and yet hardly meant: settings under which pages may be missing or late, or secrets guessed."""
    found = [*_guessable(settings), *_followed(settings)]
    policy, lease = settings.policy, settings.policy.silence_lease.total_seconds()
    if policy.on_silenced == "resolve" and not policy.repage:
        found.append(
            "REPAGE=false with ON_SILENCED=resolve: nobody is paged again when a silence ends and its alerts still "
            "fire, until Alertmanager repeats itself; what is owed is kept until REPAGE is true"
        )
    if not settings.interval:
        found.append(
            "the loop is off: alerts that fire on after their silence are paged again, and silences in IRM renewed or "
            "ended, only when something triggers a run. Set RECONCILE_INTERVAL to seconds between runs, such as 60"
        )
        if settings.irm.heartbeat_integration_id is not None:
            found.append(
                "IRM_HEARTBEAT_INTEGRATION_ID is set, and the loop is off: IRM pages whenever nothing has triggered a run for "
                "as long as its heartbeat may be missing"
            )
    elif policy.on_silenced == "silence" and settings.interval > lease / 2:
        found.append(
            f"RECONCILE_INTERVAL ({settings.interval:g} s) is longer than half of SILENCE_LEASE ({lease:g} s): a silence "
            "in IRM can run out before a run renews it, and page"
        )
    return found


def openness(settings: Settings) -> str:
    """Say that nothing guards the service; "" if something does."""
    if not settings.web.open:
        return ""
    return (
        "anybody who reaches alertsync can read its pages and trigger runs: set WEB_USERNAME and WEB_PASSWORD for people, "
        "TRIGGER_TOKEN for scripts, or let nobody else reach its port"
    )


def _followed(settings: Settings) -> Iterator[str]:
    """Say where IRM's webhooks come to nothing, or to more than was meant."""
    policy = settings.policy
    if not settings.webhook.on:
        if policy.silencers:
            yield (
                "WEBHOOK_EMAIL_ALLOWLIST has no effect: without WEBHOOK_USERNAME and WEBHOOK_PASSWORD no delivery of IRM's "
                "webhooks is taken in"
            )
    elif not policy.silencers:
        what = (
            "and WEBHOOK_STRANGERS=unsilence ends every silence that anybody sets in IRM"
            if policy.strangers == "unsilence"
            else "and Alertmanager follows nobody's silences in IRM"
        )
        yield (
            f"WEBHOOK_EMAIL_ALLOWLIST is empty: nobody may silence, {what}. Name addresses or whole domains, such as "
            "ana@example.org or *@example.org"
        )


def _guessable(settings: Settings) -> list[str]:
    return [
        f"{name} has fewer than {least} characters, and nothing but its length keeps it from being guessed: take a longer one"
        for name, secret, least in (
            ("WEB_PASSWORD", settings.web.password, 12),
            ("TRIGGER_TOKEN", settings.web.token, 16),
            ("WEBHOOK_PASSWORD", settings.webhook.password, 12),
        )
        if secret is not None and len(secret.value) < least
    ]


def load() -> Settings:
    """Read every setting from the environment; raise `ConfigError` that names all that are wrong."""
    read = _Reader()
    database_url, database_password = _database(read)
    settings = Settings(
        alertmanager=_alertmanager(read),
        irm=_irm(read),
        web=_web(read),
        webhook=_webhook(read),
        policy=_policy(read),
        interval=read.seconds("RECONCILE_INTERVAL", 0),
        reconcile_wait=read.seconds("RECONCILE_WAIT", 30),
        run_timeout=float(read.get("positive_seconds", "RUN_TIMEOUT", 300)),
        watch_interval=read.seconds("WATCH_INTERVAL", 5),
        watch_min_gap=read.seconds("WATCH_MIN_GAP", 10),
        confirm_after=read.seconds("CONFIRM_AFTER", 10),
        adopt_within=read.seconds("ADOPT_WITHIN", 86400),
        history_retention=timedelta(days=read.get("days", "HISTORY_RETENTION", 30)),
        port=read.get("port", "PORT", 8080),
        workers=read.get("workers", "WEB_CONCURRENCY", 1),
        threads=read.get("threads", "WEB_THREADS", 8),
        state_dir=Path(read.text("STATE_DIR") or "./state"),
        database_url=database_url,
        database_password=database_password,
        alert_labels=read.get("label_names", "ALERT_LABELS", ()),
        alert_annotations=read.get("label_names", "ALERT_ANNOTATIONS", ()),
        log_level=read.get("log_level", "LOG_LEVEL", "info"),
        log_format=read.get("log_format", "LOG_FORMAT", "json"),
    )
    both = sorted(set(settings.alert_labels) & set(settings.alert_annotations))
    if both:
        read.problems["ALERT_ANNOTATIONS"] = (
            f"{', '.join(both)} also stands in ALERT_LABELS, and a metric has each label once: name it in one of them"
        )
    read.seal()
    remember(settings.secrets)
    return settings


def _database(read: _Reader) -> tuple[Secret | None, Secret | None]:
    """Read the address of PostgreSQL, which is a secret as a whole, and the password in it."""
    given = read.secret("DATABASE_URL")
    if given is None:
        return None, None
    url, password, problem = parse.database_url(given.value)
    if problem:
        named = "DATABASE_URL" if read.text("DATABASE_URL") is not None else "DATABASE_URL_FILE"
        read.problems[named] = problem
        return None, None
    return Secret(url), Secret(password) if password else None


def _alertmanager(read: _Reader) -> AlertmanagerSettings:
    username, password = _user(read, "ALERTMANAGER")
    token = read.secret("ALERTMANAGER_TOKEN")
    cert, key = read.file("ALERTMANAGER_CERT_FILE"), read.file("ALERTMANAGER_KEY_FILE")
    if username is not None and token is not None:
        read.problems["ALERTMANAGER_TOKEN"] = (
            "set either a bearer token or a user name and password, not both"
        )
    if key is not None and cert is None and "ALERTMANAGER_CERT_FILE" not in read.problems:
        read.problems["ALERTMANAGER_CERT_FILE"] = (
            "is missing: ALERTMANAGER_KEY_FILE is the key of a certificate"
        )
    return AlertmanagerSettings(
        urls=read.get("alertmanager_hosts", "ALERTMANAGER_HOST", ("http://localhost:9093",)),
        username=username,
        password=password,
        token=token,
        tenant=read.get("header", "ALERTMANAGER_TENANT", None),
        ca_file=read.file("ALERTMANAGER_CA_FILE"),
        cert_file=cert,
        key_file=key,
        timeout=float(read.get("positive_seconds", "ALERTMANAGER_TIMEOUT", 30)),
    )


def _user(read: _Reader, prefix: str) -> tuple[str | None, Secret | None]:
    """Read a user name and its password, of which neither makes sense alone."""
    names = f"{prefix}_USERNAME", f"{prefix}_PASSWORD"
    username, password = read.text(names[0]), read.secret(names[1])
    misread = any(name in read.problems for name in (names[1], f"{names[1]}_FILE"))
    if (username is None) != (password is None) and not misread:
        missing = names[0] if username is None else names[1]
        read.problems[missing] = "is missing: basic auth wants both a user name and a password"
    return username, password


def _web(read: _Reader) -> WebSettings:
    username, password = _person(read, "WEB")
    token = read.secret("TRIGGER_TOKEN")
    if token is not None and (problem := parse.short_problem(token.value)):
        read.problems["TRIGGER_TOKEN"] = problem
    return WebSettings(
        username=username,
        password=password,
        token=token,
        trusted_proxies=read.get("proxies", "TRUSTED_PROXIES", 0),
    )


def _webhook(read: _Reader) -> WebhookSettings:
    username, password = _person(read, "WEBHOOK")
    return WebhookSettings(username=username, password=password)


def _person(read: _Reader, prefix: str) -> tuple[str | None, Secret | None]:
    """Read a user name and a password that let somebody in here."""
    username, password = _user(read, prefix)
    if username is not None and (":" in username or not username.isprintable()):
        read.problems[f"{prefix}_USERNAME"] = (
            "holds a colon or a control character, which nobody can send in basic auth: wants a name without"
        )
    if password is not None and (problem := parse.short_problem(password.value)):
        read.problems[f"{prefix}_PASSWORD"] = problem
    return username, password


def _irm(read: _Reader) -> IrmSettings:
    problems: dict[str, str] = {}
    url = read.get("irm_url", "GRAFANA_IRM_URL", None)
    token = read.secret("GRAFANA_IRM_TOKEN", into=problems)
    if not os.environ.get("GRAFANA_IRM_URL", "").strip():
        problems["GRAFANA_IRM_URL"] = (
            "is not set: wants the address of IRM's API, such as https://oncall-prod-us-central-0.grafana.net/oncall"
        )
    if token is None and not any(name.startswith("GRAFANA_IRM_TOKEN") for name in problems):
        problems["GRAFANA_IRM_TOKEN"] = (
            "is not set: wants an API token of a user with the role Editor or above "
            "(or name a file that holds it in GRAFANA_IRM_TOKEN_FILE)"
        )
    return IrmSettings(
        url=url,
        token=token,
        ca_file=read.file("GRAFANA_IRM_CA_FILE", into=problems),
        stack_url=read.get("header_url", "GRAFANA_STACK_URL", None),
        timeout=float(read.get("positive_seconds", "IRM_TIMEOUT", 10)),
        page_size=read.get("page_size", "IRM_PAGE_SIZE", 100),
        rate_limit=read.get("rate_limit", "IRM_RATE_LIMIT", parse.RateLimit(300, 300.0)),
        max_deliveries=read.get("count", "MAX_DELIVERIES", 500),
        resolution_notes=read.get("flag", "RESOLUTION_NOTES", True),
        heartbeat_integration_id=read.text("IRM_HEARTBEAT_INTEGRATION_ID"),
        problems=problems,
    )


def _policy(read: _Reader) -> Policy:
    return Policy(
        on_silenced=read.get("on_silenced", "ON_SILENCED", "resolve"),
        on_gone=read.get("on_gone", "ON_GONE", "report"),
        repage=read.get("flag", "REPAGE", True),
        notes=read.get("flag", "RESOLUTION_NOTES", True),
        states=frozenset(read.get("irm_states", "IRM_STATES", ("firing",))),
        integration_ids=frozenset(read.get("names", "IRM_INTEGRATION_IDS", ())),
        external_urls=frozenset(read.get("urls", "ALERTMANAGER_EXTERNAL_URLS", ())),
        min_silence_remaining=timedelta(seconds=read.seconds("MIN_SILENCE_REMAINING", 60)),
        silence_lease=timedelta(seconds=read.get("lease_seconds", "SILENCE_LEASE", 900)),
        absence_after=timedelta(seconds=read.get("absence_seconds", "ABSENCE_AFTER", 900)),
        absence_watchdog=read.text("ABSENCE_WATCHDOG") or "",
        max_actions_per_run=read.get("count", "MAX_ACTIONS_PER_RUN", 100),
        max_gone_ratio=read.get("ratio", "MAX_GONE_RATIO", 0.2),
        dry_run=read.get("flag", "DRY_RUN", False),
        silencers=frozenset(read.get("silencers", "WEBHOOK_EMAIL_ALLOWLIST", ())),
        max_silence=timedelta(seconds=read.get("longest_silence", "WEBHOOK_MAX_SILENCE", 86400)),
        strangers=read.get("strangers", "WEBHOOK_STRANGERS", "ignore"),
    )
