"""Behind proxies: what they say of a request counts, what a client says in their name does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from flask import request

from alertsync import bootstrap
from alertsync.web import attention, create_app
from tests.docs import settings

if TYPE_CHECKING:
    from pathlib import Path

    from werkzeug.test import TestResponse

HTML = {"Accept": "text/html"}
NGINX = {
    "X-Forwarded-For": "198.51.100.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "ops.example:8443",
    "X-Forwarded-Prefix": "/alertsync",
}


class Behind:
    """The service behind so many proxies, with an address of its own that tells what it takes a request for."""

    def __init__(self, directory: Path, proxies: int) -> None:
        values = {"STATE_DIR": str(directory), "TRUSTED_PROXIES": str(proxies)}
        app = create_app(bootstrap.build(settings.load(values)))

        @app.get("/seen")
        def seen() -> dict[str, Any]:
            return {
                "client": request.remote_addr,
                "curl": attention.curl(request).removeprefix("curl -X POST '"),
            }

        self._client = app.test_client()

    def ask(self, path: str, *, method: str = "GET", **headers: str) -> TestResponse:
        return self._client.open(
            path, method=method, headers=headers, environ_base={"REMOTE_ADDR": "10.0.0.1"}, buffered=True
        )

    def seen(self, **headers: str) -> tuple[str, str]:
        found = self.ask("/seen", **headers).get_json()
        return found["client"], found["curl"]


def test_no_proxy_counts_unless_it_is_trusted(tmp_path: Path) -> None:
    behind = Behind(tmp_path, 0)
    assert behind.seen(**NGINX) == ("10.0.0.1", "http://localhost/reconcile")
    assert behind.ask("/reconcile", **NGINX, **HTML).headers["Location"] == "/"


def test_a_trusted_proxy_says_who_asks_and_for_what_address(tmp_path: Path) -> None:
    behind = Behind(tmp_path, 1)
    assert behind.seen(**NGINX) == ("198.51.100.7", "https://ops.example:8443/alertsync/reconcile")
    assert behind.ask("/reconcile", **NGINX, **HTML).headers["Location"] == "/alertsync/"
    page = behind.ask("/", **NGINX, **HTML).get_data(as_text=True)
    assert 'action="/alertsync/reconcile"' in page
    assert 'href="/alertsync/static/style.css?v=' in page
    assert behind.seen() == ("10.0.0.1", "http://localhost/reconcile")  # as a probe, which comes past it


def test_a_slash_at_the_end_of_a_prefix_changes_nothing(tmp_path: Path) -> None:
    behind = Behind(tmp_path, 1)
    for prefix, seen in (("/ops/alertsync/", "/ops/alertsync"), ("/", ""), ("/a.b_c~d-1", "/a.b_c~d-1")):
        answer = behind.ask("/reconcile", **NGINX | {"X-Forwarded-Prefix": prefix}, **HTML)
        assert answer.headers["Location"] == f"{seen}/"


CHAINS = [
    pytest.param(1, {"X-Forwarded-For": "203.0.113.66, 198.51.100.7"}, "198.51.100.7", id="a client that makes one up"),
    pytest.param(2, {"X-Forwarded-For": "203.0.113.66, 198.51.100.7, 10.0.0.2"}, "198.51.100.7", id="two proxies"),
    pytest.param(2, {"X-Forwarded-For": "198.51.100.7"}, "10.0.0.1", id="fewer than there should be"),
    pytest.param(1, {"X-Forwarded-For": "198.51.100.7:51234"}, "198.51.100.7", id="with a port"),
    pytest.param(1, {"X-Forwarded-For": "2001:DB8::7"}, "2001:db8::7", id="IPv6"),
    pytest.param(1, {"X-Forwarded-For": "[2001:db8::7]:443"}, "2001:db8::7", id="IPv6 with a port"),
]  # fmt: skip


@pytest.mark.parametrize(("proxies", "headers", "client"), CHAINS)
def test_the_client_is_whom_the_outermost_trusted_proxy_saw(
    tmp_path: Path, proxies: int, headers: dict[str, str], client: str
) -> None:
    assert Behind(tmp_path, proxies).seen(**NGINX | headers)[0] == client


def test_what_one_of_two_proxies_says_is_handed_on_by_the_other(tmp_path: Path) -> None:
    behind = Behind(tmp_path, 2)
    wanted = "https://ops.example:8443/alertsync/reconcile"
    chain = NGINX | {"X-Forwarded-For": "198.51.100.7, 10.0.0.2"}
    assert behind.seen(**chain)[1] == wanted
    both = {
        "X-Forwarded-Proto": "gopher, https, http",
        "X-Forwarded-Host": "a.example, ops.example:8443, b.example",
    }
    assert behind.seen(**chain | both)[1] == wanted


BAD = {
    "X-Forwarded-For": ["unknown", "localhost", "1.2.3", "1.2.3.4;x", "<script>", "fe80::1%eth0\u00e4"],
    "X-Forwarded-Proto": ["javascript", "ftp", "https://", "HTTP S"],
    "X-Forwarded-Prefix": [
        "//evil.example",
        "evil",
        "/a/../b",
        "/a b",
        "/a'b",
        "/a?b",
        "/a//b",
        "/<script>",
        "/.",
    ],
}


@pytest.mark.parametrize(
    ("header", "value"), [(name, value) for name, values in BAD.items() for value in values]
)
def test_what_no_proxy_means_is_refused_and_named(tmp_path: Path, header: str, value: str) -> None:
    answer = Behind(tmp_path, 1).ask("/", **NGINX | {header: value})
    assert answer.status_code == 400
    problem = answer.get_json()
    assert header in problem["detail"]
    assert "TRUSTED_PROXIES" in problem["hint"]


ORIGINS = [
    ("https://ops.example:8443", "ops.example:8443", True),
    ("https://OPS.example", "ops.example", True),
    ("https://ops.example", "ops.example:443", True),
    ("http://ops.example", "ops.example:80", True),
    ("https://ops.example", "ops.example:80", False),
    ("https://ops.example:8443", "ops.example", False),
    ("https://evil.example", "ops.example", False),
    ("null", "ops.example", False),
    ("https://", "ops.example", False),
    ("https://[half", "ops.example", False),
]


@pytest.mark.parametrize(("origin", "host", "ours"), ORIGINS)
def test_the_button_works_behind_a_proxy_and_only_on_our_own_page(
    tmp_path: Path, origin: str, host: str, ours: bool
) -> None:
    headers = NGINX | {"X-Forwarded-Host": host, "Host": "10.0.0.5:8080", "Origin": origin}
    answer = Behind(tmp_path, 1).ask("/reconcile", method="POST", **headers)
    assert answer.status_code == (503 if ours else 403)  # 503: it is let through, and IRM is not set
