"""What all engines share: the switch between adapters, and what they say of those that do not fit.

What a study knows of an engine is `ptst_tasks.engines.protocol.Engine`; `Adapters` has most of it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from ptst_tasks.bos import encode_prompts
from ptst_tasks.decoding import DecodingOptions, read
from ptst_tasks.engines.answer_plan import AnswerPlan
from ptst_tasks.engines.fit import UnfitError
from ptst_tasks.engines.journal import Journal
from ptst_tasks.engines.thoughts import Thoughts, families
from ptst_tasks.errors import ConfigError, EngineError

__all__ = ["BY_NAME", "END_OF_THOUGHT", "PROBE", "SWITCH", "Adapters",
           "reason", "refuse"]  # fmt: skip

PROBE = "Question: What is 2 + 3?\nAnswer:"
BY_NAME = "adapters are attached by name (in a study: train.adapters)"
SWITCH = "use thinking: on or thinking: off (in a study at its top, else in --metadata)"
END_OF_THOUGHT = (
    "the thought is kept and the answer judged; say think_end_token in test.options (without a study "
    "in --metadata)"
)


class Adapters:
    """The part of an engine that knows its adapters; goes before lm-eval's class.

    Attributes:
        active: The adapter in use, empty for the base alone.
        state: Digest of base and adapter, for the journal's keys.
        journal: Keeps answers as they come.
        on_batch: Hears how many more prompts are answered.
        served: Host of the endpoint that has the weights, with its path if that is not ``/v1``;
            empty where they are here.
    """

    served = ""

    def start(self, journal: str | Path | None) -> None:
        """Begins with the base alone."""
        self._names: dict[str, Any] = {}
        self._plans: dict[str, AnswerPlan] = {}
        self._broken = ""
        self._asking: list[str] = []
        self._thoughts: Thoughts | None = None
        self._end_of_thought = ""
        self.active = self.state = ""
        self.journal = Journal(Path(journal) if journal else None)
        self.on_batch: Callable[[int], None] = lambda _: None

    @property
    def attached(self) -> list[str]:
        """Names of the adapters that can be used."""
        return list(self._names)

    def attach(self, name: str, folder: str | Path) -> None:
        """Makes an adapter known, and makes sure that it changes what the model says.

        Whatever goes wrong, the base and the adapters that are there stay as they are.
        """
        raise NotImplementedError

    def decoding(self, gen_kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Every option as this engine uses it for requests with these generation options.

        lm-eval's names for `max_gen_toks`, `until`, `do_sample` and `temperature`, transformers'
        for the rest; the model's own defaults and the ids that end an answer included.

        Raises:
            PTSTError: If this engine cannot do what is asked for.
        """
        return dict(self.plan(gen_kwargs).record)

    def plan(self, gen_kwargs: Mapping[str, Any]) -> AnswerPlan:
        """How requests with these options are answered; made once for each."""
        key = json.dumps(gen_kwargs, sort_keys=True, default=str)
        if key not in self._plans:
            self._plans[key] = self._plan(read(gen_kwargs, self.max_gen_toks))  # type: ignore[attr-defined]
        return self._plans[key]

    def _plan(self, options: DecodingOptions) -> AnswerPlan:
        raise NotImplementedError

    def think(self, end: str = "") -> None:
        """Says what ends a thought of this model, beside the markers that its chat template has.

        Args:
            end: ``think_end_token``; empty for the template's alone.
        """
        if end != self._end_of_thought:
            self._end_of_thought, self._thoughts, self._plans = end, None, {}

    @property
    def thoughts(self) -> Thoughts:
        """What is known of the model's thoughts."""
        if self._thoughts is None:
            tokenizer = getattr(self, "tokenizer", None)
            told = getattr(self, "chat_template_args", None)
            known = families(tokenizer, self._end_of_thought, told)
            self._thoughts = Thoughts(tokenizer, known)
        return self._thoughts

    def use(self, name: str = "", state: str = "") -> None:
        """Switches to an adapter, or with an empty name to the base alone.

        Args:
            name: As it was attached.
            state: Digest of base and adapter, for the journal's keys.
        """
        self.alive()
        if name and name not in self._names:
            raise EngineError(f"no adapter {name!r} is attached")
        self.active, self.state = name, state or name

    def alive(self) -> None:
        """Makes sure that the base is still the one that was loaded.

        Raises:
            EngineError: If it is not, for every use from then on.
        """
        if self._broken:
            raise EngineError(self._broken)

    @contextlib.contextmanager
    def adapter(self, name: str = "", state: str = "") -> Iterator[Self]:
        """Uses an adapter within a block; the base afterwards."""
        self.use(name, state)
        try:
            yield self
        finally:
            self.use("")

    def prompt_ids(self, prompts: Sequence[Any]) -> list[list[int]]:
        """Token ids that identify these prompts."""
        return encode_prompts(self.tokenizer, prompts)  # type: ignore[attr-defined]

    def encode(self, prompts: Sequence[str]) -> list[list[int]]:
        """Token ids of prompts; one by one, since lm-eval decides about BOS by the first of many."""
        return [self.tok_encode(prompt) for prompt in prompts]  # type: ignore[attr-defined]

    def loglikelihood(self, requests: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        """lm-eval's own; what is too long names its task."""
        self._asking = [request.task_name or "" for request in requests]
        try:
            return super().loglikelihood(requests, *args, **kwargs)  # type: ignore[misc]
        finally:
            self._asking = []

    def check_room(self, requests: Sequence[tuple[Any, list[int], list[int]]], room: int) -> None:
        """Makes sure that each prompt and its continuation fit; lm-eval would cut its head.

        Args:
            requests: As lm-eval hands them on: text, ids of the prompt, ids of the continuation.
            room: Tokens at most.

        Raises:
            EngineError: If one does not; with its task, if lm-eval said whose it is.
        """
        known = len(self._asking) == len(requests)
        for place, (_, head, tail) in enumerate(requests):
            if len(head) + len(tail) > room:
                raise EngineError(
                    f"a prompt of {len(head)} tokens and its continuation of {len(tail)} exceed the "
                    f"model's {self.max_length}; raise max_length if the model takes more, "  # type: ignore[attr-defined]
                    "or leave this task out (lm-eval would cut the prompt's head)",
                    task=self._asking[place] if known else "",
                )

    def facts(self) -> dict[str, str]:
        """What else of the model decides its answers: ``dtype``, and the ``commit`` on the hub."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends what the engine started; it cannot be used afterwards."""

    def idle(self, name: str) -> EngineError:
        """The error of an adapter that changes nothing."""
        return EngineError(
            f"the adapter {name!r} changes nothing: its logits equal the base's on a probe prompt "
            "(untrained, or its target modules are not in this base)"
        )

    def unfit(self, name: str, folder: str | Path, error: Exception) -> EngineError:
        """The error of an adapter that cannot be attached, from what was found or raised."""
        if isinstance(error, EngineError):
            return error
        why = reason(error)
        said = why if isinstance(error, UnfitError) else f"does not fit this base: {why}"
        return EngineError(f"the adapter {name!r} {said} ({folder})")

    def unsound(self, whose: str) -> EngineError:
        """The error of a model whose logits are no numbers."""
        return EngineError(
            f"{whose} gives NaN or infinite logits on a probe prompt; its answers would be noise"
        )

    def new_name(self, name: str) -> None:
        """Makes sure that a name is free.

        Raises:
            EngineError: If it is not.
        """
        self.alive()
        if name in self._names:
            raise EngineError(
                f"an adapter {name!r} is attached already; give this one another name"
            )


def refuse(engine: str, given: Mapping[str, Any], refused: Mapping[str, str]) -> None:
    """Refuses arguments of lm-eval's that this engine would take, and do nothing with.

    Raises:
        ConfigError: If one is given; the message ends with what to do instead.
    """
    for name, instead in refused.items():
        value = given.get(name)
        if value is not None and value is not False and value != "":  # 0 is a token, too
            raise ConfigError(f"engine {engine!r} takes no {name} ({value!r}): {instead}")


def reason(error: Exception) -> str:
    """What a library said, on one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__
