"""Settings: what is read, what is refused, and that a refusal names everything at once and no secret."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from alertsync import config
from alertsync.config_parsers import RateLimit
from alertsync.errors import ConfigError
from alertsync.redaction import basic, strike_remembered

if TYPE_CHECKING:
    from pathlib import Path

    from alertsync.settings import Settings


@pytest.fixture(autouse=True)
def _only_these(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        monkeypatch.delenv(name)


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return config.load()


def problems(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        read(monkeypatch, **variables)
    return caught.value.problems


def test_nothing_set_is_a_service_that_waits_for_irm() -> None:
    settings = config.load()
    assert settings.alertmanager.urls == ("http://localhost:9093",)
    assert set(settings.irm.problems) == {"GRAFANA_IRM_URL", "GRAFANA_IRM_TOKEN"}
    assert settings.interval == 0
    assert settings.policy.min_silence_remaining == timedelta(seconds=60)
    assert settings.irm.rate_limit == RateLimit(300, 300)


BAD = {
    "ALERTMANAGER_HOST": ["", "ftp://x", "http://", "a b:9093", "http://u:p@host:9093", ",", ",".join(f"am{n}" for n in range(17)), "one:9093,host:notaport"],
    "ALERTMANAGER_TIMEOUT": ["soon", "0", "-1", "nan", "inf"],
    "IRM_INTEGRATION_IDS": [","],
    "ALERTMANAGER_EXTERNAL_URLS": [",", "alertmanager:9093"],
    "GRAFANA_IRM_URL": ["oncall.example", "https://irm.example/?a=b"],
    "GRAFANA_STACK_URL": ["stack"],
    "IRM_STATES": ["silenced", "firing,new", ","],
    "IRM_TIMEOUT": ["x"],
    "IRM_PAGE_SIZE": ["0", "1.5", "100000", "٣"],
    "IRM_RATE_LIMIT": ["99999999999999999999/second", "300", "0/minute", "5/fortnight"],
    "RECONCILE_INTERVAL": ["often", "-5"],
    "RUN_TIMEOUT": ["0"],
    "PORT": ["0", "65536", "http"],
    "WEB_CONCURRENCY": ["0", "many"],
    "WEB_THREADS": ["1", "5"],
    "ON_SILENCED": ["mirror", "ignore"],
    "ON_GONE": ["silence", "yes"],
    "REPAGE": ["maybe"],
    "SILENCE_LEASE": ["59", "86401", "0", "-1", "nan", "long"],
    "ABSENCE_AFTER": ["0", "59", "soon"],
    "ADOPT_WITHIN": ["-1", "a day"],
    "MAX_GONE_RATIO": ["-0.1", "1.1", "20%", "nan"],
    "HISTORY_RETENTION": ["0", "1.5", "3651", "forever"],
    "DRY_RUN": ["maybe"],
    "RESOLUTION_NOTES": ["2"],
    "MAX_ACTIONS_PER_RUN": ["0", "-1"],
    "ALERT_LABELS": ["na-me", "1st", "__name__", "state", "fingerprint", "a b"],
    "TRUSTED_PROXIES": ["-1", "17", "all", "127.0.0.1"],
    "WEBHOOK_EMAIL_ALLOWLIST": [",", "ana", "*", "@example.org", "*@*", "a b@example.org", "ana@@example.org", "ana@example.org;bob@example.org", "Ana <ana@example.org>"],
    "WEBHOOK_MAX_SILENCE": ["59", "0", "-1", "for ever", "2592001", "nan"],
    "WEBHOOK_STRANGERS": ["resolve", "true"],
    "LOG_LEVEL": ["loud"],
    "LOG_FORMAT": ["xml"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD.items() for value in values if value]
)
def test_a_bad_value_is_refused_with_the_value_it_wants(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    found = problems(monkeypatch, **{name: value})
    assert set(found) == {name}
    assert (
        "wants" in found[name]
        or "cannot be named" in found[name]
        or "put them in their own settings" in found[name]
    )


def test_every_mistake_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = {name: values[-1] for name, values in BAD.items()}
    assert set(problems(monkeypatch, **bad)) == set(BAD)


def test_a_blank_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, RECONCILE_INTERVAL="", PORT="  ", GRAFANA_IRM_URL="", ALERT_LABELS="")
    assert (settings.interval, settings.port, settings.alert_labels) == (0, 8080, ())


HOSTS = {
    "am": "http://am",
    "am:9093": "http://am:9093",
    "https://am.example/alertmanager/": "https://am.example/alertmanager",
    "https://am.example/alertmanager/api/v2": "https://am.example/alertmanager",
    "[::1]:9093": "http://[::1]:9093",
}


@pytest.mark.parametrize(("given", "understood"), HOSTS.items())
def test_alertmanager_is_named_as_people_name_it(
    monkeypatch: pytest.MonkeyPatch, given: str, understood: str
) -> None:
    assert read(monkeypatch, ALERTMANAGER_HOST=given).alertmanager.urls == (understood,)


def test_peers_are_named_with_commas_and_each_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    given = "am-0:9093, https://am-1.example/x/ ,http://am-0:9093/,am-0:9093/api/v2/"
    urls = read(monkeypatch, ALERTMANAGER_HOST=given).alertmanager.urls
    assert urls == ("http://am-0:9093", "https://am-1.example/x")


IRM_URLS = {
    "https://irm.example/oncall": "https://irm.example/oncall",
    "https://irm.example/oncall/": "https://irm.example/oncall",
    "https://irm.example/oncall/api/v1": "https://irm.example/oncall",
    "https://irm.example/oncall/api/v1/": "https://irm.example/oncall",
    " https://irm.example/api/v1 ": "https://irm.example",
}


@pytest.mark.parametrize(("given", "understood"), IRM_URLS.items())
def test_irm_is_named_with_or_without_the_api_path(
    monkeypatch: pytest.MonkeyPatch, given: str, understood: str
) -> None:
    assert read(monkeypatch, GRAFANA_IRM_URL=given).irm.url == understood


def test_a_secret_comes_from_a_file_without_its_line_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("s3cret-token\n")
    settings = read(monkeypatch, GRAFANA_IRM_URL="http://irm", GRAFANA_IRM_TOKEN_FILE=str(tmp_path / "token"))
    assert settings.irm.token is not None
    assert settings.irm.token.value == "s3cret-token"
    assert settings.irm.problems == {}
    assert settings.secrets == ("s3cret-token",)
    assert "s3cret" not in repr(settings)


def test_an_irm_token_file_that_cannot_be_read_makes_it_not_ready(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = read(monkeypatch, GRAFANA_IRM_URL="http://irm", GRAFANA_IRM_TOKEN_FILE=str(tmp_path / "none"))
    assert set(settings.irm.problems) == {"GRAFANA_IRM_TOKEN_FILE"}
    assert "cannot be read" in settings.irm.problems["GRAFANA_IRM_TOKEN_FILE"]


def test_an_irm_token_with_a_line_break_makes_it_not_ready_and_is_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = read(monkeypatch, GRAFANA_IRM_URL="http://irm", GRAFANA_IRM_TOKEN="abc\ndef")
    assert set(settings.irm.problems) == {"GRAFANA_IRM_TOKEN"}
    assert "abc" not in str(settings.irm.problems)


def test_a_password_file_of_alertmanager_that_cannot_be_read_stops_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = problems(monkeypatch, ALERTMANAGER_USERNAME="u", ALERTMANAGER_PASSWORD_FILE="/nowhere")
    assert set(found) == {"ALERTMANAGER_PASSWORD_FILE"}


PAIRS = [
    pytest.param({"ALERTMANAGER_USERNAME": "u"}, "ALERTMANAGER_PASSWORD", id="a user name without a password"),
    pytest.param({"ALERTMANAGER_PASSWORD": "pw"}, "ALERTMANAGER_USERNAME", id="a password without a user name"),
    pytest.param({"ALERTMANAGER_USERNAME": "u", "ALERTMANAGER_PASSWORD": "pw", "ALERTMANAGER_TOKEN": "t"}, "ALERTMANAGER_TOKEN", id="basic and bearer"),
    pytest.param({"WEB_USERNAME": "u"}, "WEB_PASSWORD", id="a person without a password"),
    pytest.param({"WEB_PASSWORD": "pa55word"}, "WEB_USERNAME", id="a password of nobody"),
    pytest.param({"WEB_USERNAME": "u:v", "WEB_PASSWORD": "pa55word"}, "WEB_USERNAME", id="a colon, which ends a user name"),
    pytest.param({"WEB_USERNAME": "u", "WEB_PASSWORD": "pw1"}, "WEB_PASSWORD", id="a password that is hardly one"),
    pytest.param({"WEB_USERNAME": "u", "WEB_PASSWORD_FILE": "/nowhere"}, "WEB_PASSWORD_FILE", id="a password file that is not there"),
    pytest.param({"TRIGGER_TOKEN": "abc"}, "TRIGGER_TOKEN", id="a token that is hardly one"),
    pytest.param({"TRIGGER_TOKEN": "two words"}, "TRIGGER_TOKEN", id="a token of two words"),
    pytest.param({"TRIGGER_TOKEN_FILE": "/nowhere"}, "TRIGGER_TOKEN_FILE", id="a token file that is not there"),
    pytest.param({"WEBHOOK_USERNAME": "irm"}, "WEBHOOK_PASSWORD", id="a webhook without a password"),
    pytest.param({"WEBHOOK_PASSWORD": "pa55word"}, "WEBHOOK_USERNAME", id="a webhook without a user name"),
    pytest.param({"WEBHOOK_USERNAME": "ir:m", "WEBHOOK_PASSWORD": "pa55word"}, "WEBHOOK_USERNAME", id="a colon in the webhook's user name"),
    pytest.param({"WEBHOOK_USERNAME": "irm", "WEBHOOK_PASSWORD": "pw1"}, "WEBHOOK_PASSWORD", id="a password of the webhook that is hardly one"),
    pytest.param({"WEBHOOK_USERNAME": "irm", "WEBHOOK_PASSWORD_FILE": "/nowhere"}, "WEBHOOK_PASSWORD_FILE", id="a password file of the webhook that is not there"),
    pytest.param({"GRAFANA_IRM_TOKEN": "t", "GRAFANA_IRM_TOKEN_FILE": "/x"}, "GRAFANA_IRM_TOKEN_FILE", id="a secret twice"),
    pytest.param({"ALERTMANAGER_KEY_FILE": "/dev/null"}, "ALERTMANAGER_CERT_FILE", id="a key without a certificate"),
    pytest.param({"ALERTMANAGER_CA_FILE": "/nowhere"}, "ALERTMANAGER_CA_FILE", id="a CA file that is not there"),
    pytest.param({"ALERT_LABELS": "team", "ALERT_ANNOTATIONS": "team"}, "ALERT_ANNOTATIONS", id="one name as label and annotation"),
]  # fmt: skip


@pytest.mark.parametrize(("variables", "named"), PAIRS)
def test_settings_that_do_not_go_together_are_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str
) -> None:
    assert set(problems(monkeypatch, **variables)) == {named}


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "postgresql", "postgres"])
def test_the_address_of_postgresql_is_taken_with_its_options_and_its_password_is_a_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scheme: str
) -> None:
    rest = "://al:p%40ss%2Fword@one:5432,two/state?sslmode=verify-full&sslrootcert=/ca.pem"
    (tmp_path / "url").write_text(f"{scheme}{rest}\n")
    for name, value in (("DATABASE_URL", f"{scheme}{rest}"), ("DATABASE_URL_FILE", str(tmp_path / "url"))):
        with monkeypatch.context() as patched:
            patched.setenv(name, value)
            settings = config.load()
        assert settings.database_url is not None
        assert settings.database_url.value == f"postgresql{rest}"
        assert {"p@ss/word", f"postgresql{rest}"} <= set(settings.secrets)
        assert "p@ss" not in repr(settings)
        assert "p%40ss" not in repr(settings)
        told = "connecting as al with p@ss/word to p%40ss%2Fword"
        assert strike_remembered(told) == "connecting as al with [redacted] to [redacted]"
    assert config.load().database_url is None


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("sqlite:///state.db", "without it, the store is a file in STATE_DIR"),
        ("mysql://u:secret-word@h/d", "wants postgresql"),
        ("host=h dbname=d password=secret-word", "wants the secret alone|holds a space"),
        ("postgresql+psycopg://u:secret-word@h", "names no database"),
        ("postgresql+psycopg://u:secret-word@h/d?sslmod=require", "option sslmod is none of PostgreSQL's"),
        ("postgresql+psycopg://u:secret-w%zzord@h/d", "not understood"),
    ],
)
def test_an_address_of_a_database_that_cannot_be_used_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, value: str, why: str
) -> None:
    told = problems(monkeypatch, DATABASE_URL=value)
    assert re.search(why, told["DATABASE_URL"])
    assert "secret-w" not in str(told)


def test_who_may_use_it_is_read_from_variables_or_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert config.load().web.open
    (tmp_path / "password").write_text("pass wörd\n")
    (tmp_path / "token").write_text("trigger-token\n")
    settings = read(
        monkeypatch,
        WEB_USERNAME="ana",
        WEB_PASSWORD_FILE=str(tmp_path / "password"),
        TRIGGER_TOKEN_FILE=str(tmp_path / "token"),
        TRUSTED_PROXIES="2",
    )
    web = settings.web
    assert (web.username, web.open, web.trusted_proxies) == ("ana", False, 2)
    assert set(settings.secrets) == {"pass wörd", "trigger-token", basic("ana", "pass wörd")}
    assert "wörd" not in repr(settings)
    assert "trigger-token" not in repr(settings)


def test_the_policy_is_read_as_it_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(
        monkeypatch,
        ON_SILENCED="Silence",
        ON_GONE="resolve",
        REPAGE="false",
        RESOLUTION_NOTES="no",
        SILENCE_LEASE="60",
        ABSENCE_AFTER="60",
        ABSENCE_WATCHDOG=" Watchdog ",
        ADOPT_WITHIN="0",
        MAX_GONE_RATIO="1",
        HISTORY_RETENTION="3650",
    )
    policy = settings.policy
    assert (policy.on_silenced, policy.on_gone, policy.repage, policy.notes) == (
        "silence",
        "resolve",
        False,
        False,
    )
    assert settings.irm.resolution_notes is False
    assert policy.silence_lease == policy.absence_after == timedelta(seconds=60)
    assert (policy.absence_watchdog, policy.max_gone_ratio) == ("Watchdog", 1.0)
    assert (settings.adopt_within, settings.history_retention) == (0, timedelta(days=3650))


def test_whose_silences_are_followed_is_read_as_it_is_meant(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nobody = config.load()
    assert (nobody.webhook.on, nobody.policy.silencers) == (False, frozenset())
    assert (nobody.policy.max_silence, nobody.policy.strangers) == (timedelta(days=1), "ignore")
    (tmp_path / "password").write_text("pass of irm\n")
    settings = read(
        monkeypatch,
        WEBHOOK_USERNAME="irm",
        WEBHOOK_PASSWORD_FILE=str(tmp_path / "password"),
        WEBHOOK_EMAIL_ALLOWLIST=" Ana@Example.org, *@ops.example ,ana@example.org",
        WEBHOOK_MAX_SILENCE="3600",
        WEBHOOK_STRANGERS="Unsilence",
    )
    assert settings.webhook.on
    assert settings.policy.silencers == {"ana@example.org", "*@ops.example"}
    assert (settings.policy.max_silence, settings.policy.strangers) == (timedelta(hours=1), "unsilence")
    assert set(settings.secrets) == {"pass of irm", basic("irm", "pass of irm")}
    assert "pass of irm" not in repr(settings)


ODD = {"REPAGE": "false", "RECONCILE_INTERVAL": "60"}
GUARDED = {"WEB_USERNAME": "ana", "WEB_PASSWORD": "long enough?", "TRIGGER_TOKEN": "0123456789abcdef"}
SHORT = {"RECONCILE_INTERVAL": "60", "WEB_USERNAME": "ana", "WEB_PASSWORD": "long enough"}
LOOP = {"RECONCILE_INTERVAL": "60"}
WEBHOOK = {**LOOP, "WEBHOOK_USERNAME": "irm", "WEBHOOK_PASSWORD": "long enough?"}
ANA = {"WEBHOOK_EMAIL_ALLOWLIST": "ana@example.org"}
WARNED = [
    pytest.param({"RECONCILE_INTERVAL": "60"}, "", id="nothing to say"),
    pytest.param({}, "the loop is off", id="debts are paid only when something triggers a run"),
    pytest.param(ODD, "REPAGE=false with ON_SILENCED=resolve", id="a resolve without a page after it"),
    pytest.param({**ODD, "ON_SILENCED": "report"}, "", id="without resolves nothing is owed"),
    pytest.param({"RECONCILE_INTERVAL": "450", "ON_SILENCED": "silence"}, "", id="in time for the lease"),
    pytest.param({"RECONCILE_INTERVAL": "451", "ON_SILENCED": "silence"}, "half of SILENCE_LEASE", id="too late for the lease"),
    pytest.param({"RECONCILE_INTERVAL": "451"}, "", id="without leases the interval may be long"),
    pytest.param(SHORT, "WEB_PASSWORD has fewer than 12", id="a password that can be guessed"),
    pytest.param({"RECONCILE_INTERVAL": "60", "TRIGGER_TOKEN": "0123456789abcde"}, "TRIGGER_TOKEN has fewer than 16", id="a token that can be guessed"),
    pytest.param({"RECONCILE_INTERVAL": "60", **GUARDED}, "", id="what cannot be guessed"),
    pytest.param({**WEBHOOK, **ANA}, "", id="a webhook, and somebody who may silence"),
    pytest.param(WEBHOOK, "follows nobody's silences", id="a webhook, and nobody who may silence"),
    pytest.param({**WEBHOOK, "WEBHOOK_STRANGERS": "unsilence"}, "ends every silence", id="nobody who may silence, and all others stopped"),
    pytest.param({**LOOP, **ANA}, "WEBHOOK_EMAIL_ALLOWLIST has no effect", id="somebody who may silence, and no webhook"),
    pytest.param({**WEBHOOK, **ANA, "WEBHOOK_PASSWORD": "long enough"}, "WEBHOOK_PASSWORD has fewer than 12", id="a password of the webhook that can be guessed"),
]  # fmt: skip


@pytest.mark.parametrize(("variables", "says"), WARNED)
def test_what_is_hardly_meant_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], says: str
) -> None:
    found = config.warnings(read(monkeypatch, **variables))
    assert len(found) == bool(says)
    assert says in "".join(found)


def test_a_heartbeat_without_the_loop_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    found = config.warnings(read(monkeypatch, IRM_HEARTBEAT_INTEGRATION_ID="C1"))
    assert ["IRM_HEARTBEAT_INTEGRATION_ID" in one for one in found] == [False, True]
    on = read(monkeypatch, IRM_HEARTBEAT_INTEGRATION_ID="C1", RECONCILE_INTERVAL="60")
    assert config.warnings(on) == []
    assert on.irm.heartbeat_integration_id == "C1"


def test_only_a_service_that_nothing_guards_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "WEB_USERNAME" in config.openness(config.load())
    assert config.openness(read(monkeypatch, TRIGGER_TOKEN="0123456789abcdef")) == ""


CREDENTIALS = [
    ("ALERTMANAGER_HOST", "ann:pa55word@host:9093"),
    ("ALERTMANAGER_HOST", "ok:9093,ann:pa55word@host"),
    ("ALERTMANAGER_HOST", "ann:pa55word@ho st"),
    ("ALERTMANAGER_HOST", "ftp://ann:pa55word@host"),
    ("ALERTMANAGER_HOST", "https://host/?key=pa55word"),
    ("ALERTMANAGER_HOST", "host/#pa55word"),
    ("GRAFANA_IRM_URL", "ann:pa55word@irm.example"),
    ("GRAFANA_IRM_URL", "irm.example?token=pa55word"),
    ("ALERTMANAGER_EXTERNAL_URLS", "ann:pa55word@am"),
    ("RECONCILE_INTERVAL", "pa55word@60"),
    ("ON_SILENCED", "pa55word?"),
    ("ALERT_LABELS", "team,pa55word@x"),
    ("IRM_RATE_LIMIT", "#pa55word"),
]


@pytest.mark.parametrize(("name", "value"), CREDENTIALS)
def test_a_value_that_may_hold_credentials_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(monkeypatch, **{name: value})
    assert name in str(caught.value)
    assert "pa55word" not in str(caught.value)
