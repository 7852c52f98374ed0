"""One Chromium for all that is looked at in it: starting one takes longer than most looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.chrome import Browser

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    try:
        yield browser
    finally:
        browser.close()
