"""Our tasks in inspect_ai's words: what `ptst_tasks.for_inspect.tasks` calls, one function a set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inspect_ai import Task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import (
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    GenerateConfig,
)
from inspect_ai.solver import generate

from ptst_tasks.errors import ConfigError
from ptst_tasks.for_inspect.manners import on_one_line
from ptst_tasks.for_inspect.prepared_task import described_task, options_of, prepared, prompts
from ptst_tasks.for_inspect.scorers import scored
from ptst_tasks.record import KEY

__all__ = ["asked"]

_TURNS = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}
_WORDS = {"until": "stop_seqs", "max_gen_toks": "max_tokens", "temperature": "temperature"}


def asked(name: str, template: str, base: str, options: Mapping[str, Any]) -> Task:
    """A set under one template.

    Args:
        name: The set.
        template: Name, slug or abbreviation: ``chat:llama``, ``CL``.
        base: What the adapter that ``--model`` names sits on, where that name does not say it.
        options: As behind lm-eval's ``--metadata``.

    Raises:
        PrerequisiteError: If a name or an option is wrong, or these prompts cannot go as messages.
    """
    with on_one_line():
        options = options_of(options)
        made = prepared(name, template, options)
        config = _config(made.config.generation_kwargs)
    rows = [
        Sample(
            input=[_TURNS[turn["role"]](content=turn["content"]) for turn in prompt.messages],
            target=str(prompt.doc.get("answer") or ""),
            id=str(prompt.doc["id"]),
            metadata={"doc": prompt.doc, "number": prompt.number},
        )
        for prompt in prompts(made)
    ]
    told = described_task(made)
    return Task(
        dataset=MemoryDataset(rows, name=made.set_name),
        solver=generate(),
        scorer=scored(name, template, **options),
        config=config,
        metadata={KEY: told | {"base": base}},
        version=str(told["config"]["metadata"].get("version", "")),
    )


def _config(told: Mapping[str, Any]) -> GenerateConfig:
    """A task's decoding options in inspect's words.

    Raises:
        ConfigError: If one of them has none.
    """
    if unknown := sorted(set(told) - {*_WORDS, "do_sample"}):
        raise ConfigError(f"generation_kwargs holds {unknown[0]!r}, which inspect has no word for")
    return GenerateConfig(**{_WORDS[k]: v for k, v in told.items() if k in _WORDS and v != []})
