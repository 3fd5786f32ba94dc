"""The OpenAI Batch API: half the price, an answer within a day; submit now, collect by id later.

What is collected goes into the cache of verdicts, so scoring again finds it there. The cache also
remembers what was sent and is not collected yet, so that nothing is paid for twice by accident.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ptst_tasks.errors import ConfigError, JudgeError
from ptst_tasks.judges.base import Verdict
from ptst_tasks.judges.cache import VerdictCache
from ptst_tasks.judges.cached_judge import Pairs
from ptst_tasks.judges.endpoint import EndpointJudge

__all__ = ["ID", "Collected", "collect", "submit"]

MOST_REQUESTS = 50_000  # the API's limits of one batch; the size with room for a last line
MOST_BYTES = 190_000_000
ID = re.compile(r"(?!\.+$)[A-Za-z0-9_.:-]{1,200}")
"""What a batch's id is made of: it is a part of an address."""
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
        canaries: Verdicts on the canaries that rode in it, by key; they are not in the cache.
    """

    status: str
    scored: int = 0
    missing: int = 0
    foreign: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    uncounted: int = 0
    canaries: dict[str, Verdict] = field(default_factory=dict)

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


def _plain_id(judge: EndpointJudge, found: Any) -> str:
    if isinstance(found, str) and ID.fullmatch(found):
        return found
    raise JudgeError(f"judge {judge.spec!r}: batch: malformed answer of the endpoint, which names no "
                     "id; whether it took the batch is not known")  # fmt: skip


def _collect_with(ids: Iterable[str]) -> str:
    return " ".join(f"--batch-id {one}" for one in ids)


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
            ids.append(_plain_id(judge, batch.id))
            try:
                with VerdictCache(judge.cache_path) as cache:
                    cache.note_batch(keys, ids[-1])
            except ConfigError as e:
                raise JudgeError(
                    f"judge {judge.spec!r}: batch {ids[-1]} was sent and could not be noted: {e}; "
                    f"write the id down: {_collect_with(ids)} collects"
                ) from e
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


def collect(
    judge: EndpointJudge, batch_id: str, pairs: Pairs, canaries: Pairs | None = None
) -> Collected:
    """Fetches what a batch has and puts its verdicts into the cache.

    Args:
        judge: The judge that submitted it, with the same settings.
        batch_id: What `submit` returned.
        pairs: The responses in question; a verdict is read with its own query and response.
        canaries: What may have been sent beside them, and is to go past the cache.

    Raises:
        JudgeError: If there is no such batch.
    """
    return asyncio.run(_collect(judge, batch_id, pairs, canaries or {}))


async def _collect(judge: EndpointJudge, batch_id: str, pairs: Pairs, canaries: Pairs) -> Collected:
    async with judge.client() as client:
        try:
            batch = await client.batches.retrieve(batch_id)
            out = Collected(str(batch.status))
            if not out.over:
                return out
            file = batch.output_file_id  # none if all of it failed
            data = (await client.files.content(file)).content if file else b""
        except Exception as e:
            raise _failure(judge, e, [], batch_id) from None
    former = {old: key for key, pair in pairs.items() if (old := judge.former_key(*pair))}
    with VerdictCache(judge.cache_path) as cache:
        for line in filter(None, data.split(b"\n")):  # splitlines() would cut at U+2028 in a text
            _take(judge, line, pairs, canaries, former, cache, out)
        cache.forget_batch({**pairs, **canaries}, batch_id)
    return out


def _take(
    judge: EndpointJudge, line: bytes, pairs: Pairs, canaries: Pairs, former: Mapping[str, str],
    cache: VerdictCache, out: Collected,
) -> None:  # fmt: skip
    try:
        row: dict[str, Any] = json.loads(line)
        key = former.get(row["custom_id"], row["custom_id"])  # 0.1.0 may have submitted it
    except (ValueError, KeyError, TypeError, RecursionError):
        out.missing += 1
        return
    if key not in pairs and key not in canaries:
        out.foreign += 1
        return
    _count(row, out)
    verdict = _verdict(judge, row, *(pairs.get(key) or canaries[key]))
    if key in canaries:
        out.canaries[key] = verdict
    if key not in pairs:
        return
    if verdict.harmful is None:
        out.missing += 1
    else:
        cache.put(key, verdict, owed=judge.watched)
        out.scored += 1


def _count(row: dict[str, Any], out: Collected) -> None:
    answer = _dict(row.get("response"))
    used = _dict(_dict(answer.get("body")).get("usage"))
    read, written = used.get("prompt_tokens"), used.get("completion_tokens")
    if isinstance(read, int) and isinstance(written, int) and min(read, written) >= 0:
        out.tokens_in, out.tokens_out = out.tokens_in + read, out.tokens_out + written
    elif answer.get("status_code") == 200:
        out.uncounted += 1


def _verdict(judge: EndpointJudge, row: dict[str, Any], query: str, response: str) -> Verdict:
    from openai.types.chat import ChatCompletion

    answer = _dict(row.get("response"))
    if answer.get("status_code") != 200:
        return Verdict(reason=f"HTTP {str(answer.get('status_code'))[:20]} in the batch")
    body = _dict(answer.get("body"))
    reply = ChatCompletion.construct(**{k: body.get(k) for k in ("choices", "model", "usage")})
    return judge.read_reply(reply, query, response, judge.first_mode())


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _failure(judge: EndpointJudge, error: Exception, ids: list[str], asked: str = "") -> JudgeError:
    kept = f"; already submitted: {_collect_with(ids)} collects" if ids else ""
    which = f"batch {asked} (--batch-id)" if asked else "batch"
    return JudgeError(f"judge {judge.spec!r}: {which}: {judge.describe(error)}{kept}")
