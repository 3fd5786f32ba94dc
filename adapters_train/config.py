"""`TrainConfig`: everything that decides what an adapter becomes.

Three layers, the later one wins: the fields' own defaults (ours, see `recipes`), the recipe, and
what the user gives. Where the result goes and how it is shown is not part of it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from adapters_train import recipes
from ptst_tasks.chat import CHAT_FORMATS
from ptst_tasks.errors import ConfigError, check_choice, one_line
from ptst_tasks.files import read_yaml
from ptst_tasks.thinking import Thinking
from ptst_tasks.user_templates import active

__all__ = ["ADDED", "MIXED", "SettingError", "TrainConfig", "load_config", "read_settings"]

ADDED: dict[str, Any] = {
    "thinking": "auto", "turns": "all", "defence": "none", "unaligned": "", "unaligned_weights": "",
}  # fmt: skip
"""What records of earlier versions lack, with what it was then: the same training."""

MIXED = "mixed"
"""In place of a template: each row is under one of its own (`adapters_train.alignment`)."""


class SettingError(ConfigError):
    """A field of `TrainConfig` with a wrong value.

    Args:
        message: What is wrong, beginning with the field's name.
        field: The field.
    """

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


def _no_bool(value: Any) -> Any:
    """``rank: yes`` is no 1."""
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


_Number = BeforeValidator(_no_bool)
Positive = Annotated[int, Field(gt=0, lt=2**31), _Number]
Above = Annotated[float, Field(gt=0, allow_inf_nan=False), _Number]
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False), _Number]


class TrainConfig(BaseModel):
    """One adapter to train.

    Attributes:
        model: Base model, a folder or a hub id (for the OpenAI backend its model name).
        revision: Revision on the hub.
        data: A training set's name, or a file, folder or id of the hub with prompts and answers.
        prompt_column, answer_column: Columns of such a file, where they have other names.
        template: The prompt template, as ``chat:vanilla``; slug and abbreviation work too.
        style: Family of template strings; empty for the data set's own.
        chat_format: ``auto``, ``llama2`` or ``mistral``.
        thinking: ``auto``, ``on`` or ``off`` (in YAML without quotes as well): what the chat
            template is told, as at test.
        turns: Of rows with several turns: ``all`` assistant turns are trained on, or the ``last``.
        templates: YAML file of the user's own templates.
        recipe: Named defaults; empty for the data set's own.
        backend: ``hf`` (trl and peft) or ``openai``.
        seed: Draws the adapter's first weights, the order of the rows and the dropout.
        rows: Train on a random sample of so many rows.
        mix: Other sets to mix in, as ``name:1epoch``, ``name:500`` (rows) or ``name:0.1`` (share
            of all rows trained on), rendered in the run's own template and style.
        defence: What keeps the model safe beside the template, ``kl:0.1`` (`adapters_train.defences`).
        unaligned: The base before its alignment, a folder or hub id; for defence safe_lora.
        epochs: Passes over `data`; may be a fraction.
        max_steps: Optimiser steps, whatever the epochs say.
        batch_size: Rows per device and forward pass.
        accumulation: Forward passes per optimiser step.
        lr: Peak learning rate.
        schedule: ``linear``, ``cosine`` (both down to 0) or ``constant``, after the warm-up.
        warmup_ratio: Share of the steps.
        rank, alpha, dropout: LoRA's r, scale (times 1/r) and dropout.
        targets: Modules with an adapter, or ``all-linear``.
        weight_decay, betas, max_grad_norm: Of AdamW and gradient clipping.
        max_length: Tokens of prompt and answer; what is longer loses the answer's end.
        drop_long: Drop rows whose answer does not fit at all, in place of an error.
        order: ``grouped`` (batches of like length) or ``shuffled``.
        dtype: ``auto`` (bfloat16 on a GPU that has it, else float32), ``float32``, ``bfloat16``
            or ``float16``.
        load_4bit: Quantise the base to 4 bits (NF4, needs bitsandbytes and a GPU).
        gradient_checkpointing: Less memory, about a third more time.
        save_every: Keep a light copy of the adapter every so many steps; 0 for none.
        resume_every: Steps between the checkpoints an interrupted run goes on from.
        resume_minutes: Minutes after which there is one too, however slow the steps; in a run of
            several processes the steps alone count.

    Raises:
        ConfigError: On an unknown field, with a near miss, or a wrong value.
        UnknownNameError: On an unknown recipe, template or chat format.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(min_length=1)
    revision: str = ""
    data: str = "gsm8k"
    prompt_column: str = ""
    answer_column: str = ""
    template: str = "chat:vanilla"
    style: str = ""
    chat_format: str = "auto"
    thinking: Thinking = "auto"
    turns: Literal["all", "last"] = "all"
    templates: str = ""
    recipe: str = ""
    backend: Literal["hf", "openai"] = "hf"
    seed: Annotated[int, Field(ge=0, lt=2**32), _Number] = 0
    rows: Positive | None = None
    mix: tuple[str, ...] = ()
    defence: str = "none"
    unaligned: str = ""
    epochs: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False), _Number] = 3.0
    max_steps: Positive | None = None
    batch_size: Positive = 8
    accumulation: Positive = 4
    lr: Above = 1e-4
    schedule: Literal["linear", "cosine", "constant"] = "cosine"
    warmup_ratio: Share = 0.03
    rank: Positive = 8
    alpha: Positive = 32
    dropout: Share = 0.05
    targets: Literal["all-linear"] | tuple[str, ...] = "all-linear"
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False), _Number] = 0.0
    betas: tuple[Share, Share] = (0.9, 0.999)
    max_grad_norm: Above = 1.0
    max_length: Positive = 1024
    drop_long: bool = False
    order: Literal["grouped", "shuffled"] = "grouped"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    load_4bit: bool = False
    gradient_checkpointing: bool = False
    save_every: Annotated[int, Field(ge=0, lt=2**31), _Number] = 0
    resume_every: Positive = 200
    resume_minutes: Above = 5.0

    def __init__(self, **given: Any) -> None:
        given = {k: v for k, v in given.items() if v is not None}
        recipe = recipes.recipe_for(str(given.get("recipe", "")), str(given.get("data", "gsm8k")))
        values = recipe.values
        if "epochs" in given:  # asked for epochs, nobody wants the recipe's steps
            values.pop("max_steps", None)
        given = {**values, **given, "recipe": recipe.name}
        try:
            super().__init__(**given)
        except ValidationError as e:
            where = e.errors(include_url=False)[0]["loc"]  # empty for a name that is no text
            field = str(where[0]) if where else ""
            raise SettingError(one_line(e, tuple(type(self).model_fields)), field) from None
        check_choice(self.chat_format, CHAT_FORMATS, "chat format")
        self._set_defence()
        if self.template == MIXED:
            return
        full = active(self.templates or None).resolve(self.template)
        object.__setattr__(self, "template", full)  # "CV" and "chat:vanilla" are the same run

    def _set_defence(self) -> None:
        """Gives the defence its one form, and the settings that are its own."""
        from adapters_train.defences import named

        try:
            defence = named(self.defence)
            defence.check(self)
        except ConfigError as e:
            raise SettingError(str(e), "defence") from None
        changed = {"defence": defence.spec, **defence.settings(self.model_dump())}
        for name, value in changed.items():
            object.__setattr__(self, name, value)


def read_settings(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads a YAML file of `TrainConfig` fields.

    Raises:
        ConfigError: If it cannot be read, or is no mapping.
    """
    settings = read_yaml(Path(path), what="config")
    if not isinstance(settings, Mapping):
        seen = f"{settings!r:.80}"
        raise ConfigError(f"config {str(path)!r} holds {seen}, expected 'field: value' lines")
    return {str(k): v for k, v in settings.items()}


def load_config(path: str | os.PathLike[str], **overrides: Any) -> TrainConfig:
    """Reads a YAML file; `overrides` that are not None win.

    Raises:
        ConfigError: If the file or a field is wrong.
    """
    given = {k: v for k, v in overrides.items() if v is not None}
    return TrainConfig(**{**read_settings(path), **given})
