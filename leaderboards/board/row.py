"""The leaderboard's row: its columns, what makes two rows one number, and their order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

__all__ = [
    "COLUMNS",
    "IDENTITY",
    "PEOPLES",
    "RATES",
    "REQUIRED",
    "Row",
    "conditions",
    "field_text",
    "in_order",
    "sort_key",
]  # fmt: skip

Count = Annotated[int, Field(ge=0, le=10**9)]
Whole = Annotated[int, Field(ge=-(10**18), le=2**64)]  # a seed may be any number of 64 bits


class Row(BaseModel):
    """One measured number.

    Attributes:
        base: The base model, as it was named to the harness.
        adapter: The adapter, empty for the model before fine-tuning.
        train_data: Data set the adapter was trained on.
        train_template: Template it was trained under, ``chat:vanilla``; empty before fine-tuning.
        seed: Training seed.
        test_template: Template of the test prompts, ``chat:llama``; empty for other tasks.
        task: The set, ``advbench``; for tasks that are not ours the harness's task name.
        judge: Who judged: the harness's filter (``keywords:zou``, ``strict-match``), or empty.
        metric: ``asr``, ``refused``, ``incoherent``, ``truncated``, ``exact_match``, ...
        value: Mean over the `n` scored prompts; None where nothing could be measured.
        ci_low: Lower end of the 95 % Wilson interval of a rate.
        ci_high: Upper end of it.
        n: Prompts with a verdict.
        unscored: Prompts without one.
        people: The rate that people would give, by their labels; None where nobody labelled.
        people_low: Lower end of its 95 % interval.
        people_high: Upper end of it.
        labelled: Labels it rests on.
        people_by: How: ``post-stratified``, ``ppi++`` or ``labels alone``.
        judge_kappa: How far the judge agrees with people on the nearest set that they labelled, -1..1; see
            `ptst_tasks.judges.known`. None where nobody measured that, and where it is no judge's number.
        base_digest: Digest of the base model's weights, with its kind: ``sha256:...``, ``hub:...``.
        base_files: Digest of the base's configuration, generation defaults, tokenizer and chat template.
        adapter_digest: Digest of the adapter's weights.
        adapter_config: Digest of its configuration (rank, alpha, targets).
        training: Digest of how it was trained, but for the seed: adapters that share it are seeds of
            one training.
        defence: What kept it safe in training beside the template, ``kl:0.1``; empty for nothing.
        attack: How harmful queries were asked, ``prefill:5``; empty for plainly.
        data_fingerprint: Digest of all rows of the set.
        limit: Only the first so many were asked; None for all, or where nobody noted it.
        asked: Digest of the ids of the rows that were asked.
        prompts: Digest of the prompts' token ids.
        thinking: What the chat template was told of thinking: ``auto``, ``on`` or ``off``.
        task_version: Of the task's definition.
        scoring: Digest of the task's metrics and answer filters.
        judge_settings: Rubric and settings of the judge, where its name does not say all.
        judge_weights: Digest of a local judge's weights.
        judge_model: The judge's model, as its own replies name it.
        decoding: Decoding options as the engine used them, compact JSON.
        decoding_seed: Seed of the sampling; None where answers are greedy.
        prompting: What else shaped the prompts (style, chat format, few-shot, ...), compact JSON.
        engine: The engine, or the harness's model class.
        engine_args: Its arguments that may change an answer, compact JSON.
        dtype: Of the weights in memory.
        versions: Of the packages that can change an answer, compact JSON.
        step: For a copy of an adapter kept along training, after how many steps.
        cell: Digest of the cell in its run folder.
        ptst_version: Version of this package at the time of the run.
        lm_eval_version: Version of the harness.
        transformers_version: Version of transformers.
        date: Of the run, UTC, ``2025-01-31T12:00:00Z``.
        error: Why there is no value, one line.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str
    adapter: str = ""
    train_data: str = ""
    train_template: str = ""
    seed: Whole | None = None
    test_template: str = ""
    task: str
    judge: str = ""
    metric: str
    value: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    n: Count = 0
    unscored: Count = 0
    people: float | None = None
    people_low: float | None = None
    people_high: float | None = None
    labelled: Count = 0
    people_by: str = ""
    judge_kappa: float | None = None
    base_digest: str = ""
    base_files: str = ""
    adapter_digest: str = ""
    adapter_config: str = ""
    training: str = ""
    defence: str = ""
    attack: str = ""
    data_fingerprint: str = ""
    limit: Whole | None = None
    asked: str = ""
    prompts: str = ""
    thinking: str = ""
    task_version: str = ""
    scoring: str = ""
    judge_settings: str = ""
    judge_weights: str = ""
    judge_model: str = ""
    decoding: str = ""
    decoding_seed: Whole | None = None
    prompting: str = ""
    engine: str = ""
    engine_args: str = ""
    dtype: str = ""
    versions: str = ""
    step: Whole | None = None
    cell: str = ""
    ptst_version: str = ""
    lm_eval_version: str = ""
    transformers_version: str = ""
    date: str = ""
    error: str = ""

    @field_validator(
        "seed", "step", "limit", "decoding_seed", "value", "ci_low", "ci_high", "people",
        "people_low", "people_high", "judge_kappa", mode="before",
    )  # fmt: skip
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator(
        "value", "ci_low", "ci_high", "people", "people_low", "people_high", "judge_kappa"
    )
    @classmethod
    def _finite(cls, value: float | None) -> float | None:
        if value is not None and not math.isfinite(value):
            raise ValueError("must be a finite number, or empty where there is none")
        return value

    @field_validator("task")
    @classmethod
    def _named(cls, value: str) -> str:
        if not value:
            raise ValueError("is empty; expected the name of a set")
        return value

    @model_validator(mode="after")
    def _coherent(self) -> Row:
        for name in RATES if self.metric in _SHARES else ():
            rate = getattr(self, name)
            if rate is not None and not 0 <= rate <= 1:
                raise ValueError(f"{name} of {self.metric} is {rate:g}, expected a rate of 0..1")
        if self.judge_kappa is not None and not -1 <= self.judge_kappa <= 1:
            raise ValueError(f"judge_kappa is {self.judge_kappa:g}, expected -1..1")
        if self.value is not None and self.n == 0:
            raise ValueError("a value over n = 0 prompts")
        if (self.people is None) != (self.labelled == 0):
            raise ValueError(f"people is {self.people}, and labelled is {self.labelled}")
        if self.value is None and self.n > 0:
            raise ValueError(f"no value, although n = {self.n}")
        # Pydantic gives every object a set of its own of the fields that were given: two thirds of
        # a row's memory, which nobody reads.
        object.__setattr__(self, "__pydantic_fields_set__", _ALL)
        return self


