"""A task of ours for a framework that sends messages: its prompts, and its scores of what came back.

Both are the task's own. Prompts are built as lm-eval builds them for a chat-completions endpoint;
answers pass through the task's filters, judges among them, and `process_results`.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from lm_eval.api.instance import Instance

from ptst_tasks import TASKS_DIR
from ptst_tasks.engines.thoughts import cut_answer
from ptst_tasks.engines.wire import Messages
from ptst_tasks.errors import ChatFormatError, ConfigError, UnknownNameError
from ptst_tasks.generate import FAMILIES, task_name
from ptst_tasks.lm_internals import apply_filters, load_yaml, without_bars
from ptst_tasks.options import Options
from ptst_tasks.replies import families_of
from ptst_tasks.task import TemplatedTask
from ptst_tasks.user_templates import active
from ptst_tasks.validate import refuse_idle

__all__ = [
    "Column",
    "Prompt",
    "ScoredReply",
    "described_task",
    "judge_specs",
    "measure",
    "options_of",
    "prepared",
    "prompts",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Prompt:
    """One row of a set as it is sent.

    Attributes:
        number: Its place in the set, from 0.
        doc: The row.
        messages: Role and content of each.
    """

    number: int
    doc: dict[str, Any]
    messages: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Column:
    """What one filter made of an answer.

    Attributes:
        values: Metric -> value; None for one that could not be had.
        said: The verdict, or the answer that was found.
    """

    values: dict[str, Any]
    said: Any


@dataclass(frozen=True, slots=True)
class ScoredReply:
    """One answer, scored.

    Attributes:
        text: The response as it was scored: up to its first stop string, its thought in markers.
        cut: Whether it is a thought that was cut off.
        columns: By filter.
    """

    text: str
    cut: bool
    columns: dict[str, Column]


class _Messenger:
    """Stands where lm-eval has its model: chat templates go as messages, and nothing else goes."""

    takes_messages = True
    takes_text = False

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> Messages:
        return Messages(chat_history)


def prepared(name: str, template: str, options: Mapping[str, Any]) -> TemplatedTask:
    """A task with its prompts built; the same one for the same words.

    Args:
        name: The set, as in task names.
        template: Name, slug or abbreviation.
        options: As behind ``--metadata``.

    Raises:
        PTSTError: If a name or an option is wrong, an option would do nothing, or these prompts cannot
            be sent as messages.
    """
    told = json.dumps(dict(options), sort_keys=True, default=str)
    places = tuple(os.environ.get(at, "") for at in ("PTST_DATA_DIR", "PTST_TEMPLATES"))
    return _prepared(name, template, told, places)


@functools.lru_cache(maxsize=32)
def _prepared(name: str, template: str, told: str, _: tuple[str, ...]) -> TemplatedTask:
    options: dict[str, Any] = json.loads(told)
    Options.check_names(options)
    if name not in FAMILIES:
        raise UnknownNameError("data set", name, FAMILIES)
    asked, family = Options.read(options), FAMILIES[name]
    if asked.thinking != "auto":
        raise ChatFormatError(
            f"thinking is {asked.thinking!r}, and this option cannot be told to an endpoint through "
            "inspect; say it as the server wants it (--extra-body, --reasoning-effort), or leave it out"
        )
    row = active(asked.templates).get(template, family.source.style)
    config = load_yaml(TASKS_DIR / name / "_base_yaml")
    metadata = {**config.get("metadata", {}), **options}
    task = TemplatedTask(
        {**config, "task": task_name(family, row), "template": row.name, "metadata": metadata}
    )
    refuse_idle([task], options)
    apply = _Messenger().apply_chat_template
    with without_bars():
        task.build_all_requests(apply_chat_template=True, chat_template=apply)
    task.record["markers"] = families_of(task.thoughts.families)
    return task


def prompts(task: TemplatedTask) -> Iterator[Prompt]:
    """Its rows as they are sent."""
    for one in task.instances:
        yield Prompt(int(one.doc_id), dict(one.doc), [dict(turn) for turn in one.args[0]])


def described_task(task: TemplatedTask) -> dict[str, Any]:
    """What a log has to say of it, so that it can be read as an lm-eval result, as plain values."""
    config = task.config.to_dict()
    kept = ("task", "output_type", "generation_kwargs", "num_fewshot", "metric_list", "metadata")
    said = {
        "task": task.config.task,
        "rows": len(task.instances),
        "lm_eval": version("lm_eval"),
        "config": {name: config.get(name) for name in kept},
        "higher_is_better": task.higher_is_better(),
    }
    plain: dict[str, Any] = json.loads(json.dumps(said, default=str))
    return plain


def measure(
    task: TemplatedTask, answers: Sequence[tuple[Mapping[str, Any], str]]
) -> list[ScoredReply]:
    """Scores answers to rows of a task, with all of its filters.

    Args:
        task: From `prepared`.
        answers: Rows, and what the model wrote: its thought within markers, if it had one.

    Raises:
        JudgeError: If a judge cannot judge at all.
    """
    stops = (task.config.generation_kwargs or {}).get("until") or ()
    ones = []
    for number, (doc, text) in enumerate(answers):
        cut = cut_answer(text, stops, task.thoughts.families, None)
        named = (task.config.task, number, 1)
        ones.append(Instance("generate_until", dict(doc), ("", {}), 0, named, resps=[cut]))
    replies = [task.thoughts.mark(one)[0] for one in ones]
    if any(reply.cut or reply.reasoning for reply in replies):
        task.record["thinks"] = True
    apply_filters(task, ones)
    out = []
    for one, reply in zip(ones, replies, strict=True):
        task.thoughts.cut[str(one.doc.get("id"))] = reply.cut  # one row may be there twice
        columns = {name: Column(task.process_results(one.doc, [said]), said)
                   for name, said in one.filtered_resps.items()}  # fmt: skip
        out.append(ScoredReply(one.resps[0], reply.cut, columns))
    return out


def options_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options as a command line gave them.

    Raises:
        ConfigError: If its judges are no names.
    """
    options = dict(given)
    if "judge" in options:
        specs = judge_specs(options["judge"])
        options["judge"] = specs if len(specs) > 1 else specs[0]
    return options


def judge_specs(said: Any) -> list[str]:
    """Judges as a command line gave them, which takes a spec apart at its commas.

    Raises:
        ConfigError: If they are no names.
    """
    from ptst_tasks.judges import REGISTRY

    pieces = said if isinstance(said, list | tuple) else [said]
    out: list[str] = []
    for piece in map(str, pieces):
        begins = piece.partition(":")[0].strip() in REGISTRY
        if begins or not out:
            out.append(piece.strip())
        else:
            out[-1] += f",{piece.strip()}"
    if not all(out):
        raise ConfigError(f"judge is {said!r}, expected NAME or NAME:settings")
    return out
