"""What `leaderboards.cli.dry_run` looks at, each check by itself; none loads weights or writes."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leaderboards.run import memory
from leaderboards.run.estimate import Plan, estimate
from leaderboards.run.memory import Need, Shape, gigabytes
from leaderboards.run.study import AdapterPlan, Study
from ptst_tasks.digests import read_json, weights_digest
from ptst_tasks.errors import ConfigError, MissingExtraError, PTSTError, require, said
from ptst_tasks.files import file_name

__all__ = ["CHECKS", "Findings", "weights_faults"]

_EXTRAS = {"hf": (("torch", "transformers", "peft"), "hf"), "vllm": (("vllm",), "vllm"),
           "openai": (("openai",), "judge")}  # fmt: skip
_EXECUTORS = {"ray": ("ray", "ray"), "slurm": ("submitit", "slurm")}
_HUB_ID = re.compile(r"[\w][\w.-]*(/[\w][\w.-]*)?")
_ASKED = ("names", "sets", "asked", "models", "train.data")
"""What must be right for a study's tasks to be made."""
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "tokenizer_config.json",
               "spiece.model", "*.tiktoken", "tekken.json", "*.gguf")  # fmt: skip


@dataclass
class Findings:
    """What was found out about a study.

    Attributes:
        study: As far as it can be read.
        folder: The run's.
        faults: What is wrong.
        notes: What a reader should know.
        plan: Cells, prompts and tokens.
        needs: Memory of training and measuring.
        disk: Bytes to be written: surely, and at most about.
        wrong: Parts that failed, for checks that need them.
        tasks: The study's tasks by name.
        config: The base's transformers configuration.
        longest: Characters of the longest training row.
    """

    study: Study
    folder: Path
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    plan: Plan | None = None
    needs: list[Need] = field(default_factory=list)
    disk: tuple[int, int] = (0, 0)
    wrong: set[str] = field(default_factory=set)
    tasks: dict[str, Any] = field(default_factory=dict)
    config: Any = None
    longest: int = 0

    @property
    def local(self) -> Path | None:
        """The base's folder, if it is one here."""
        served = self.study.engine == "openai"
        return Path(self.study.base) if not served and Path(self.study.base).is_dir() else None

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        plan = self.plan
        return {
            "study": self.study.name,
            "base": self.study.label,
            "run": str(self.folder),
            "faults": self.faults,
            "notes": self.notes,
            "models": [] if plan is None else [
                {"model": line.model, "cells": line.cells, "done": line.done, "prompts": line.prompts}
                for line in plan.lines
            ],
            "prompt_tokens": plan.prompt_tokens if plan else None,
            "new_tokens": plan.new_tokens if plan else None,
            "seconds": plan.seconds if plan else None,
            "cost": plan.cost if plan else None,
            "unpriced": list(plan.unpriced) if plan else [],
            "memory": {need.what: {"bytes": need.total, **need.parts} for need in self.needs},
            "disk": {"at_least": self.disk[0], "at_most_about": self.disk[1]},
        }  # fmt: skip


def _extras(found: Findings) -> Iterator[str]:
    study = found.study
    packages, extra = _EXTRAS[study.engine]
    asked = [(packages, extra, f"engine {study.engine!r}")]
    if study.train.templates:
        asked.append((("trl", "peft"), "train", "training (train.templates)"))
    if study.executor in _EXECUTORS:
        package, extra = _EXECUTORS[study.executor]
        asked.append(((package,), extra, f"executor {study.executor!r}"))
    for names, extra, who in asked:
        try:
            require(extra, *names, who=who)
        except MissingExtraError as e:
            yield str(e)
    if study.train.settings.get("load_4bit") and importlib.util.find_spec("bitsandbytes") is None:
        yield "train.settings.load_4bit needs bitsandbytes: pip install bitsandbytes"


def _keys(found: Findings) -> Iterator[str]:
    """Keys that endpoints want, by the names of their variables."""
    study = found.study
    if study.engine == "openai":
        from ptst_tasks.engines.served_settings import WHO, ServedSettings

        if why := ServedSettings.read(study.engine_args).endpoint.missing_key():
            yield f"{WHO}: {why}"
    from ptst_tasks.judges import make

    todo = [make(spec) for spec in study.judges]
    while todo:
        judge: Any = todo.pop()
        todo += getattr(judge, "members", [])
        endpoint = getattr(judge, "endpoint", None)
        if endpoint is None:
            continue
        if why := endpoint.missing_key():
            yield f"judge {judge.spec!r}: {why}"
        if importlib.util.find_spec("openai") is None:
            yield str(MissingExtraError("openai", "judge", f"judge {judge.spec!r}"))


