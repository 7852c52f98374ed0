"""The page with the button, in a real Chromium: it works without JavaScript, on a phone, and shows what is hostile as text."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait
from werkzeug.serving import make_server

from alertsync.web import create_app
from tests.reconciler.bench import Bench, bench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class Page:
    """The service on a port, its world, and a browser."""

    url: str
    world: Bench
    browser: webdriver.Chrome

    def open(self) -> None:
        self.browser.get(f"{self.url}/reconcile")

    def text(self) -> str:
        return self.browser.find_element(By.TAG_NAME, "main").text

    def press(self) -> None:
        """Press the button, and wait for the answer to show."""
        self.browser.find_element(By.TAG_NAME, "button").click()
        WebDriverWait(self.browser, 10).until(lambda browser: browser.find_elements(By.ID, "answer"))


def chromium(profile: Path, *more: str) -> webdriver.Chrome:
    """Start a browser with this profile and these flags more."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        raise RuntimeError(
            "no chromium and chromedriver on PATH: install the Debian packages chromium and chromium-driver"
        )
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, *more, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Page]:
    with bench(monkeypatch, tmp_path) as world:
        server = make_server("127.0.0.1", 0, create_app(world.services), threaded=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        browser = chromium(tmp_path / "profile")
        try:
            yield Page(f"http://127.0.0.1:{server.port}", world, browser)
        finally:
            browser.quit()
            server.shutdown()
            thread.join()
            server.server_close()


def test_the_button_runs_the_reconciliation_and_shows_the_answer(page: Page) -> None:
    disk = page.world.fire("Disk")
    page.world.silence("Disk")
    page.open()
    assert "No run has ended yet" in page.text()
    assert len(page.browser.find_elements(By.TAG_NAME, "button")) == 1
    page.press()
    assert disk.state == "resolved"
    assert "Success" in page.text()
    assert "1 open alert group, 1 inconsistent, 1 resolved" in page.text()
    assert "silenced by ana@example.org" in page.text()


def test_a_failing_upstream_is_explained_on_the_page(page: Page) -> None:
    page.world.alertmanager_server.close()
    page.open()
    page.press()
    assert "Failed" in page.text()
    assert "the connection is refused: is it running, and is ALERTMANAGER_HOST right?" in page.text()


def test_what_comes_from_outside_is_shown_as_text(page: Page) -> None:
    page.world.fire(HOSTILE)
    page.world.alertmanager.silence(
        {"alertname": HOSTILE}, duration=timedelta(hours=1), created_by=HOSTILE, comment=HOSTILE
    )
    page.open()
    page.press()
    assert HOSTILE in page.text()
    assert page.browser.title == "alertsync · reconcile"


@pytest.mark.parametrize("width", [375, 1440])
def test_nothing_sticks_out_of_the_window(page: Page, width: int) -> None:
    page.world.fire("Disk" * 30)
    page.browser.set_window_size(width, 900)
    page.open()
    page.press()
    assert page.browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")


def test_no_inline_code_and_no_foreign_address_is_needed(page: Page) -> None:
    page.open()
    page.press()
    log = page.browser.get_log("browser")  # type: ignore[no-untyped-call]  # selenium ships no types for it
    assert [entry for entry in log if entry["level"] == "SEVERE"] == []
