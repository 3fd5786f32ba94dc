"""Judging inside lm-eval: one filter per judge, which sees all responses of a task at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ptst_tasks.coherence import incoherence
from ptst_tasks.errors import ConfigError, MissingExtraError
from ptst_tasks.judges import Judge
from ptst_tasks.judges.budget import Estimate
from ptst_tasks.judges.group import endpoints
from ptst_tasks.lm_internals import filter_steps

__all__ = ["Judged", "bertscore_filter", "bertscores", "judge_filter", "judged"]

Judged = Mapping[str, Any]
"""A verdict as plain values, with ``incoherent``: why the response is no language, or None."""
Seen = Callable[[Judge, Sequence[Judged]], None]

log = logging.getLogger(__name__)


def judged(judge: Judge, queries: Sequence[str], responses: Sequence[str]) -> list[dict[str, Any]]:
    """Judges pairs and adds `incoherent`; the same for every judge.

    Raises:
        JudgeError: If the judge cannot judge at all, or breaks the one-verdict-per-pair rule.
    """
    verdicts = judge.judge(queries, responses)
    pairs = zip(verdicts, responses, strict=True)
    return [{**v.as_dict(), "incoherent": incoherence(r)} for v, r in pairs]


def judge_filter(judge: Judge, prefix: str = "", seen: Seen | None = None) -> Any:
    """Returns an lm-eval filter ensemble named after the judge.

    Args:
        judge: Who judges.
        prefix: A prefill; the judge reads it as the beginning of the response.
        seen: Told of the verdicts of the whole task.
    """

    def apply(resps: Sequence[Sequence[str]], docs: Sequence[Mapping[str, Any]]) -> list[Any]:
        flat = [
            (d["prompt"], prefix + r)
            for d, answers in zip(docs, resps, strict=True)
            for r in answers
        ]
        queries, responses = [q for q, _ in flat], [r for _, r in flat]
        _warn_of_cost(judge, queries, responses)
        found = judged(judge, queries, responses)
        if seen:
            seen(judge, found)
        verdicts = iter(found)
        return [[next(verdicts) for _ in answers] for answers in resps]

    return filter_steps(judge.spec, apply)


def _warn_of_cost(judge: Judge, queries: Sequence[str], responses: Sequence[str]) -> None:
    """Inline nobody has seen an estimate: money without a limit is said before it is spent."""
    for one in endpoints(judge):
        if one.budget.limited or one.price is None:
            continue
        estimate = Estimate(price=one.price)
        one.estimate(one.pending(queries, responses), estimate)
        if estimate.cost:
            log.warning(
                "%s: %d calls to make, about $%.2f, and no limit; set max_cost or max_calls in "
                "--metadata (a study's test.options)", one.spec, estimate.calls, estimate.cost,
            )  # fmt: skip


def bertscore_filter(model: str = "roberta-large", layer: int = 17) -> Any:
    """Returns a filter that gives BERTScore F1, as the paper does (roberta-large, layer 17)."""
    return filter_steps("bertscore", partial(_bertscore, model, layer))


def bertscores(
    responses: Sequence[str], answers: Sequence[str], model: str, layer: int
) -> list[float]:
    """BERTScore F1 of each response against its reference answer.

    Raises:
        MissingExtraError: If its library is not installed.
        ConfigError: If the model cannot be had.
    """
    try:
        from torchmetrics.functional.text.bert import bert_score
    except ImportError as e:
        raise MissingExtraError("torchmetrics", "bertscore", "bertscore") from e
    try:
        scores = bert_score(
            [_whole(text) for text in responses],
            [_whole(text) for text in answers],
            model_name_or_path=model,
            num_layers=layer,
            truncation=True,
        )
    except (OSError, ValueError) as e:
        why = " ".join(str(e).split())[:300]
        raise ConfigError(f"bertscore: the model {model!r} cannot be used: {why}") from e
    return [float(value) for value in scores["f1"].reshape(-1).tolist()]


def _whole(text: str) -> str:
    """The text without half characters, which no tokenizer reads."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _bertscore(
    model: str, layer: int, resps: Sequence[Sequence[str]], docs: Sequence[Mapping[str, Any]]
) -> list[list[dict[str, float]]]:
    flat = [(r, d["answer"]) for d, answers in zip(docs, resps, strict=True) for r in answers]
    values = iter(bertscores([r for r, _ in flat], [a for _, a in flat], model, layer))
    return [[{"bertscore": next(values)} for _ in answers] for answers in resps]
