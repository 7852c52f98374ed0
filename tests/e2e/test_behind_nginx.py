"""Behind a real nginx with TLS and below a path, everything that leads somewhere leads through it again.

The configuration of nginx is the one that docs/ACCESS.md gives to users.
"""

from __future__ import annotations

import base64
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import requests
from requests.adapters import HTTPAdapter
from selenium.webdriver.common.by import By

from alertsync.simulator.wire import Fault
from tests.browser.chrome import chromium
from tests.e2e.nginx import PREFIX, Nginx
from tests.e2e.worlds import World, expect, simulated_world
from tests.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER, PASSWORD, TOKEN = "ana", "pass wörd of ana", "trigger-token-of-a-script"
PERSON = {"Authorization": "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
SCRIPT = {"Authorization": f"Bearer {TOKEN}"}
HTML = {"Accept": "text/html"}


class From(HTTPAdapter):
    """Connects from this loopback address, as another client would."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, source_address=(self._address, 0))


class Front:
    """The service with its settings, and nginx in front of it."""

    def __init__(self, service: Service, nginx: Nginx) -> None:
        self.service = service
        self.nginx = nginx
        self.origin = f"https://127.0.0.1:{nginx.port}"

    def ask(
        self, path: str, *, method: str = "GET", client: str = "127.0.0.2", **headers: str
    ) -> requests.Response:
        """Send a request through nginx, from an address of its own; no redirect is followed."""
        with requests.Session() as session:
            session.trust_env = False
            session.mount("https://", From(client))
            return session.request(
                method,
                self.nginx.url + path,
                headers=headers,
                timeout=30,
                verify=str(self.nginx.certificate),
                allow_redirects=False,
            )

    def clients(self, path: str) -> set[str]:
        """Give who asked for a path, as the log tells it."""
        return {one["client"] for one in self.service.events("request", path=path)}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with simulated_world() as it:
        it.fire("DiskFull")
        yield it


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, world: World) -> Iterator[Front]:
    more = {"WEB_USERNAME": USER, "WEB_PASSWORD": PASSWORD, "TRIGGER_TOKEN": TOKEN, "TRUSTED_PROXIES": "1"}
    settings = world.settings(**more, WEB_CONCURRENCY="2")
    with (
        Service(tmp_path_factory.mktemp("service"), settings) as service,
        Nginx(tmp_path_factory.mktemp("nginx"), service.port) as nginx,
    ):
        yield Front(service, nginx)


def test_a_browser_is_led_to_the_page_and_to_all_that_it_needs(front: Front) -> None:
    bare = front.ask("", **PERSON)
    assert (bare.status_code, bare.headers["Location"]) == (308, f"{front.origin}{PREFIX}/")
    sent = front.ask("/reconcile", **PERSON, **HTML)
    assert sent.status_code == 302
    assert sent.headers["Location"].removeprefix(front.origin) == f"{PREFIX}/"
    page = front.ask("/", **PERSON, **HTML)
    assert page.status_code == 200
    assert f'action="{PREFIX}/reconcile"' in page.text
    assert f'href="{PREFIX}/static/style.css?v=' in page.text
    assert 'href="/' not in page.text.replace(f'href="{PREFIX}/', "")
    assert front.ask("/static/style.css").status_code == 200
    assert page.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_the_button_works_and_another_site_cannot_press_it(front: Front) -> None:
    ours = front.ask("/reconcile?dry_run=true", method="POST", **PERSON, Origin=front.origin)
    assert ours.status_code == 200
    for origin in ("https://evil.example", "https://127.0.0.1", f"http://127.0.0.1:{front.service.port}"):
        assert front.ask("/reconcile", method="POST", **PERSON, Origin=origin).status_code == 403


def test_a_script_is_told_an_address_that_leads_through_nginx(front: Front, world: World) -> None:
    world.irm.server.inject(Fault("delay", path="/integrations/", seconds=1, times=1))
    begun = front.ask("/reconcile?dry_run=true&wait=0", method="POST", **SCRIPT)
    assert begun.status_code == 202
    location = begun.headers["Location"].removeprefix(front.origin)
    assert location.startswith(f"{PREFIX}/api/v1/runs/")
    assert front.ask(location.removeprefix(PREFIX), **SCRIPT).status_code == 200


def test_the_log_tells_the_client_that_nginx_saw_whatever_it_says_of_itself(front: Front) -> None:
    lies = {
        "X-Forwarded-For": "203.0.113.66",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "gopher",
        "X-Forwarded-Prefix": "//evil.example",
    }
    sent = front.ask("/reconcile", client="127.0.0.3", **PERSON, **HTML, **lies)
    assert sent.headers["Location"].removeprefix(front.origin) == f"{PREFIX}/"
    assert front.ask("/api/v1/debts", client="127.0.0.3", **PERSON, **lies).status_code == 200
    assert front.clients("/api/v1/debts") == {"127.0.0.3"}
    assert "203.0.113.66" not in front.service.log


def test_who_guesses_is_slowed_and_others_behind_the_same_nginx_are_not(front: Front) -> None:
    wrong = {"Authorization": "Bearer guessed"}
    lies = [{"X-Forwarded-For": f"203.0.113.{number}"} for number in range(100)]
    with ThreadPoolExecutor(16) as guessing:
        guesses = list(
            guessing.map(lambda lie: front.ask("/api/v1/runs", client="127.0.0.4", **wrong, **lie), lies)
        )
    # Each of two workers counts for itself.
    counts = Counter(guess.status_code for guess in guesses)
    assert counts.keys() == {401, 429}
    assert counts[401] < 2 * 25
    assert front.ask("/api/v1/runs", client="127.0.0.4", **SCRIPT).status_code == 200
    assert front.ask("/api/v1/runs", client="127.0.0.5", **wrong).status_code == 401
    counted = front.service.metric("alertsync_auth_failures_total", reason="wrong_token")
    assert counted == len(guesses) + 1  # whichever worker is asked
    told = front.service.events("somebody was not let in", client="127.0.0.4")
    assert 0 < len(told) <= 2 * 25
    assert "guessed" not in front.service.log


def test_a_browser_shows_the_password_and_presses_the_button_through_nginx(
    front: Front, tmp_path: Path
) -> None:
    before = len(front.service.runs(trigger="http"))
    browser = chromium(tmp_path / "profile", "--ignore-certificate-errors")
    try:
        person = f"{quote(USER)}:{quote(PASSWORD)}@"
        browser.get(f"{front.nginx.url}/".replace("https://", f"https://{person}"))
        sheets = browser.execute_script("return Array.from(document.styleSheets, one => one.cssRules.length)")
        assert sheets
        assert all(sheets), "the style sheet is loaded through nginx"
        browser.find_element(By.CSS_SELECTOR, f'form[action="{PREFIX}/reconcile"] button').click()
        expect("a run ended", lambda: len(front.service.runs(trigger="http")) == before + 1)
        expect(
            "the page tells", lambda: "1 open alert group" in browser.find_element(By.TAG_NAME, "main").text
        )
        assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]  # selenium has no types for it
    finally:
        browser.quit()


def test_probes_that_come_past_nginx_are_answered(front: Front) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert front.service.get(path).status_code == 200
    assert front.service.get("/", headers={"X-Forwarded-Proto": "https"}).status_code == 401
