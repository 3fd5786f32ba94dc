"""A run before it runs: rows loaded, put in order and tokenised, nothing written.

Everything that can be wrong with what a user gave is found here.
"""

from __future__ import annotations

import bisect
import itertools
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from adapters_train import ordering
from adapters_train.base_model import Base
from adapters_train.config import TrainConfig
from adapters_train.data import TrainingSet, load_set, parse_mix
from adapters_train.defences import Defence, named
from adapters_train.encode import Encoded, encode
from ptst_tasks.chat import Renderer
from ptst_tasks.digests import ids_digest
from ptst_tasks.provenance import FREE_SETTINGS, Training, training_identity, training_inputs
from ptst_tasks.templates import PromptTemplate
from ptst_tasks.user_templates import active

__all__ = ["Job", "load_sets", "pick_template", "prepare", "world_rows"]


@dataclass(frozen=True)
class Job:
    """A run whose input is known to be good.

    Attributes:
        config: What was asked for.
        base: The base model.
        template: The prompt template.
        sets: The main set, then those mixed in.
        encoded: Token ids, a row per example that is trained on.
        order: Index of the row at every place of the run.
        step_rows: Rows per optimiser step, over all devices.
        unaligned: Digest of the weights before alignment that its defence reads; empty for none.
    """

    config: TrainConfig
    base: Base
    template: PromptTemplate
    sets: list[TrainingSet]
    encoded: Encoded
    order: list[int]
    step_rows: int
    unaligned: str = ""

    @cached_property
    def defence(self) -> Defence:
        """What keeps the model safe beside the template."""
        return named(self.config.defence)

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        return math.ceil(len(self.order) / self.step_rows)

    @property
    def step_tokens(self) -> list[int]:
        """Tokens of every step, without padding."""
        rows = [len(self.encoded.input_ids[i]) for i in self.order]
        return [sum(rows[k : k + self.step_rows]) for k in range(0, len(rows), self.step_rows)]

    @cached_property
    def record(self) -> Training:
        """Everything that decides the adapter."""
        return Training(
            base=self.base.files,
            dtype=str(self.base.torch_dtype).removeprefix("torch."),
            settings=self.config.model_dump(mode="json", exclude=set(FREE_SETTINGS)),
            data_fingerprints=tuple(s.fingerprint for s in self.sets),
            token_ids=ids_digest(self.encoded.input_ids),
            labels=ids_digest(self._learnt),
            order=ids_digest([self.order]),
            step_rows=self.step_rows,
            unaligned=self.unaligned,
        )

    @property
    def _learnt(self) -> list[Sequence[int]]:
        """The labels, with what else of the rows decides how they are learnt."""
        first = self.encoded.openings if self.defence.counts_tokens else []
        return [*self.encoded.labels, *([first] if any(first) else [])]

    @property
    def inputs(self) -> dict[str, Any]:
        """Digests of everything that decides the adapter beside the settings."""
        return training_inputs(self.record)

    @property
    def identity(self) -> dict[str, Any]:
        """Settings and inputs; another identity is another adapter."""
        return training_identity(self.record)

    @property
    def plain_identity(self) -> dict[str, Any]:
        """That of the adapter before its defence, of those that begin when training has ended."""
        return self.identity | {"defence": "none", "unaligned": "", "unaligned_weights": ""}


def prepare(config: TrainConfig, base: Base) -> Job:
    """Loads, tokenises and orders the rows.

    Raises:
        PTSTError: On anything wrong with the settings, the data or the tokenizer.
    """
    unaligned = named(config.defence).unaligned(config)
    sets = load_sets(config)
    template = pick_template(config, sets)
    examples = [e for s in sets for e in s.examples]
    renderer = Renderer.for_tokenizer(base.tokenizer, config.chat_format, thinking=config.thinking)
    encoded = encode(
        examples, base.tokenizer, renderer, template, config.max_length,
        drop_long=config.drop_long, ends=base.ends,
    )  # fmt: skip
    step_rows = world_rows(config)
    sizes = _kept_per_set(sets, encoded)
    order = ordering.order(
        [examples[i].length for i in encoded.kept],
        sizes[0],
        mixed_rows(config, sizes),
        epochs=config.epochs,
        step_rows=step_rows,
        seed=config.seed,
        max_steps=config.max_steps,
        grouped=config.order == "grouped",
    )
    return Job(config, base, template, sets, encoded, order, step_rows, unaligned)


def world_rows(config: TrainConfig) -> int:
    """Rows per optimiser step, over all devices."""
    return config.batch_size * config.accumulation * int(os.environ.get("WORLD_SIZE", "1"))


def load_sets(config: TrainConfig) -> list[TrainingSet]:
    """Loads the main set and those mixed in.

    Raises:
        PTSTError: If one cannot be had, or an amount makes no sense.
    """
    mixes = [parse_mix(spec) for spec in config.mix]
    main = load_set(
        config.data,
        prompt_column=config.prompt_column,
        answer_column=config.answer_column,
        rows=config.rows,
        seed=config.seed,
        turns=config.turns,
    )
    return [main, *(load_set(mix.name, turns=config.turns) for mix in mixes)]


def pick_template(config: TrainConfig, sets: list[TrainingSet]) -> PromptTemplate:
    """The template in the run's style, which mixed rows take over too, as its defence has it.

    Raises:
        PTSTError: If there is no such template or style.
    """
    table = active(config.templates or None)
    template = table.get(config.template, config.style or sets[0].style)
    return named(config.defence).template(template, table)


def mixed_rows(config: TrainConfig, sizes: list[int]) -> list[tuple[int, int]]:
    """(rows there are, rows wanted) of every mixed set."""
    trained = math.ceil(sizes[0] * config.epochs)
    mixes = [parse_mix(spec) for spec in config.mix]
    return [(size, mix.count(size, trained)) for mix, size in zip(mixes, sizes[1:], strict=True)]


def _kept_per_set(sets: list[TrainingSet], encoded: Encoded) -> list[int]:
    ends = list(itertools.accumulate(len(s.examples) for s in sets))
    places = [bisect.bisect_left(encoded.kept, end) for end in ends]
    return [after - before for before, after in itertools.pairwise([0, *places])]