def _device(found: Findings) -> Iterator[str]:
    device = str(found.study.engine_args.get("device") or "")
    if not device.startswith("cuda") or importlib.util.find_spec("torch") is None:
        return
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = int(device.partition(":")[2] or 0)
    if index >= count:
        yield (
            f"engine_args.device is {device!r}, and this machine has {count} GPUs that torch can use; "
            "leave device out, or set cpu"
        )


def _base(found: Findings) -> Iterator[str]:
    study = found.study
    if study.engine == "openai":
        return
    kind, colon, _ = study.base.partition(":")
    if colon and kind in ("organism", "organism-control"):
        found.notes.append(
            f"the built-in model {study.base!r} is made first where it is not there yet"
        )
        return
    if found.local is not None:
        yield from _folder(found.local, study)
    elif Path(study.base).exists():
        yield f"base {study.base!r} is a file, expected a model's folder or a hub id"
    elif not _HUB_ID.fullmatch(study.base):
        yield f"base {study.base!r} is no folder here, and no id of a model on the hub (owner/name)"
    else:
        _from_hub(found)


def _folder(folder: Path, study: Study) -> Iterator[str]:
    """A base's folder: configuration, weights, tokenizer."""
    place = folder / str(study.engine_args.get("subfolder") or "")
    if study.engine_args.get("gguf_file"):
        if not (place / str(study.engine_args["gguf_file"])).is_file():
            yield f"engine_args.gguf_file: {str(folder)!r} holds no {study.engine_args['gguf_file']!r}"
        return
    if not (place / "config.json").is_file():
        yield f"base {str(place)!r} holds no config.json; expected a model's folder, or a hub id"
    elif read_json(place / "config.json") is None:
        yield f"base {str(place)!r}: config.json is no JSON object"
    yield from weights_faults(place, f"base {str(place)!r}")
    if not study.engine_args.get("tokenizer") and not any(any(place.glob(p)) for p in _TOKENIZERS):
        yield f"base {str(place)!r} holds no tokenizer ({', '.join(_TOKENIZERS[:3])} ...)"


def weights_faults(folder: Path, who: str) -> Iterator[str]:
    """What is wrong with a folder's weights files, by their names and headers."""
    files = sorted(folder.glob("*.safetensors"))
    if not files and not any(folder.glob("*.bin")):
        yield f"{who} holds no weights (*.safetensors)"
    for file in files:
        try:
            memory.read_header(file)
        except (OSError, ValueError, RecursionError) as e:
            why = said(e) if isinstance(e, OSError) else " ".join(str(e).split())
            yield f"{who}: {file.name!r} is damaged: {why}; get it again"
    index = (read_json(folder / "model.safetensors.index.json") or {}).get("weight_map")
    wanted = {str(v) for v in index.values()} if isinstance(index, dict) else set()
    if missing := sorted(wanted - {file.name for file in files}):
        yield f"{who}: {len(missing)} of {len(wanted)} weights files are missing, first {missing[0]!r}"


def _from_hub(found: Findings) -> None:
    """Says what of a hub id is here; whether it exists is the hub's to say."""
    study = found.study
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "ON", "YES")
    if _cached(study) is None:
        then = (
            "and HF_HUB_OFFLINE is set: download it first" if offline else "it is downloaded first"
        )
        found.notes.append(
            f"base {study.base!r} is not on this machine, {then}; its files are unchecked"
        )


def _cached(study: Study) -> Path | None:
    """The folder of a hub id in the hub's cache here."""
    if importlib.util.find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        file = try_to_load_from_cache(study.base, "config.json", revision=study.revision or None)
    except (HFValidationError, ValueError):
        return None
    return Path(file).parent if isinstance(file, str) else None


def _sets(found: Findings) -> Iterator[str]:
    """The sets load here, as the study asks them."""
    from leaderboards.run.asked import load_family

    for family in found.study.test.sets:
        try:
            found.tasks |= load_family(found.study, family)
        except (PTSTError, OSError) as e:
            yield said(e)
    for name, task in found.tasks.items():
        if not len(task.eval_docs):
            yield f"{name}: the set has no rows"


def _prompts(found: Findings) -> Iterator[str]:
    """One prompt of each task, through the base's own tokenizer."""
    from ptst_tasks.validate import load_tokenizer, preview

    name = found.study.engine_args.get("tokenizer") or (found.local and str(found.local))
    if not name or found.study.engine == "openai" or found.study.engine_args.get("gguf_file"):
        return
    tokenizer = load_tokenizer(str(name))
    for task in found.tasks.values():
        try:
            preview(task, str(name), tokenizer)
        except PTSTError as e:
            yield said(e)


