"""Who is let in, and what those see who are not: the same whatever they lack, and never a secret."""

from __future__ import annotations

import base64
import hmac
import logging
from typing import TYPE_CHECKING, Any

import pytest

from alertsync import bootstrap
from alertsync.models import Brake
from alertsync.redaction import strike_remembered
from alertsync.web import attention, create_app
from tests.docs import settings
from tests.unit.clocks import FakeTime

if TYPE_CHECKING:
    from pathlib import Path

    from werkzeug.test import TestResponse

USER, PASSWORD, TOKEN = "ana", "pä55 word: long enough", "trigger=token/0123456789+"
PERSON = {"WEB_USERNAME": USER, "WEB_PASSWORD": PASSWORD}
SCRIPT = {"TRIGGER_TOKEN": TOKEN}
HTML = {"Accept": "text/html,*/*;q=0.8"}
GUARDED = ["/", "/reconcile", "/all-alerts", "/grafana-alerts", "/api/v1/runs", "/api/v1/debts", "/nowhere"]
OPEN = ["/healthz", "/readyz", "/metrics", "/static/style.css"]


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def bearer(token: str) -> str:
    return f"Bearer {token}"


class Guarded:
    """The service with these settings, on a clock that nobody waits for."""

    def __init__(self, directory: Path, values: dict[str, str]) -> None:
        self.time = FakeTime()
        loaded = settings.load({"STATE_DIR": str(directory), "ALERTMANAGER_HOST": "127.0.0.1:1", **values})
        self.app = create_app(bootstrap.build(loaded, self.time.clock))

    def ask(
        self,
        path: str,
        shown: str | None = None,
        *,
        method: str = "GET",
        address: str = "192.0.2.1",
        **headers: str,
    ) -> TestResponse:
        sent = {**headers, **({} if shown is None else {"Authorization": shown})}
        return self.app.test_client().open(
            path, method=method, headers=sent, environ_base={"REMOTE_ADDR": address}, buffered=True
        )

    def failures(self, reason: str) -> float:
        lines = self.ask("/metrics").get_data(as_text=True).splitlines()
        begins = f'alertsync_auth_failures_total{{reason="{reason}"}} '
        (found,) = [line.removeprefix(begins) for line in lines if line.startswith(begins)]
        return float(found)


LET_IN = [
    pytest.param(PERSON, basic(USER, PASSWORD), id="a person"),
    pytest.param(SCRIPT, bearer(TOKEN), id="a script"),
    pytest.param(SCRIPT, f"bearer  {TOKEN}", id="a script that spells it otherwise"),
    pytest.param(SCRIPT, basic("", TOKEN), id="a browser that has only the token"),
    pytest.param(SCRIPT, basic("whoever", TOKEN), id="a browser that has the token and a name"),
    pytest.param(PERSON | SCRIPT, basic(USER, PASSWORD), id="a person beside scripts"),
    pytest.param(PERSON | SCRIPT, bearer(TOKEN), id="a script beside people"),
    pytest.param({}, None, id="anybody, where nothing is set"),
    pytest.param({}, bearer("whatever"), id="whoever shows what nobody asked for"),
]


@pytest.mark.parametrize(("values", "shown"), LET_IN)
def test_those_who_may_are_let_in(tmp_path: Path, values: dict[str, str], shown: str | None) -> None:
    guarded = Guarded(tmp_path, values)
    assert guarded.ask("/api/v1/runs", shown).status_code == 200
    assert (
        guarded.ask("/reconcile", shown, method="POST").status_code == 503
    )  # it is let in, and IRM is not set
    assert guarded.ask("/nowhere", shown).status_code == 404


