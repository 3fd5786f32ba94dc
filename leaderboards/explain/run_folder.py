"""What a run's folder says of its models: its study, and where each adapter is."""

from __future__ import annotations

from pathlib import Path

from leaderboards.run import study_files
from leaderboards.run.plans import AdapterPlan
from leaderboards.run.study import Study
from ptst_tasks.errors import ConfigError
from ptst_tasks.files import file_name

__all__ = ["adapters_of", "study_of"]


def study_of(run: Path) -> Study:
    """The study of a run, on engine hf.

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
    kept = {
        k: v for k, v in study.engine_args.items() if k in ("dtype", "device", "trust_remote_code")
    }
    args = kept if study.engine == "hf" else {k: v for k, v in kept.items() if k == "dtype"}
    return study.model_copy(update={"engine": "hf", "engine_args": args})


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
            missing.append(f"{plan.name}: no adapter in {str(folder)!r}; run the study again")
    return found, missing
