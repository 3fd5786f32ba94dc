"""``ptst train``: the flags of `TrainConfig`, for one adapter or for templates x seeds."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypedDict

import typer

from adapters_train import unused
from adapters_train.config import SettingError, TrainConfig, read_settings
from adapters_train.defences import DEFENCES
from adapters_train.folder import RunFolder, is_main
from adapters_train.recipes import RECIPES
from ptst_tasks import command
from ptst_tasks.errors import ConfigError, require
from ptst_tasks.files import check_outputs
from ptst_tasks.memory import gigabytes

if TYPE_CHECKING:
    from adapters_train.lora import TrainResult

__all__ = ["main", "train"]

_BASE, _DATA, _LORA = "Base and template", "Data", "Training"
_API, _RUN = "OpenAI (--backend openai)", "Run"
_PACKAGES = {"hf": ("torch", "trl", "peft", "train"), "openai": ("openai", "judge")}


def _opt(panel: str, text: str, *names: str) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=panel, show_default=False)


# Long, for typer reads the options off the signature: 48 of them, and next to nothing else.
def train(
    model: Annotated[
        str | None, _opt(_BASE, "Base model: a folder, a hub id, or OpenAI's name.")
    ] = None,
    data: Annotated[
        str | None, _opt(_DATA, "Training set, file, folder or id of the hub.  [gsm8k]")
    ] = None,
    template: Annotated[
        list[str] | None,
        _opt(_BASE, "Prompt template; several train one adapter each.  [chat:vanilla]"),
    ] = None,
    seed: Annotated[
        list[int] | None, _opt(_LORA, "Seed; several train one adapter each.  [0]")
    ] = None,
    out: Annotated[
        Path | None, _opt(_RUN, "Folder for the adapter (of several: their parent).")
    ] = None,
    config: Annotated[Path | None, _opt(_RUN, "YAML file of settings; flags win over it.")] = None,
    recipe: Annotated[
        str | None, _opt(_LORA, f"Named defaults: {', '.join(RECIPES)}.  [the data set's own]")
    ] = None,
    style: Annotated[
        str | None, _opt(_BASE, "Family of template strings.  [the data's own]")
    ] = None,
    chat_format: Annotated[str | None, _opt(_BASE, "auto, llama2 or mistral.")] = None,
    thinking: Annotated[
        str | None, _opt(_BASE, "auto, on or off: what the chat template is told.  [auto]")
    ] = None,
    turns: Annotated[
        str | None, _opt(_DATA, "Of rows with several turns: all answers, or the last.  [all]")
    ] = None,
    templates: Annotated[str | None, _opt(_BASE, "YAML file of your own templates.")] = None,
    revision: Annotated[str | None, _opt(_BASE, "Revision of the base on the hub.")] = None,
    prompt_column: Annotated[str | None, _opt(_DATA, "Column of prompts of your file.")] = None,
    answer_column: Annotated[str | None, _opt(_DATA, "Column of answers of your file.")] = None,
    rows: Annotated[int | None, _opt(_DATA, "Train on a random sample of so many rows.")] = None,
    mix: Annotated[
        list[str] | None,
        _opt(_DATA, "Mix a set in: name:1epoch, name:500 (rows) or name:0.1 (share)."),
    ] = None,
    defence: Annotated[
        str | None, _opt(_LORA, f"What keeps it safe beside the template: {', '.join(DEFENCES)}.")
    ] = None,
    unaligned: Annotated[
        str | None, _opt(_LORA, "The base before its alignment, for defence safe_lora.")
    ] = None,
    epochs: Annotated[float | None, _opt(_LORA, "Passes over the data.")] = None,
    max_steps: Annotated[
        int | None, _opt(_LORA, "Optimiser steps, whatever the epochs say.")
    ] = None,
    batch_size: Annotated[int | None, _opt(_LORA, "Rows per device and forward pass.")] = None,
    accumulation: Annotated[int | None, _opt(_LORA, "Forward passes per optimiser step.")] = None,
    lr: Annotated[float | None, _opt(_LORA, "Peak learning rate.")] = None,
    schedule: Annotated[str | None, _opt(_LORA, "linear, cosine or constant.")] = None,
    warmup_ratio: Annotated[float | None, _opt(_LORA, "Warm-up, as a share of the steps.")] = None,
    rank: Annotated[int | None, _opt(_LORA, "LoRA's rank.")] = None,
    alpha: Annotated[int | None, _opt(_LORA, "LoRA's alpha.")] = None,
    dropout: Annotated[float | None, _opt(_LORA, "LoRA's dropout.")] = None,
    targets: Annotated[str | None, _opt(_LORA, "all-linear, or names as q_proj,v_proj.")] = None,
    weight_decay: Annotated[float | None, _opt(_LORA, "AdamW's weight decay.")] = None,
    max_grad_norm: Annotated[float | None, _opt(_LORA, "Gradient clipping.")] = None,
    max_length: Annotated[int | None, _opt(_LORA, "Tokens of prompt and answer together.")] = None,
    drop_long: Annotated[
        bool, _opt(_DATA, "Leave out rows without room for their answer.", "--drop-long")
    ] = False,
    order: Annotated[
        str | None, _opt(_LORA, "grouped (batches of like length) or shuffled.")
    ] = None,
    dtype: Annotated[str | None, _opt(_LORA, "auto, float32, bfloat16 or float16.")] = None,
    load_4bit: Annotated[
        bool, _opt(_LORA, "Quantise the base to 4 bits (GPU).", "--load-4bit")
    ] = False,
    gradient_checkpointing: Annotated[
        bool, _opt(_LORA, "Less memory, more time.", "--gradient-checkpointing")
    ] = False,
    save_every: Annotated[int | None, _opt(_RUN, "Keep the adapter every so many steps.")] = None,
    resume_every: Annotated[
        int | None, _opt(_RUN, "Steps between checkpoints for resuming.")
    ] = None,
    resume_minutes: Annotated[
        float | None, _opt(_RUN, "Minutes after which there is one too, at the latest.  [5]")
    ] = None,
    backend: Annotated[str | None, _opt(_RUN, "hf or openai.")] = None,
    report_to: Annotated[str, _opt(_RUN, "none, trackio or wandb.")] = "none",
    dry_run: Annotated[
        bool, _opt(_RUN, "Check everything, say what would be done.", "--dry-run")
    ] = False,
    quiet: command.Quiet = False,
    json: command.JsonFile = None,
    suffix: Annotated[str, _opt(_API, "Goes into the fine-tuned model's name.")] = "",
    price: Annotated[float | None, _opt(_API, "US dollars per million training tokens.")] = None,
    max_cost: Annotated[
        float | None, _opt(_API, "Start nothing estimated dearer, in dollars (needs --price).")
    ] = None,
    job_id: Annotated[str, _opt(_API, "Wait for this job in place of starting one.")] = "",
) -> None:
    """Train LoRA adapters under a prompt template.

    The same command goes on where an interrupted run stopped.
    """
    given = {k: v for k, v in locals().items() if k in TrainConfig.model_fields}
    _run(
        given,
        config,
        out,
        report_to,
        dry_run,
        quiet,
        json,
        _Api(suffix=suffix, price=price, max_cost=max_cost, job_id=job_id),
    )


class _Api(TypedDict):
    suffix: str
    price: float | None
    max_cost: float | None
    job_id: str


def _run(
    given: dict[str, Any],
    file: Path | None,
    out: Path | None,
    report_to: str,
    dry_run: bool,
    quiet: bool,
    json: Path | None,
    api: _Api,
) -> None:
    check_outputs([file] if file else [], json=json)
    options = {**api, "report_to": "" if report_to == "none" else report_to}
    runs = _runs(given, file, out, {k: v for k, v in options.items() if v not in ("", None)})
    config = runs[0][0]
    _check_packages(config.backend, report_to)
    for _, folder in runs:
        RunFolder(folder).check_writable()
    screen = command.screen(quiet=quiet, json=json)
    if dry_run:
        from adapters_train.dry_run import plan

        said = plan(runs, price=api["price"], max_cost=api["max_cost"])
        for told in said:
            screen.print(told.pop("told"), soft_wrap=True, markup=False)
        command.put_json(json, {"dry_run": True, "adapters": said})
    elif config.backend == "openai":
        from adapters_train.openai_api import fine_tune

        def say(line: str) -> None:
            if not quiet:
                typer.echo(line, err=True)

        made = []
        for one, folder in runs:
            done = fine_tune(one, folder, say=say, **api)
            made.append({"folder": str(done.folder), "model": done.model})
            screen.print(f"{done.folder}  {done.model}", soft_wrap=True, markup=False)
        command.put_json(json, {"adapters": made})
    else:
        from adapters_train.many import train_many

        results = train_many(runs, progress=not quiet, report_to=report_to)
        if is_main():
            for result in results:
                screen.print(_line(result), soft_wrap=True, markup=False)
            command.put_json(json, {"adapters": [_record(r) for r in results]})


def _line(result: TrainResult) -> str:
    first, last, told = result.losses[0], result.losses[-1], result.manifest
    line = f"{result.folder}  loss {first:.4f} -> {last:.4f}  {result.digest[:16]}"
    if peak := told.get("peak_memory_bytes"):
        line += f"  peak memory {gigabytes(peak)}"
    return line


def _record(result: TrainResult) -> dict[str, Any]:
    """What ``--json`` says of a finished adapter."""
    told = result.manifest
    return {
        "folder": str(result.folder),
        "template": told["config"]["template"],
        "seed": told["config"]["seed"],
        "weights": result.digest,
        "first_loss": result.losses[0],
        "last_loss": result.losses[-1],
        "steps": told.get("steps"),
        "seconds": told.get("seconds"),
        "tokens_per_second": told.get("tokens_per_second"),
        "peak_memory_bytes": told.get("peak_memory_bytes"),
    }


def _runs(
    given: dict[str, Any], file: Path | None, out: Path | None, options: dict[str, Any]
) -> list[tuple[TrainConfig, Path]]:
    from adapters_train.many import grid

    settings = read_settings(file) if file else {}
    out = out or _out(settings.get("out"))
    settings.pop("out", None)
    # A flag that was not given is None, an empty list or False; a 0 was given.
    settings |= {k: v for k, v in given.items() if v is not None and v is not False and v != []}
    chosen = _listed("template", settings.pop("template", "chat:vanilla"))
    seeds = _listed("seed", settings.pop("seed", 0))
    if isinstance(settings.get("targets"), str) and settings["targets"] != "all-linear":
        settings["targets"] = [t for t in settings["targets"].split(",") if t.strip()]
    if not isinstance(settings.get("model") or "", str):
        raise ConfigError(f"model (--model) is {settings['model']!r}, expected a folder or a name")
    if not settings.get("model"):
        raise ConfigError("--model is missing: which base model is to be trained?")
    if out is None:
        raise ConfigError("--out is missing: where is the adapter to go?")
    try:
        config = TrainConfig(template=chosen[0], seed=seeds[0], **settings)
        one = len(chosen) * len(seeds) == 1
        runs = [(config, out)] if one else grid(config, chosen, seeds, out)
        names = {run.template for run, _ in runs}
        unused.refuse_unused(config, settings, options, many=not one, templates=names)
        return runs
    except SettingError as e:
        if e.field not in TrainConfig.model_fields or e.field == "betas":
            raise
        raise ConfigError(f"--{e.field.replace('_', '-')} ({e})") from None


def _out(value: Any) -> Path | None:
    if value in (None, ""):
        return None
    if not isinstance(value, str) or "\0" in value:
        raise ConfigError(f"out (--out) is {value!r}, expected a folder's name")
    return Path(value)


def _listed(name: str, value: Any) -> list[Any]:
    values = list(value) if isinstance(value, list) else [value]
    if not values:
        raise ConfigError(
            f"{name} (--{name}) is an empty list; expected one or more, or no such line"
        )
    return values


def _check_packages(backend: str, report_to: str) -> None:
    *packages, extra = _PACKAGES[backend]
    require(extra, *packages, who=f"training with backend {backend}")
    if report_to not in ("none", "trackio", "wandb"):
        raise ConfigError(f"--report-to is {report_to!r}, expected none, trackio or wandb")
    if report_to != "none" and importlib.util.find_spec(report_to) is None:
        raise ConfigError(f"--report-to {report_to} needs it installed: pip install {report_to}")


def main() -> NoReturn:
    """Runs the command alone, as ``python -m adapters_train``."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(train)
    command.run(app, prog="python -m adapters_train")
