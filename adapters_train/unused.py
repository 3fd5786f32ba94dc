"""Refuses settings that would do nothing, in place of leaving them out without a word."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from adapters_train.config import TrainConfig
from adapters_train.data import TRAINING_SETS, parse_mix
from adapters_train.defences import named
from ptst_tasks.errors import ConfigError

__all__ = ["refuse_unused"]

_BY_API = frozenset({
    "model", "data", "prompt_column", "answer_column", "template", "style", "templates", "recipe",
    "backend", "seed", "rows", "mix", "epochs", "turns",
})  # fmt: skip
"""Fields that decide what is sent to the API; the rest is picked there, or is of training here."""


def refuse_unused(
    config: TrainConfig,
    given: Collection[str],
    run: Mapping[str, Any],
    many: bool,
    templates: Collection[str] = (),
) -> None:
    """Checks what a user gave against what the run will use.

    Args:
        config: The first run.
        given: Names of the fields that the user gave, by flag or in a file.
        run: The command's other options, by name, those that were given.
        many: Whether several adapters are asked for.
        templates: Full names of all templates that are trained under; empty for the first run's.

    Raises:
        ConfigError: With the options to leave out.
    """
    # A manifest's own config names every field: one that says its default asks for nothing.
    fields = TrainConfig.model_fields
    given = {n for n in given if n in fields and getattr(config, n) != fields[n].default}
    api = {"suffix", "price", "max_cost", "job_id"} & run.keys()
    if config.backend == "openai":
        sent = {"defence"} if named(config.defence).by_api else set()
        _refuse(
            {*given} - _BY_API - sent,
            "with backend openai, where the API picks them or has no such thing",
        )
        _refuse(
            {"report_to"} & run.keys(), "with backend openai: the API reports, not this machine"
        )
        if many and "job_id" in run:
            raise ConfigError(
                "--job-id is one job, and several templates or seeds are asked for; give one of each"
            )
    else:
        _refuse(api, "with backend hf: no job is started; for OpenAI's API add --backend openai")
    _refuse_thinking({*given}, config, templates or [config.template])
    if config.data in TRAINING_SETS:
        columns = {"prompt_column", "answer_column"} & {*given}
        _refuse(columns, f"with --data {config.data}: a set of the table has its own columns")
    if all(
        name in TRAINING_SETS for name in (config.data, *(parse_mix(m).name for m in config.mix))
    ):
        _refuse({"turns"} & {*given}, f"with --data {config.data}: its rows are of one turn")
    if config.revision and Path(config.model).is_dir():
        _refuse({"revision"}, f"with a local folder, and {config.model!r} is one")


def _refuse_thinking(given: set[str], config: TrainConfig, templates: Collection[str]) -> None:
    """The switch is the chat template's: whatever passes through none is not told."""
    if config.chat_format != "auto":
        why = f"with --chat-format {config.chat_format}, whose strings know no thoughts"
        _refuse({"thinking"} & given, why)
    if all(name.startswith("text:") for name in templates):
        _refuse({"thinking"} & given, "with text:* templates, which pass through no chat template")


def _refuse(names: Collection[str], why: str) -> None:
    if names:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(names))
        verb = "do" if len(names) > 1 else "does"
        raise ConfigError(f"{flags} {verb} nothing {why}; leave out what does nothing")
