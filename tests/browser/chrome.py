"""Debian's Chromium, driven by selenium: a window of any width, either theme, and all that it had to complain about."""

from __future__ import annotations

import base64
import importlib.util
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

if TYPE_CHECKING:
    from collections.abc import Callable

    from selenium.webdriver.remote.webelement import WebElement

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--lang=en-GB",
)
_WAIT_SECONDS = 15


def _axe() -> str:
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None or found.origin is None:
        raise RuntimeError("axe-core is not there: `make lint` installs what the tests need")
    return (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def chromium(profile: Path, *more: str) -> webdriver.Chrome:
    """Start a browser with this profile and these flags more."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        raise RuntimeError(
            "no chromium and chromedriver on PATH: install the Debian packages chromium and chromium-driver"
        )
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*_FLAGS, *more, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))


class Browser:
    """One Chromium; `root` is put before every path."""

    def __init__(self, profile: Path, root: str = "") -> None:
        self.driver = chromium(profile)
        self.root = root

    def look(
        self,
        *,
        width: int = 1440,
        height: int = 900,
        dark: bool = False,
        script: bool = True,
        scale: float = 1,
    ) -> None:
        """Have a window of this size, in this theme, with or without JavaScript, from now on."""
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600}
        self._tell("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._tell("Emulation.setEmulatedMedia", {"features": [scheme]})
        self._tell("Emulation.setScriptExecutionDisabled", {"value": not script})

    def open(self, path: str) -> None:
        """Go to a path."""
        self.driver.get(f"{self.root}{path}")

    def text(self) -> str:
        """Give what the page says."""
        # In one question: a page may swap its parts between two.
        said: str = self.ask("return document.querySelector('main').innerText")
        return said

    def one(self, selector: str) -> WebElement:
        """Find an element."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def every(self, selector: str) -> list[WebElement]:
        """Find elements."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def press(self, label: str) -> None:
        """Press the button of this label."""
        self.until(lambda: self._pressed(label), f"there is a button {label}")

    def _pressed(self, label: str) -> bool:
        for button in self.every("button"):
            if button.text == label:
                button.click()
                return True
        return False

    def until(self, probe: Callable[[], Any], what: str) -> None:
        """Wait until a probe is true."""
        # What was found may be swapped before it is read.
        swapped = (NoSuchElementException, StaleElementReferenceException)
        wait = WebDriverWait(self.driver, _WAIT_SECONDS, poll_frequency=0.05, ignored_exceptions=swapped)
        wait.until(lambda _: probe(), what)

    def ask(self, script: str, *arguments: object) -> Any:
        """Run a function's body in the page, and give what it returns."""
        return self.driver.execute_script(script, *arguments)

    def sticks_out(self) -> bool:
        """Tell whether something is wider than the window."""
        found: bool = self.ask("return document.documentElement.scrollWidth > window.innerWidth")
        return found

    def complaints(self) -> list[str]:
        """Give what stands in the console since this was asked last."""
        return [one["message"] for one in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]  # selenium ships no types for it

    def violations(self) -> list[str]:
        """Give what axe-core finds that keeps people from reading the page."""
        if not self.ask("return 'axe' in window"):
            self.ask(_axe())
        found = self.driver.execute_async_script(
            "const done = arguments[0]; axe.run().then(told => done(told.violations), error => done([{id: `${error}`, nodes: []}]))"
        )
        return [f"{one['id']}: {[node['html'] for node in one['nodes']][:3]}" for one in found]

    def picture(self, *, whole: bool = False) -> bytes:
        """Give a PNG of the window, or of the whole page."""
        taken = self._tell("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole})
        return base64.b64decode(taken["data"])

    def close(self) -> None:
        """End it."""
        self.driver.quit()

    def _tell(self, command: str, values: dict[str, Any]) -> Any:
        return self.driver.execute_cdp_cmd(command, values)
