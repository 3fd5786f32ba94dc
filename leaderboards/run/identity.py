"""Makes the record of what a cell is a measurement of (`ptst_tasks.provenance`), once per cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from leaderboards.run import made_bases
from leaderboards.run.manifests import Place, check_weights
from leaderboards.run.study import Study
from ptst_tasks.base_names import local_base
from ptst_tasks.engines import Engine
from ptst_tasks.engines.engine_args import LAYOUT
from ptst_tasks.engines.fit import check_origin
from ptst_tasks.model_files import adapter_of, base_at, path_digest
from ptst_tasks.provenance import Adapter, BaseRecord, Data, Decoding, EngineRecord, Generation
from ptst_tasks.task_facts import data_of, used, versions_of

__all__ = ["Records", "base_folder", "content"]


class Records:
    """Makes the records of one study on one engine; what is costly is computed once.

    Args:
        study: The study.
        base: Where its base is.
    """

    def __init__(self, study: Study, base: Place) -> None:
        self.study, self._place = study, base
        # Hashing a 7B's files takes minutes, tokenising a set's prompts seconds: once each.
        self._base: BaseRecord | None = None
        self._adapters: dict[tuple[Place, int | None], Adapter] = {}
        self._data: dict[str, Data] = {}

    def base(self, lm: Engine) -> BaseRecord:
        """What identifies the base."""
        self._base = self._base or _base(self._place, lm, self.study.engine_args.get("subfolder"))
        return self._base

    def adapter(self, lm: Engine, place: Place | None, step: int | None = None) -> Adapter:
        """What identifies an adapter; all empty for the base alone.

        Raises:
            PTSTError: If its folder holds no weights, or it was trained on another base.
            OSError: If a file cannot be read.
        """
        if place is None:
            return Adapter()
        if (place, step) not in self._adapters:
            if lm.served:
                found = Adapter(weights=f"served:{lm.served}/{place}", step=step)
            else:
                found = adapter_of(Path(place), step)
                check_weights(Path(place), found)
                check_origin(place, self.base(lm).weights)
            self._adapters[place, step] = found
        return self._adapters[place, step]

    def data(self, lm: Engine, name: str, task: Any) -> Data:
        """What is asked; the same for every adapter."""
        if name not in self._data:
            self._data[name] = data_of(lm, task, self.study.test.limit)
        return self._data[name]

    def of(
        self,
        lm: Engine,
        place: Place | None,
        step: int | None,
        name: str,
        task: Any,
        seed: int | None,
    ) -> Generation:
        """The record of one cell.

        Args:
            lm: The engine.
            place: Where the adapter is; None for the base alone.
            step: For a copy kept along training, after how many steps.
            name: lm-eval's name of the task.
            task: The task.
            seed: Of the sampling; None where answers are greedy.

        Raises:
            PTSTError: If there are no weights, or no prompts.
            OSError: If a file cannot be read.
        """
        return Generation(
            base=self.base(lm),
            adapter=self.adapter(lm, place, step),
            data=self.data(lm, name, task),
            decoding=Decoding(used(lm, task), seed),
            engine=self.engine(lm),
        )

    def engine(self, lm: Engine) -> EngineRecord:
        """What computes the answers, and with which versions."""
        args = dict(self.study.engine_args)
        deciding = {k: content(v) for k, v in args.items() if k not in LAYOUT}
        return EngineRecord(
            name=self.study.engine,
            dtype=lm.facts()["dtype"],
            # Those of an endpoint say how it is asked; what goes into a body is in the prompts.
            args={} if lm.served else deciding,
            layout={} if lm.served else {k: v for k, v in args.items() if k in LAYOUT},
            versions=versions_of(self.study.engine),
        )


def base_folder(base: str) -> Path | str:
    """Where a study's base is; one that is made, or read into a folder, is so if it is not there.

    Raises:
        PTSTError: If it cannot be had.
    """
    return made_bases.make(base) if made_bases.is_made(base) else local_base(base)


def _base(place: Place, lm: Engine, subfolder: Any = None) -> BaseRecord:
    if lm.served:
        return BaseRecord(weights=f"served:{lm.served}/{place}")
    return base_at(place, lm.facts()["commit"], str(subfolder or ""))


def content(value: Any) -> Any:
    """An argument that names a file or a folder counts by what is in it."""
    if isinstance(value, str) and value and Path(value).exists():
        return f"sha256:{path_digest(Path(value))}"
    return value
