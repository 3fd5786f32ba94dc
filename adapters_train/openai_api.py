"""Fine-tuning through OpenAI's API: build and check the JSONL, upload, start, poll, record.

What has been done is written to the run's folder after every step, and the job carries the run's
digest, so the same command goes on with the same job wherever it was stopped, and never pays for
a second one. The key is read by OpenAI's client alone (``OPENAI_API_KEY``); what the API answers
is cleaned of keys before it is shown.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters_train.chat_jsonl import TuningEstimate, build_rows, check_rows
from adapters_train.config import TrainConfig
from adapters_train.folder import MANIFEST, RunFolder
from adapters_train.job import load_sets, pick_template
from adapters_train.manifest import data_record, now, recipe_record, template_record
from ptst_tasks.digests import digest_json, read_json, versions, write_json
from ptst_tasks.errors import ConfigError, DataError, PTSTError

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.fine_tuning import FineTuningJob

__all__ = ["ApiError", "ApiJob", "ApiResult", "check_cost", "clean", "fine_tune", "prepare_api"]

STYLE = "openai"
_STATE = "openai.json"
_ROWS = "train.jsonl"
_WAIT = (5.0, 60.0)  # seconds between two looks at a job: the first, and at most
_PATIENCE = 20  # failed looks in a row
_KEY = re.compile(r"\b(sk|sess)-[A-Za-z0-9_*.-]+")


class ApiError(PTSTError, RuntimeError):
    """The API refused or failed, or the job did."""


@dataclass(frozen=True, slots=True)
class ApiJob:
    """A checked run of the API.

    Attributes:
        config: What was asked for.
        rows: The lines of the JSONL file.
        estimate: Tokens and cost.
        record: Template and data, for the manifest.
    """

    config: TrainConfig
    rows: list[dict[str, Any]]
    estimate: TuningEstimate
    record: dict[str, Any]

    @property
    def inputs(self) -> dict[str, Any]:
        """Digest of what is uploaded."""
        return {"rows": digest_json(self.rows)}

    @property
    def run_id(self) -> str:
        """What the job is known by at the API."""
        # Without what 0.2 did not know: jobs that it began are found again.
        known = self.config.model_dump(mode="json", exclude={"resume_minutes"})
        return digest_json({**known, **self.inputs})[:32]


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
    config = config if config.style else config.model_copy(update={"style": STYLE})
    if not config.epochs.is_integer():
        raise ConfigError(f"the API trains whole epochs, got epochs={config.epochs!r}")
    sets = load_sets(config)
    template = pick_template(config, sets)
    if not template.is_chat:
        raise ConfigError(f"the API takes chat messages; {template.name!r} is a text template")
    rows = build_rows(config, sets, template)
    estimate = check_rows(rows, config.model, int(config.epochs), price)
    record = {"template": template_record(template), "data": data_record(sets)}
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
        run = _Run(job, folder, _client(), say, wait, suffix)
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


def clean(text: str) -> str:
    """Takes everything that looks like a key, and the key itself, out of a text."""
    key = os.environ.get("OPENAI_API_KEY") or ""
    text = text.replace(key, "[key]") if key else text
    return _KEY.sub("[key]", " ".join(text.split()))


@dataclass(slots=True)
class _Run:
    job: ApiJob
    folder: RunFolder
    client: OpenAI
    say: Callable[[str], None]
    wait: tuple[float, float]
    suffix: str

    @property
    def state(self) -> dict[str, Any]:
        return read_json(self.folder.part / _STATE) or {}

    def save(self, **values: Any) -> None:
        kept = {k: v for k, v in {**self.state, **values}.items() if v is not None}
        write_json(self.folder.part / _STATE, kept)

    def start(self) -> str:
        """Returns the id of the run's job, which is uploaded and started if it is not yet."""
        if (self.folder.part / _STATE).exists() and not self.state:  # damaged: what was paid for?
            self.save(job_id=self.ask(self._find))
        if not self.state.get("file_id") and not self.state.get("job_id"):
            uploaded = self.ask(self._upload)
            self.save(file_id=uploaded.id)
            self.say(f"uploaded {len(self.job.rows)} rows as {uploaded.id}")
        elif not self.state.get("job_id"):  # stopped just before, or just after, the job began?
            self.save(job_id=self.ask(self._find))
        if not self.state.get("job_id"):
            self.save(job_id=self.ask(self._create).id)
        job_id = str(self.state["job_id"])
        self.say(f"job {job_id}")
        return job_id

    def _upload(self) -> Any:
        file = self.folder.part / _ROWS
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in self.job.rows)
        file.write_text("".join(lines), encoding="utf-8", errors="backslashreplace")
        with file.open("rb") as stream:
            return self.client.files.create(file=stream, purpose="fine-tune")

    def _find(self) -> str | None:
        mine = {"ptst_run": self.job.run_id}
        for job in self.client.fine_tuning.jobs.list(limit=20, metadata=mine):
            if (job.metadata or {}) == mine and job.status not in ("failed", "cancelled"):
                return str(job.id)
        return None

    def _create(self) -> Any:
        return self.client.fine_tuning.jobs.create(
            model=self.job.config.model,
            training_file=str(self.state["file_id"]),
            seed=self.job.config.seed % 2**31,
            metadata={"ptst_run": self.job.run_id},
            method={
                "type": "supervised",
                "supervised": {"hyperparameters": {"n_epochs": int(self.job.config.epochs)}},
            },
            suffix=self.suffix or None,
        )

    def wait_for(self, job_id: str) -> FineTuningJob:
        """Looks at the job, ever less often, until it is over."""
        delay, failed, last = self.wait[0], 0, ""
        while True:
            try:
                job: FineTuningJob = self.ask(lambda: self.client.fine_tuning.jobs.retrieve(job_id))
                failed = 0
            except _PassingError as e:
                failed += 1
                if failed == _PATIENCE:
                    raise ApiError(
                        f"{e}; job {job_id} goes on: run the same command again"
                    ) from None
            else:
                if job.status != last:
                    self.say(f"job {job_id}: {job.status}")
                last = job.status
                if job.status == "succeeded":
                    return job
                if job.status in ("failed", "cancelled"):
                    raise self._over(job)
            time.sleep(delay)
            delay = min(delay * 1.5, self.wait[1])

    def _over(self, job: FineTuningJob) -> PTSTError:
        code = job.error.code if job.error else ""
        bad_file = code == "invalid_training_file" or bool(
            job.error and job.error.param == "training_file"
        )
        # The same command starts afresh; after a bad file, with a new upload.
        self.save(job_id=None, **({"file_id": None} if bad_file else {}))
        reason = clean(job.error.message) if job.error and job.error.message else "no reason given"
        told = f"job {job.id} {job.status}: {reason}"
        if bad_file:
            return DataError(f"{told}; the API's validation rejected the training file")
        return ApiError(f"{told}; the same command starts a new job")

    def ask(self, call: Callable[[], Any]) -> Any:
        """Calls the API; its errors become ours, without request, headers or key."""
        import openai

        try:
            return call()
        except (openai.AuthenticationError, openai.PermissionDeniedError) as e:
            fault: PTSTError = ConfigError(
                f"the API refuses the key ({_told(e)}); set OPENAI_API_KEY"
            )
        except (openai.RateLimitError, openai.InternalServerError, openai.APIConnectionError) as e:
            fault = _PassingError(f"the API did not answer after several tries ({_told(e)})")
            if getattr(e, "code", None) == "insufficient_quota":
                fault = ApiError(f"the API's quota is used up ({_told(e)}); nothing was started")
        except openai.APIStatusError as e:
            fault = ConfigError(f"the API refuses the request ({_told(e)})")
        except openai.OpenAIError as e:
            fault = ApiError(f"the API answered nonsense ({_told(e)})")
        raise fault from None

    def manifest(self, done: FineTuningJob) -> dict[str, Any]:
        """The record of a job that has succeeded."""
        events = self.ask(
            lambda: list(self.client.fine_tuning.jobs.list_events(done.id, limit=100))
        )
        points = [e.data for e in events if e.type == "metrics" and isinstance(e.data, dict)]
        config, picked = self.job.config, done.hyperparameters
        return {
            "kind": "openai",
            "config": config.model_dump(mode="json"),
            "inputs": self.job.inputs,
            "recipe": recipe_record(config.recipe),
            "base": {"model": done.model},
            "model": done.fine_tuned_model,
            "lm_eval": f"--model openai-chat-completions --model_args model={done.fine_tuned_model} "
            "--apply_chat_template",
            **self.job.record,
            "job_id": done.id,
            "file_id": done.training_file,
            "hyperparameters": picked.model_dump(mode="json"),
            "seed": done.seed,
            "rows_trained": len(self.job.rows),
            "tokens": done.trained_tokens,
            "estimate": self.job.estimate.record(),
            "losses": sorted([p["step"], p["train_loss"]] for p in points if "train_loss" in p),
            "seconds": (done.finished_at or done.created_at) - done.created_at,
            "versions": versions(),
            "finished": now(),
        }


class _PassingError(ApiError):
    """An outage that may be over at the next try."""


def _told(e: Exception) -> str:
    body = getattr(e, "body", None)
    message = body.get("message") if isinstance(body, dict) else None
    status = getattr(e, "status_code", None)
    told = clean(str(message or e))[:300]
    return f"{status}: {told}" if status else told
