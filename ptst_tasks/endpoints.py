"""OpenAI-compatible endpoints: what judges and served models share.

Addresses and keys are checked before anything is sent. The key comes from the environment and is
in no message, name, log or file.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from ptst_tasks.errors import ConfigError
from ptst_tasks.keys import find_keys, hidden

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["OPENAI", "SILENCE", "Endpoint", "at_once", "run_async"]

T = TypeVar("T")

SILENCE = 40  # failed calls in a row, over all prompts, after which the server counts as gone
OPENAI = "https://api.openai.com/v1"
_LONGEST_WAIT = 60.0  # seconds, whatever a server asks for
_LONGEST_BACKOFF = 8.0
_SHORT_KEY = re.compile(r"\b(sk|sess)-[A-Za-z0-9_*.-]+")  # as servers repeat it, cut


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint, as a user gave it.

    Attributes:
        who: Who asks, for messages: ``judge 'rubric'``.
        base_url: Its address; empty for ``$OPENAI_BASE_URL`` or OpenAI's.
        api_key_env: Environment variable that holds the key.
        timeout: Seconds for one call.
        backoff: Seconds; doubled with every failed call unless the server says how long to wait.
    """

    who: str
    base_url: str
    api_key_env: str
    timeout: float
    backoff: float

    @property
    def url(self) -> str:
        """The endpoint's address."""
        return self.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI

    @property
    def host(self) -> str:
        """Its identity; the port is not part of it, or a restarted server would be another."""
        return urlsplit(self.url).hostname or ""

    @property
    def path(self) -> str:
        """What tells two endpoints of one host apart; empty for the usual ``/v1``."""
        path = urlsplit(self.url).path.rstrip("/")
        return "" if path == "/v1" else path

    def check(self) -> None:
        """Refuses secrets where names are expected, without repeating them.

        Raises:
            ConfigError: If the address is none, or holds a secret, or a key stands for its name.
        """
        if not self.api_key_env.isidentifier():
            raise ConfigError(
                f"{self.who}: api_key_env takes the name of an environment variable, not a key"
            )
        place = "base_url" if self.base_url else "$OPENAI_BASE_URL"
        try:
            url = urlsplit(self.url)
            _ = url.port
        except ValueError as e:
            raise ConfigError(f"{self.who}: {place} is no http(s) address: {e}") from None
        if url.username or url.password or url.query or _holds_a_key(self.url):
            raise ConfigError(
                f"{self.who}: {place} with a user, a password, a query or a key; keys belong in an "
                "environment variable (api_key_env)"
            )
        if url.scheme not in ("http", "https") or not url.hostname or not self.url.isprintable():
            raise ConfigError(f"{self.who}: {place} {self.url!r} is no http(s) address")

    @property
    def key(self) -> str:
        """The key, from the environment; empty if there is none."""
        return os.environ.get(self.api_key_env, "")

    def missing_key(self) -> str:
        """Says what to do if OpenAI is to be asked without a key; a server of one's own needs none."""
        if self.key or self.url != OPENAI:
            return ""
        return f"no key; set ${self.api_key_env}, or base_url to a server of your own"

    def client(self, *, fast: bool = False) -> AsyncOpenAI:
        """A client that leaves retries to us.

        Args:
            fast: Send through aiohttp where it can be had, for a third of the time of a call.
        """
        from openai import AsyncOpenAI

        return AsyncOpenAI(
            api_key=self.key or "none",
            base_url=self.url,
            max_retries=0,
            timeout=self.timeout,
            http_client=_aiohttp() if fast else None,
        )

    def describe(self, error: Exception) -> str:
        """Says in a few words why a call failed; without the key, and without what was sent."""
        import openai

        if type(error.__cause__).__name__ == "ConnectTimeout":  # of httpx or httpx2; also a reset
            return "connection failed"
        if isinstance(error, (openai.APITimeoutError, TimeoutError)):
            return f"no answer within {self.timeout:g} s"
        if isinstance(error, openai.APIConnectionError):
            return "connection failed"
        if isinstance(error, openai.APIStatusError):
            body = error.body if isinstance(error.body, dict) else {}
            said = self._without_key(str(body.get("message") or body.get("detail") or ""))
            return f"HTTP {error.status_code}" + (f": {said}" if said else "")
        return "malformed answer of the endpoint"

    def _without_key(self, text: str) -> str:
        text = " ".join(text.split())
        text = text.replace(self.key, "***") if self.key else text  # some endpoints repeat it
        return hidden(_SHORT_KEY.sub("***", text))[:200]

    def pause(self, error: Exception, attempt: int) -> float:
        """Seconds to wait after so many failed calls for one prompt.

        What the server asks for, else twice as long each time, spread so that calls do not herd.
        """
        headers = getattr(getattr(error, "response", None), "headers", {})
        try:
            return min(max(float(headers["retry-after"]), 0.0), _LONGEST_WAIT)
        except (KeyError, ValueError):
            seconds = min(self.backoff * 2.0**attempt, _LONGEST_BACKOFF)
            return seconds * random.uniform(0.75, 1.25)


def _holds_a_key(url: str) -> bool:
    """Some gateways want a key in the path; it would be in every result."""
    return any(True for part in url.split("/") for _ in find_keys(part))


def _aiohttp() -> Any:
    """The client of OpenAI's that sends through aiohttp; None where its parts are not installed."""
    import openai

    try:
        return openai.DefaultAioHttpClient()
    except (AttributeError, RuntimeError):
        return None


async def at_once(items: Iterable[T], work: Callable[[T], Awaitable[None]], most: int) -> None:
    """Works on all items, at most so many at a time; an error ends them all and is raised."""
    queue = iter(items)

    async def worker() -> None:
        for item in queue:  # shared: each worker takes the next one
            await work(item)

    workers = [asyncio.create_task(worker()) for _ in range(most)]
    try:
        await asyncio.gather(*workers)
    finally:
        for one in workers:
            one.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Runs to the end, also where a loop is running already (a notebook); Ctrl-C ends it there too."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    stop: list[Callable[[], object]] = []

    async def stoppable() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task
        stop.append(lambda: loop.call_soon_threadsafe(task.cancel))
        return await work

    runner: Callable[[Coroutine[Any, Any, T]], T] = asyncio.run
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(runner, stoppable())
        try:
            return done.result()
        except KeyboardInterrupt:
            for end in stop:
                end()
            raise
