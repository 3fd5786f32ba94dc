"""What happens beside the steps: clock, light copies, marks of whole checkpoints, the bar."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from adapters_train.defences.averaging import Averaging
from adapters_train.folder import RunFolder
from ptst_tasks.errors import ConfigError
from ptst_tasks.files import replacing

__all__ = ["StepWatch", "save_adapter"]


class StepWatch:
    """Follows a run through the trainer's callbacks.

    Args:
        folder: The run's folder.
        tokens: Tokens of every optimiser step.
        save_every: Steps between light copies of the adapter; 0 for none.
        label: What the bar is called; empty for no bar.
        before: Seconds of training by earlier processes of the run.
        resume_minutes: Minutes between two checkpoints, at most.
        average: What takes the adapter's place where it is written, and stands beside checkpoints.
        finish: What is done to an adapter that is written, before it takes its name.
    """

    def __init__(
        self,
        folder: RunFolder,
        tokens: Sequence[int],
        save_every: int,
        label: str,
        *,
        before: float = 0.0,
        resume_minutes: float = math.inf,
        average: Averaging | None = None,
        finish: Callable[[Path], dict[str, Any]] = lambda _: {},
    ) -> None:
        self.folder, self.tokens, self.save_every = folder, tokens, save_every
        self.average, self._finish = average or Averaging(0.0), finish
        self._before = before
        # Each of several processes writes its part of a checkpoint, so all must write the same ones.
        alone = os.environ.get("WORLD_SIZE", "1") == "1"
        self._patience = 60 * resume_minutes if alone else math.inf
        self._begun = self._saved = time.monotonic()
        self._first, self._loss = 0, "-"
        self._bars: Any = _bars() if label else None
        if self._bars:
            self._task = self._bars.add_task(label, total=len(tokens), loss="-", speed="-")

    @property
    def seconds(self) -> float:
        """Seconds of training so far, with those of earlier processes of the run."""
        return self._before + time.monotonic() - self._begun

    def begin(self, step: int) -> None:
        """Starts the clock at `step`."""
        self._begun, self._first = time.monotonic(), step
        self._saved = self._begun
        if self._bars:
            self._bars.start()

    def loss(self, step: int, loss: float) -> None:
        """Takes note of a step's loss.

        Raises:
            ConfigError: If it is not a number: what follows would be no adapter.
        """
        if not math.isfinite(loss):
            raise ConfigError(
                f"the loss is {loss} at step {step}: lower lr (--lr), or use dtype bfloat16 or float32"
            )
        self._loss = f"{loss:.3f}"

    def step(self, step: int, model: Any) -> None:
        """Ends a step."""
        if self.save_every and step % self.save_every == 0:
            self.write(model, self.folder.part / "steps" / f"step-{step:06}")
        if self._bars:
            passed = sum(self.tokens[self._first : step]) / (time.monotonic() - self._begun)
            self._bars.update(self._task, completed=step, loss=self._loss, speed=f"{passed:,.0f}")

    def write(self, model: Any, folder: Path) -> dict[str, Any]:
        """Writes the adapter as its defence has it, at once or not at all; returns what that says."""
        with self.average.shown(model), replacing(folder) as aside:
            save_adapter(model, aside)
            said = self._finish(aside)
            shutil.rmtree(folder, ignore_errors=True)
        return said

    @property
    def due(self) -> bool:
        """Whether the last checkpoint for resuming is too long ago."""
        return time.monotonic() - self._saved >= self._patience

    def saved(self, step: int) -> None:
        """Takes note of a checkpoint that is on disk."""
        self.average.save(self.folder.resume / f"checkpoint-{step}")
        self.folder.mark_whole(step, self.seconds)
        self._saved = time.monotonic()

    def close(self) -> None:
        """Takes the bar down, however the run ended."""
        if self._bars:
            self._bars.stop()

    def callback(self) -> Any:
        """The trainer's callback, which in processes beside the first does nothing."""
        from transformers import TrainerCallback

        watch = self

        class Callback(TrainerCallback):  # type: ignore[misc]
            """Passes on what the trainer tells."""

            def on_train_begin(self, args: Any, state: Any, control: Any, **kw: Any) -> None:
                if state.is_world_process_zero:
                    watch.begin(state.global_step)

            def on_log(self, args: Any, state: Any, control: Any, **kw: Any) -> None:
                if "loss" in kw["logs"]:
                    watch.loss(state.global_step, kw["logs"]["loss"])

            def on_step_end(self, args: Any, state: Any, control: Any, **kw: Any) -> None:
                watch.average.step(kw["model"])
                if state.is_world_process_zero:
                    watch.step(state.global_step, kw["model"])
                    control.should_save |= watch.due

            def on_save(self, args: Any, state: Any, control: Any, **kw: Any) -> None:
                if state.is_world_process_zero:
                    watch.saved(state.global_step)

        return Callback()


def save_adapter(model: Any, folder: Path) -> None:
    """Writes the adapter alone."""
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # peft's empty model card


def _bars() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}"),
        TextColumn("{task.fields[speed]} tokens/s"),
        TimeLeft(),
        console=Console(stderr=True),
    )
