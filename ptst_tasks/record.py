"""What a task of ours says of itself in lm-eval's results: ``configs[task].metadata["ptst"]``.

Written by `task.TemplatedTask` when it is made, and by whoever judges; read by the leaderboard, by
`ptst score` and by a run that goes on. It is a plain dict, in the files in the order in which its
fields were written, and those of old runs and of other hands stay in it as they are. So a reader
takes nothing for granted: `misfits` finds what is damaged, and each reader says so in its own way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypedDict, cast

__all__ = [
    "KEY",
    "SHAPES",
    "TaskRecord",
    "add_judge",
    "mark_failed",
    "misfits",
    "note_canaries",
    "record_in",
    "record_of",
    "set_settings",
    "settings_of",
    "weights_of",
]  # fmt: skip

KEY = "ptst"
"""In a task's metadata, where lm-eval and others have keys of their own."""


class TaskRecord(TypedDict, total=False):
    """One task as it was asked and judged.

    Attributes:
        set: The set, as in task names.
        kind: ``harmful``, ``overrefusal`` or ``helpful``: what is measured on it.
        own: What its user said that a set of theirs is: ``harmful``, ``harmless``, ...
        template: The template, ``chat:llama``.
        style: The family of strings that it is rendered in.
        template_source: Table of the paper, ``ours``, or a user's file.
        chat_format: ``auto``, ``llama2``, ``mistral``, or ``text``.
        thinking: What the chat template was told: ``auto``, ``on`` or ``off``.
        markers: The families by which thoughts were taken off, see `ptst_tasks.replies`; without
            it responses are answers as they stand.
        thinks: Whether a thought was to be expected, or seen, so that `truncated` is reported.
        prefill: What each response was made to begin with.
        attack: How harmful queries were asked (`ptst_tasks.attacks`); empty for plainly.
        judges: Who judged, by name.
        judge_settings: Name -> what the name does not say; BERTScore's too.
        version: Of this package.
        origin: Where the rows came from.
        data_fingerprint: Digest of the rows.
        notes: What was done to prompts (a system prompt folded into the user's turn ...).
        chat_template: The tokenizer's own and what was made of it, where it was used.
        judge_weights: Name -> digest of the judge's weights, of judges that have them here.
        judge_models: Name -> model as its replies name it -> verdicts.
        judge_failed: Name -> why its verdicts are too few to count.
        judge_canaries: Name -> what it said of the canaries then; see `ptst_tasks.judges.stands`.
        rubric: Of runs of 0.1.0; a judge's settings hold it since.
    """

    set: str
    kind: str
    own: str
    template: str
    style: str
    template_source: str
    chat_format: str
    thinking: str
    markers: list[dict[str, Any]]
    thinks: bool
    prefill: str
    attack: str
    judges: list[str]
    judge_settings: dict[str, Any]
    version: str
    origin: str
    data_fingerprint: str
    notes: list[str]
    chat_template: dict[str, Any]
    judge_weights: dict[str, str]
    judge_models: dict[str, dict[str, int]]
    judge_failed: dict[str, str]
    judge_canaries: dict[str, dict[str, Any]]
    rubric: str


SHAPES: dict[str, type] = {
    "judges": list, "judge_settings": dict, "judge_weights": dict, "judge_failed": dict,
    "judge_models": dict, "judge_canaries": dict, "kind": str, "template": str, "prefill": str,
    "attack": str, "set": str, "markers": list, "thinks": bool,
}  # fmt: skip
"""What a reader relies on -> its type; the other fields are labels, shown as they stand."""


def record_of(config: Any) -> TaskRecord:
    """The record of a task that is loaded, by lm-eval's config of it."""
    return cast(TaskRecord, config.metadata[KEY])


def record_in(config: Mapping[str, Any]) -> TaskRecord:
    """The record in ``configs[task]`` of a results file; empty where there is none."""
    return cast(TaskRecord, dict((config.get("metadata") or {}).get(KEY) or {}))


def misfits(
    record: Mapping[str, Any], names: Iterable[str] = tuple(SHAPES)
) -> Iterator[tuple[str, Any, type]]:
    """(field, value, type it must have) of the fields that are there and no such thing.

    Args:
        record: As it was read.
        names: The fields to look at, in this order.
    """
    for name in names:
        value = record.get(name)
        if value is not None and not isinstance(value, SHAPES[name]):
            yield name, value, SHAPES[name]


def settings_of(record: TaskRecord, judge: str) -> Any:
    """Settings of the verdicts that are there; None where nobody wrote them down."""
    return (record.get("judge_settings") or {}).get(judge)


def weights_of(record: TaskRecord, judge: str) -> str | None:
    """Digest of the weights that gave the verdicts that are there; None without."""
    return (record.get("judge_weights") or {}).get(judge)


def set_settings(record: TaskRecord, judge: str, settings: Mapping[str, Any]) -> None:
    """Writes down how a column was made, in place of what was said of it before."""
    record["judge_settings"] = {**(record.get("judge_settings") or {}), judge: settings}


def add_judge(
    record: TaskRecord,
    judge: str,
    settings: Mapping[str, Any],
    weights: str,
    models: Mapping[str, int],
) -> None:
    """Writes down who judged, in place of what was said of this judge before.

    Args:
        record: The record.
        judge: Its name.
        settings: What the name does not say.
        weights: Digest of its weights; empty for a judge without.
        models: Model as its replies name it -> verdicts; empty if none did.
    """
    record["judges"] = list(dict.fromkeys([*record.get("judges", ()), judge]))
    set_settings(record, judge, settings)
    by_weights = _without(record.pop("judge_weights", None), judge)
    if by_weights or weights:
        record["judge_weights"] = by_weights | ({judge: weights} if weights else {})
    by_models = _without(record.pop("judge_models", None), judge)
    if by_models or models:
        record["judge_models"] = by_models | ({judge: dict(models)} if models else {})


def mark_failed(record: TaskRecord, judge: str, why: str) -> None:
    """Marks a judge's verdicts as too few to count, or with an empty `why` takes the mark away."""
    marks = _without(record.pop("judge_failed", None), judge) | ({judge: why} if why else {})
    if marks:
        record["judge_failed"] = marks


def note_canaries(record: TaskRecord, judge: str, told: Mapping[str, Any] | None) -> None:
    """Writes down what a judge said of the canaries, in place of the last time's; None if not asked."""
    kept = _without(record.pop("judge_canaries", None), judge)
    kept |= {judge: dict(told)} if told is not None else {}
    if kept:
        record["judge_canaries"] = kept


def _without(by_judge: Mapping[str, Any] | None, judge: str) -> dict[str, Any]:
    return {name: value for name, value in (by_judge or {}).items() if name != judge}
