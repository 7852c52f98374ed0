"""How long an answer may be kept: not at all, unless it can be asked for again by its ETag."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from flask import Flask, Response

from alertsync import bootstrap
from alertsync.web import create_app
from tests.docs import settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    app = create_app(bootstrap.build(settings.load({"STATE_DIR": str(tmp_path)})))

    @app.get("/polled")
    def polled() -> Response:
        answer = Response("as before")
        answer.set_etag("1")
        return answer

    @app.get("/of-its-own")
    def of_its_own() -> Response:
        return Response("told", headers={"Cache-Control": "max-age=5", "Content-Security-Policy": "sandbox"})

    return app


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/", "no-store"),
        ("/nowhere", "no-store"),
        ("/polled", "private, no-cache"),
        ("/of-its-own", "max-age=5"),
        ("/static/style.css", "no-cache"),
    ],
)
def test_nothing_is_kept_that_cannot_be_asked_for_again(app: Flask, path: str, kept: str) -> None:
    with app.test_client() as client:
        answer = client.get(path, buffered=True)
        assert answer.headers["Cache-Control"] == kept
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_an_answer_that_says_more_of_itself_is_let_alone(app: Flask) -> None:
    assert app.test_client().get("/of-its-own").headers["Content-Security-Policy"] == "sandbox"


def test_the_style_sheet_is_sent_once(app: Flask) -> None:
    client = app.test_client()
    first = client.get("/static/style.css", buffered=True)
    again = client.get("/static/style.css", headers={"If-None-Match": first.headers["ETag"]}, buffered=True)
    assert again.status_code == 304