def _train_data(found: Findings) -> Iterator[str]:
    """The rows of training; of every seed alike, but for a sample's own."""
    from adapters_train.job import load_sets

    train = found.study.train
    if not train.templates or not train.seeds:
        return
    config = found.study.train_config(train.templates[0], train.seeds[0], found.study.base)
    for loaded in load_sets(config):
        found.longest = max(found.longest, *(e.length for e in loaded.examples), 0)
        if not loaded.examples:
            yield f"train.data {loaded.name!r} has no rows"


def _adapters(found: Findings) -> Iterator[str]:
    """Adapters that are there already: files, labels, and whether they fit the base."""
    from leaderboards.run.identity import manifest
    from leaderboards.run.labels import check_labels

    plans = [plan for plan in found.study.adapters() if plan.existing]
    if found.study.engine == "openai" or not plans:
        return
    fit = None if "base" in found.wrong else _fit(found)
    first: dict[str, str] = {}
    for plan in plans:
        assert plan.existing is not None
        folder = Path(plan.existing.path)
        if faults := list(_adapter_files(plan, folder)):
            yield from faults
            continue
        try:
            config = manifest(folder).get("config")
            check_labels(plan, config if isinstance(config, dict) else {})
        except PTSTError as e:
            yield said(e)
        if fit is not None and (why := _unfit(fit, folder, found.study.engine == "vllm")):
            yield f"adapter {plan.name!r} {why} ({folder})"
        twin = first.setdefault(weights_digest(folder), plan.name)
        if twin != plan.name:
            yield f"adapters {twin!r} and {plan.name!r} are the same weights; leave one out"


def _adapter_files(plan: AdapterPlan, folder: Path) -> Iterator[str]:
    who = f"adapter {plan.name!r}"
    if not folder.exists():
        yield f"{who}: {str(folder)!r} is not there; expected the folder of an adapter"
    elif not folder.is_dir():
        yield f"{who}: {str(folder)!r} is a file, expected the folder of an adapter"
    elif not (folder / "adapter_config.json").is_file():
        yield f"{who}: {str(folder)!r} holds no adapter_config.json"
    elif "peft_type" not in (read_json(folder / "adapter_config.json") or {}):
        yield f"{who}: {str(folder / 'adapter_config.json')!r} is no configuration of peft's"
    else:
        yield from weights_faults(folder, who)


def _fit(found: Findings) -> Any:
    """What checks adapters against the base's layers; None if its configuration is not here."""
    folder = found.local or _cached(found.study)
    if folder is None or importlib.util.find_spec("peft") is None:
        return None
    from transformers import AutoConfig

    from ptst_tasks.engines.fit import Fit

    try:
        return Fit(AutoConfig.from_pretrained(str(folder)))
    except Exception as e:  # transformers raises what it meets: OSError, ValueError, KeyError ...
        raise ConfigError(
            f"base {str(folder)!r} cannot be read: {' '.join(str(e).split())[:200]}"
        ) from e


def _unfit(fit: Any, folder: Path, plain: bool) -> str:
    from ptst_tasks.engines.fit import UnfitError

    try:
        fit.check(folder, plain=plain)
    except UnfitError as e:
        return str(e)
    return ""


def _out(found: Findings) -> Iterator[str]:
    """The run's folder: free or a run's, and writable."""
    folder = found.folder
    if folder.exists() and not folder.is_dir():
        yield f"--out {str(folder)!r} is a file, expected a folder"
        return
    if why := _not_ours(found.study, folder):
        yield why
        return
    there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    try:
        if not there.is_dir():
            raise NotADirectoryError(0, f"{str(there)!r} is a file")
        Path(tempfile.mkdtemp(prefix=".ptst-", dir=there)).rmdir()
    except OSError as e:
        yield f"--out {str(folder)!r} cannot be written: {e.strerror or said(e)}"


def _not_ours(study: Study, folder: Path) -> str:
    """Why a folder cannot be this study's run."""
    if importlib.util.find_spec("leaderboards.run.holding"):
        try:
            importlib.import_module("leaderboards.run.holding").check(study, folder)
        except PTSTError as e:
            return said(e)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "study.json").exists():
        return f"{str(folder)!r} holds something that is no run; choose another --out"
    return ""


def _planned(found: Findings) -> Iterator[str]:
    found.plan = estimate(found.study, found.folder)
    yield from found.plan.missing


