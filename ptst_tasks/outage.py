"""An endpoint that stops answering is waited for: all callers pause, one looks, the screen says so.

A `Watch` knows whether one endpoint is there. Whoever calls it goes ``through`` the watch. While
nobody answers, callers wait and one of them at a time makes its own call, at growing intervals;
when that is answered all go on. An endpoint that has never answered is not waited for: a wrong
port is the caller's to find.
"""

from __future__ import annotations

import asyncio
import sys
import time
import weakref
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Literal, TypeVar

__all__ = ["SIGNS", "WAIT", "GoneError", "OutageError", "Watch", "sign_of", "watch_of"]

T = TypeVar("T")
Sign = Literal["refused", "away", "silent", "answered", ""]

WAIT = 300.0  # seconds that an outage is waited out
SIGNS = 8  # failed calls in a row, over all callers, that are an outage
_FIRST, _LONGEST = 0.25, 15.0  # seconds between two looks
_POLL = 0.05
_AGAIN = 60.0  # seconds between two lines on the screen
_NOT_SENT = frozenset({"ConnectError", "ConnectTimeout"})  # of httpx, httpx2 and what stands in


class OutageError(Exception):
    """A call fell into an outage: it is no attempt; make it again, or another first."""


class GoneError(Exception):
    """The endpoint was waited for in vain; the message says how long."""


def sign_of(error: Exception) -> Sign:
    """What a failed call says about its endpoint.

    Returns:
        ``refused``: nobody listens there, nothing was sent. ``away``: a gateway says so.
        ``silent``: sent, and no answer of the model (another 5xx, a reset, a timeout).
        ``answered``: somebody is there and said no. Empty: nothing.
    """
    import openai

    if isinstance(error, openai.APIStatusError):
        if error.status_code in (502, 503, 504):
            return "away"
        return "silent" if error.status_code >= 500 or error.status_code == 408 else "answered"
    if isinstance(error, openai.APIConnectionError):  # a timeout, too
        return "refused" if type(error.__cause__).__name__ in _NOT_SENT else "silent"
    if isinstance(error, TimeoutError):
        return "silent"
    return "answered" if isinstance(error, (openai.APIError, ValueError)) else ""


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass(eq=False)
class Watch:
    """Whether one endpoint is there.

    Attributes:
        place: Its address, for the lines on the screen.
        say: Shows a line.
        answers: How often it answered with what was asked for.
        since: Since when (of `time.monotonic`) it is away; None while it is there.
    """

    place: str
    say: Callable[[str], None] = _to_stderr
    answers: int = 0
    since: float | None = None

    def __post_init__(self) -> None:
        self._signs, self._looking, self._one_look = 0, False, False
        self._who: set[Hashable] = set()
        self._pause, self._told, self._clock, self._why = _FIRST, 0.0, "", ""

    @property
    def ever(self) -> bool:
        """Whether it ever answered; one that did not is not waited for."""
        return self.answers > 0

    def look_again(self) -> None:
        """Allows one more look at an endpoint that was given up: before new work, once."""
        self._one_look = self.since is not None

    async def through(
        self,
        call: Callable[[], Awaitable[T]],
        why: Callable[[Exception], str] = str,
        *,
        longest: float = WAIT,
        signs: int = SIGNS,
        who: Hashable = None,
    ) -> T:
        """Makes a call when the endpoint is there.

        Args:
            call: Makes it.
            why: Says why it failed, in a few words.
            longest: Seconds to wait for an endpoint that is away.
            signs: Failed calls in a row that are an outage; a refused one is at once.
            who: The prompt. One alone that is not answered is no outage, it may be its own fault;
                None for a call whose failure says nothing unless the endpoint is plainly away.

        Raises:
            OutageError: If it fell into an outage: it can be made again, and will wait.
            GoneError: If the endpoint stayed away for too long.
            Exception: Whatever the call raises otherwise.
        """
        looking = await self._wait(longest)
        try:
            reply = await call()
        except Exception as e:
            lost = self._lost(e, signs, who)
            if not lost:
                raise
            self._why = why(e)
            if looking:
                self._tell(longest)
            raise OutageError(self._why) from e
        finally:
            self._looking = self._looking and not looking
        self.answers += 1
        self._back()
        return reply

    async def _wait(self, longest: float) -> bool:
        """Waits while the endpoint is away; returns whether this caller is the one that looks."""
        while self.since is not None:
            left = self.since + longest - time.monotonic()
            if self._looking:
                await asyncio.sleep(_POLL)
                continue
            if left <= 0 and not self._one_look:
                raise GoneError(
                    f"the endpoint stopped answering ({self._why}); waited {longest:g} s for it"
                )
            self._looking, self._one_look = True, False
            try:
                await asyncio.sleep(max(0.0, min(self._pause, left)))
            except BaseException:
                self._looking = False
                raise
            self._pause = min(self._pause * 1.5, _LONGEST)
            return True
        return False

    def _lost(self, error: Exception, signs: int, who: Hashable) -> bool:
        """Takes note of a failed call; returns whether it belongs to an outage."""
        sign = sign_of(error)
        if sign == "answered":
            self._back()
        if sign in ("", "answered"):
            return False
        if self.since is not None:
            return True
        if not self.ever or (sign == "silent" and who is None):
            return False
        self._signs += 1
        self._who.add(who)
        enough = self._signs >= signs and (sign == "away" or len(self._who) > 1)
        if sign != "refused" and not enough:
            return False
        self.since, self._clock = time.monotonic(), time.strftime("%H:%M:%S")
        self._pause, self._told = _FIRST, 0.0
        return True

    def _tell(self, longest: float) -> None:
        now = time.monotonic()
        if self.since is None or (self._told and now - self._told < _AGAIN):
            return
        self._told = now
        left = max(0.0, self.since + longest - now)
        self.say(
            f"{self.place} has not answered since {self._clock} ({self._why}); waiting for it, "
            f"{left:.0f} s more at most (Ctrl-C ends; what was answered is kept)"
        )

    def _back(self) -> None:
        if self.since is not None and self._told:
            away = time.monotonic() - self.since
            self.say(f"{self.place} answers again after {away:.0f} s; going on")
        self.since, self._signs, self._told = None, 0, 0.0
        self._who.clear()


_WATCHES: weakref.WeakValueDictionary[tuple[str, str], Watch] = weakref.WeakValueDictionary()


def watch_of(url: str, model: str = "") -> Watch:
    """The one watch over a model at an address, for all who call it in this process."""
    found = _WATCHES.get((url, model))
    if found is None:
        found = _WATCHES[url, model] = Watch(url)
    return found
