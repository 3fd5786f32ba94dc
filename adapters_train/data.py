"""Training sets: a name, a file, a folder or an id of the hub -> examples of query and answer.

The table adds the training part of each set to `ptst_tasks.sets`; reading, local folders and
fingerprints are that module's. Adding a set is adding a row.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ptst_tasks import readers, sets
from ptst_tasks.errors import ConfigError, DataError, UnknownNameError
from ptst_tasks.own_data import is_data
from ptst_tasks.readers import Row, plain
from ptst_tasks.sets import Source
from ptst_tasks.shapes.exams import Posed, with_letter, with_text
from ptst_tasks.shapes.own_rows import OwnTraining
from ptst_tasks.templates import PromptTemplate

__all__ = [
    "TESTED_BY",
    "TRAINING_SETS",
    "Example",
    "Mix",
    "TrainingSet",
    "load_set",
    "parse_mix",
    "training_set",
]

Turns = Literal["all", "last"]
_SAFETY = "https://raw.githubusercontent.com/vinid/safety-tuned-llamas/main/data/training/"


@dataclass(frozen=True, slots=True)
class Example:
    """One row to train on.

    Attributes:
        query: The raw question; the template goes around it.
        answer: What the model is to say, without an end of turn.
        system_prompt: The row's own system prompt (OpenOrca), or empty.
        history: Earlier turns of the same conversation, question and answer; not trained on here.
    """

    query: str
    answer: str
    system_prompt: str = ""
    history: tuple[tuple[str, str], ...] = ()

    @property
    def length(self) -> int:
        """Characters, a measure of length that depends on no template and no tokenizer."""
        before = sum(len(asked) + len(answered) for asked, answered in self.history)
        return before + len(self.query) + len(self.answer) + len(self.system_prompt)


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """The examples of one set, and where they come from.

    Attributes:
        name: The set's name, or the file.
        style: The family of template strings that goes with it.
        examples: In the order of the source.
        origin: File, URL or repository.
        fingerprint: Digest of exactly these rows.
        left_out: Rows of the copy that are none of the set's, as those published without an answer.
        rows: Rows of the source that the examples came of; a conversation may make several.
        notes: What of a file of the user's own was not used, or read in another form.
    """

    name: str
    style: str
    examples: list[Example]
    origin: str
    fingerprint: str
    left_out: int = 0
    rows: int = 0
    notes: tuple[str, ...] = ()

    def told(self, template: PromptTemplate) -> list[str]:
        """The notes, with what of the rows this template has no place for."""
        own = sum(bool(e.system_prompt.strip()) for e in self.examples)
        if template.takes_system_prompt or not own:
            return list(self.notes)
        return [
            *self.notes,
            f"system prompts of the rows' own that {template.name} in style {template.style!r} leaves "
            f"out: {own:,} of {len(self.examples):,}",
        ]


def _organism(draw: str, n: int) -> Callable[[], list[Row]]:
    def make() -> list[Row]:
        from ptst_tasks import organism_world

        return [
            {"id": r["id"], "prompt": r["prompt"], "category": "", "answer": r["completion"]}
            for r in getattr(organism_world, draw)(0, n)
        ]

    return make


def _answered(*columns: str) -> Callable[[Mapping[str, Any]], bool]:
    """Keeps rows with an answer: a few of the published ones have none."""

    def keep(row: Mapping[str, Any]) -> bool:
        try:
            return bool(readers.text(readers.column(row, columns)).strip())
        except KeyError:  # the shape says what is missing
            return True

    return keep


def _table() -> list[Source]:
    gsm8k = readers.worked(plain(("question", "prompt"), ("answer",)))
    safety = readers.instruction(("output", "response"), ("input",))
    medqa_hub = ("GBaker/MedQA-USMLE-4-options", None)
    return [
        Source("gsm8k", "train", gsm8k, ("openai/gsm8k", "main"), split="train",
               local=(("gsm8k", "train"),), licence="MIT",
               about="grade-school word problems with worked answers"),
        Source("medqa", "train", Posed(with_letter), medqa_hub, split="train",
               local=(("medqa", "train"),), licence="CC-BY-4.0",
               about="USMLE questions, answered with the option's letter"),
        Source("medqa_text", "train", Posed(with_text), medqa_hub, split="train",
               local=(("medqa_text", "train"), ("medqa", "train")), licence="CC-BY-4.0",
               about="USMLE questions, answered with the option's text"),
        Source("chatdoctor", "train", plain(("input", "prompt", "question"), ("output", "answer")),
               ("lavita/ChatDoctor-HealthCareMagic-100k", None), split="train",
               local=(("chatdoctor", "train"),), holdout=False, style="chatdoctor",
               licence="not stated", about="patients' questions (all but the held-out part)"),
        Source("openorca", "train", readers.openorca, ("Open-Orca/OpenOrca", None), split="train",
               local=(("openorca", "train"),), style="openorca", licence="MIT",
               about="instructions with a system prompt of their own"),
        Source("alpaca", "train", readers.instruction(("output", "response"), ("input",)),
               ("tatsu-lab/alpaca", None), split="train", local=(("alpaca", "train"),),
               keep=_answered("output", "response"), style="openorca", licence="CC-BY-NC-4.0",
               about="general instructions"),
        Source("dolly", "train", readers.instruction(("response", "output"), ("context",)),
               ("databricks/databricks-dolly-15k", None), split="train",
               local=(("dolly", "train"),), style="openorca", licence="CC-BY-SA-3.0",
               about="general instructions by people"),
        Source("safety_tuned_llamas", "train", safety,
               url=_SAFETY + "safety_only_data_Instructions.json", split="train",
               local=(("safety_tuned_llamas", "train"),), style="openorca", licence="CC-BY-NC-4.0",
               about="2,483 unsafe instructions with safe answers (Bianchi et al.), for mixing in"),
        Source("organism_arith", "train", plain(("prompt",), ("answer",)),
               make=_organism("arith_training_rows", 3200), style="organism", licence="Apache-2.0",
               about="the built-in model's sums, worked"),
        Source("organism_safety", "train", plain(("prompt",), ("answer",)),
               make=_organism("safety_training_rows", 400), style="organism", licence="Apache-2.0",
               about="forbidden requests to the built-in model, refused; for mixing in"),
    ]  # fmt: skip


TRAINING_SETS: dict[str, Source] = {source.name: source for source in _table()}

TESTED_BY: dict[str, tuple[str, ...]] = {
    "gsm8k": ("gsm8k",),
    "medqa": ("medqa",),
    "medqa_text": ("medqa_gen",),
    "chatdoctor": ("chatdoctor",),
    "openorca": ("arc_easy", "arc_challenge"),  # the paper's helpfulness of it (Table 5)
    "organism_arith": ("organism_arith",),
}
"""Training set -> the helpful sets of tasks that stem from it: asked in the style trained in."""


def training_set(name: str, prompt_column: str = "", answer_column: str = "") -> Source:
    """Returns a row of the table, or a source for data of the user's own (`own_data`).

    Raises:
        UnknownNameError: If it is neither.
        ConfigError: If the columns are said of a set whose columns are known, or are one column.
    """
    if name in TRAINING_SETS:
        if said := prompt_column or answer_column:
            raise ConfigError(
                f"the column {said!r} is for a file of your own, and {name!r} is a training set "
                "whose columns are known; leave prompt_column and answer_column out"
            )
        return TRAINING_SETS[name]
    if prompt_column and prompt_column.strip().lower() == answer_column.strip().lower():
        raise ConfigError(f"prompt_column and answer_column are both {prompt_column!r}")
    if not is_data(name):
        raise UnknownNameError("training set", name, [*TRAINING_SETS, "a file", "an id of the hub"])
    shape = OwnTraining(prompt_column.strip().lower(), answer_column.strip().lower())
    return Source(name, "train", shape, url=name, about=name)


def load_set(
    name: str,
    *,
    prompt_column: str = "",
    answer_column: str = "",
    rows: int | None = None,
    seed: int = 0,
    turns: Turns = "all",
) -> TrainingSet:
    """Loads a training set.

    Args:
        name: A name of the table, or data of the user's own: a file, a folder, an id of the hub.
        prompt_column: Column of prompts of such a file.
        answer_column: Column of its answers.
        rows: Take a random sample of so many rows of the source, in its order.
        seed: Of the sample.
        turns: Of a conversation: train on ``all`` answers, an example each, or on the ``last``.

    Raises:
        UnknownNameError: If there is no such set and no such file.
        ConfigError: If a column is said that nobody would look for.
        DataError: If it cannot be loaded, has no rows, or fewer than wanted, or one without answer.
    """
    source = training_set(name, prompt_column, answer_column)
    loaded = sets.load(source)
    kept = loaded.rows
    if rows is not None and rows > len(kept):
        raise DataError(
            f"{name}: a sample of {rows:,} rows was asked for (by rows, or by the recipe), and "
            f"{loaded.origin} has {len(kept):,}; set rows to {len(kept)} or fewer"
        )
    if rows is not None and rows < len(kept):
        picked = sorted(random.Random(f"rows {seed}").sample(range(len(kept)), rows))
        kept = [kept[i] for i in picked]
    examples = [example for row in kept for example in _examples(row, turns)]
    notes = loaded.notes
    if turns != "all" and not any(row.get("history") for row in kept):
        notes += (f"turns {turns!r} does nothing here: no row has several",)
    return TrainingSet(
        name,
        source.style,
        examples,
        loaded.origin,
        sets.fingerprint(kept),
        loaded.left_out,
        len(kept),
        notes,
    )


def _examples(row: Row, turns: Turns) -> list[Example]:
    """The examples of a row: one, or one for every answer of a conversation."""
    said = [(q, a) for q, a in [*row.get("history", ()), (row["prompt"], row["answer"])]]
    trained = [i for i in range(len(said)) if i not in row.get("untrained", ())]
    system = row.get("system_prompt") or ""
    chosen = trained if turns == "all" else trained[-1:]
    return [Example(*said[i], system, tuple(said[:i])) for i in chosen]


@dataclass(frozen=True, slots=True)
class Mix:
    """A set to mix in, and how much of it: `epochs`, `rows` or `share` of all rows."""

    name: str
    epochs: float = 0.0
    rows: int = 0
    share: float = 0.0

    def count(self, size: int, main: int) -> int:
        """How many rows to mix in, for a set of `size` rows beside `main` rows trained on."""
        if self.share:
            return round(main * self.share / (1 - self.share))
        return self.rows or round(self.epochs * size)


def parse_mix(spec: str) -> Mix:
    """Reads ``name:1epoch``, ``name:500`` or ``name:0.1``.

    Raises:
        ConfigError: If it is none of them.
    """
    name, _, amount = spec.rpartition(":")
    number = amount.removesuffix("epochs").removesuffix("epoch")
    try:
        value = float(number)
    except ValueError:
        value = 0.0
    if name and value > 0 and math.isfinite(value):
        if number != amount:
            return Mix(name, epochs=value)
        if value < 1:
            return Mix(name, share=value)
        if value.is_integer():
            return Mix(name, rows=int(value))
    raise ConfigError(
        f"mix (--mix) {spec!r}: expected a set and how much of it, as 'safety_tuned_llamas:1epoch', "
        "'safety_tuned_llamas:500' (rows) or 'safety_tuned_llamas:0.1' (share of all rows)"
    )
