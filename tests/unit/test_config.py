"""Settings: what is read, what is refused, and that a refusal names everything at once and no secret."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from alertsync import config
from alertsync.config_parsers import RateLimit
from alertsync.errors import ConfigError

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
    assert settings.alertmanager.url == "http://localhost:9093"
    assert set(settings.irm.problems) == {"GRAFANA_IRM_URL", "GRAFANA_IRM_TOKEN"}
    assert settings.interval == 0
    assert settings.policy.min_silence_remaining == timedelta(seconds=60)
    assert settings.irm.rate_limit == RateLimit(300, 300)


BAD = {
    "ALERTMANAGER_HOST": ["", "ftp://x", "http://", "a b:9093", "http://u:p@host:9093", "one:9093,two:9093", "host:notaport"],
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
    "WEB_THREADS": ["1", "4"],
    "ON_SILENCED": ["silence", "ignore"],
    "DRY_RUN": ["maybe"],
    "RESOLUTION_NOTES": ["2"],
    "MAX_ACTIONS_PER_RUN": ["0", "-1"],
    "ALERT_LABELS": ["na-me", "1st", "__name__", "state", "fingerprint", "a b"],
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
    assert read(monkeypatch, ALERTMANAGER_HOST=given).alertmanager.url == understood


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


def test_a_password_that_guards_nothing_yet_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert config.without_effect() == []
    monkeypatch.setenv("WEB_PASSWORD_FILE", "/run/secrets/web")
    monkeypatch.setenv("ON_GONE", "resolve")
    assert config.without_effect() == ["WEB_PASSWORD_FILE", "ON_GONE"]
