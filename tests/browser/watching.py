"""Notices what a page does that a self-contained page does not do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Page, Request, Route

__all__ = ["Kind", "Noticed", "Watch"]

Kind = Literal["request", "console", "error", "policy", "dialog", "popup", "crash"]

_LOUD = ("error", "warning", "assert")
_POLICY = """addEventListener("securitypolicyviolation", event => __noticed(
  `${event.effectiveDirective} ${event.blockedURI} ${event.sample}`.trim()), true)"""
# Chromium tells of no request where it only opens a connection or, headless, would fetch an icon.
_LINKS = """() => [...document.querySelectorAll("link[href]")].filter(link =>
  !link.href.startsWith("data:")).map(link => `<link rel=${link.rel}> ${link.href}`)"""


@dataclass(frozen=True)
class Noticed:
    """One thing that a page did, and what the browser said of it."""

    kind: Kind
    said: str


class Watch:
    """What is noticed in one browser context, in its order."""

    def __init__(self, context: BrowserContext, document: str) -> None:
        """Begins before the page is there, so that its first line is heard already.

        Args:
            context: An offline context without a page.
            document: Address of the one file that may be asked for.
        """
        self.noticed: list[Noticed] = []
        self._document = unquote(document)
        self._links: set[str] = set()
        self._crashed = False
        context.expose_binding("__noticed", lambda _, said: self._note("policy", said))
        context.add_init_script(_POLICY)
        context.route("**/*", self._answer)
        context.on("request", self._request)
        context.on("console", self._console)
        context.on("weberror", lambda told: self._note("error", str(told.error)))
        context.on("dialog", self._dialog)
        self.page = context.new_page()
        self.page.on("crash", self._crash)
        self.page.on("websocket", lambda socket: self._note("request", socket.url))
        context.on("page", lambda page: self._note("popup", page.url))

    def settle(self) -> None:
        """Waits for what is under way, and looks where no event tells."""
        if self.page.is_closed() or self._crashed:
            return
        for link in self._links_there():
            if link not in self._links:
                self._links.add(link)
                self._note("request", link)
        self.page.wait_for_timeout(50)  # a request is told of when two processes have seen it

    def _links_there(self) -> list[str]:
        """None of a page that moves on while it is asked: that it moves on is noticed as a request."""
        from playwright.sync_api import Error

        try:
            return self.page.evaluate(_LINKS)
        except Error as err:
            if "context was destroyed" not in str(err):
                raise
            return []

    def _note(self, kind: Kind, said: str) -> None:
        self.noticed.append(Noticed(kind, said))

    def _own(self, request: Request) -> bool:
        """Whether the page itself is asked for, or what it holds in its own memory."""
        if request.url.startswith("blob:"):
            return True
        return (
            request.is_navigation_request()
            and unquote(request.url.partition("#")[0]) == self._document
            and _page_of(request) == self.page
            and request.frame == self.page.main_frame
        )

    def _answer(self, route: Route) -> None:
        if self._own(route.request):
            route.continue_()
        else:
            route.abort()

    def _request(self, request: Request) -> None:
        if not self._own(request):
            self._note("request", f"{request.method} {request.url} ({request.resource_type})")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in _LOUD:
            self._note("console", f"{message.type}: {message.text}")

    def _crash(self, page: Page) -> None:
        self._crashed = True
        self._note("crash", page.url)

    def _dialog(self, dialog: Dialog) -> None:
        self._note("dialog", f"{dialog.type}: {dialog.message}")
        dialog.dismiss()


def _page_of(request: Request) -> Page | None:
    """The page that asks, where there is one already: a window that is being opened has none."""
    from playwright.sync_api import Error

    try:
        return request.frame.page
    except Error:
        return None
