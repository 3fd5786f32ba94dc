"""What a task that is loaded says for a cell's record, whoever measures it: a study, or a callback."""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ptst_tasks.digests import digest_json, ids_digest
from ptst_tasks.lm_internals import without_bars
from ptst_tasks.provenance import ANSWERS, Data
from ptst_tasks.record import record_of
from ptst_tasks.replies import families_of

if TYPE_CHECKING:
    from ptst_tasks.engines import Engine

__all__ = ["asked_digest", "data_of", "form", "is_sampled", "requested", "used", "versions_of"]

_PACKAGES = {
    "hf": ("lm_eval", "torch", "transformers", "tokenizers", "peft"),
    "vllm": ("lm_eval", "torch", "transformers", "tokenizers", "vllm"),
    "openai": ("lm_eval",),  # the rest is the endpoint's
}


def data_of(lm: Engine, task: Any, limit: int | None = None) -> Data:
    """What is asked; the same for every adapter.

    Args:
        lm: The engine that is asked.
        task: The task.
        limit: Only the first so many rows; None for all.

    Raises:
        PTSTError: If the prompts cannot be made for this model.
    """
    docs = list(task.eval_docs)[:limit]
    return Data(
        own=task.set_name if task.own and task.source.name != "custom" else "",
        fingerprint=task.loaded.fingerprint,
        limit=limit,
        asked=asked_digest(str(doc["id"]) for doc in docs),
        prompts=_prompts(lm, task, limit),
        thinking=task.record["thinking"],
        task_version=str(task.VERSION),
        scoring=_scoring(task),
    )


def _prompts(lm: Engine, task: Any, limit: int | None) -> str:
    with without_bars():
        task.build_all_requests(
            limit=limit, apply_chat_template=True, chat_template=lm.apply_chat_template
        )
    asked = [
        r.args[0] + r.args[1] if isinstance(r.args[1], str) else r.args[0] for r in task.instances
    ]
    return ids_digest(lm.prompt_ids(asked))


def used(lm: Engine, task: Any) -> dict[str, Any]:
    """A task's decoding options as the engine uses them, without the seed."""
    if task.OUTPUT_TYPE == "multiple_choice":
        return {}
    return {k: v for k, v in lm.decoding(requested(task)).items() if k != "seed"}


def requested(task: Any) -> dict[str, Any]:
    """A task's decoding options; empty for log-likelihoods (lm-eval fills them in all the same)."""
    if task.OUTPUT_TYPE == "multiple_choice":
        return {}
    return {k: v for k, v in task.config.generation_kwargs.items() if k != "seed"}


def form(task: Any) -> dict[str, Any]:
    """How a task's prompts are made, as far as that can be said without a tokenizer."""
    said = record_of(task.config)
    # Of an attack's prefill only the depth is known here: its text is the tokenizer's.
    begun = "" if task.attack.depth else said["prefill"]
    made = {"template": said["template"], "style": said["style"],
            "chat_format": said["chat_format"], "prefill": begun}  # fmt: skip
    return made | ({"attack": task.attack.spec} if task.attack.spec else {})


def is_sampled(task: Any) -> bool:
    """Whether a task's answers are drawn at random."""
    return bool(requested(task).get("do_sample"))


def asked_digest(ids: Any) -> str:
    """Digest of the ids of the rows that were asked, in their order."""
    return digest_json(list(ids))


def _scoring(task: Any) -> str:
    """Digest of how answers become numbers; judges are keyed apart."""
    config = task.config
    parts = [config.metric_list, config.filter_list, config.process_results, config.doc_to_target]
    if task.generates and task.thoughts.families:  # known since its prompts were made
        parts.append(families_of(task.thoughts.families))
    return digest_json(_named(parts))


def _named(value: Any) -> Any:
    """A value with the names of functions in their place."""
    if isinstance(value, Mapping):
        return {str(k): _named(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_named(v) for v in value]
    if callable(value):
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value)}"
    return value


@functools.cache
def versions_of(engine: str) -> dict[str, str]:
    """Of the packages that can change an answer; no local tags (``+cpu``): where it runs is layout."""
    found = {"ptst_answers": str(ANSWERS)}
    for name in _PACKAGES[engine]:
        try:
            found[name] = importlib.metadata.version(name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
