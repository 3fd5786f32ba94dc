"""The checks of a dry run that look at files of models: the base, and adapters that are there already."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from leaderboards.run import made_bases
from leaderboards.run.dry_findings import Findings
from leaderboards.run.plans import AdapterPlan
from leaderboards.run.prompt_checks import differences
from leaderboards.run.study import Study
from ptst_tasks import memory
from ptst_tasks.base_names import check_base, is_read, present_base
from ptst_tasks.digests import read_json
from ptst_tasks.errors import ConfigError, PTSTError, said
from ptst_tasks.model_files import adapter_of
from ptst_tasks.packaged import is_packaged

__all__ = ["adapters_faults", "base_faults", "cached", "weights_faults"]

_HUB_ID = re.compile(r"[\w][\w.-]*(/[\w][\w.-]*)?")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "tokenizer_config.json",
               "spiece.model", "*.tiktoken", "tekken.json", "*.gguf")  # fmt: skip


def base_faults(found: Findings) -> Iterator[str]:
    """The base: a folder with all that it needs, or an id of the hub."""
    study = found.study
    if study.engine == "openai":
        return
    if made_bases.is_made(study.base):
        found.notes.append(made_bases.note(study.base))
        return
    if is_read(study.base):
        yield from _read_first(found)
    elif found.local is not None:
        yield from _folder(found.local, study)
    elif Path(study.base).exists():
        yield f"base {study.base!r} is a file, expected a model's folder or a hub id"
    elif not _HUB_ID.fullmatch(study.base):
        yield f"base {study.base!r} is no folder here, and no id of a model on the hub (owner/name)"
    else:
        _from_hub(found)


def _read_first(found: Findings) -> Iterator[str]:
    """A GGUF file or a packaged model: looked at, or said to be fetched; nothing is read yet."""
    base = found.study.base
    try:
        check_base(base)
        if not present_base(base):
            what = "fetched and read" if is_packaged(base) else "read"
            found.notes.append(f"base {base!r} is {what} into a folder first")
    except PTSTError as e:
        yield said(e)


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
    if cached(study) is None:
        then = (
            "and HF_HUB_OFFLINE is set: download it first" if offline else "it is downloaded first"
        )
        found.notes.append(
            f"base {study.base!r} is not on this machine, {then}; its files are unchecked"
        )


def cached(study: Study) -> Path | None:
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


def adapters_faults(found: Findings) -> Iterator[str]:
    """Adapters that are there already: files, labels, and whether they fit the base."""
    from leaderboards.run.labels import check_labels
    from leaderboards.run.manifests import manifest

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
        record = adapter_of(folder, None)
        twin = first.setdefault(f"{record.weights} {record.config}", plan.name)
        if twin != plan.name:
            yield f"adapters {twin!r} and {plan.name!r} are the same weights; leave one out"
    found.notes += differences(found.study, found.local or cached(found.study) or found.study.base)
    yield from _mixed(found.study, plans)


def _mixed(study: Study, plans: Sequence[AdapterPlan]) -> Iterator[str]:
    """Adapters of several types: peft holds those of one type in memory."""
    kinds: dict[str, list[str]] = (
        {"LORA": ["those that are trained"]} if study.train.templates else {}
    )
    for plan in plans:
        assert plan.existing is not None
        config = read_json(Path(plan.existing.path) / "adapter_config.json") or {}
        kinds.setdefault(str(config.get("peft_type", "LORA")), []).append(plan.name)
    if len(kinds) > 1:
        told = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in sorted(kinds.items()))
        yield f"adapters of one study must be of one type, and these are {told}; make a study of each"


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
    folder = found.local or cached(found.study)
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
