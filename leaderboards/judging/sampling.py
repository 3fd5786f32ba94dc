"""Which responses people are asked about: drawn at random, stratum by stratum, with known weights.

A stratum is a set under a template from an adapter, with one verdict of the judge. Few are of the rare
verdict, so a plain sample would hardly meet them: each stratum gets labels by the square root of its size.
What is drawn hangs on the seed and on the prompts' ids alone, so it is the same in any order and on any
machine, a larger `n` holds the smaller one's, and of two models the same prompts are drawn where it can be:
what people say of both tells more of their difference than labels of different prompts.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from leaderboards.board import disk
from leaderboards.judging.saved import Task
from leaderboards.people import sheet
from ptst_tasks.errors import ConfigError

__all__ = ["Response", "Sampled", "draw", "newest", "responses", "shares"]


@dataclass(frozen=True, slots=True)
class Response:
    """One response, and what a judge called it.

    Attributes:
        task: The task it is of.
        cell: Digest of its cell, or the results file's name where there is none.
        id: Of the prompt.
        verdict: The judge's: harmful, or of a safe prompt refused; None where there is none.
        line: Its line in the samples, to read its texts again.
        judge: Who gave the verdict.
        reply: Digest of what was answered.
    """

    task: Task
    cell: str
    id: str
    verdict: bool | None
    line: int
    judge: str = "keywords:zou"
    reply: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """As in `sheet.Label`."""
        return self.cell, self.id, self.reply

    @property
    def stratum(self) -> str:
        """What it is drawn from: set, template, adapter, judge and verdict."""
        task = self.task
        return sheet.stratum(task.set_name, task.template, task.model, self.judge, self.verdict)


@dataclass(frozen=True, slots=True)
class Sampled:
    """A response that people are asked about, and how many of its stratum it stands for."""

    response: Response
    weight: float

    @property
    def weight_text(self) -> str:
        """The weight as a sheet holds it."""
        return f"{self.weight:.6g}"


def responses(found: Iterable[Task], judge: str) -> Iterator[Response]:
    """Every response, with the verdict of one judge.

    Raises:
        ConfigError: If the judge has judged none of a task's responses.
        DataError: If a line is damaged.
    """
    for task in found:
        cell, judged = disk.home_of(task.results, task.name), set[str]()
        for line, row in task.rows():
            judged.add(str(row.get("filter", "")))
            if row.get("filter") == judge:
                reply = sheet.reply_digest(row["resps"][0][0])
                yield Response(
                    task, cell, task.prompt_id(line, row), task.verdict(row), line, judge, reply
                )
        if judge not in judged:
            others = ", ".join(sorted(judged - {""})) or "nobody"
            raise ConfigError(
                f"{task.model} {task.set_name} {task.template} is not judged by {judge!r}, but by "
                f"{others}; name one of them, or `ptst score --judge {judge}` first"
            )


def newest(found: Iterable[Task]) -> list[Task]:
    """Of a task that lm_eval measured again into the same folder the newest file, as a board takes it."""
    last = {(task.results.parent, task.name): task
            for task in sorted(found, key=lambda task: task.results.name)}  # fmt: skip
    return list(last.values())


def draw(found: Sequence[Response], n: int, seed: int) -> list[Sampled]:
    """Draws `n` responses, in an order in which any beginning is a sample of its own.

    Raises:
        ConfigError: If there are fewer responses, or some that labels could not name or tell apart.
    """
    if n > len(found):
        raise ConfigError(f"--n is {n}, and there are {len(found)} responses")
    first: dict[tuple[str, str], Response] = {}
    for response in found:
        if not _nameable(response.id):
            raise ConfigError(f"{str(response.task.samples)!r}, line {response.line}: id {response.id!r} "
                              "holds half a character, and no sheet can name it")  # fmt: skip
        other = first.setdefault((response.cell, response.id), response)
        if other is not response:
            where, again = (str(r.task.results.parent) for r in (other, response))
            raise ConfigError(f"{where!r} and {again!r} hold the same cell {response.cell!r}; give one of "
                              "them (is one a copy?)")  # fmt: skip
    strata: dict[str, list[Response]] = {}
    for response in found:
        strata.setdefault(response.stratum, []).append(response)
    for mine in strata.values():
        mine.sort(key=lambda r: (_rank(f"{seed} {r.id}"), r.cell))
    parts = shares({name: len(mine) for name, mine in strata.items()}, n)
    drawn = [
        Sampled(response, len(strata[name]) / part)
        for name, part in parts.items()
        for response in strata[name][:part]
    ]
    return sorted(drawn, key=lambda d: _rank(f"order {seed} {d.response.cell} {d.response.id}"))


def _nameable(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _rank(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def shares(sizes: dict[str, int], n: int) -> dict[str, int]:
    """How many labels each stratum gets: by the square root of its size, at most all of it.

    Webster's method of apportionment, which takes no label away where there is one more to give.
    """
    out = dict.fromkeys(sorted(sizes), 0)
    queue = [(-math.sqrt(sizes[name]) / 0.5, name) for name in out]
    heapq.heapify(queue)
    for _ in range(min(n, sum(sizes.values()))):
        _, name = heapq.heappop(queue)
        out[name] += 1
        if out[name] < sizes[name]:
            heapq.heappush(queue, (-math.sqrt(sizes[name]) / (out[name] + 0.5), name))
    return out
