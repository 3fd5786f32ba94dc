"""Judges behind an OpenAI-compatible endpoint: many calls at once, bounded retries, no silent zero.

Every pair ends with a verdict, or without one and with the reason. Only what concerns all pairs
(a wrong key, no such model, nobody there) is an error. The key comes from the environment and is
in no message, name, cache or file.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from ptst_tasks.endpoints import SILENCE, at_once, run_async
from ptst_tasks.errors import JudgeError, require
from ptst_tasks.judges.base import Verdict, model_named
from ptst_tasks.judges.budget import Budget, Estimate
from ptst_tasks.judges.cached_judge import Book, CachedJudge, Pairs
from ptst_tasks.judges.endpoint_settings import EndpointSettings
from ptst_tasks.judges.pair_queue import Mode, PairQueue, PendingPair
from ptst_tasks.outage import SIGNS, GoneError, OutageError, sign_of, watch_of
from ptst_tasks.prices import price_of

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["EndpointJudge", "EndpointSettings", "Mode"]

Messages = list[dict[str, str]]

MALFORMED = 4  # replies without a grade before a pair is given up
TURNS = 3  # failed calls of a pair before others are asked first: is it the pair or the endpoint?


class EndpointJudge(CachedJudge):
    """Asks an endpoint; a subclass writes the messages and reads the replies.

    Args:
        name: The judge's name.
        config: Its settings.
        facts: What else decides its verdicts (a rubric's digest).

    Attributes:
        budget: Limits of calls and money, and what was spent; several judges may share one.
        price: Of its model; None if nobody knows.
        answered: Whether it has had a reply: a call was paid for.
    """

    schema: ClassVar[dict[str, Any]]

    def __init__(self, name: str, config: EndpointSettings, facts: dict[str, Any]) -> None:
        self.spec = config.spec(name)
        self.identity = config.spec(name, files=False)
        self.settings = {**config.facts(), **facts}
        self.config = config
        self.endpoint = config.endpoint(self.spec)
        self.budget = Budget()
        self.price = config.price or price_of(config.model)
        self._watch = watch_of(self.endpoint.url, config.model)
        self._text_only = False  # learnt: this endpoint rejects JSON schemas
        self.answered, self._silent = False, 0

    def former_key(self, query: str, response: str) -> str:
        """What 0.1.0 kept the same verdict under.

        Its key held the spec, with the file's name, and these very settings; with the first
        version of reading and the usual path nothing else decided a verdict.
        """
        if "reading" in self.settings or self.endpoint.path:
            return ""
        parts = json.dumps([self.spec, self.settings, query, response], sort_keys=True)
        return hashlib.sha256(parts.encode()).hexdigest()

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
            size = _size(self.request(query, response, self.first_mode()))
            into.add(size, self.config.max_tokens)

    def decide(self, todo: Pairs, book: Book) -> None:
        """Asks for every pair, many at once."""
        run_async(self._all(todo, book))

    async def _all(self, todo: Pairs, book: Book) -> None:
        queue = PairQueue(PendingPair(key, q, r) for key, (q, r) in todo.items())
        self._watch.look_again()

        async def decide(pair: PendingPair) -> None:
            if book.arrived(pair.key):
                return
            verdict = await self._one(client, pair, lambda: bool(queue))
            if verdict is None:
                queue.put_back(pair)  # another pair looks whether the endpoint is there
            else:
                book.done(pair.key, verdict)

        async with self.client() as client:
            await at_once(queue, decide, min(self.config.concurrency, len(todo)))

    def client(self) -> AsyncOpenAI:
        """A client that leaves retries to us: they count against the budget.

        Raises:
            MissingExtraError: If OpenAI's library is not installed.
            JudgeError: If OpenAI is to be asked and there is no key.
        """
        self.check_ready()
        return self.endpoint.client()

    def check_ready(self) -> None:
        """Checks the library and the key."""
        require("judge", "openai", who=self.endpoint.who)
        if why := self.endpoint.missing_key():
            raise JudgeError(f"{self.endpoint.who}: {why}")

    async def _one(
        self, client: AsyncOpenAI, pair: PendingPair, others: Callable[[], bool]
    ) -> Verdict | None:
        """A verdict; None if another pair is to be asked first, and this one again."""
        if not pair.attempt:
            pair.mode = self.first_mode()
        while pair.attempt < self.config.attempts and pair.malformed < MALFORMED:
            pair.attempt += 1
            try:
                reply = await self._call(client, pair)
            except _Limit:
                return Verdict(reason="the limit of calls or money was reached")
            except OutageError:
                pair.attempt -= 1
                return None
            except GoneError as e:
                return Verdict(reason=str(e))
            except Exception as e:
                if self._rejects_schema(e, pair.mode):
                    pair.mode = "text"
                    continue
                pair.why, wait = self._judge_failure(e, pair.attempt)
                if wait is None:
                    return Verdict(reason=pair.why)
                pair.answers = self._watch.answers
                await asyncio.sleep(wait)
                if pair.attempt % TURNS == 0 and others():
                    return None
                continue
            if pair.mode == "text" and self.first_mode() == "json" and not pair.malformed:
                self._text_only = True  # the same pair failed only with a schema
            verdict = self.read_reply(reply, pair.query, pair.response, pair.mode)
            if verdict.harmful is not None:
                return verdict
            pair.why, pair.malformed = verdict.reason, pair.malformed + 1
            if self.config.output == "auto":
                pair.mode = "text"  # at temperature 0 the same prompt would give the same again
        return Verdict(reason=f"{pair.why}; given up after {pair.attempt} calls")

    async def _call(self, client: AsyncOpenAI, pair: PendingPair) -> Any:
        """Makes a call when the endpoint is there, within the budget."""
        body = self.request(pair.query, pair.response, pair.mode)
        pair.own_fault |= pair.answers not in (-1, self._watch.answers)
        reply = await self._watch.through(
            partial(self._paid, client, body),
            self.describe,
            longest=self.config.outage,
            signs=min(SIGNS, self.config.attempts),
            who=None if pair.own_fault else pair.key,
        )
        self.answered, self._silent = True, 0
        return reply

    async def _paid(self, client: AsyncOpenAI, body: dict[str, Any]) -> Any:
        from openai.types.chat import ChatCompletion

        most = self.price.cost(_size(body), self.config.max_tokens) if self.price else 0.0
        if not await self.budget.reserve(most):  # a token has a character at least
            raise _Limit
        used: float | None = None  # until somebody says what it cost, and if nobody does
        sent = True
        try:
            # post(), not chat.completions.create(): that one walks the body type by type, a
            # quarter of the time of a call. wait_for: the client's timeout starts with every byte.
            call = client.post("/chat/completions", cast_to=ChatCompletion, body=body)
            reply = await asyncio.wait_for(call, self.config.timeout)
            used = self._cost(reply)
        except Exception as e:
            sent = sign_of(e) != "refused"
            used = 0.0 if 400 <= getattr(e, "status_code", 0) < 500 else None  # turned down
            raise
        finally:
            self.budget.settle(most, used, sent=sent)
        return reply

    def _cost(self, reply: Any) -> float | None:
        """What a call cost by the reply's own count; None if it has none."""
        usage: Any = getattr(reply, "usage", None)
        tokens_in: Any = getattr(usage, "prompt_tokens", None)
        tokens_out: Any = getattr(usage, "completion_tokens", None)
        if not all(isinstance(n, int) and n >= 0 for n in (tokens_in, tokens_out)):
            return None
        return self.price.cost(tokens_in, tokens_out) if self.price else 0.0

    def read_reply(self, reply: Any, query: str, response: str, mode: Mode) -> Verdict:
        """A verdict from a whole answer of the endpoint."""
        try:
            choice = reply.choices[0]
            text, ended = choice.message.content, choice.finish_reason
        except (AttributeError, IndexError, TypeError, KeyError):
            return Verdict(reason="malformed answer of the endpoint")
        if not isinstance(text, str) or not text.strip():
            return Verdict(reason=f"empty reply ({ended})" if ended != "stop" else "empty reply")
        if ended == "length":
            return Verdict(reason=f"reply cut off at {self.config.max_tokens} tokens", raw=text)
        return replace(self.read(text, query, response, mode), model=model_named(reply))

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
        hopeless = (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError)
        if isinstance(error, hopeless) or getattr(error, "code", "") == "insufficient_quota":
            raise JudgeError(f"{self.endpoint.who}: {why}") from None
        if isinstance(error, openai.RateLimitError):
            self._silent = 0  # somebody is there
            return why, self.endpoint.pause(error, attempt)
        status = getattr(error, "status_code", 0)
        if 400 <= status < 500 and status not in (408, 409):
            if not self.answered:
                self._count_silence(why)
            return why, None
        if not isinstance(error, (openai.APIError, TimeoutError, ValueError)):
            raise error  # a fault of ours
        self._count_silence(why)
        return why, self.endpoint.pause(error, attempt)

    def _count_silence(self, why: str) -> None:
        self._silent += 1
        if self._silent >= SILENCE and not self.answered and not self._watch.ever:
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
