"""What was measured of a run's models before, in ``RUN/explain/models``: nothing is computed twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, FiniteFloat, TypeAdapter, ValidationError

from leaderboards.explain.directions import Measure
from leaderboards.run.faults import check_disk
from ptst_tasks.digests import digest_json, read_json, write_json
from ptst_tasks.errors import ConfigError, said
from ptst_tasks.provenance import Adapter

__all__ = ["METHOD", "Kept", "Layers"]

METHOD = 1
"""Raised whenever a change of ours can change a number; it is in every file's name."""


class Layers(BaseModel):
    """One model under one test template.

    Attributes:
        layers: Its measures, the first layer first.
        best: The layer at which the base tells the two kinds of prompts apart best.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    layers: tuple[Measure, ...]
    best: int


_NUMBERS = TypeAdapter(list[FiniteFloat])


class Kept:
    """A file for each model under each test template, named by a digest of all that decides it.

    Args:
        run: The run's folder.
        facts: What decides the numbers of every model: base, engine, versions.
        prompts: Digests of the harmful and harmless prompts' token ids, by test template.
    """

    def __init__(
        self, run: Path, facts: Mapping[str, Any], prompts: Mapping[str, tuple[str, str]]
    ) -> None:
        self._folder = run / "explain" / "models"
        self._facts, self._prompts = facts, prompts

    def get(self, adapter: Adapter, test: str) -> Layers | None:
        """What is there; None where nothing is, or what is there is damaged."""
        identity = self._identity(adapter, test)
        told = read_json(self._file(identity))
        if told is None or told.get("identity") != identity:
            return None
        try:
            found = Layers.model_validate(told.get("found"))
            for layer in found.layers:
                _NUMBERS.validate_python(list(asdict(layer).values()))
        except ValidationError:
            return None
        return found if 1 <= found.best <= len(found.layers) else None

    def put(self, adapter: Adapter, test: str, found: Layers) -> None:
        """Keeps it.

        Raises:
            ConfigError: If it cannot be written.
        """
        identity = self._identity(adapter, test)
        file = self._file(identity)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, {"identity": identity, "found": found.model_dump(mode="json")})
        except OSError as e:
            check_disk(e)
            raise ConfigError(f"{str(file)!r} cannot be written: {said(e)}") from e

    def _identity(self, adapter: Adapter, test: str) -> dict[str, Any]:
        harmful, harmless = self._prompts[test]
        return {"method": METHOD, **self._facts, "harmful": harmful, "harmless": harmless,
                "adapter": {"weights": adapter.weights, "config": adapter.config}}  # fmt: skip

    def _file(self, identity: Mapping[str, Any]) -> Path:
        return self._folder / f"{digest_json(identity)}.json"
