"""Checks before any model is loaded: do the tasks load, and what exactly would be sent?

lm-eval drops a YAML that it cannot read with a line at DEBUG level; here that is a fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptst_tasks import TASKS_DIR, decoding, task_manager
from ptst_tasks.bos import encode_prompts
from ptst_tasks.chat import Rendered, Renderer
from ptst_tasks.errors import (
    ChatFormatError,
    ConfigError,
    PTSTError,
    UnknownNameError,
    require,
    said,
)
from ptst_tasks.lm_internals import load_yaml
from ptst_tasks.lm_prompts import check_decoding
from ptst_tasks.model_checks import (
    check_adapter,
    check_base,
    check_served,
    load_tokenizer,
    model_config,
)
from ptst_tasks.options import Options
from ptst_tasks.thinking import custom_markers

if TYPE_CHECKING:
    from ptst_tasks.task import TemplatedTask

__all__ = [
    "LOCAL",
    "Preview",
    "check_index",
    "check_options",
    "load_tasks",
    "preflight",
    "preview",
    "refuse_idle",
]

LOCAL = ("hf", "hf-auto", "huggingface", "vllm", "ptst-hf", "ptst-vllm")
"""What ``--model`` calls classes that load a base here."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be sent for one row: the text, and the token ids a tokenizer makes of it."""

    task: str
    tokenizer: str
    text: str
    ids: list[int]
    rendered: Rendered


def check_index(folder: Path = TASKS_DIR) -> list[str]:
    """Resolves every YAML of a folder through lm-eval's loader; returns the faults found."""
    faults, names = [], set()
    for file in sorted(folder.rglob("*.yaml")):
        try:
            names.add(str(load_yaml(file)["task"]))
        except Exception as e:  # whatever a YAML or an import can raise is a fault of that file
            faults.append(f"{file}: {type(e).__name__}: {' '.join(str(e).split())}")
    manager: Any = task_manager(folder=folder)
    lost = names - set(manager.all_subtasks)
    return faults + [
        f"{name}: not in lm-eval's index (a second task of that name?)" for name in lost
    ]


def load_tasks(
    names: Iterable[str], metadata: dict[str, Any] | None = None, folder: str | Path = TASKS_DIR
) -> dict[str, TemplatedTask]:
    """Loads tasks, tags and globs by name, with their data.

    Raises:
        UnknownNameError: If a name matches nothing.
        PTSTError: Whatever is wrong with an option or a set.
    """
    from ptst_tasks.task import TemplatedTask

    manager: Any = task_manager(metadata, folder)
    where = "" if Path(folder) == TASKS_DIR else f"--include_path {str(folder)!r}"
    chosen: list[str] = []
    for name in names:
        if not (found := manager.match_tasks([name])):
            _blame_files(folder, where)
            raise UnknownNameError("task", name, _shortlist(name, manager.all_tasks), where=where)
        chosen += found
    tasks = _load(manager, list(dict.fromkeys(chosen)), where)
    for name, task in tasks.items():
        if not isinstance(task, TemplatedTask):
            raise ConfigError(f"task {name!r} is none of ptst's kind; run it with lm_eval itself")
    return tasks


def _load(manager: Any, names: list[str], where: str) -> dict[str, TemplatedTask]:
    """Has lm-eval build tasks; in files of a user's own anything may be wrong."""
    try:
        tasks: dict[str, TemplatedTask] = manager.load(names)["tasks"]
        for task in tasks.values():
            len(task.eval_docs)
    except PTSTError:
        raise
    except Exception as e:
        if not where:  # ours
            raise
        raise ConfigError(f"{where}: a task cannot be built: {said(e)}") from e
    return tasks


def _blame_files(folder: str | Path, where: str) -> None:
    """Says what is wrong with the first file of a user's own that lm-eval dropped without a word."""
    if not where:
        return
    files = sorted(Path(folder).rglob("*.yaml"))
    if not files:
        raise ConfigError(f"{where} holds no tasks; `ptst path` prints the folder of ours")
    for file in files[:_LOOKED_AT]:
        try:
            load_yaml(file)
        except Exception as e:  # whatever a YAML or an import can raise
            raise ConfigError(f"{where}: {str(file)!r} cannot be read: {said(e)}") from e


_LOOKED_AT = 100


def _shortlist(name: str, known: Sequence[str]) -> list[str]:
    import difflib

    return difflib.get_close_matches(name, known, n=5, cutoff=0.4) or sorted(known)[:5]


def refuse_idle(tasks: Iterable[TemplatedTask], metadata: Mapping[str, Any]) -> None:
    """Refuses options that would change nothing in any of these tasks.

    Raises:
        ConfigError: With the first of them.
    """
    used = {name for task in tasks for name in task.used}
    asked = Options.read(metadata)
    for name in metadata:
        field = Options.model_fields.get(name)
        value = getattr(asked, name) if field else None  # as it is read: false is thinking's "off"
        if field and value and value != field.default and name not in used:
            raise ConfigError(f"--metadata: {name} does nothing here: {_WANTS[name]}; leave it out")


_WANTS = {
    "prefill": "it begins answers to harmful queries, and no set of these has any",
    "attack": "it is how harmful queries are asked, and no set of these has any",
    "judge": "no set of these is judged, or none by these judges (misalignment judges mild questions)",
    "repeats": "questions about misalignment are repeated, and no set of these has any",
    "bertscore": "it compares with a reference text, and no set of these has one",
    "bertscore_layer": "BERTScore is not computed",
    "custom": "it is the file of the set 'custom', which is not asked",
    "column": "it is a column of the set 'custom', which is not asked",
    "kind": "it is the kind of the set 'custom', which is not asked",
    "chat_format": "text:* templates pass through no chat format",
    "thinking": "only a model's own chat template can be told; these templates or formats pass none",
    "think_end_token": "only written answers have thoughts; these tasks compare log-likelihoods",
    "judge_reasoning": "thoughts about harmful queries are judged, and no set of these has any",
}


