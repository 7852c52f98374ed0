"""How long an answer may be kept: not at all, unless it can be asked for again by its ETag."""

from __future__ import annotations

import hashlib
import re
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


def test_the_files_of_the_pages_are_asked_for_once_and_again_when_they_change(tmp_path: Path) -> None:
    client = create_app(bootstrap.build(settings.load({"STATE_DIR": str(tmp_path)}))).test_client()
    page = client.get("/", headers={"Accept": "text/html"}).get_data(as_text=True)
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert {address.partition("?")[0] for address in addresses} == {
        "/static/icon.svg",
        "/static/style.css",
        "/static/theme.js",
        "/static/live.js",
    }
    for address in addresses:
        answer = client.get(address, buffered=True)
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        again = client.get(address, headers={"If-None-Match": answer.headers["ETag"]}, buffered=True)
        assert (again.status_code, again.headers["Cache-Control"]) == (304, answer.headers["Cache-Control"])
        path, _, version = address.partition("?v=")
        assert version == hashlib.blake2b(answer.get_data(), digest_size=6).hexdigest()
        for other in (path, f"{path}?v=", f"{path}?v={version[1:]}", f"{path}?v={version}x"):
            kept = client.get(other, buffered=True)
            assert (kept.status_code, kept.headers["Cache-Control"]) == (200, "no-cache"), other
    missing = client.get("/static/none.css?v=1", buffered=True)
    assert (missing.status_code, missing.headers["Cache-Control"]) == (404, "no-store")


def test_the_style_sheet_is_sent_once(app: Flask) -> None:
    client = app.test_client()
    first = client.get("/static/style.css", buffered=True)
    again = client.get("/static/style.css", headers={"If-None-Match": first.headers["ETag"]}, buffered=True)
    assert again.status_code == 304
