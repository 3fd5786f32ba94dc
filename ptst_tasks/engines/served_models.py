"""Which models an endpoint serves, and what each says to a probe: looked at once per model."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ptst_tasks.engines.base import PROBE
from ptst_tasks.engines.calls import Calls, RefusedError
from ptst_tasks.engines.served_settings import ServedSettings
from ptst_tasks.engines.served_thoughts import KWARGS, both_ways
from ptst_tasks.engines.wire import (
    MODELS,
    TOKENIZE,
    is_vllm,
    log_probabilities,
    probes,
    served_names,
    token_ids,
)
from ptst_tasks.errors import EngineError, did_you_mean

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["ServedModels"]

log = logging.getLogger(__name__)

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
        self._vllm = False
        self._probed: dict[str, list[tuple[str, float]]] = {}
        self._switches: dict[str, bool | None] = {}

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

    async def check_switch(self, client: AsyncOpenAI, model: str) -> None:
        """Makes sure that a model's chat template has a switch for thinking, if the server shows it.

        vLLM's is asked for the token ids of one question, with the switch on and off. Of others it
        is not known that their route hands the switch on.

        Raises:
            EngineError: If they are the same.
        """
        if model not in self._switches:
            self._switches[model] = await self._look_at_switch(client, model)
        if self._switches[model] is False:
            raise EngineError(
                f"the switch does nothing: to {model!r} at {self._settings.endpoint.url} the prompt is the "
                "same with thinking on and off; leave thinking out, or say what its chat template takes "
                f"in engine_args: extra: {{{KWARGS}: {{...}}}}"
            )

    async def _look_at_switch(self, client: AsyncOpenAI, model: str) -> bool | None:
        """Whether the switch changes a prompt; None, and a warning, where the server does not say."""
        url = self._settings.endpoint.url.rstrip("/").removesuffix("/v1") + TOKENIZE
        asked = [{"role": "user", "content": PROBE}]
        ids = []
        for told in both_ways(self._settings):
            call = {"model": model, "messages": asked, KWARGS: told}
            ids.append(token_ids(await self._calls.look(client, url, call)))
        if all(ids) and (self._vllm or ids[0] != ids[1]):
            return ids[0] != ids[1]
        why = "shows the same prompt for both" if all(ids) else "is not there for messages"
        log.warning("%s: that thinking: on and off are two things to %r could not be checked (%s %s)",
                    self._settings.endpoint.url, model, TOKENIZE, why)  # fmt: skip
        return None

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
            names, self._vllm = await self._calls.ask(client, MODELS, None, _read_models)
            return names
        except RefusedError:  # not every endpoint offers a list
            return []


def _read_models(reply: Any) -> tuple[list[str], bool]:
    return served_names(reply), is_vllm(reply)
