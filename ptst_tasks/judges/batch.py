"""The OpenAI Batch API: half the price, an answer within a day; submit now, collect by id later.

What is collected goes into the cache of verdicts, so scoring again finds it there. The cache also
remembers what was sent and is not collected yet, so that nothing is paid for twice by accident.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ptst_tasks.errors import JudgeError
from ptst_tasks.judges.base import Verdict
from ptst_tasks.judges.cache import Pairs, VerdictCache
from ptst_tasks.judges.endpoint import EndpointJudge

__all__ = ["Collected", "collect", "submit"]

MOST_REQUESTS = 50_000  # the API's limits of one batch; the size with room for a last line
MOST_BYTES = 190_000_000
_OVER = frozenset({"completed", "failed", "expired", "cancelled"})


@dataclass(slots=True)
class Collected:
    """What a batch came to.

    Attributes:
        status: The API's word, ``completed``, ``in_progress``, ...
        scored: Verdicts put into the cache.
        missing: Requests of ours that came back without a usable verdict.
        foreign: Requests that do not belong to these responses and this judge.
        tokens_in: Of the requests of ours, as the replies count them.
        tokens_out: Of their replies.
        uncounted: Replies without usage.
    """

    status: str
    scored: int = 0
    missing: int = 0
    foreign: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    uncounted: int = 0

    @property
    def over(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.status in _OVER


def submit(judge: EndpointJudge, todo: Pairs) -> list[str]:
    """Sends the pairs as batches and returns their ids.

    Raises:
        JudgeError: If the endpoint takes no batches.
    """
    return asyncio.run(_submit(judge, todo))


async def _submit(judge: EndpointJudge, todo: Pairs) -> list[str]:
    ids: list[str] = []
    async with judge.client() as client:
        for data, keys in _files(judge, todo):
            try:
                file = await client.files.create(file=("ptst.jsonl", data), purpose="batch")
                batch = await client.batches.create(
                    input_file_id=file.id,
                    endpoint="/v1/chat/completions",
                    completion_window="24h",
                )
            except Exception as e:
                raise _failure(judge, e, ids) from None
            ids.append(batch.id)
            with VerdictCache(judge.cache_path) as cache:
                cache.note_batch(keys, batch.id)
    return ids


def _files(judge: EndpointJudge, todo: Pairs) -> Iterator[tuple[bytes, list[str]]]:
    out, keys = io.BytesIO(), list[str]()
    for key, (query, response) in todo.items():
        body = judge.request(query, response, judge.first_mode())
        line = {"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": body}
        out.write(json.dumps(line).encode() + b"\n")
        keys.append(key)
        if len(keys) >= MOST_REQUESTS or out.tell() >= MOST_BYTES:
            yield out.getvalue(), keys
            out, keys = io.BytesIO(), []
    if keys:
        yield out.getvalue(), keys


def collect(judge: EndpointJudge, batch_id: str, pairs: Pairs) -> Collected:
    """Fetches what a batch has and puts its verdicts into the cache.

    Args:
        judge: The judge that submitted it, with the same settings.
        batch_id: What `submit` returned.
        pairs: The responses in question; a verdict is read with its own query and response.

    Raises:
        JudgeError: If there is no such batch.
    """
    return asyncio.run(_collect(judge, batch_id, pairs))


async def _collect(judge: EndpointJudge, batch_id: str, pairs: Pairs) -> Collected:
    async with judge.client() as client:
        try:
            batch = await client.batches.retrieve(batch_id)
            out = Collected(str(batch.status))
            if not out.over:
                return out
            file = batch.output_file_id  # none if all of it failed
            text = (await client.files.content(file)).text if file else ""
        except Exception as e:
            raise _failure(judge, e, []) from None
    former = {old: key for key, pair in pairs.items() if (old := judge.former_key(*pair))}
    with VerdictCache(judge.cache_path) as cache:
        for line in filter(None, text.split("\n")):  # splitlines() would cut at U+2028 in a text
            _take(judge, line, pairs, former, cache, out)
        cache.forget_batch(pairs, batch_id)
    return out


def _take(
    judge: EndpointJudge, line: str, pairs: Pairs, former: Mapping[str, str],
    cache: VerdictCache, out: Collected,
) -> None:  # fmt: skip
    try:
        row: dict[str, Any] = json.loads(line)
        key = former.get(row["custom_id"], row["custom_id"])  # 0.1.0 may have submitted it
    except (ValueError, KeyError, TypeError):
        out.missing += 1
        return
    if key not in pairs:
        out.foreign += 1
        return
    _count(row, out)
    verdict = _verdict(judge, row, *pairs[key])
    if verdict.harmful is None:
        out.missing += 1
    else:
        cache.put(key, verdict)
        out.scored += 1


def _count(row: dict[str, Any], out: Collected) -> None:
    answer = row.get("response") or {}
    used = (answer.get("body") or {}).get("usage") or {}
    read, written = used.get("prompt_tokens"), used.get("completion_tokens")
    if isinstance(read, int) and isinstance(written, int) and min(read, written) >= 0:
        out.tokens_in, out.tokens_out = out.tokens_in + read, out.tokens_out + written
    elif answer.get("status_code") == 200:
        out.uncounted += 1


def _verdict(judge: EndpointJudge, row: dict[str, Any], query: str, response: str) -> Verdict:
    from openai.types.chat import ChatCompletion

    answer = row.get("response") or {}
    if answer.get("status_code") != 200:
        return Verdict(reason=f"HTTP {answer.get('status_code')} in the batch")
    reply = ChatCompletion.construct(**(answer.get("body") or {}))
    return judge.read_reply(reply, query, response, judge.first_mode())


def _failure(judge: EndpointJudge, error: Exception, ids: list[str]) -> JudgeError:
    kept = f"; already submitted: {', '.join(ids)}" if ids else ""
    return JudgeError(f"judge {judge.spec!r}: batch: {judge.describe(error)}{kept}")
