"""What all engines share: the switch between adapters, and how a request is read.

A study knows an engine as lm-eval's own interface and this: `attach`, `use`, `adapter`,
`attached`, `journal`, `on_batch`, `prompt_ids`, `facts`, `served`, `close`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ptst_tasks.engines.journal import Journal
from ptst_tasks.errors import EngineError
from ptst_tasks.lm_internals import cut_at_stops, read_gen_kwargs

__all__ = [
    "PROBE",
    "Adapters",
    "Request",
    "cut",
    "read_options",
    "read_requests",
    "reason",
    "sampled",
]

_ONLY_SAMPLING = ("do_sample", "temperature", "top_p", "top_k", "min_p")

PROBE = "Question: What is 2 + 3?\nAnswer:"


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt to be continued.

    Attributes:
        place: Its place among all.
        ids: Token ids of the prompt.
        limit: New tokens at most.
        stops: Stop strings.
        options: Decoding options, sorted.
        task: The task it belongs to.
    """

    place: int
    ids: tuple[int, ...]
    limit: int
    stops: tuple[str, ...]
    options: tuple[tuple[str, Any], ...]
    task: str = ""


class Adapters:
    """The part of an engine that knows its adapters; goes before lm-eval's class.

    Attributes:
        active: The adapter in use, empty for the base alone.
        state: Digest of base and adapter, for the journal's keys.
        journal: Keeps answers as they come.
        on_batch: Hears how many more prompts are answered.
        served: Where the weights are, if they are at an endpoint; else empty.
    """

    served = ""

    def start(self, journal: str | Path | None) -> None:
        """Begins with the base alone."""
        self._names: dict[str, Any] = {}
        self.active = self.state = ""
        self.journal = Journal(Path(journal) if journal else None)
        self.on_batch: Callable[[int], None] = lambda _: None

    @property
    def attached(self) -> list[str]:
        """Names of the adapters that can be used."""
        return list(self._names)

    def attach(self, name: str, folder: str | Path) -> None:
        """Makes an adapter known, and makes sure that it changes what the model says."""
        raise NotImplementedError

    def use(self, name: str = "", state: str = "") -> None:
        """Switches to an adapter, or with an empty name to the base alone.

        Args:
            name: As it was attached.
            state: Digest of base and adapter, for the journal's keys.
        """
        self.active, self.state = name, state or name

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
        tokenizer: Any = self.tokenizer  # type: ignore[attr-defined]
        ids: list[list[int]] = tokenizer(list(prompts), add_special_tokens=True)["input_ids"]
        return ids

    def encode(self, prompts: Sequence[str]) -> list[list[int]]:
        """Token ids of prompts; one by one, since lm-eval decides about BOS by the first of many."""
        return [self.tok_encode(prompt) for prompt in prompts]  # type: ignore[attr-defined]

    def decoding(self, given: Any) -> dict[str, Any]:
        """Every option as this engine uses it."""
        return dict(given)

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


def read_options(
    given: dict[str, Any], limit: int
) -> tuple[int, tuple[str, ...], tuple[tuple[str, Any], ...]]:
    """Reads lm-eval's generation options.

    Args:
        given: As a task says them.
        limit: New tokens where it does not say.

    Returns:
        The limit, the stop strings, and the rest, sorted.
    """
    options = read_gen_kwargs(given, limit)
    limit, stops = int(options.pop("max_gen_toks")), tuple(options.pop("until", None) or ())
    return limit, stops, tuple(sorted(options.items()))


def sampled(options: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The options of answers that are drawn at random; of greedy ones without what they ignore.

    ``do_sample`` is in what is returned exactly if answers are drawn.
    """
    found = dict(options)
    if found.get("do_sample"):
        return found
    return {k: v for k, v in found.items() if k not in _ONLY_SAMPLING}


def read_requests(lm: Any, requests: Sequence[Any]) -> list[Request]:
    """Tokenises lm-eval's requests.

    Raises:
        EngineError: If a prompt and its answer do not fit into the context.
    """
    out = []
    encoded = lm.encode([request.args[0] for request in requests])
    for place, (request, ids) in enumerate(zip(requests, encoded, strict=True)):
        limit, stops, options = read_options(request.args[1], lm.max_gen_toks)
        if len(ids) + limit > lm.max_length:
            raise EngineError(
                f"a prompt of {len(ids)} tokens and {limit} new ones exceed the model's "
                f"{lm.max_length}; lower max_gen_toks (lm-eval would cut the prompt's head)",
                task=request.task_name or "",
            )
        out.append(Request(place, tuple(ids), limit, stops, options, request.task_name or ""))
    return out


def cut(text: str, stops: Sequence[str]) -> str:
    """An answer up to its first stop string, as lm-eval cuts it."""
    return cut_at_stops(text, stops)


def reason(error: Exception) -> str:
    """What a library said, on one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__
