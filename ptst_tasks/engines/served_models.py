"""Which models an endpoint serves, and what each says to a probe: looked at once per model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ptst_tasks.engines.calls import Calls, RefusedError
from ptst_tasks.engines.served_settings import ServedSettings
from ptst_tasks.engines.wire import MODELS, log_probabilities, probes, served_names
from ptst_tasks.errors import EngineError, did_you_mean

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["ServedModels"]

_NAMES_SHOWN = 10


class ServedModels:
    """What is known of an endpoint's models.

    Args:
        calls: Makes the calls.
        settings: Of the engine.
    """

    def __init__(self, calls: Calls, settings: ServedSettings) -> None:
        self._calls, self._settings = calls, settings
        self._listed: list[str] | None = None
        self._probed: dict[str, list[tuple[str, float]]] = {}

    async def check(self, client: AsyncOpenAI, model: str) -> None:
        """Makes sure that the endpoint serves a model, if it says what it serves.

        Raises:
            EngineError: If it does not.
        """
        if self._listed is None:
            self._listed = await self._list(client)
        if self._listed and model not in self._listed:
            shown = ", ".join(self._listed[:_NAMES_SHOWN])
            more = len(self._listed) - _NAMES_SHOWN
            raise EngineError(
                f"{self._settings.endpoint.url} serves no model {model!r}; "
                f"{did_you_mean(model, self._listed)}"
                f"known: {shown}{f' and {more} more' if more > 0 else ''}"
            )

    async def probe(self, client: AsyncOpenAI, model: str) -> list[tuple[str, float]]:
        """Tokens and log-probabilities of a probe; empty where the endpoint gives none."""
        if model not in self._probed:
            found: list[tuple[str, float]] = []
            for path, call in probes(model, self._settings):
                try:
                    found = await self._calls.ask(client, path, call, log_probabilities)
                except RefusedError:  # not every endpoint gives log-probabilities
                    continue
                if found:
                    break
            self._probed[model] = found
        return self._probed[model]

    async def probe_if_served(self, client: AsyncOpenAI, model: str) -> list[tuple[str, float]]:
        """The same of a model that need not be there: the base of adapters that are."""
        if self._listed and model not in self._listed:
            return []
        try:
            return await self.probe(client, model)
        except EngineError:  # a base that is not served cannot be compared with
            return []

    async def _list(self, client: AsyncOpenAI) -> list[str]:
        try:
            return await self._calls.ask(client, MODELS, None, served_names)
        except RefusedError:  # not every endpoint offers a list
            return []
