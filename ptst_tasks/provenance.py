"""The record of everything that decides a number, and every view of it, declared in one place.

One `Generation` is made per cell: what was asked, of which weights, how it was decoded, by what.
A `Judging` says on top of it who turned answers into verdicts. Generating, judging and reporting
are keyed apart: a new judge never asks a model again, and a cell that is there never hides that
a judge is missing.

`FACTS` is the one table. Per field it says whether a change makes another cell, adapter or verdict
(`decides`; where it does not, `why` gives the reason), in which column of the leaderboard the field
stands, and under which name the gate compares it.

Longer than other files: the records, the table and its views are one thing, and a field that is
added is added to all of them here.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ptst_tasks.digests import digest_json

__all__ = [
    "ANSWERS",
    "FACTS",
    "FREE_SETTINGS",
    "SCHEMA",
    "Adapter",
    "BaseRecord",
    "Data",
    "Decoding",
    "EngineRecord",
    "Fact",
    "Generation",
    "Judging",
    "Training",
    "cell_digest",
    "columns",
    "gate_facts",
    "identity",
    "model_digest",
    "training_identity",
    "training_inputs",
    "verdict_key",
]

SCHEMA = 2
"""Of the record. 0.1.0 wrote none (1): its identity lacked configurations and decoding defaults."""


ANSWERS = 4
"""Raised whenever a change of ours can change an answer; 1 was 0.1.0, 3 takes thoughts off, 4 multiplies
by the head on a CPU in another order (`engines.hf_head`)."""

FREE_SETTINGS = {
    "resume_every": "how often a run can be gone on from, not what it becomes",
    "resume_minutes": "the same, by the clock",
    "backend": "the two backends keep their records apart",
}
"""Training settings that change nothing in the adapter, with the reason."""


@dataclass(frozen=True, slots=True)
class BaseRecord:
    """The base model. Digests are SHA-256 in hex, empty where there is no such file.

    Attributes:
        weights: Digest of the weights' files; ``hub:COMMIT`` for a hub id, which covers every
            file; ``served:HOST/NAME`` for a model at an endpoint (HOST with the path if it is not
            ``/v1``); ``name:NAME`` if nothing more is known.
        config: ``config.json`` (activation, norm, rope ... change answers with the same weights).
        generation_config: ``generation_config.json``, whose values join every answer.
        tokenizer: The tokenizer's files with the chat template.
    """

    weights: str = ""
    config: str = ""
    generation_config: str = ""
    tokenizer: str = ""


@dataclass(frozen=True, slots=True)
class Adapter:
    """The adapter; all empty for the base alone.

    Attributes:
        weights: Digest of its weights' files, or ``served:HOST/NAME``.
        config: ``adapter_config.json`` (alpha scales what the weights do) without the base's path.
        step: For a copy kept along training, after how many steps.
    """

    weights: str = ""
    config: str = ""
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Data:
    """What was asked.

    Attributes:
        own: The name of a set of the user's own; two of the same rows are two sets.
        fingerprint: Digest of all rows of the set.
        limit: Only the first so many were asked; None for all.
        asked: Digest of the ids of the rows that were asked, in their order.
        prompts: Digest of the prompts' token ids (for an endpoint, of what is sent).
        thinking: What the chat template was told: ``auto``, ``on`` or ``off``.
        task_version: Of the task's definition.
        scoring: Digest of the task's metrics and answer filters.
    """

    own: str = ""
    fingerprint: str = ""
    limit: int | None = None
    asked: str = ""
    prompts: str = ""
    thinking: str = ""
    task_version: str = ""
    scoring: str = ""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How answers were drawn.

    Attributes:
        options: Every option as the engine uses it, the model's own defaults included.
        seed: Of the sampling; None where answers are greedy.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class EngineRecord:
    """What computed the answers.

    Attributes:
        name: ``hf``, ``vllm`` or ``openai``.
        dtype: Of the weights in memory.
        args: The engine's arguments that may change an answer (quantization ...).
        layout: Its other arguments: where and how fast.
        versions: Of the packages that can change an answer.
    """

    name: str = ""
    dtype: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)
    layout: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Generation:
    """Everything that decides the answers of one cell."""

    base: BaseRecord = BaseRecord()
    adapter: Adapter = Adapter()
    data: Data = Data()
    decoding: Decoding = Decoding()
    engine: EngineRecord = EngineRecord()
    schema: int = SCHEMA

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Generation:
        """Reads what `as_dict` gave.

        Raises:
            TypeError: If it is no such record, or one with other fields or types.
        """
        if not isinstance(record, Mapping):
            raise TypeError(f"{repr(record)[:80]} is no record")
        parts = {"base": BaseRecord, "adapter": Adapter, "data": Data, "decoding": Decoding,
                 "engine": EngineRecord}  # fmt: skip
        made: dict[str, Any] = {n: _part(kind, record.get(n, {}), n) for n, kind in parts.items()}
        schema = record.get("schema", 0)
        if not isinstance(schema, int) or isinstance(schema, bool):
            raise TypeError(f"schema is {repr(schema)[:80]}")
        return cls(**made, schema=schema)


@dataclass(frozen=True, slots=True)
class Training:
    """Everything that decides an adapter.

    Attributes:
        base: The base it is trained on.
        dtype: Of the base in memory.
        settings: All settings that can change it.
        data_fingerprints: Of the rows of every set.
        token_ids: Digest of the examples' token ids.
        labels: Digest of what is learnt of them.
        order: Digest of their order.
        step_rows: Rows per optimiser step, over all devices.
        versions: Of the packages that trained.
        unaligned: Digest of the weights that the base had before its alignment, where a defence
            reads them; empty else.
    """

    base: BaseRecord = BaseRecord()
    dtype: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    data_fingerprints: tuple[str, ...] = ()
    token_ids: str = ""
    labels: str = ""
    order: str = ""
    step_rows: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    unaligned: str = ""


@dataclass(frozen=True, slots=True)
class Judging:
    """Who turned answers into verdicts.

    Attributes:
        judge: Name and settings as a user types them; the leaderboard's `judge` column.
        settings: What else decides its verdicts (model, rubric's digest, host ...).
        weights: Digest of a local guard's weights and configuration; empty for other judges.
        snapshot: The model as the judge's replies name it; known only afterwards.
    """

    judge: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    weights: str = ""
    snapshot: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One field of the record, and what it is used for.

    Attributes:
        path: ``base.weights``.
        decides: Whether another value is another cell, adapter (``training.``) or verdict
            (``judging.``).
        column: Column of the leaderboard that shows it (of a training, its key in the manifest);
            several facts may share one.
        gate: What the gate calls it when two sides differ; empty where it does not compare it.
        why: Why a change makes no other.
    """

    path: str
    decides: bool = True
    column: str = ""
    gate: str = ""
    why: str = ""


FACTS: tuple[Fact, ...] = (
    Fact("base.weights", column="base_digest", gate="weights of the base"),
    Fact("base.config", column="base_files", gate="configuration of the base"),
    Fact("base.generation_config", column="base_files", gate="configuration of the base"),
    Fact("base.tokenizer", column="base_files", gate="configuration of the base"),
    Fact("adapter.weights", column="adapter_digest"),
    Fact("adapter.config", column="adapter_config"),
    Fact("adapter.step", column="step"),
    Fact("data.own"),
    Fact("data.fingerprint", column="data_fingerprint", gate="prompt set"),
    Fact("data.limit", decides=False, column="limit", gate="limit",
         why="the ids that were asked say it: a limit beyond the set's end asks the same rows"),
    Fact("data.asked", column="asked", gate="rows asked"),
    Fact("data.prompts", column="prompts", gate="prompts as they were sent"),
    Fact("data.thinking", column="thinking", gate="thinking"),
    Fact("data.task_version", column="task_version", gate="version of the task"),
    Fact("data.scoring", column="scoring", gate="how answers are scored"),
    Fact("decoding.options", column="decoding", gate="decoding"),
    Fact("decoding.seed", column="decoding_seed"),
    Fact("engine.name", column="engine", gate="engine"),
    Fact("engine.dtype", column="dtype", gate="dtype"),
    Fact("engine.args", column="engine_args", gate="engine's arguments"),
    Fact("engine.layout", decides=False, why="where and how fast: batch size, devices and memory move "
         "the last bits only; they are in cell.json"),
    Fact("engine.versions", column="versions"),
    Fact("training.base.weights", column="base_weights"),
    Fact("training.base.config", column="base_config"),
    Fact("training.base.tokenizer", column="base_tokenizer"),
    Fact("training.base.generation_config", decides=False, why="training generates nothing"),
    Fact("training.dtype", column="trained_dtype"),
    Fact("training.settings"),
    Fact("training.data_fingerprints", column="data_fingerprints"),
    Fact("training.token_ids", column="token_ids"),
    Fact("training.labels", column="labels"),
    Fact("training.order", column="order"),
    Fact("training.step_rows", column="step_rows"),
    Fact("training.unaligned", column="unaligned_weights"),
    Fact("training.versions", decides=False, why="an adapter is its weights, which are digested "
         "themselves; the versions are in its manifest, and no upgrade trains a year's adapters anew"),
    Fact("schema", decides=False, why="says how to read the record, not what was measured"),
    Fact("judging.judge", column="judge", gate="judge"),
    Fact("judging.settings", column="judge_settings", gate="judge's rubric or settings"),
    Fact("judging.weights", column="judge_weights", gate="weights of the judge"),
    Fact("judging.snapshot", decides=False, column="judge_model",
         gate="the judge's model, as it names itself",
         why="known only from the reply; a verdict keeps it, and a change is said"),
)  # fmt: skip
"""The one table: what decides a number, where it is shown, and what the gate compares."""


def identity(record: Generation) -> dict[str, Any]:
    """What makes a cell this one: path -> value, of the facts of the answers."""
    return {f.path: _plain(_value(record, f.path)) for f in _generation_facts() if f.decides}


def cell_digest(record: Generation) -> str:
    """Twenty hex digits; a cell's identity and its folder's name."""
    return digest_json(identity(record))[:20]


def model_digest(record: Generation) -> str:
    """What identifies whoever answers: base, adapter and engine, whatever they are asked."""
    own = ("base.", "adapter.", "engine.")
    return digest_json({k: v for k, v in identity(record).items() if k.startswith(own)})


def columns(record: Generation) -> dict[str, Any]:
    """The leaderboard's provenance columns; facts that share one are digested together."""
    shared: dict[str, list[Any]] = {}
    for fact in _generation_facts():
        if fact.column:
            shared.setdefault(fact.column, []).append(_plain(_value(record, fact.path)))
    return {
        name: values[0] if len(values) == 1 else digest_json(values) if any(values) else ""
        for name, values in shared.items()
    }


def training_inputs(record: Training) -> dict[str, Any]:
    """Digests of what decides an adapter beside its settings, as its manifest has them."""
    facts = (f for f in FACTS if f.path.startswith("training.") and f.decides and f.column)
    return {f.column: _plain(_value(record, f.path.partition(".")[2])) for f in facts}


def training_identity(record: Training) -> dict[str, Any]:
    """Settings and inputs; another identity is another adapter."""
    return {**record.settings, **training_inputs(record)}


@functools.cache
def gate_facts() -> dict[str, str]:
    """Column -> what the gate calls it, of everything that two sides must share."""
    return {f.column: f.gate for f in FACTS if f.gate}


def verdict_key(judging: Judging, query: str, response: str) -> str:
    """What a verdict is kept under."""
    facts = (f for f in FACTS if f.path.startswith("judging.") and f.decides)
    known = {f.path: _plain(_value(judging, f.path.partition(".")[2])) for f in facts}
    return digest_json([known, query, response])


def _generation_facts() -> tuple[Fact, ...]:
    return tuple(f for f in FACTS if not f.path.startswith(("judging.", "training.")))


def _part(kind: Any, values: Any, name: str) -> Any:
    """One part of a record, with the types of its fields.

    Raises:
        TypeError: If it has other fields or types.
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"{name} is {repr(values)[:80]}")
    part = kind(**values)
    plain = kind()
    for one in fields(kind):
        value, usual = getattr(part, one.name), getattr(plain, one.name)
        # None stands for no number; the rest are texts and mappings.
        wanted: Any = (int, type(None)) if usual is None else Mapping if usual == {} else str
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise TypeError(f"{name}.{one.name} is {repr(value)[:80]}")
    return part


def _value(record: Any, path: str) -> Any:
    return functools.reduce(getattr, path.split("."), record)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value  # as JSON gives it back
