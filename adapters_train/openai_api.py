"""Fine-tuning through OpenAI's API: build and check the JSONL, upload, start, poll, record.

What has been done is written to the run's folder after every step, and the job carries the run's
digest, so the same command goes on with the same job wherever it was stopped, and never pays for
a second one. The key is read by OpenAI's client alone (``OPENAI_API_KEY``); what the API answers
is cleaned of keys before it is shown.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters_train.api_run import ApiError, ApiJob, ApiRun, clean
from adapters_train.chat_jsonl import TuningEstimate, build_rows, check_rows, row_notes
from adapters_train.config import TrainConfig
from adapters_train.defences import PLAIN, named
from adapters_train.folder import MANIFEST, RunFolder
from adapters_train.job import load_sets, pick_template
from adapters_train.manifest import data_record, template_record
from ptst_tasks.errors import ConfigError

if TYPE_CHECKING:
    from openai import OpenAI

__all__ = ["ApiError", "ApiJob", "ApiResult", "check_cost", "clean", "fine_tune", "prepare_api"]

STYLE = "openai"
_WAIT = (5.0, 60.0)  # seconds between two looks at a job: the first, and at most


@dataclass(frozen=True, slots=True)
class ApiResult:
    """A finished job.

    Attributes:
        folder: Holds ``manifest.json`` and the uploaded ``train.jsonl``.
        manifest: The manifest's contents.
    """

    folder: Path
    manifest: dict[str, Any]

    @property
    def model(self) -> str:
        """The fine-tuned model's id, for lm-eval's openai-chat-completions."""
        return str(self.manifest["model"])


def prepare_api(config: TrainConfig, *, price: float | None = None) -> ApiJob:
    """Builds and checks the rows; sends nothing.

    Args:
        config: What to train; `style` is ``openai`` unless given.
        price: US dollars per million training tokens, if not the table's.

    Raises:
        PTSTError: On anything wrong with the settings or the rows.
    """
    defence = named(config.defence)
    if not (defence.by_api or defence.spec == PLAIN):
        raise ConfigError(
            f"defence {defence.spec!r} needs the weights or the log-probabilities of the base, which no "
            "API that trains gives; mix and inoculation are in the rows and can be sent"
        )
    config = config if config.style else config.model_copy(update={"style": STYLE})
    if not config.epochs.is_integer():
        raise ConfigError(f"the API trains whole epochs, got epochs={config.epochs!r}")
    sets = load_sets(config)
    template = pick_template(config, sets)
    if not template.is_chat:
        raise ConfigError(f"the API takes chat messages; {template.name!r} is a text template")
    rows = build_rows(config, sets, template)
    estimate = check_rows(rows, config.model, int(config.epochs), price)
    record = {
        "template": template_record(template),
        "answers": {"notes": row_notes(sets)},
        "data": data_record(sets, template),
        "defence": {"name": defence.spec, "source": defence.source},
    }
    return ApiJob(config, rows, estimate, record)


def fine_tune(
    config: TrainConfig,
    out: str | os.PathLike[str],
    *,
    suffix: str = "",
    price: float | None = None,
    max_cost: float | None = None,
    job_id: str = "",
    say: Callable[[str], None] = lambda line: None,
    wait: tuple[float, float] = _WAIT,
) -> ApiResult:
    """Fine-tunes through the API, or goes on with a job that was started before.

    Args:
        config: What to train; `model` is the API's name of the base.
        out: Folder for the manifest; it appears when the job has succeeded.
        suffix: Goes into the fine-tuned model's name.
        price: US dollars per million training tokens, if not the table's.
        max_cost: US dollars; a run estimated dearer is not started. Needs `price`.
        job_id: Wait for this job in place of starting one.
        say: Told what happens, a line at a time.
        wait: Seconds between two looks at the job: the first, and at most.

    Raises:
        PTSTError: On wrong settings, rows or folder; `DataError` if the API finds the file wrong;
            `ApiError` if it refuses, or the job fails or is cancelled.
    """
    job, folder = prepare_api(config, price=price), RunFolder(Path(out))
    identity = {**job.config.model_dump(mode="json", exclude={"resume_every", "resume_minutes"}),
                **job.inputs}  # fmt: skip
    if manifest := folder.finished(identity):
        if not isinstance(manifest.get("model"), str):
            raise ConfigError(
                f"{str(folder.out / MANIFEST)!r} is damaged: it names no model; to make it again without "
                "a second job, move the folder and give --job-id"
            )
        return ApiResult(folder.out, manifest)
    say(job.estimate.told())
    if max_cost is not None:
        check_cost(job.estimate, price, max_cost)
    with folder.claim(job.config.model_dump(mode="json"), job.inputs):
        run = ApiRun(job, folder, _client(), say, wait, suffix)
        if job_id:
            run.save(job_id=job_id)
        done = run.wait_for(run.start())
        folder.finish(run.manifest(done))
    return ApiResult(folder.out, folder.manifest())


def check_cost(estimate: TuningEstimate, price: float | None, max_cost: float) -> None:
    """Raises ConfigError for a run estimated dearer than allowed, or of unknown price."""
    if price is None:
        raise ConfigError("max_cost needs price: our table of prices is only a guide")
    if estimate.cost is None or estimate.cost > max_cost:
        raise ConfigError(f"{estimate.told()}: over max_cost {max_cost:.2f} USD")


def _client() -> OpenAI:
    import openai

    if not os.environ.get("OPENAI_API_KEY"):
        raise ConfigError("OPENAI_API_KEY is not set; the openai backend needs a key")
    return openai.OpenAI(max_retries=5)  # it keeps to Retry-After by itself
