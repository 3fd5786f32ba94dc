"""Debian's chromium under Playwright: the one that is installed, never one that Playwright fetches."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

__all__ = ["ARGUMENTS", "NAMES", "context", "find", "started"]

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # what no event tells of (a preconnect) finds no host
)
"""Besides ``--headless``, ``--no-sandbox`` and a new empty profile, which Playwright sees to."""


def find() -> str | None:
    """The installed browser's program."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def started(program: str) -> Iterator[Browser]:
    """A browser, and Playwright's event loop in this thread, for as long as the block lasts."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, headless=True, chromium_sandbox=False, args=[*ARGUMENTS]
        )
        try:
            yield browser
        finally:
            browser.close()


def context(browser: Browser, *, dark: bool, width: int) -> BrowserContext:
    """A profile of its own, offline; language, hour and motion are the same on every machine."""
    made = browser.new_context(
        color_scheme="dark" if dark else "light",
        viewport={"width": width, "height": 900},
        locale="en-US",
        timezone_id="UTC",
        reduced_motion="reduce",
        service_workers="block",
    )
    made.set_offline(True)
    return made