REFUSED = [
    pytest.param(PERSON, None, "missing", id="nothing shown"),
    pytest.param(PERSON, basic(USER, "wrong"), "wrong_password", id="a wrong password"),
    pytest.param(PERSON, basic("bob", PASSWORD), "wrong_password", id="a wrong user name"),
    pytest.param(PERSON, basic(USER, ""), "wrong_password", id="an empty password"),
    pytest.param(PERSON, basic("", ""), "wrong_password", id="an empty pair"),
    pytest.param(PERSON, basic(USER, PASSWORD + "\n"), "wrong_password", id="a password and more"),
    pytest.param(PERSON, bearer(PASSWORD), "wrong_token", id="the password as a token"),
    pytest.param(PERSON, bearer(""), "wrong_token", id="an empty token where none is set"),
    pytest.param(SCRIPT, bearer(TOKEN[:-1]), "wrong_token", id="a part of the token"),
    pytest.param(SCRIPT, bearer("tök\xff"), "wrong_token", id="a token of odd bytes"),
    pytest.param(SCRIPT, basic(TOKEN, ""), "wrong_password", id="the token as a user name"),
    pytest.param(PERSON | SCRIPT, basic("any", TOKEN), "wrong_password", id="the token as a password of people"),
    pytest.param(PERSON, "Basic", "malformed", id="no pair"),
    pytest.param(PERSON, "Basic !!!", "malformed", id="no base64"),
    pytest.param(PERSON, "Basic " + base64.b64encode(b"no colon").decode(), "malformed", id="no colon"),
    pytest.param(PERSON, 'Digest username="ana"', "malformed", id="another scheme"),
    pytest.param(PERSON, TOKEN, "malformed", id="no scheme"),
    pytest.param(PERSON, "", "malformed", id="an empty header"),
]  # fmt: skip


@pytest.mark.parametrize(("values", "shown", "reason"), REFUSED)
def test_all_others_are_asked_for_what_they_lack_and_counted(
    tmp_path: Path, values: dict[str, str], shown: str | None, reason: str
) -> None:
    guarded = Guarded(tmp_path, values)
    for number, path in enumerate(GUARDED):
        before = guarded.failures(reason)
        answer = guarded.ask(path, shown)
        assert answer.status_code == 401, path
        assert answer.content_type == "application/problem+json"
        problem = answer.get_json()
        assert (problem["status"], problem["title"]) == (401, "Unauthorized")
        assert "WEB_USERNAME" in problem["hint"] or "TRIGGER_TOKEN" in problem["hint"]
        offered = answer.headers.getlist("WWW-Authenticate")
        assert offered[0] == 'Basic realm="alertsync", charset="UTF-8"'
        assert ('Bearer realm="alertsync"' in offered) == ("TRIGGER_TOKEN" in values)
        assert guarded.failures(reason) == before + 1
        assert answer.headers["Cache-Control"] == "no-store"
        assert number < 20


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_no_method_goes_around_the_guard(tmp_path: Path, method: str) -> None:
    guarded = Guarded(tmp_path, PERSON)
    for path in GUARDED:
        assert guarded.ask(path, method=method).status_code == 401


@pytest.mark.parametrize("path", OPEN)
def test_probes_metrics_and_the_style_sheet_are_open_to_all(tmp_path: Path, path: str) -> None:
    guarded = Guarded(tmp_path, PERSON | SCRIPT)
    expected = 503 if path == "/readyz" else 200  # IRM is not set
    for shown in (None, basic(USER, "wrong"), basic(USER, PASSWORD)):
        assert guarded.ask(path, shown).status_code == expected


def test_readiness_shows_strangers_no_more_than_they_need(tmp_path: Path) -> None:
    guarded = Guarded(tmp_path, PERSON | {"GRAFANA_IRM_TOKEN_FILE": "/run/secrets/irm"})
    whole = guarded.ask("/readyz", basic(USER, PASSWORD)).get_json()
    assert {"attention", "upstreams", "last_run"} <= whole.keys()
    assert any("/run/secrets/irm" in text for text in whole["missing"])
    for shown in (None, basic(USER, "wrong")):
        brief = guarded.ask("/readyz", shown).get_json()
        assert brief.keys() - {"more"} < whole.keys()
        assert not {"attention", "upstreams", "last_run"} & brief.keys()
        assert brief["missing"] == ["GRAFANA_IRM_TOKEN_FILE", "GRAFANA_IRM_URL"]
        assert brief["status"] == whole["status"] == "not ready"
    assert guarded.failures("wrong_password") == 1
    assert "attention" in Guarded(tmp_path, {}).ask("/readyz").get_json()


def test_a_browser_gets_a_page_that_says_what_to_do(tmp_path: Path) -> None:
    answer = Guarded(tmp_path, PERSON).ask("/", **HTML)
    assert answer.status_code == 401
    assert answer.content_type.startswith("text/html")
    assert "WWW-Authenticate" in answer.headers
    page = answer.get_data(as_text=True)
    assert "WEB_USERNAME" in page
    assert PASSWORD not in page


