"""Opens pages for a test, and says at its end what they did that they should not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser import chromium
from tests.browser.watching import Kind, Noticed, Watch

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["OpenPage", "ran", "screenshot"]


class OpenPage:
    """``open_page(path)`` opens a file; every page has a context of its own."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._watches: list[Watch] = []

    def __call__(self, path: Path, *, dark: bool = False, width: int = 1440) -> Page:
        """The page of a file, loaded.

        Args:
            path: The HTML file.
            dark: Whether the reader prefers dark colours.
            width: Of the window, in CSS pixels; a phone's is 390.
        """
        address = path.resolve().as_uri()
        watch = Watch(chromium.context(self._browser, dark=dark, width=width), address)
        self._watches.append(watch)
        watch.page.goto(address)
        return watch.page

    def take(self, *kinds: Kind) -> list[Noticed]:
        """Takes out what was noticed so far, for a test that means it.

        Args:
            *kinds: Of these kinds alone; of every kind if none is named.
        """
        taken = []
        for watch in self._watches:
            watch.settle()
            taken += [n for n in watch.noticed if not kinds or n.kind in kinds]
            watch.noticed[:] = [n for n in watch.noticed if kinds and n.kind not in kinds]
        return taken

    def close(self) -> None:
        """Closes every page.

        Raises:
            AssertionError: If something was noticed that no test has taken out.
        """
        try:
            left = self.take()
        finally:
            for watch in self._watches:
                watch.page.context.close()
            self._watches.clear()
        told = [f"  {noticed.kind}: {noticed.said}" for noticed in left]
        assert not told, "\n".join(["the page did what no self-contained page does:", *told])


def screenshot(page: Page, name: str) -> Path | None:
    """Writes ``name.png``, the whole page, to the folder ``$PTST_SCREENSHOTS`` if that is set."""
    folder = os.environ.get("PTST_SCREENSHOTS")
    if not folder:
        return None
    file = Path(folder) / f"{name}.png"
    page.screenshot(path=file, full_page=True)
    return file


def ran(page: Page) -> str | None:
    """Name of the last of `injections.INJECTIONS` that this page executed."""
    return page.evaluate("() => window.__ran ?? null")