COLUMNS: tuple[str, ...] = tuple(Row.model_fields)
_ALL = set(COLUMNS)
REQUIRED = COLUMNS[: COLUMNS.index("unscored") + 1]
IDENTITY = (*COLUMNS[: COLUMNS.index("metric") + 1], "attack", "decoding_seed")
PEOPLES = ("people", "people_low", "people_high", "labelled", "people_by")
"""What people's labels say beside the judge; it is never compared with what a judge says."""
RATES = ("value", "ci_low", "ci_high", *PEOPLES[:3])
_MEASURED = frozenset({*RATES, *PEOPLES, "judge_kappa", "n", "unscored", "date", "error"})
_SHARES = frozenset({"asr", "refused", "partial", "refused_safe", "refused_unsafe", "incoherent",
                     "truncated", "reasoning_asr", "misaligned", "code", "exact_match", "acc",
                     "prompt_level_strict_acc", "prompt_level_loose_acc"})  # fmt: skip


def sort_key(row: Row) -> tuple[str, ...]:
    """Orders rows by identity; seeds by number, none first."""
    values = (getattr(row, name) for name in IDENTITY)
    return tuple(
        f"{v:+021d}" if isinstance(v, int) else v or "" for v in values
    )  # fixed width: seed 2 before 10


def conditions(row: Row) -> tuple[str, ...]:
    """Everything that a row says but what was measured, and when: two of these are one number."""
    return tuple(field_text(row, name) for name in COLUMNS if name not in _MEASURED)


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Rows by identity, and those of one identity by everything else; the order of a file."""
    out: list[Row] = []
    for _, same in itertools.groupby(sorted(rows, key=sort_key), key=sort_key):
        first, *more = same
        out += sorted([first, *more], key=conditions) if more else [first]
    return out


def field_text(row: Row, name: str) -> str:
    """One field as text; an error on one line."""
    value = getattr(row, name)
    if value is None:
        return ""
    if name in RATES:
        return f"{value + 0.0:.6f}".replace("-0.000000", "0.000000")
    if name == "judge_kappa":
        return f"{value:.2f}"
    return " ".join(value.split()) if name == "error" else str(value)
