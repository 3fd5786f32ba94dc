"""Checks before any model is loaded: do the tasks load, and what exactly would be sent?

lm-eval drops a YAML that it cannot read with a line at DEBUG level; here that is a fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ptst_tasks import TASKS_DIR, decoding, task_manager
from ptst_tasks.chat import Rendered, Renderer
from ptst_tasks.digests import weights_digest
from ptst_tasks.errors import (
    ChatFormatError,
    ConfigError,
    PTSTError,
    UnknownNameError,
    require,
    said,
)
from ptst_tasks.lm_internals import load_yaml
from ptst_tasks.options import Options

if TYPE_CHECKING:
    from ptst_tasks.task import TemplatedTask

__all__ = ["Preview", "check_adapter", "check_base", "check_index", "check_options", "load_tasks",
           "load_tokenizer", "preflight", "preview", "refuse_idle"]  # fmt: skip


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


def load_tokenizer(name: str) -> Any:
    """Loads a tokenizer by folder or hub name.

    Raises:
        ConfigError: In one line, if it cannot be had.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(name)
    except (
        Exception
    ) as e:  # transformers raises OSError, ValueError, KeyError, ... for a bad folder
        raise ConfigError(f"the tokenizer {name!r} cannot be loaded: {_why(name, e)}") from e


def _why(name: str, error: Exception) -> str:
    """Why something of the hub's or a folder's cannot be had; a wrong path comes first."""
    reason = " ".join(str(error).split())[:160]
    if Path(name).is_file():
        return f"it is a file, expected a folder or a name on the hub ({reason})"
    return reason if Path(name).exists() else f"it is no folder here, and the hub says: {reason}"


def refuse_idle(tasks: Iterable[TemplatedTask], metadata: Mapping[str, Any]) -> None:
    """Refuses options that would change nothing in any of these tasks.

    Raises:
        ConfigError: With the first of them.
    """
    used = {name for task in tasks for name in task.used}
    for name in metadata:
        if name in Options.model_fields and metadata[name] and name not in used:
            raise ConfigError(f"--metadata: {name} does nothing here: {_WANTS[name]}; leave it out")


_WANTS = {
    "prefill": "it begins answers to harmful queries, and no set of these has any",
    "judge": "only sets of harmful or over-refusal queries are judged, and none is asked",
    "bertscore": "it compares with a reference text, and no set of these has one",
    "bertscore_layer": "BERTScore is not computed",
    "custom": "it is the file of the set 'custom', which is not asked",
    "column": "it is a column of the set 'custom', which is not asked",
    "chat_format": "text:* templates pass through no chat format",
}


def preview(task: TemplatedTask, name: str, tokenizer: Any | None, rows: int = 1) -> list[Preview]:
    """Renders a task's first rows as a Hugging Face model would get them.

    Args:
        task: A loaded task.
        name: How the tokenizer is called in the preview.
        tokenizer: None shows text tasks and literal formats without token ids.
        rows: How many rows.

    Raises:
        ChatFormatError: If the tokenizer's chat template is missing or loses a message.
    """
    fmt = task.options.chat_format
    task.renderer = (
        Renderer.for_tokenizer(tokenizer, fmt)
        if tokenizer
        else Renderer(fmt, missing="no tokenizer")
    )
    out = []
    for doc in list(task.eval_docs)[:rows]:
        rendered = task.render(doc)
        text = rendered.prompt + (rendered.lead + task.prefix if task.prefix else "")
        ids = [int(i) for i in tokenizer.encode(text)] if tokenizer else []
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
        _check_served(model_args)
    local = model in ("hf", "hf-auto", "huggingface", "vllm", "ptst-hf", "ptst-vllm")
    name = model_args.get("tokenizer") or model_args.get("pretrained")
    tokenizer = load_tokenizer(str(name)) if local and name else None
    for task in tasks.values():
        task.check_endpoint(takes_messages=messages, takes_text=served or not messages)
        needs_template = task.template.is_chat and task.options.chat_format == "auto"
        if needs_template and not apply_chat_template:
            raise ChatFormatError(
                f"{task.config.task} needs --apply_chat_template (text:* tasks of the same run stay "
                "as they are)"
            )
        if tokenizer is not None:
            preview(task, str(name), tokenizer)
    options = check_options(tasks, model, gen_kwargs or {}, local=local)
    for scorer in {task.bertscore["model"] for task in tasks.values() if task.bertscore}:
        require("bertscore", "torchmetrics", who="--metadata bertscore")
        _load_config(scorer, {}, what="the model of bertscore")
    if local and (base := model_args.get("pretrained")):
        check_base(str(base), model_args)
    if adapter := model_args.get("peft") or model_args.get("lora_local_path"):
        check_adapter(str(adapter), model_args, plain="vllm" in model)
    return options


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


def check_base(name: str, model_args: Mapping[str, Any]) -> None:
    """Looks at a base without loading it: a configuration, and files of weights.

    Raises:
        ConfigError: If it has none.
    """
    _load_config(name, model_args)
    folder = Path(name)
    if not folder.is_dir() or "subfolder" in model_args:
        return
    if not any(f.suffix in _WEIGHTS for f in folder.iterdir()):
        raise ConfigError(f"the base {name!r} holds no weights ({', '.join(sorted(_WEIGHTS))})")


_WEIGHTS = frozenset({".safetensors", ".bin", ".gguf", ".pt", ".pth"})


def check_adapter(folder: str, model_args: Mapping[str, Any], *, plain: bool) -> None:
    """Looks at an adapter and its base before either is loaded.

    Args:
        folder: The adapter's, or its id on the hub.
        model_args: Of lm-eval's model class.
        plain: Whether only plain LoRA can be run (vLLM).

    Raises:
        ConfigError: If the adapter cannot be this base's.
    """
    from ptst_tasks.engines.fit import Fit, UnfitError, check_copies, check_origin

    base = str(model_args.get("pretrained", ""))
    config = _load_config(base, model_args)
    try:
        Fit(config).check(folder, shared=False, plain=plain)
        check_copies(folder, Path(base))
    except UnfitError as e:
        raise ConfigError(f"the adapter {folder!r} {e}") from e
    commit = getattr(config, "_commit_hash", None) or ""
    place = Path(base)
    check_origin(folder, lambda: weights_digest(place) if place.is_dir() else f"hub:{commit}")


def _load_config(name: str, model_args: Mapping[str, Any], what: str = "the base") -> Any:
    from transformers import AutoConfig

    own = {
        k: model_args[k] for k in ("revision", "trust_remote_code", "gguf_file") if k in model_args
    }
    try:
        return AutoConfig.from_pretrained(name, **own)
    except Exception as e:  # OSError, ValueError, KeyError, ... for a folder that is none
        raise ConfigError(f"{what} {name!r} cannot be read: {_why(name, e)}") from e


def _check_served(model_args: dict[str, Any]) -> None:
    from ptst_tasks.engines.served_settings import ServedSettings

    own = ("pretrained", "journal")
    ServedSettings.read({k: v for k, v in model_args.items() if k not in own})
