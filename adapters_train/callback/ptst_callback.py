"""The callback: when it measures, what it logs, and when it ends a training."""

from __future__ import annotations

import logging
import shutil
import weakref
from pathlib import Path
from typing import Any

from transformers import Trainer, TrainerCallback
from transformers.trainer_callback import ExportableState

from adapters_train.callback.best_so_far import BestSoFar, save_model, sweep
from adapters_train.callback.contest import Contest, check_best_by
from adapters_train.callback.live_cells import Labels, LiveCells
from adapters_train.callback.live_measuring import LiveMeasuring, Measured, plain
from adapters_train.callback.watch_settings import WatchSettings
from adapters_train.callback.whole_model import check_whole, shared, tokenizer_of
from ptst_tasks.engines.undisturbed import same_draws, undisturbed
from ptst_tasks.errors import ConfigError, EngineError, said
from ptst_tasks.files import check_writable, working

__all__ = ["PTSTCallback"]

log = logging.getLogger(__name__)

_MADE: weakref.WeakSet[PTSTCallback] = weakref.WeakSet()
"""For transformers' own restoring, which makes a new callback without a trainer."""


class PTSTCallback(TrainerCallback, ExportableState):  # type: ignore[misc]
    """Measures attack success and over-refusal every so many steps of a training.

        trainer.add_callback(PTSTCallback(trainer, every=50, max_asr=0.05))

    The values are logged through the trainer, as ``ptst/advbench/CL/asr`` (0..1, higher is worse);
    the training goes on as if nobody had asked. A measuring that fails is logged as NaN and told.

    Args:
        trainer: The trainer, with its model.
        **settings: See `WatchSettings`.

    Raises:
        PTSTError: If a setting is wrong, a set, a judge or the chat template is missing, or no
            process has the whole model.
    """

    measured: list[dict[str, Any]]
    _last: int  # step of the last measuring

    def __init__(self, trainer: Any = None, **settings: Any) -> None:
        if trainer is None and not settings and len(_MADE):
            return  # made by `restore_callback_states_from_checkpoint`; see `_found`
        if not isinstance(trainer, Trainer):
            raise ConfigError(
                f"PTSTCallback: trainer is {type(trainer).__name__}, expected the trainer itself: "
                "trainer.add_callback(PTSTCallback(trainer, ...))"
            )
        self.settings = WatchSettings.read(settings)
        check_whole(trainer)
        self._trainer, tokenizer = trainer, tokenizer_of(trainer)
        with same_draws(trainer.model):
            self._measuring = LiveMeasuring(trainer.model, tokenizer, self.settings)
        own = [name for one in self._measuring.watched.values() for name in one.names()]
        check_best_by(self.settings, own, str(getattr(trainer.args.eval_strategy, "value", "")))
        self.folder = Path(self.settings.output or Path(trainer.args.output_dir, "ptst"))
        check_writable(self.folder / "measured.jsonl", "PTSTCallback: output")
        self._best = BestSoFar(self.folder, greater=self.settings.greater_is_better)
        self._cells = LiveCells(self.folder, self._measuring, self._labels())
        self._forget()
        _MADE.add(self)

    # What transformers calls

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Begins, or goes on from a checkpoint."""
        self._found(state)
        self._forget()
        if state.global_step:
            self._remember(state)
        self._check_alone()
        if self._is_main:
            try:
                self._begin_folder(resumed=bool(state.global_step))
            except OSError as e:
                raise ConfigError(f"PTSTCallback: output {str(self.folder)!r}: {said(e)}") from e
        if self.settings.at_start and not state.global_step:
            self._measure(state, control)

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """What the last step logged is all there."""
        self._decide()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Measures, every so many steps and after the last.

        Not when the training ends: by then those that log have closed their books.
        """
        last = self.settings.at_end and state.global_step >= state.max_steps
        if state.global_step % self.settings.every == 0 or last:
            self._measure(state, control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Measures at the end of a training that somebody ends early."""
        done = bool(self.measured) and self.measured[-1]["step"] == state.global_step
        if self.settings.at_end and control.should_training_stop and not done:
            self._measure(state, control)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Compares what was measured at this step, as soon as what it is compared by is there."""
        if self.settings.best_by in (logs or {}):
            self._decide()

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Compares what is left."""
        self._decide()
        if not self.measured:
            log.warning("PTSTCallback: nothing was measured: the training had %d steps, and every is "
                        "%d", state.global_step, self.settings.every)  # fmt: skip

    def state(self) -> dict[str, Any]:
        """What a checkpoint remembers: what was measured, and which adapter is the best."""
        self._decide()
        told = {"output": str(self.folder), "measured": self.measured, "best": self.best}
        return {"args": {}, "attributes": {"remembered": told}}

    @property
    def best(self) -> dict[str, Any] | None:
        """Step, values and limit of the adapter that is kept in ``OUTPUT/best``; None for none."""
        return self._best.facts

    def _decide(self) -> None:
        self._contest.decide(self._trainer.state.log_history)

    # Measuring

    @property
    def _is_main(self) -> bool:
        return bool(self._trainer.is_world_process_zero())

    def _measure(self, state: Any, control: Any) -> None:
        told = self._measure_here(state.global_step) if self._is_main else None
        values, failed = shared(self._trainer, told)
        self.measured.append({"step": state.global_step, "values": plain(values)})
        self._log(values, control)
        if failed and self.settings.strict:
            raise EngineError(f"PTSTCallback: {failed}")
        most = self.settings.max_asr
        if most is None or not (over := self._measuring.over(values, most)):
            return
        ends = self.settings.stop and state.global_step > 0
        if self._is_main:
            seen = ", ".join(f"{name} {values[name]:.3g}" for name in over)
            then = "; the training ends here" if ends else ""
            log.warning("PTSTCallback: after %d steps above max_asr %g: %s%s",
                        state.global_step, most, seen, then)  # fmt: skip
        control.should_training_stop |= ends

    def _measure_here(self, step: int) -> tuple[dict[str, float], str]:
        """Logged values, and what failed; whatever fails, the training goes on."""
        model = self._trainer.model
        with same_draws(model):
            try:
                measured = self._measuring.measure(step)
            except Exception as e:  # of any library, in the midst of somebody's training
                measured = self._measuring.missing(step, said(e))
            failed = "; ".join(
                f"{task}: {why}" for task, why in {**measured.lacking, **measured.failed}.items()
            )
            try:
                self._write(measured)
            except Exception as e:  # a full disk; what a library makes of one
                failed = "; ".join(filter(None, (failed, f"{str(self.folder)!r}: {said(e)}")))
        if failed:
            log.warning("PTSTCallback: after %d steps: %s", step, failed)
        return measured.values, failed

    def _write(self, measured: Measured) -> None:
        """Writes cells, and puts an adapter aside that may become the best."""
        most = self.settings.max_asr
        wanted = most is not None and self._measuring.within(measured.values, most)
        model, saved = self._trainer.model, working(self._best.link)
        try:
            if wanted or hasattr(model, "peft_config"):
                save_model(model, tokenizer_of(self._trainer), saved)
            adapter = saved if hasattr(model, "peft_config") else None
            cells = self._cells.write(measured, adapter)
            self._cells.note(measured, cells=cells)
            if wanted:
                facts = {"step": measured.step, "max_asr": most, "best_by": self.settings.best_by,
                         "values": measured.plain, "cells": cells}  # fmt: skip
                self._contest.enter(saved, facts, self._last)
        finally:
            self._last = measured.step
            if not self._contest.has(saved):
                shutil.rmtree(saved, ignore_errors=True)

    def _log(self, values: dict[str, float], control: Any) -> None:
        """Logs through the trainer, without taking the place of what it is about to log itself."""
        due = control.should_log
        with undisturbed(
            self._trainer.model
        ):  # in training mode trl would add its means, and reset them
            self._trainer.log(dict(values))
        control.should_log = due

    # Begin and resume

    def _forget(self) -> None:
        self.measured = []
        self._contest = Contest(self.settings, self._best)
        self._last = -1

    def _found(self, state: Any) -> None:
        """A callback that transformers made anew is the one that the trainer was given."""
        if not hasattr(self, "settings"):
            own = [one for one in _MADE if one._trainer.state is state]
            if not own:
                raise ConfigError("PTSTCallback: made without a trainer, and this one has no other")
            self.__dict__ = own[0].__dict__

    def _remember(self, state: Any) -> None:
        """Takes from a checkpoint what was measured before it."""
        kept = state.stateful_callbacks.setdefault(type(self).__name__, self.state())
        told = [one.get("attributes", {}).get("remembered", {})
                for one in (kept if isinstance(kept, list) else [kept])]  # fmt: skip
        mine = ([one for one in told if one.get("output") == str(self.folder)] or told)[-1]
        self.measured = list(mine.get("measured") or ())
        self._last = self.measured[-1]["step"] if self.measured else -1
        best = mine.get("best")
        if best and self.best is None and self._is_main:
            log.warning("PTSTCallback: the adapter of step %s, the best until the checkpoint, is no "
                        "longer in %r", best.get("step"), str(self._best.link))  # fmt: skip

    def _check_alone(self) -> None:
        """Another callback of this trainer would put this one's numbers aside."""
        others = (one for one in self._trainer.callback_handler.callbacks if one is not self)
        theirs = [one.folder.resolve() for one in others if isinstance(one, PTSTCallback)]
        if self.folder.resolve() in theirs:
            raise ConfigError(f"PTSTCallback: two write into {str(self.folder)!r}; give each an output of "
                              "its own, and add each once")  # fmt: skip

    def _begin_folder(self, *, resumed: bool) -> None:
        """Clears what a killed process was writing; puts an earlier training's numbers aside."""
        if self.folder.exists() and not resumed and any(self.folder.iterdir()):
            n = 1
            while (aside := self.folder.with_name(f"{self.folder.name}.{n}")).exists():
                n += 1
            self.folder.rename(aside)
            log.warning("PTSTCallback: %r is of an earlier training; it is now %r",
                        str(self.folder), str(aside))  # fmt: skip
        self.folder.mkdir(parents=True, exist_ok=True)
        sweep(self.folder)

    def _labels(self) -> Labels:
        settings, args = self.settings, self._trainer.args
        name = settings.name or Path(args.output_dir).resolve().name.replace("@", "-")
        mixed = "bfloat16" if args.bf16 else "float16" if args.fp16 else ""
        full = settings.table.resolve(settings.train_template) if settings.train_template else ""
        whole = not hasattr(self._trainer.model, "peft_config")
        return Labels(name, settings.train_data, full, args.seed, mixed if whole else "")
