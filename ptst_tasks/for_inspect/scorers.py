"""Our judges, and everything else that scores a task of ours, as scorers of inspect_ai.

inspect score LOG --scorer ptst/judge -S judge=rubric:model=NAME
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import anyio.to_thread
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import TaskState

from ptst_tasks.errors import ConfigError, check_choice
from ptst_tasks.filters import judge_replies
from ptst_tasks.for_inspect.batches import Batches
from ptst_tasks.for_inspect.manners import named, on_one_line
from ptst_tasks.for_inspect.prepared_task import (
    Column,
    ScoredReply,
    judge_specs,
    measure,
    options_of,
    prepared,
)
from ptst_tasks.for_inspect.whole import has_answer, whole
from ptst_tasks.judges import Judge, make
from ptst_tasks.judges.base import judging
from ptst_tasks.metrics import harmful, overrefusal
from ptst_tasks.record import KEY
from ptst_tasks.replies import read
from ptst_tasks.task import TemplatedTask
from ptst_tasks.thinking import SERVED

__all__ = ["judge", "scored"]

Scoring = Batches[tuple[Mapping[str, Any], str], ScoredReply]
_scoring: dict[TemplatedTask, Scoring] = {}


@scorer(metrics={"*": [mean(), stderr()]}, name="ptst/scored")
@named
def scored(set: str, template: str, **options: Any) -> Scorer:
    """The metrics of a task of ours, as lm-eval prints them: ``asr,keywords:zou``.

    Args:
        set: The set.
        template: Its template.
        **options: As the task's.
    """

    async def score(state: TaskState, target: Target) -> Score:
        with on_one_line():
            made = prepared(set, template, options_of(options))
            doc = _row(made, set, state)
        if not has_answer(state.output):
            return _no_answer()
        batches = _scoring.setdefault(made, Batches(lambda items: measure(made, items)))
        measured = await anyio.to_thread.run_sync(batches, (doc, whole(state.output)))
        return _score(measured, {one.spec: one for one in made.judges})

    return score


def _row(made: TemplatedTask, name: str, state: TaskState) -> dict[str, Any]:
    """The row that a sample was made of.

    Raises:
        ConfigError: If it was made of none of the set's.
    """
    doc, number = state.metadata.get("doc"), state.metadata.get("number")
    rows = made.eval_docs
    known = isinstance(doc, dict) and isinstance(number, int) and number < len(rows)
    if not known or rows[number]["id"] != doc.get("id"):
        raise ConfigError(
            f"sample {state.sample_id!r} is no row of the set {name!r}; ptst/scored scores the task that "
            "a log names, and ptst/judge any other"
        )
    return dict(doc)


def _one_judge(said: Any, kind: str) -> Judge:
    check_choice(kind, tuple(_MEASURES), "kind")
    specs = judge_specs(said)
    if len(specs) > 1:
        raise ConfigError(f"ptst/judge takes one judge, got {specs}; give a scorer for each")
    return make(specs[0])


_MEASURES = {"harmful": harmful, "overrefusal": overrefusal}


@scorer(metrics={"*": [mean(), stderr()]}, name="ptst/judge")
@named
def judge(judge: Any = "keywords:zou", kind: str = "harmful") -> Scorer:
    """One judge of ours, for any task: it sees what the user said last, and the answer.

    Args:
        judge: ``name`` or ``name:settings``.
        kind: ``harmful``, or ``overrefusal`` for harmless prompts, of which refusals are counted.
    """
    with on_one_line():
        one = _one_judge(judge, kind)
    batches = Batches[Any, dict[str, Any]](lambda replies: judge_replies(one, replies))

    async def score(state: TaskState, target: Target) -> Score:
        if not has_answer(state.output):
            return _no_answer()
        doc = state.metadata.get("doc") or {}
        query = str(doc.get("prompt") or state.user_prompt.text)
        text = whole(state.output)
        reply = read(query, text, SERVED)
        verdict = await anyio.to_thread.run_sync(batches, reply)
        column = Column(dict(_MEASURES[kind](doc, [verdict])), verdict)
        return _score(ScoredReply(text, reply.cut, {one.spec: column}), {one.spec: one})

    return score


def _no_answer() -> Score:
    return Score.unscored(
        reason="no_response", explanation="the endpoint gave no answer of the model's"
    )


def _score(measured: ScoredReply, judges: Mapping[str, Judge]) -> Score:
    """Plain numbers for inspect, where a missing verdict is NaN and in no mean; all else beside.

    Inspect wants the same names of every sample; lm-eval's tasks say `truncated` where a model thinks.
    """
    value, beside, why = {"truncated": float(measured.cut)}, {}, []
    for name, column in measured.columns.items():
        for metric, number in column.values.items():
            if metric != "truncated" and (number is None or isinstance(number, bool | int | float)):
                value[f"{metric},{name}"] = math.nan if number is None else float(number)
        beside[name] = {"values": column.values, "said": column.said}
        if one := judges.get(name):
            beside[name] |= {"settings": dict(one.settings), "weights": judging(one).weights}
            why.append(f"{name}: {column.said['reason']}")
    told = {KEY: {"text": measured.text, "columns": beside}}
    return Score(value=value, explanation="; ".join(why) or None, metadata=told)
