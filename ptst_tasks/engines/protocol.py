"""What a study knows of an engine: lm-eval's own interface, and the switch between adapters.

The classes of `ptst_tasks.engines.ENGINES` have all of it; mypy compares them where they are
listed. A new engine is a class that has it too, most of it from `ptst_tasks.engines.base.Adapters`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from ptst_tasks.engines.journal import Journal
from ptst_tasks.errors import EngineError

__all__ = ["Engine"]


@runtime_checkable
class Engine(Protocol):
    """A base model in memory, or behind an endpoint, with any number of adapters.

    Attributes:
        journal: Keeps answers as they come; a study puts one in for each pass.
        on_batch: Hears how many more prompts are answered; a study puts its progress in.
        served: Host of the endpoint that has the weights, with its path if that is not ``/v1``;
            empty where they are here.
    """

    journal: Journal
    on_batch: Callable[[int], None]
    served: str

    @property
    def attached(self) -> list[str]:
        """Names of the adapters that can be used."""

    def attach(self, name: str, folder: str | Path) -> None:
        """Makes an adapter known, and makes sure that it changes what the model says.

        Args:
            name: What `use` will call it.
            folder: Where its weights are; for an endpoint its name there.

        Raises:
            EngineError: If it does not fit this base or changes nothing. The base and the adapters
                that are there stay as they are.
        """

    def think(self, end: str = "") -> None:
        """Says what ends a thought of this model, beside the markers of its chat template.

        Args:
            end: ``think_end_token``; empty for the template's alone.
        """

    def use(self, name: str = "", state: str = "") -> None:
        """Switches to an adapter, or with an empty name to the base alone.

        Args:
            name: As it was attached.
            state: Digest of base and adapter, for the journal's keys.

        Raises:
            EngineError: If it is not attached, or the base is no longer what it was.
        """

    def adapter(self, name: str = "", state: str = "") -> AbstractContextManager[Engine]:
        """Uses an adapter within a block; the base afterwards."""

    def decoding(self, gen_kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Every option as this engine uses it for requests with these generation options.

        Raises:
            PTSTError: If this engine cannot do what is asked for.
        """

    def prompt_ids(self, prompts: Sequence[Any]) -> list[list[int]]:
        """Numbers that identify these prompts as the model reads them."""

    def facts(self) -> dict[str, str]:
        """What else of the model decides its answers: ``dtype``, and the ``commit`` on the hub."""

    def unfit(self, name: str, folder: str | Path, error: Exception) -> EngineError:
        """The error of an adapter that cannot be attached, from what was found or raised."""

    def close(self) -> None:
        """Ends what the engine started; it cannot be used afterwards."""

    # lm-eval's own, as its `evaluate` calls them.

    @property
    def tokenizer_name(self) -> str:
        """Asked for wherever a chat template is."""

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> Any:
        """Text, or messages where an endpoint applies its own template."""

    def generate_until(self, requests: list[Any], disable_tqdm: bool = True) -> list[str]:
        """Answers all requests, each with a limit and stop strings of its own."""

    def loglikelihood(self, requests: list[Any], *args: Any, **kwargs: Any) -> Any:
        """(log-likelihood, whether greedy) of each continuation."""
