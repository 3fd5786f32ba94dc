"""One job at OpenAI's API: uploaded, started once, looked at until it is over, recorded."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapters_train.chat_jsonl import TuningEstimate
from adapters_train.config import ADDED, TrainConfig
from adapters_train.folder import RunFolder
from adapters_train.manifest import now, recipe_record
from ptst_tasks.digests import digest_json, read_json, versions, write_json
from ptst_tasks.errors import ConfigError, DataError, PTSTError

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.fine_tuning import FineTuningJob

__all__ = ["ApiError", "ApiJob", "ApiRun", "clean"]

_STATE = "openai.json"
_ROWS = "train.jsonl"
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
        # Without what earlier versions did not know: jobs that they began are found again.
        said = self.config.model_dump(mode="json", exclude={"resume_minutes"})
        known = {k: v for k, v in said.items() if k not in ADDED or v != ADDED[k]}
        return digest_json({**known, **self.inputs})[:32]


def clean(text: str) -> str:
    """Takes everything that looks like a key, and the key itself, out of a text."""
    key = os.environ.get("OPENAI_API_KEY") or ""
    text = text.replace(key, "[key]") if key else text
    return _KEY.sub("[key]", " ".join(text.split()))


@dataclass(slots=True)
class ApiRun:
    """One run at the API: what has been done is in the folder after every step.

    Attributes:
        job: What is asked for.
        folder: The run's folder.
        client: OpenAI's.
        say: Told what happens, a line at a time.
        wait: Seconds between two looks at the job: the first, and at most.
        suffix: Goes into the fine-tuned model's name.
    """

    job: ApiJob
    folder: RunFolder
    client: OpenAI
    say: Callable[[str], None]
    wait: tuple[float, float]
    suffix: str

    @property
    def state(self) -> dict[str, Any]:
        """What has been done so far."""
        return read_json(self.folder.part / _STATE) or {}

    def save(self, **values: Any) -> None:
        """Adds to it; None takes something out."""
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
