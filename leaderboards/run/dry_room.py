"""The checks of a dry run that say what a run needs: a folder to write in, memory, and room on the disk."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from leaderboards.run import made_bases
from leaderboards.run.dry_findings import Findings
from leaderboards.run.dry_models import cached
from leaderboards.run.study import Study
from ptst_tasks import memory
from ptst_tasks.errors import PTSTError, said
from ptst_tasks.files import file_name
from ptst_tasks.memory import Need, Shape, gigabytes

__all__ = ["disk_faults", "memory_faults", "out_faults"]


def out_faults(found: Findings) -> Iterator[str]:
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


def memory_faults(found: Findings) -> Iterator[str]:
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
    if found.study.engine == "openai":
        return None
    folder = found.local or made_bases.alike(found.study.base) or cached(found.study)
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
        + max(
            int(study.test.decoding_of(name).get("max_gen_toks", 512)) for name in study.test.sets
        ),
        rows=rows if isinstance(rows, int) else 32,
        dtype=str(study.engine_args.get("dtype", "auto")),
        adapters=4 * memory.lora_parameters(shape, 8) * (len(study.adapters()) - study.untuned),
    )


def _training_dtype() -> str:
    """As `adapters_train.base_model` chooses it."""
    if importlib.util.find_spec("torch") is None:
        return "float32"
    import torch

    return "bfloat16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "float32"


def _longest_prompt(found: Findings) -> int:
    limit = found.study.test.limit
    rows = (row for task in found.tasks.values() for row in task.loaded.rows[:limit])
    return max((len(str(row.get("prompt", ""))) for row in rows), default=0)


def disk_faults(found: Findings) -> Iterator[str]:
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
