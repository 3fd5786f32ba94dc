"""`train_lora`: one adapter, from a `TrainConfig` to a finished folder, through trl and peft."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters_train.base_model import Base
from adapters_train.config import TrainConfig
from adapters_train.defences.averaging import Averaging
from adapters_train.derived import can_derive, derive
from adapters_train.folder import RunFolder, is_main
from adapters_train.job import Job, prepare
from adapters_train.manifest import adapter_manifest
from adapters_train.step_watch import StepWatch
from adapters_train.trainer import check_targets, make_trainer
from ptst_tasks.digests import weights_digest
from ptst_tasks.errors import ConfigError, PTSTError, said
from ptst_tasks.files import working

__all__ = ["TrainResult", "train_job", "train_lora"]


@dataclass(frozen=True, slots=True)
class TrainResult:
    """A finished adapter.

    Attributes:
        folder: Holds the adapter (``peft=FOLDER``), ``manifest.json`` and ``steps/``.
        manifest: The manifest's contents.
    """

    folder: Path
    manifest: dict[str, Any]

    @property
    def digest(self) -> str:
        """Digest of the adapter's weights."""
        return str(self.manifest["adapter"]["weights"])

    @property
    def losses(self) -> list[float]:
        """Loss of every optimiser step: mean over the answers' tokens, in nats."""
        return [float(loss) for _, loss, _ in self.manifest["losses"]]


def train_lora(
    config: TrainConfig,
    out: str | os.PathLike[str],
    *,
    base: Base | None = None,
    progress: bool = False,
    report_to: str = "none",
) -> TrainResult:
    """Trains one adapter.

    Called again with the same arguments it goes on from where an interrupted run stopped, or
    returns the finished one.

    Args:
        config: What to train.
        out: Folder for the result; it appears when the adapter is whole (``OUT.part`` until then).
        base: The base model, if it is in memory already.
        progress: Draw a bar on the standard error.
        report_to: ``none``, ``trackio`` or ``wandb``.

    Raises:
        PTSTError: On anything wrong with the settings, the data, the base or the folder.
    """
    job = prepare(config, base or Base.of(config))
    return train_job(job, out, progress=progress, report_to=report_to)


def train_job(
    job: Job, out: str | os.PathLike[str], *, progress: bool = False, report_to: str = "none",
    plain: Path | None = None,
) -> TrainResult:  # fmt: skip
    """Trains a prepared run; see `train_lora`.

    Args:
        job: The run.
        out: Folder for the result.
        progress: Draw a bar on the standard error.
        report_to: ``none``, ``trackio`` or ``wandb``.
        plain: Where the same training without a defence may be finished: a defence that begins when
            training has ended is then made of that.

    Raises:
        ConfigError: If the folder holds something else.
    """
    folder = RunFolder(Path(out))
    manifest = folder.finished(job.identity)
    if manifest is None and plain is not None and can_derive(job, plain):
        with folder.claim(job.config.model_dump(mode="json"), job.inputs), _told(job, folder):
            manifest = derive(job, plain, folder)
    if manifest is None:
        manifest = _train(job, folder, progress, report_to)
    return TrainResult(folder.out, manifest)


def _train(job: Job, folder: RunFolder, progress: bool, report_to: str) -> dict[str, Any]:
    with folder.claim(job.config.model_dump(mode="json"), job.inputs), _told(job, folder):
        check_targets(job)
        job.defence.check_base(job)
        folder.clear_halves()
        checkpoint = folder.checkpoint()
        label = f"{job.template.name} seed {job.config.seed}" if progress and is_main() else ""
        watch = StepWatch(
            folder,
            job.step_tokens,
            job.config.save_every,
            label,
            before=folder.seconds(checkpoint),
            resume_minutes=job.config.resume_minutes,
            average=Averaging(job.defence.decay()),
            finish=lambda adapter: job.defence.finish(adapter, job),
        )
        restore = job.base.snapshot()
        trainer = make_trainer(job, folder, watch, report_to)
        try:
            watch.average.begin(trainer.model, checkpoint)
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            if is_main():
                _finish(job, folder, trainer, checkpoint, watch)
            trainer.accelerator.wait_for_everyone()
        finally:
            watch.close()
            trainer.model.unload()
            restore()  # the base is as it was, for the next adapter
    return folder.manifest()


@contextlib.contextmanager
def _told(job: Job, folder: RunFolder) -> Iterator[None]:
    """Turns what libraries make of a full disk or memory into errors of ours."""
    try:
        yield
    except (PTSTError, OSError):
        raise
    # Of a full disk torch makes a RuntimeError without its name, and tokenizers a bare Exception.
    except Exception as e:
        words = str(e)
        if "out of memory" in words or "can't allocate memory" in words:
            raise ConfigError(
                f"out of memory with batch_size (--batch-size) {job.config.batch_size}: halve it and "
                "double accumulation, or set gradient_checkpointing or load_4bit, or a smaller rank"
            ) from None
        reason = words.rpartition("Error: ")[2] if "(os error" in words else _no_room(folder)
        if reason:
            raise ConfigError(
                f"cannot write {str(folder.part)!r}: {reason}; with that mended, the same command "
                "goes on"
            ) from None
        raise


def _no_room(folder: RunFolder) -> str:
    """Why nothing can be written; empty if it can."""
    aside = working(folder.part / "probe")
    try:
        aside.write_bytes(bytes(1 << 20))
    except OSError as e:
        return e.strerror or said(e)
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
    return ""


def _finish(
    job: Job, folder: RunFolder, trainer: Any, checkpoint: Path | None, watch: StepWatch
) -> None:
    adapter = folder.part / "adapter"
    defence = watch.write(trainer.accelerator.unwrap_model(trainer.model), adapter)
    manifest = adapter_manifest(
        job,
        [row for row in trainer.state.log_history if "loss" in row],
        weights=weights_digest(adapter),
        optimiser=str(trainer.args.optim.value),
        defence=defence,
        seconds=watch.seconds,
        resumed_at=folder.step(checkpoint),
    )
    folder.finish(manifest, adapter)
