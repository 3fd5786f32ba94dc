"""What a run's folder says of its models: its study, and where each adapter is."""

from __future__ import annotations

from pathlib import Path

from leaderboards.run import study_files
from leaderboards.run.plans import AdapterPlan
from leaderboards.run.study import Study
from ptst_tasks.engines.engine_args import LAYOUT, args_of
from ptst_tasks.errors import ConfigError
from ptst_tasks.files import file_name

__all__ = ["adapters_of", "study_of", "unasked"]

_BATCHES = frozenset({"batch_size", "max_batch_size"})


def study_of(run: Path) -> tuple[Study, list[str]]:
    """The study of a run, on engine hf, and what a reader must know of that.

    Raises:
        ConfigError: If the folder is no run, or of a study whose weights are not here.
    """
    file = run / "study.json"
    if not file.is_file():
        raise ConfigError(
            f"{str(run)!r} is no run folder: it has no study.json; give what `ptst run --out` wrote"
        )
    study = study_files.load(str(file))
    if study.engine == "openai":
        raise ConfigError(
            f"{str(run)!r} measured a served model, whose hidden states nobody here can see; expected a "
            "study with engine hf or vllm"
        )
    args = {k: v for k, v in study.engine_args.items() if k not in _BATCHES}
    if study.engine == "hf":
        return study.model_copy(update={"engine_args": args}), []
    args = {k: v for k, v in args.items() if k not in LAYOUT - {"dtype"}}
    taken = args_of("hf", args)
    left = {k: v for k, v in args.items() if k not in taken}
    notes = [
        f"engine_args of {study.engine} that engine hf does not know are left out, and these are the "
        f"hidden states without them: {', '.join(f'{k}={v!r}' for k, v in sorted(left.items()))}"
    ] if left else []  # fmt: skip
    return study.model_copy(update={"engine": "hf", "engine_args": taken}), notes


def adapters_of(study: Study, run: Path) -> tuple[dict[str, tuple[AdapterPlan, Path]], list[str]]:
    """Where each adapter of the study is, by name; and those that are not there."""
    found, missing = {}, []
    for plan in (plan for plan in study.adapters() if plan.name):
        folder = (
            Path(plan.existing.path) if plan.existing else run / "adapters" / file_name(plan.name)
        )
        if (folder / "adapter_config.json").is_file():
            found[plan.name] = (plan, folder)
        else:
            todo = ("run the study again" if not plan.existing else
                    "go to the folder of the study's YAML if its paths are relative to it")  # fmt: skip
            missing.append(f"{plan.name}: no adapter in {str(folder)!r}; {todo}")
    return found, missing


def unasked(study: Study, run: Path) -> list[str]:
    """A sentence on adapters that lie in the run and are not measured, if there are any."""
    own = {file_name(plan.name) for plan in study.adapters() if plan.name and not plan.existing}
    there = sorted(f.parent.name for f in (run / "adapters").glob("*/adapter_config.json"))
    notes = []
    if more := [name for name in there if name not in own and not name.startswith(".")]:
        notes.append(f"left out, since the study asks for them no longer: {', '.join(more)}")
    if study.train.trajectory:
        notes.append(
            "copies kept along training are left out; the adapters themselves are measured"
        )
    return notes
