"""Fixtures of tests in a real browser: `make test-browser`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.browser.chromium import NAMES, find, started
from tests.browser.opening import OpenPage

if TYPE_CHECKING:
    from playwright.sync_api import Browser


# Not of the session: Playwright's event loop runs in this thread as long as the browser lives, and
# tests elsewhere have loops of their own.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One chromium for all tests of this folder."""
    pytest.importorskip("playwright.sync_api", reason="needs playwright: make test-browser")
    program = find()
    if program is None:
        pytest.skip(f"needs a browser, and there is none of {', '.join(NAMES)}")
    with started(program) as made:
        yield made


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens HTML files, offline; what they did and the test did not take out fails it at its end."""
    opener = OpenPage(browser)
    yield opener
    opener.close()