def _memory(found: Findings) -> Iterator[str]:
    """A warning where a step will hardly fit, with the numbers."""
    shape, study = _shape(found), found.study
    if shape is None or study.engine == "openai":
        return
    have, what = memory.machine_memory(str(study.engine_args.get("device") or ""))
    if study.executor == "local":
        found.needs = list(_needs(found, shape))
        for need in found.needs:
            if need.total > have:
                found.notes.append(
                    f"{need.words()}, and this machine has {gigabytes(have)} of {what}; {need.hint}"
                )
    yield from ()


def _shape(found: Findings) -> Shape | None:
    folder = found.local or (_cached(found.study) if found.study.engine != "openai" else None)
    return memory.shape_of(folder) if folder else None


def _needs(found: Findings, shape: Shape) -> Iterator[Need]:
    study, train = found.study, found.study.train
    if train.templates and train.seeds:
        config = study.train_config(train.templates[0], train.seeds[0], study.base)
        longest = found.longest // 4 + 64 if found.longest else config.max_length
        dtype = config.dtype if config.dtype != "auto" else _training_dtype()
        yield memory.training(
            shape, tokens=min(config.max_length, longest), rows=config.batch_size, rank=config.rank,
            dtype=dtype, load_4bit=config.load_4bit, checkpointing=config.gradient_checkpointing,
        )  # fmt: skip
    rows = study.engine_args.get("batch_size", 32)
    yield memory.measuring(
        shape,
        tokens=_longest_prompt(found) // 4
        + 64
        + int(study.test.gen_kwargs.get("max_gen_toks", 512)),
        rows=rows if isinstance(rows, int) else 32,
        dtype=str(study.engine_args.get("dtype", "auto")),
        adapters=4 * memory.lora_parameters(shape, 8) * (len(study.adapters()) - study.untuned),
    )


def _training_dtype() -> str:
    """As `adapters_train.base` chooses it."""
    if importlib.util.find_spec("torch") is None:
        return "float32"
    import torch

    return "bfloat16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "float32"


def _longest_prompt(found: Findings) -> int:
    limit = found.study.test.limit
    rows = (row for task in found.tasks.values() for row in task.loaded.rows[:limit])
    return max((len(str(row.get("prompt", ""))) for row in rows), default=0)


def _disk(found: Findings) -> Iterator[str]:
    """Room for adapters and samples."""
    there = next(p for p in (found.folder, *found.folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(there).free
    sure, most = found.disk = _written(found)
    if sure > free:
        yield (
            f"{str(there)!r} has {gigabytes(free)} free, and the run writes about {gigabytes(sure)} at "
            "least (adapters, prompts); choose another --out"
        )
    elif most > free:
        found.notes.append(
            f"{str(there)!r} has {gigabytes(free)} free, and the run may write as much as "
            f"{gigabytes(most)}"
        )


def _written(found: Findings) -> tuple[int, int]:
    """Bytes that a run writes: adapters and prompts; with answers and checkpoints at their longest."""
    plan, shape, train = found.plan, _shape(found), found.study.train
    prompts = 4 * plan.prompt_tokens * 2 if plan else 0  # the prompt, and the row it was made of
    answers = 4 * plan.new_tokens * 2 if plan else 0  # with the filtered answer
    if shape is None or not train.templates or not train.seeds:
        return prompts, prompts + answers
    config = found.study.train_config(train.templates[0], train.seeds[0], found.study.base)
    folder = found.folder / "adapters"
    trained = [p.name for p in found.study.adapters() if p.name and not p.existing]
    left = [n for n in trained if not (folder / file_name(n) / "manifest.json").exists()]
    one = 4 * memory.lora_parameters(shape, config.rank)
    sure = prompts + one * len(left)
    # Two of weights and Adam's state, while one is written.
    return sure, sure + answers + (2 * 3 * one if left else 0)


CHECKS: tuple[tuple[str, tuple[str, ...], Callable[[Findings], Iterator[str]]], ...] = (
    ("extras", ("engine", "executor"), _extras),
    ("keys", ("engine",), _keys),
    ("device", (), _device),
    ("base", ("engine",), _base),
    ("out", ("name",), _out),
    ("loaded", (*_ASKED, "chat_format"), _sets),
    ("prompts", ("loaded", "base"), _prompts),
    ("data", ("training", "engine", "extras"), _train_data),
    ("existing", ("names", "engine", "adapters", "extras"), _adapters),
    ("planned", ("loaded", *_ASKED), _planned),
    ("memory", ("base", "training", *_ASKED), _memory),
    ("disk", ("out", "planned", "training"), _disk),
)
"""What is looked at, what must be right before, and the check."""
