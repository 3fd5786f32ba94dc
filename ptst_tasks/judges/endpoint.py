"""Judges behind an OpenAI-compatible endpoint: many calls at once, bounded retries, no silent zero.

Every pair ends with a verdict, or without one and with the reason. Only what concerns all pairs
(a wrong key, no such model, nobody there) is an error. The key comes from the environment and is
in no message, name, cache or file.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from ptst_tasks.endpoints import SILENCE, Endpoint, at_once, run_async
from ptst_tasks.errors import ConfigError, JudgeError
from ptst_tasks.judges.base import Verdict
from ptst_tasks.judges.budget import Budget, Estimate
from ptst_tasks.judges.cache import Book, CachedJudge, Pairs
from ptst_tasks.judges.settings import JudgeSettings
from ptst_tasks.prices import price_of

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["EndpointJudge", "EndpointSettings", "Mode"]

Mode = Literal["json", "text"]
Messages = list[dict[str, str]]

MALFORMED = 4  # replies without a grade before a pair is given up


class EndpointSettings(JudgeSettings):
    """Settings of a judge behind an endpoint.

    Attributes:
        model: The judge's model, as the endpoint calls it.
        base_url: The endpoint, ``http://localhost:8000/v1``; else ``$OPENAI_BASE_URL`` or OpenAI's.
        api_key_env: Environment variable that holds the key.
        output: ``json`` for a JSON schema, ``text`` for a marked line, ``auto`` for the first with
            the second where the endpoint does not know schemas.
        temperature: ``none`` leaves it to the endpoint (some models take no other).
        max_tokens: Of one reply.
        concurrency: Calls at once.
        timeout: Seconds for one call.
        attempts: Calls for one pair at most.
        backoff: Seconds; doubled with every failed call unless the server says how long to wait.
    """

    VOLATILE: ClassVar[frozenset[str]] = frozenset(
        {"base_url", "api_key_env", "concurrency", "timeout", "attempts", "backoff"}
    )

    model: str = Field(min_length=1)
    base_url: str = ""
    api_key_env: str = "OPENAI_API_KEY"
    output: Literal["auto", "json", "text"] = "auto"
    temperature: float | None = Field(default=0.0, ge=0)
    max_tokens: int = Field(default=512, ge=1)
    concurrency: int = Field(default=32, ge=1)
    timeout: float = Field(default=60.0, gt=0)
    attempts: int = Field(default=10, ge=1)
    backoff: float = Field(default=0.25, ge=0)

    @field_validator("temperature", mode="before")
    @classmethod
    def _none(cls, value: Any) -> Any:
        return None if value == "none" else value

    def check(self, judge: str) -> None:
        """Refuses secrets where names are expected, without repeating them."""
        self.endpoint(judge).check()

    def endpoint(self, judge: str) -> Endpoint:
        """Where the judge is."""
        return Endpoint(
            f"judge {judge!r}", self.base_url, self.api_key_env, self.timeout, self.backoff
        )

    def facts(self) -> dict[str, Any]:
        """What decides verdicts; the port does not, or a restarted server would be paid again."""
        return {
            "model": self.model,
            "endpoint": self.endpoint("").host,
            "output": self.output,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
        }


class EndpointJudge(CachedJudge):
    """Asks an endpoint; a subclass writes the messages and reads the replies.

    Args:
        name: The judge's name.
        config: Its settings.
        facts: What else decides its verdicts (a rubric's digest).

    Attributes:
        budget: Limits of calls and money, and what was spent.
    """

    schema: ClassVar[dict[str, Any]]

    def __init__(self, name: str, config: EndpointSettings, facts: dict[str, Any]) -> None:
        self.spec = config.spec(name)
        self.settings = {**config.facts(), **facts}
        self.config = config
        self.endpoint = config.endpoint(self.spec)
        self.budget = Budget(price=price_of(config.model))
        self._text_only = False  # learnt: this endpoint rejects JSON schemas
        self._answered, self._silent = False, 0

    def messages(self, query: str, response: str, mode: Mode) -> Messages:
        """The prompt, with the judged text in it as data."""
        raise NotImplementedError

    def read(self, reply: str, query: str, response: str, mode: Mode) -> Verdict:
        """A verdict from the judge's own words; `harmful` None, and why, if there is none."""
        raise NotImplementedError

    def request(self, query: str, response: str, mode: Mode) -> dict[str, Any]:
        """The body of one call."""
        body: dict[str, Any] = {
            "model": self.config.model,
            "messages": self.messages(query, response, mode),
            "max_tokens": self.config.max_tokens,
        }
        if self.config.temperature is not None:
            body["temperature"] = self.config.temperature
        if mode == "json":
            schema = {"name": "verdict", "strict": True, "schema": self.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def first_mode(self) -> Mode:
        """How a pair is asked first."""
        return "text" if self._text_only or self.config.output == "text" else "json"

    def estimate(self, todo: Pairs, into: Estimate) -> None:
        """Adds the calls for these pairs."""
        for query, response in todo.values():
            into.add(_size(self.request(query, response, self.first_mode())))

    def decide(self, todo: Pairs, book: Book) -> None:
        """Asks for every pair, many at once."""
        run_async(self._all(todo, book))

    async def _all(self, todo: Pairs, book: Book) -> None:
        async def decide(item: tuple[str, tuple[str, str]]) -> None:
            key, (query, response) = item
            if not book.arrived(key):
                book.done(key, await self._one(client, query, response))

        async with self.client() as client:
            await at_once(todo.items(), decide, min(self.config.concurrency, len(todo)))

    def client(self) -> AsyncOpenAI:
        """A client that leaves retries to us: they count against the budget.

        Raises:
            JudgeError: If OpenAI is to be asked and there is no key.
        """
        if why := self.endpoint.missing_key():
            raise JudgeError(f"{self.endpoint.who}: {why}")
        try:
            return self.endpoint.client()
        except ImportError as e:
            raise ConfigError("judging through an endpoint needs: pip install 'ptst[judge]'") from e

    async def _one(self, client: AsyncOpenAI, query: str, response: str) -> Verdict:
        mode, why, malformed, attempt = self.first_mode(), "", 0, 0
        while attempt < self.config.attempts and malformed < MALFORMED:
            if self._silent >= SILENCE:
                return Verdict(reason=f"the endpoint stopped answering ({why or 'no call made'})")
            attempt += 1
            try:
                reply = await self._call(client, self.request(query, response, mode))
            except _Limit:
                return Verdict(reason="the limit of calls or money was reached")
            except Exception as e:
                if self._rejects_schema(e, mode):
                    mode = "text"
                    continue
                why, wait = self._judge_failure(e, attempt)
                if wait is None:
                    return Verdict(reason=why)
                await asyncio.sleep(wait)
                continue
            if mode == "text" and self.first_mode() == "json" and not malformed:
                self._text_only = True  # the same pair failed only with a schema
            verdict = self.read_reply(reply, query, response, mode)
            if verdict.harmful is not None:
                return verdict
            why, malformed = verdict.reason, malformed + 1
            if self.config.output == "auto":
                mode = "text"  # at temperature 0 the same prompt would give the same again
        return Verdict(reason=f"{why}; given up after {attempt} calls")

    async def _call(self, client: AsyncOpenAI, body: dict[str, Any]) -> Any:
        from openai.types.chat import ChatCompletion

        reserved = await self.budget.reserve(_size(body), self.config.max_tokens)
        if reserved is None:
            raise _Limit
        used = (0, 0)
        try:
            # post(), not chat.completions.create(): that one walks the body type by type, a
            # quarter of the time of a call. wait_for: the client's timeout starts with every byte.
            call = client.post("/chat/completions", cast_to=ChatCompletion, body=body)
            reply = await asyncio.wait_for(call, self.config.timeout)
            usage = getattr(reply, "usage", None)
            used = (
                getattr(usage, "prompt_tokens", None) or 0,
                getattr(usage, "completion_tokens", None) or 0,
            )
        finally:
            self.budget.settle(reserved, *used)
        self._answered, self._silent = True, 0
        return reply

    def read_reply(self, reply: Any, query: str, response: str, mode: Mode) -> Verdict:
        """A verdict from a whole answer of the endpoint."""
        try:
            choice = reply.choices[0]
            text, ended = choice.message.content, choice.finish_reason
        except (AttributeError, IndexError, TypeError):
            return Verdict(reason="malformed answer of the endpoint")
        if not isinstance(text, str) or not text.strip():
            return Verdict(reason=f"empty reply ({ended})" if ended != "stop" else "empty reply")
        if ended == "length":
            return Verdict(reason=f"reply cut off at {self.config.max_tokens} tokens", raw=text)
        return self.read(text, query, response, mode)

    def _rejects_schema(self, error: Exception, mode: Mode) -> bool:
        from openai import BadRequestError, UnprocessableEntityError

        auto = mode == "json" and self.config.output == "auto"
        return auto and isinstance(error, (BadRequestError, UnprocessableEntityError))

    def _judge_failure(self, error: Exception, attempt: int) -> tuple[str, float | None]:
        """Says what a failed call means.

        Returns:
            Why, and the seconds to wait before the next attempt; None if there is no use.

        Raises:
            JudgeError: If it concerns every pair.
        """
        import openai

        why = self.describe(error)
        hopeless = (
            openai.AuthenticationError,
            openai.PermissionDeniedError,
            openai.NotFoundError,
        )
        if isinstance(error, hopeless) or getattr(error, "code", "") == "insufficient_quota":
            raise JudgeError(f"{self.endpoint.who}: {why}") from None
        if isinstance(error, openai.RateLimitError):
            self._silent = 0  # somebody is there
            return why, self.endpoint.pause(error, attempt)
        status = getattr(error, "status_code", 0)
        if 400 <= status < 500 and status not in (408, 409):
            if not self._answered:
                self._count_silence(why)
            return why, None
        if not isinstance(error, (openai.APIError, TimeoutError, ValueError)):
            raise error  # a fault of ours
        self._count_silence(why)
        return why, self.endpoint.pause(error, attempt)

    def _count_silence(self, why: str) -> None:
        self._silent += 1
        if self._silent >= SILENCE and not self._answered:
            raise JudgeError(
                f"{self.endpoint.who}: {SILENCE} calls to {self.endpoint.url} failed and none was "
                f"answered ({why}); is the server up, and are base_url and model right?"
            ) from None

    def describe(self, error: Exception) -> str:
        """Says in a few words why a call failed; without the key, and without what was sent."""
        return self.endpoint.describe(error)


class _Limit(Exception):  # noqa: N818 - not an error, a stop sign
    """The budget forbids another call."""


def _size(body: dict[str, Any]) -> int:
    return sum(len(m["content"].encode()) for m in body["messages"])
