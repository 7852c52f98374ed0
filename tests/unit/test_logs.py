"""Logs: one event a line, and no secret whatever carries it."""

from __future__ import annotations

import json
import logging
import sys
from urllib.parse import quote

import pytest

from alertsync import logs
from alertsync.redaction import remember, strike

SECRET = "s3cret-token-of-irm"


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("alertsync.test", logging.WARNING, __file__, 1, message, args, None)
    vars(made).update(extra)
    return made


def refuse() -> None:
    raise ValueError(f"the server said\n{SECRET}")


def broken() -> logging.LogRecord:
    try:
        refuse()
    except ValueError:
        made = record("it broke")
        made.exc_info = sys.exc_info()
        return made
    raise AssertionError


CARRIERS = [
    pytest.param(record("token %s refused", SECRET), id="in the message"),
    pytest.param(record("refused", detail=f"Bearer {SECRET}!"), id="in a field"),
    pytest.param(record("refused", detail={"deep": [SECRET]}), id="deep in a field"),
    pytest.param(broken(), id="in a traceback"),
]


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("style", ["json", "text"])
def test_a_secret_is_struck_out_wherever_it_hides(carrier: logging.LogRecord, style: str) -> None:
    remember([SECRET])
    formatter = logs.JsonLines() if style == "json" else logs.TextLines()
    line = formatter.format(carrier)
    assert SECRET not in line
    assert "[redacted]" in line


def test_a_json_line_holds_time_level_event_logger_and_the_fields() -> None:
    line = logs.JsonLines().format(record("run ended", run_id="r1", decisions={"SILENCED": 2}))
    assert "\n" not in line
    event = json.loads(line)
    assert event.pop("time").endswith("+00:00")
    assert event.pop("pid") > 0
    assert event == {
        "level": "warning",
        "event": "run ended",
        "logger": "alertsync.test",
        "run_id": "r1",
        "decisions": {"SILENCED": 2},
    }


def test_a_traceback_stays_on_the_line_of_its_event() -> None:
    line = logs.JsonLines().format(broken())
    assert "\n" not in line
    assert "ValueError" in json.loads(line)["exception"]


ATOMS = {"s": "200", "m": "POST", "U": "/reconcile", "q": f"token={SECRET}", "B": 12, "L": "0.123456", "h": "10.0.0.1", "a": "curl/8"}  # fmt: skip


@pytest.mark.parametrize("style", ["json", "text"])
def test_the_access_log_tells_the_path_without_its_query(style: str) -> None:
    access = logging.LogRecord("gunicorn.access", logging.INFO, "", 0, "%(m)s", (ATOMS,), None)
    line = (logs.JsonLines() if style == "json" else logs.TextLines()).format(access)
    assert SECRET not in line
    if style == "json":
        event = json.loads(line)
        assert (event["event"], event["method"], event["path"], event["status"], event["seconds"]) == (
            "request",
            "POST",
            "/reconcile",
            200,
            0.123,
        )
    else:
        assert "request method=POST path=/reconcile status=200" in line


def test_a_secret_is_struck_out_as_json_writes_it_too() -> None:
    secret = 'pass"word\\ü'
    assert secret not in json.loads(strike(json.dumps({"said": secret}), [secret]))["said"]
    assert strike(secret, [secret]) == "[redacted]"
    assert strike(repr({"password": secret}), [secret]) == "{'password': '[redacted]'}"
    assert "word" not in strike(json.dumps(repr({"password": secret})), [secret]).replace("password", "")
    assert strike("abc", ["ab"]) == "abc", "a secret that short would strike out ordinary words"


AWKWARD = ['pä"ss-wörd', "pä\\ss-wörd", "pa'ss-wörd", "pass/wo+rd=="]


@pytest.mark.parametrize("secret", AWKWARD)
@pytest.mark.parametrize("style", ["json", "text"])
def test_a_secret_of_odd_characters_is_struck_out_in_each_form_that_a_line_can_give_it(
    secret: str, style: str
) -> None:
    remember([secret])
    formatter = logs.JsonLines() if style == "json" else logs.TextLines()
    carried = [
        secret,
        repr(secret),
        json.dumps(secret),
        json.dumps(secret, ensure_ascii=False),
        quote(secret),
    ]
    for said in (*carried, {"deep": secret}):
        line = formatter.format(record("said %s", said, detail=said))
        assert "rd" not in line.replace("record", "").replace("[redacted]", ""), line


def test_the_longer_of_two_secrets_is_struck_out_whole() -> None:
    assert strike("abcd-efgh", ["abcd", "abcd-efgh"]) == "[redacted]"


def test_a_title_cannot_forge_a_line_or_steer_a_terminal() -> None:
    line = logs.TextLines().format(record("action", title="Disk\n12:00:00 INFO all is well \x1b[2J"))
    assert "\n" not in line
    assert "\x1b" not in line
