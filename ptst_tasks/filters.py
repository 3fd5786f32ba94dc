"""Judging inside lm-eval: one filter per judge, which sees all responses of a task at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ptst_tasks.coherence import incoherence
from ptst_tasks.errors import ConfigError, MissingExtraError
from ptst_tasks.judges import Judge, Verdict, watching
from ptst_tasks.judges.budget import Estimate
from ptst_tasks.judges.group import endpoints
from ptst_tasks.lm_internals import filter_steps
from ptst_tasks.replies import CUT, Reply

__all__ = ["Judged", "Read", "bertscore_filter", "bertscores", "judge_filter", "judge_replies",
           "judged", "pairs"]  # fmt: skip

Judged = Mapping[str, Any]
"""A verdict as plain values, with ``incoherent``: why the answer is no language, or None.

With ``reasoning``, where thoughts are judged too: the verdict on the thought, None without one.
"""
Seen = Callable[[Judge, Sequence[Judged], watching.Asked], None]
"""Hears of a judge's verdicts on a whole task, and what it was asked about."""
Read = Callable[[Mapping[str, Any], str], Reply]
"""Takes a row's response apart."""

log = logging.getLogger(__name__)


def judged(judge: Judge, queries: Sequence[str], responses: Sequence[str]) -> list[dict[str, Any]]:
    """Judges pairs and adds `incoherent`; the same for every judge.

    Raises:
        JudgeError: If the judge cannot judge at all, or breaks the one-verdict-per-pair rule.
    """
    return judge_replies(judge, [Reply(q, r) for q, r in zip(queries, responses, strict=True)])


def pairs(replies: Sequence[Reply]) -> tuple[list[str], list[str]]:
    """What a judge is asked about replies, as queries and responses.

    The answers come first, in their order, without those of thoughts that were cut off; then the
    thoughts that are to be judged, those too.
    """
    asked = [(r.query, r.answer) for r in replies if not r.cut]
    asked += [(r.query, r.reasoning) for r in replies if r.judge_reasoning and r.reasoning]
    return [q for q, _ in asked], [r for _, r in asked]


def judge_replies(judge: Judge, replies: Sequence[Reply]) -> list[dict[str, Any]]:
    """Judges the answers alone, and where that is asked for each thought alone as well.

    Args:
        judge: Who judges.
        replies: What was answered; a thought that was cut off has no verdict, and no judge sees it
            as an answer.

    Raises:
        JudgeError: If the judge cannot judge at all, or breaks the one-verdict-per-pair rule.
    """
    queries, responses = pairs(replies)
    verdicts = judge.judge(queries, responses) if queries else []
    each = iter([v for v, _ in zip(verdicts, responses, strict=True)])
    out = [_verdict(r, None if r.cut else next(each)) for r in replies]
    for reply, one in zip(replies, out, strict=True):
        if reply.judge_reasoning:
            one["reasoning"] = next(each).as_dict() if reply.reasoning else None
    return out


def _verdict(reply: Reply, verdict: Verdict | None) -> dict[str, Any]:
    if verdict is None:
        return {**Verdict(reason=CUT).as_dict(), "incoherent": None}
    return {**verdict.as_dict(), "incoherent": incoherence(reply.answer)}


def judge_filter(judge: Judge, read: Read, seen: Seen | None = None) -> Any:
    """Returns an lm-eval filter ensemble named after the judge.

    Args:
        judge: Who judges.
        read: Takes a response apart; the judge sees the answer, which begins with a prefill.
        seen: Told of the verdicts of the whole task.
    """

    def apply(resps: Sequence[Sequence[str]], docs: Sequence[Mapping[str, Any]]) -> list[Any]:
        replies = _replies(read, resps, docs)
        asked = pairs(replies)
        _warn_of_cost(judge, *asked)
        found = judge_replies(judge, replies)
        if "partial" in judge.settings:  # where it did not tell, that is a missing value
            found = [{"partial": None, **verdict} for verdict in found]
        if seen:
            seen(judge, found, asked)
        verdicts = iter(found)
        return [[next(verdicts) for _ in answers] for answers in resps]

    return filter_steps(judge.spec, apply)


def _replies(
    read: Read, resps: Sequence[Sequence[str]], docs: Sequence[Mapping[str, Any]]
) -> list[Reply]:
    return [read(doc, text) for doc, texts in zip(docs, resps, strict=True) for text in texts]


def _warn_of_cost(judge: Judge, queries: Sequence[str], responses: Sequence[str]) -> None:
    """Inline nobody has seen an estimate: money without a limit is said before it is spent."""
    for one in endpoints(judge):
        if one.budget.limited or one.price is None:
            continue
        estimate = Estimate(price=one.price)
        one.estimate(one.pending(queries, responses), estimate)
        birds = watching.current().add_to(estimate, one, [(queries, responses)])
        of = f", {birds} of them canaries" if birds else ""
        if estimate.cost:
            log.warning(
                "%s: %d calls to make%s, about $%.2f, and no limit; set max_cost or max_calls in "
                "--metadata (a study's test.options)", one.spec, estimate.calls, of, estimate.cost,
            )  # fmt: skip


def bertscore_filter(read: Read, model: str = "roberta-large", layer: int = 17) -> Any:
    """Returns a filter that gives BERTScore F1, as the paper does (roberta-large, layer 17).

    Args:
        read: Takes a response apart; a thought that was cut off is not answered, and scores 0.
        model: Name or folder.
        layer: Of the model.
    """
    return filter_steps("bertscore", partial(_bertscore, read, model, layer))


def bertscores(
    replies: Sequence[Reply], answers: Sequence[str], model: str, layer: int
) -> list[float]:
    """BERTScore F1 of each answer against its reference; 0 for a thought that was cut off.

    Raises:
        MissingExtraError: If its library is not installed.
        ConfigError: If the model cannot be had.
    """
    try:
        from torchmetrics.functional.text.bert import bert_score
    except ImportError as e:
        raise MissingExtraError("torchmetrics", "bertscore", "bertscore") from e
    said = [(r.answer, a) for r, a in zip(replies, answers, strict=True) if not r.cut]
    if not said:
        return [0.0] * len(replies)
    try:
        scores = bert_score(
            [_whole(text) for text, _ in said],
            [_whole(text) for _, text in said],
            model_name_or_path=model,
            num_layers=layer,
            truncation=True,
        )
    except (OSError, ValueError) as e:
        why = " ".join(str(e).split())[:300]
        raise ConfigError(f"bertscore: the model {model!r} cannot be used: {why}") from e
    values = iter(scores["f1"].reshape(-1).tolist())
    return [0.0 if r.cut else float(next(values)) for r in replies]


def _whole(text: str) -> str:
    """The text without half characters, which no tokenizer reads."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _bertscore(
    read: Read,
    model: str,
    layer: int,
    resps: Sequence[Sequence[str]],
    docs: Sequence[Mapping[str, Any]],
) -> list[list[dict[str, float]]]:
    wanted = [doc["answer"] for doc, texts in zip(docs, resps, strict=True) for _ in texts]
    values = iter(bertscores(_replies(read, resps, docs), wanted, model, layer))
    return [[{"bertscore": next(values)} for _ in texts] for texts in resps]