def test_whoever_guesses_is_slowed_and_whoever_knows_is_not(tmp_path: Path) -> None:
    guarded = Guarded(tmp_path, PERSON | SCRIPT)
    wrong = basic(USER, "wrong password")
    statuses = [guarded.ask("/", wrong).status_code for _ in range(100)]
    assert statuses[:20] == [401] * 20
    assert guarded.time.passed >= 50  # each of them waited
    slowed = guarded.ask("/", wrong)
    assert slowed.status_code == 429
    wait = int(slowed.headers["Retry-After"])
    assert 0 < wait <= 3
    assert "WWW-Authenticate" not in slowed.headers
    # From the same address, as everybody behind one proxy or one office has.
    before = guarded.time.passed
    for right in (basic(USER, PASSWORD), bearer(TOKEN)):
        assert guarded.ask("/", right).status_code == 200
    assert guarded.time.passed == before
    # From another one.
    assert guarded.ask("/", wrong, address="192.0.2.2").status_code == 401
    guarded.time.sleep(wait)
    assert guarded.ask("/", wrong).status_code == 401
    assert guarded.failures("wrong_password") == 103


def test_a_browser_is_asked_again_however_often_others_guessed(tmp_path: Path) -> None:
    guarded = Guarded(tmp_path, PERSON)
    for _ in range(100):
        guarded.ask("/", basic(USER, "wrong password"))
    answer = guarded.ask("/", basic(USER, "wrong password"), **HTML)
    assert answer.status_code == 401  # after any other status a browser keeps what is wrong
    assert "WWW-Authenticate" in answer.headers
    assert int(answer.headers["Retry-After"]) > 0


def test_requests_without_credentials_are_not_slowed(tmp_path: Path) -> None:
    guarded = Guarded(tmp_path, PERSON)
    assert {guarded.ask("/").status_code for _ in range(50)} == {401}
    assert guarded.time.passed == 0
    assert guarded.failures("missing") == 50


def test_failed_attempts_are_logged_without_what_was_tried(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    guarded = Guarded(tmp_path, PERSON)
    with caplog.at_level(logging.INFO):
        for _ in range(40):
            guarded.ask("/", basic("my-password\n{}", "my-pass\nforged"), address="2001:db8::1")
    told: list[Any] = [record for record in caplog.records if record.name == "alertsync.web.access"]
    assert 0 < len(told) <= 30
    assert (told[0].reason, told[0].client) == ("wrong_password", "2001:db8::1")
    assert "my-pass" not in str([vars(record) for record in caplog.records])


def test_the_secrets_are_struck_out_wherever_they_turn_up(tmp_path: Path) -> None:
    Guarded(tmp_path, PERSON | SCRIPT)
    for secret in (PASSWORD, TOKEN, basic(USER, PASSWORD).removeprefix("Basic ")):
        assert secret not in strike_remembered(f"a stranger echoes {secret}!")


def test_the_same_is_compared_whatever_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guarded = Guarded(tmp_path, PERSON)
    compared: list[bytes] = []
    compare = hmac.compare_digest

    def counting(given: bytes, wanted: bytes) -> bool:
        compared.append(wanted)
        return compare(given, wanted)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    for shown in (basic(USER, PASSWORD), basic("bob", PASSWORD), basic(USER, "x"), basic("bob", "x")):
        compared.clear()
        guarded.ask("/", shown)
        assert compared == [USER.encode(), PASSWORD.encode()]


def test_without_a_secret_the_page_and_the_log_say_that_anybody_may(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for values, says in (({}, True), (PERSON, False), (SCRIPT, False)):
        caplog.clear()
        loaded = settings.load({"STATE_DIR": str(tmp_path), **values})
        app = create_app(bootstrap.build(loaded, stay_up=True))
        assert ("anybody who reaches alertsync" in caplog.text) == says
        shown = basic("" if values is SCRIPT else USER, TOKEN if values is SCRIPT else PASSWORD)
        page = app.test_client().get("/", headers={**HTML, "Authorization": shown})
        assert page.status_code == 200
        assert ("Anybody who reaches this address" in page.get_data(as_text=True)) == says


@pytest.mark.parametrize(
    ("values", "ends"),
    [(PERSON, " -u YOUR_NAME"), (PERSON | SCRIPT, ' -H "Authorization: Bearer $TRIGGER_TOKEN"'), ({}, "")],
)
def test_the_command_that_lifts_a_brake_shows_what_lets_it_in(
    tmp_path: Path, values: dict[str, str], ends: str
) -> None:
    loaded = settings.load({"STATE_DIR": str(tmp_path), **values})
    lifted = attention._engaged(Brake.GONE_RATIO, "curl -X POST 'http://a/reconcile", loaded.web).lift
    assert lifted == f"curl -X POST 'http://a/reconcile?lift=gone_ratio'{ends}"
