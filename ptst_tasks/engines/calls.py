"""Calls to a served model: bounded retries, and an error that says whom it concerns.

A wrong key, an unknown model or a used-up quota concerns every prompt; a prompt that is too long
concerns its task alone.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

import openai
from openai import AsyncOpenAI

from ptst_tasks.endpoints import SILENCE, Endpoint
from ptst_tasks.engines.served_reply import MalformedError, NoAnswerError
from ptst_tasks.engines.wire import MODELS
from ptst_tasks.errors import EngineError

__all__ = ["Calls", "RefusedError"]

T = TypeVar("T")

_TOO_LONG = re.compile(
    r"context|too long|too large|longer than|max_model_len|maximum.*tokens", re.I
)
_NO_MODEL = re.compile(r"\bmodel\b.*(does not exist|not found|deprecated)", re.I | re.S)


class RefusedError(EngineError):
    """The server will not have this one call, now or later."""


class Calls:
    """Makes calls to one endpoint.

    Args:
        endpoint: Where.
        attempts: Calls for one prompt at most.
    """

    def __init__(self, endpoint: Endpoint, attempts: int) -> None:
        self.endpoint, self.attempts = endpoint, attempts
        self._answered, self._silent, self._given_up = False, 0, False

    async def ask(
        self,
        client: AsyncOpenAI,
        path: str,
        body: dict[str, Any] | None,
        read: Callable[[Any], T],
        task: str = "",
    ) -> T:
        """Returns what is read from the reply to one call.

        Args:
            client: The endpoint's.
            path: The route.
            body: What is posted; None to get.
            read: Reads the reply's JSON; raises MalformedError if it is not what it should be.
            task: Whom an error concerns, if it does not concern all.

        Raises:
            RefusedError: If the server will not have this call.
            EngineError: If it fails to the end; without a task if it concerns everything.
        """
        # Once a server has let a call fail to the end and never answered, one look is enough.
        most = 1 if self._given_up and not self._answered else self.attempts
        for attempt in range(1, most + 1):
            try:
                reply = read(await self._once(client, path, body))
            except Exception as e:
                why = self._failure(e, path, body, task)
                if attempt < most:
                    await asyncio.sleep(self.endpoint.pause(e, attempt))
                continue
            self._answered, self._silent = True, 0
            return reply
        self._given_up = True
        if self._silent >= SILENCE:  # nobody else was answered meanwhile
            raise EngineError(f"{self._place(body)}: the endpoint stopped answering ({why})")
        up = "" if self._answered else "; is the server up, and is base_url right?"
        calls = f"{most} call{'s' if most > 1 else ''}"
        raise EngineError(f"{self._place(body)}: {why}; given up after {calls}{up}", task)

    async def look(self, client: AsyncOpenAI, url: str, body: dict[str, Any]) -> Any:
        """The JSON of the reply to one call that not every server takes; None if it fails."""
        try:
            return await self._once(client, url, body)
        except (openai.APIError, TimeoutError, MalformedError):
            return None

    async def _once(self, client: AsyncOpenAI, path: str, body: dict[str, Any] | None) -> Any:
        # post(), not create(), and str, not the SDK's classes: walking body and reply type by type
        # is a third of the time of a call. The client's own timeout starts anew with every byte.
        async with asyncio.timeout(self.endpoint.timeout):
            if body is None:
                text = await client.get(path, cast_to=str)
            else:
                text = await client.post(path, cast_to=str, body=body)
        try:
            return json.loads(text)
        except ValueError:
            raise MalformedError from None

    def _place(self, body: dict[str, Any] | None) -> str:
        model = f"model {body['model']!r} at " if body else ""
        return f"{model}{self.endpoint.url}"

    def _failure(self, error: Exception, path: str, body: dict[str, Any] | None, task: str) -> str:
        """Says why a call failed that is worth another try.

        Raises:
            EngineError: If it is not.
        """
        why, status = self.endpoint.describe(error), getattr(error, "status_code", 0)
        place, code = self._place(body), str(getattr(error, "code", "") or "")
        if isinstance(error, NoAnswerError):
            self._answered, self._silent = True, 0
            raise RefusedError(f"{place}: {error}", task) from None
        if path == MODELS and status not in (0, 408, 429, 502, 503, 504):
            raise RefusedError(f"{place}: {why}") from None
        if status in (401, 403):
            raise EngineError(
                f"{place}: {why}; set ${self.endpoint.api_key_env} to a key that may use it"
            ) from None
        if code == "insufficient_quota" or status == 402:
            raise EngineError(f"{place}: {why}; the account's credit is used up") from None
        if status == 404 and (code == "model_not_found" or _NO_MODEL.search(why)):
            raise EngineError(f"{place}: {why}") from None
        if isinstance(error, openai.RateLimitError):
            self._silent = 0  # somebody is there
            return why
        if 400 <= status < 500 and status not in (408, 409):
            raise RefusedError(f"{place}: {_refusal(why, code, status, path)}", task) from None
        if not isinstance(error, (openai.APIError, TimeoutError, MalformedError)):
            raise error  # a fault of ours
        self._silent += 1
        if self._silent >= SILENCE and not self._answered:
            raise EngineError(
                f"{place}: {SILENCE} calls failed and none was answered ({why}); is the server up, "
                "and is base_url right?"
            ) from None
        return why


def _refusal(why: str, code: str, status: int, path: str) -> str:
    if status == 404:
        return f"{why}; the endpoint does not offer {path} for this model (is base_url right?)"
    if code == "context_length_exceeded" or status == 413 or _TOO_LONG.search(why):
        return f"a prompt and its answer do not fit into the context ({why}); lower max_gen_toks"
    return f"the endpoint refuses a prompt ({why})"