def preview(
    task: TemplatedTask,
    name: str,
    tokenizer: Any | None,
    rows: int = 1,
    args: Mapping[str, Any] | None = None,
) -> list[Preview]:
    """Renders a task's first rows as a Hugging Face model would get them.

    Args:
        task: A loaded task.
        name: How the tokenizer is called in the preview.
        tokenizer: None shows text tasks and literal formats without token ids.
        rows: How many rows.
        args: What else the chat template is told (``chat_template_args``).

    Raises:
        ChatFormatError: If the tokenizer's chat template is missing, has no switch for `thinking`,
            or loses a message.
    """
    fmt, thinking = task.options.chat_format, task.options.thinking
    task.renderer = (
        Renderer.for_tokenizer(tokenizer, fmt, args, thinking)
        if tokenizer
        else Renderer(fmt, missing="no tokenizer")
    )
    out = []
    for doc in list(task.eval_docs)[:rows]:
        rendered = task.render(doc)
        text = rendered.prompt + (rendered.lead + task.prefix if task.prefix else "")
        ids = [int(i) for i in encode_prompts(tokenizer, [text])[0]] if tokenizer else []
        out.append(Preview(task.config.task, name, text, ids, rendered))
        _check_bos(out[-1], tokenizer)
    return out


def _check_bos(shown: Preview, tokenizer: Any) -> None:
    bos = tokenizer.bos_token_id if tokenizer else None
    if bos is not None and shown.ids[:2] == [bos, bos]:
        raise ChatFormatError(
            f"{shown.task}: two BOS tokens would reach the model ({shown.ids[:4]})"
        )


def preflight(
    tasks: dict[str, TemplatedTask],
    model: str,
    model_args: dict[str, Any],
    apply_chat_template: bool,
    gen_kwargs: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Finds out, before any model is loaded, whether these tasks can run as asked.

    Returns:
        The decoding options with every sampling option said, where answers are drawn.

    Raises:
        PTSTError: With what to change.
    """
    served = model == "ptst-openai"
    messages = served or "chat-completions" in model
    if model.startswith("ptst-") and "adapters" in model_args:
        raise ConfigError(
            f"--model {model} answers with the base alone; measure adapters in a study (`ptst run`, "
            "train.adapters), or one of them with --model hf and peft="
        )
    if served:
        check_served(model_args, {task.options.thinking for task in tasks.values()})
    local = model in LOCAL
    name = model_args.get("tokenizer") or model_args.get("pretrained")
    tokenizer = load_tokenizer(str(name)) if local and name else None
    for task in tasks.values():
        task.check_endpoint(takes_messages=messages, takes_text=served or not messages)
        needs_template = task.renderer.asks_chat_template(task.template)
        if needs_template and not apply_chat_template:
            raise ChatFormatError(
                f"{task.config.task} needs --apply_chat_template (text:* tasks of the same run stay "
                "as they are)"
            )
        if tokenizer is not None:
            told = model_args.get("chat_template_args")
            preview(task, str(name), tokenizer, args=told if isinstance(told, Mapping) else None)
    if tokenizer is not None and not model.startswith("ptst-"):
        for task in () if "think_end_token" in model_args else tasks.values():
            _check_markers(task, tokenizer, model)
    options = check_options(tasks, model, gen_kwargs or {}, local=local)
    for scorer in {task.bertscore["model"] for task in tasks.values() if task.bertscore}:
        require("bertscore", "torchmetrics", who="--metadata bertscore")
        model_config(scorer, {}, what="the model of bertscore")
    if local and (base := model_args.get("pretrained")):
        check_base(str(base), model_args)
    if adapter := model_args.get("peft") or model_args.get("lora_local_path"):
        check_adapter(str(adapter), model_args, plain="vllm" in model)
    return options


def _check_markers(task: TemplatedTask, tokenizer: Any, model: str) -> None:
    """Are thoughts still marked when lm-eval's own class has decoded them, chat template or not?"""
    if task.generates:
        end = task.options.think_end_token
        said = (custom_markers(end),) if end else ()
        check_decoding(tokenizer, (*said, *task.renderer.markers), model)


def check_options(
    tasks: Mapping[str, TemplatedTask], model: str, given: Mapping[str, Any], *, local: bool
) -> dict[str, Any]:
    """Reads ``--gen_kwargs``; says what they leave open.

    Raises:
        ConfigError: If they contradict each other, or a task's own options.
    """
    where, stock = "--gen_kwargs", not model.startswith("ptst-")
    if stock and local and "vllm" not in model and "seed" in given:
        raise ConfigError(f"{where} holds 'seed', which model {model!r} does not take; use --seed")
    options = decoding.check(given, where=where, seed=True)
    for name, task in tasks.items():
        if task.OUTPUT_TYPE == "generate_until":
            decoding.merge(
                task.config.generation_kwargs or {}, options, where=f"{where} and the task {name}"
            )
    if not options.get("do_sample"):
        return options
    # The tasks' own temperature is 0; an endpoint may know no more than this one name.
    return decoding.complete(options) if local else {"temperature": 1.0, **options}
