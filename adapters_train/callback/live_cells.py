"""What a callback measured, as the cells of a run: `ptst board OUTPUT` reads them like a study's.

    OUTPUT/cells/DIGEST/cell.json, results and samples    one set and template at one step
    OUTPUT/measured.jsonl                                  a line per measuring, as it was logged

A step is a copy of the adapter kept along training, as of a study with ``trajectory: true``.
"""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adapters_train.callback.live_measuring import LiveMeasuring, Measured
from adapters_train.callback.watched_sets import WatchedSet
from ptst_tasks.digests import digest_json, write_json
from ptst_tasks.engines.undisturbed import base_in
from ptst_tasks.files import replacing
from ptst_tasks.lm_outputs import write_results
from ptst_tasks.model_files import adapter_of, base_at
from ptst_tasks.provenance import (
    Adapter,
    BaseRecord,
    Decoding,
    EngineRecord,
    Generation,
    cell_digest,
)
from ptst_tasks.task_facts import form, is_sampled, requested, used, versions_of

__all__ = ["Labels", "LiveCells"]


@dataclass(frozen=True, slots=True)
class Labels:
    """What rows of a board are called.

    Attributes:
        name: The adapter.
        train_data: What it is trained on.
        train_template: Under which template.
        seed: Of the training.
        autocast: Dtype of the trainer's mixed precision, where the model answers under it.
    """

    name: str
    train_data: str = ""
    train_template: str = ""
    seed: int | None = None
    autocast: str = ""


class LiveCells:
    """Writes cells.

    Args:
        folder: Where to.
        measuring: Who measures.
        labels: What their rows are called.
    """

    def __init__(self, folder: Path, measuring: LiveMeasuring, labels: Labels) -> None:
        self.folder, self._measuring, self._labels = folder, measuring, labels
        self._base: BaseRecord | None = None

    def write(self, measured: Measured, saved: Path | None) -> list[str]:
        """Writes a cell for each set and template, those that failed too.

        Args:
            measured: What was measured.
            saved: The adapter as it was then; None for a model that is trained as a whole.

        Returns:
            The cells' digests.

        Raises:
            OSError: If something cannot be written.
        """
        base, adapter = self._models(saved, measured.step)
        out = []
        for one in self._measuring.watched.values():
            record = self._record(one, base, adapter)
            digest = cell_digest(record)
            cell = self._labelled(one, record, adapter) | {"digest": digest}
            self._place(self.folder / "cells" / digest, cell, one, measured)
            out.append(digest)
        return out

    def note(self, measured: Measured, **more: Any) -> None:
        """Adds a line to ``measured.jsonl``; what is missing is null there.

        Raises:
            OSError: If it cannot be written.
        """
        line = {"step": measured.step, "values": measured.plain, "failed": measured.failed,
                "seconds": round(measured.seconds, 3), **more}  # fmt: skip
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "measured.jsonl").open("a", encoding="ascii") as out:
            out.write(json.dumps(line) + "\n")

    def _place(
        self, folder: Path, cell: dict[str, Any], one: WatchedSet, measured: Measured
    ) -> None:
        """Puts a cell in its place at once; one that is measured there already stays."""
        if any(folder.glob("*/results_*.json")):
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replacing(folder) as aside:
            aside.mkdir()
            if results := measured.results.get(one.name):
                args = {"pretrained": cell["base"], "peft": cell["adapter"]}
                write_results(aside, "ptst-hf", args, one.name, results)
            else:
                cell |= {"error": measured.failed.get(one.name, "not measured")}
            write_json(aside / "cell.json", cell)
            shutil.rmtree(folder, ignore_errors=True)  # of a failed try

    def _models(self, saved: Path | None, step: int) -> tuple[BaseRecord, Adapter]:
        self._base = self._base or _base(base_in(self._measuring.lm.model))
        if saved is not None:
            return self._base, adapter_of(saved, step)
        whole = f"trained:{_state_digest(self._measuring.lm.model)}"
        own = asdict(self._base) | {"weights": whole}
        return BaseRecord(**own), Adapter(step=step)

    def _record(self, one: WatchedSet, base: BaseRecord, adapter: Adapter) -> Generation:
        lm, data = self._measuring.lm, self._measuring.data[one.name]
        own = one.task.config.generation_kwargs
        seed = own.get("seed", 0) if is_sampled(one.task) else None  # 0, as a study's
        return Generation(base, adapter, data, Decoding(used(lm, one.task), seed), self._engine())

    def _engine(self) -> EngineRecord:
        """What computes; how the base is quantised, and the trainer's mixed precision, decide."""
        lm = self._measuring.lm
        quantised = getattr(base_in(lm.model).config, "quantization_config", None)
        args = {"quantization": digest_json(_plain(quantised))} if quantised else {}
        args |= {"autocast": self._labels.autocast} if self._labels.autocast else {}
        layout = {"batch_size": lm.batch_size}
        return EngineRecord("hf", lm.facts()["dtype"], args, layout, versions_of("hf"))

    def _labelled(self, one: WatchedSet, record: Generation, adapter: Adapter) -> dict[str, Any]:
        """As a study's cells are labelled (`leaderboards.run.store.Cell`)."""
        base = base_in(self._measuring.lm.model)
        return {
            "base": str(getattr(base.config, "_name_or_path", "") or type(base).__name__),
            "adapter": f"{self._labels.name}@{adapter.step}",
            "train_data": self._labels.train_data,
            "train_template": self._labels.train_template,
            "seed": self._labels.seed,
            "test_template": one.task.template.name,
            "task": one.task.set_name,
            "harness_task": one.name,
            "provenance": asdict(record),
            "requested": copy.deepcopy(requested(one.task)),
            "training": "",
            "defence": "",
            "attack": one.task.attack.spec,
            "form": form(one.task),
            "lost": "",
        }


def _base(base: Any) -> BaseRecord:
    """What identifies the base; one without a name goes by its class."""
    place = str(getattr(base.config, "_name_or_path", "")) or type(base).__name__
    return base_at(place, getattr(base.config, "_commit_hash", None))


def _state_digest(model: Any) -> str:
    """SHA-256 of a model's numbers as they are in memory."""
    import torch

    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        raw = value.detach().to("cpu").contiguous().reshape(-1).view(torch.uint8)
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(raw.numpy().tobytes())
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    told = value.to_dict() if hasattr(value, "to_dict") else value
    return json.loads(json.dumps(told, default=str, sort_keys=True))
