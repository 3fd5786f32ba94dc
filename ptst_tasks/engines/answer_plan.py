"""What is asked of an engine: prompts as token ids, and the one plan of those with like options."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ptst_tasks.decoding import DecodingOptions, draw
from ptst_tasks.engines.ends import Ends
from ptst_tasks.errors import ConfigError, EngineError

__all__ = ["AnswerPlan", "Request", "all_stops", "read_requests"]


@dataclass(frozen=True, slots=True)
class AnswerPlan:
    """How the requests with the same options are answered.

    Attributes:
        options: As they were asked for.
        ends: Where an answer ends.
        engine: The engine's own form of the options; what it generates with.
        record: All of that as plain values; see `Adapters.decoding`.
        group: What requests must share to share a batch: the record without what each row has for
            itself.
    """

    options: DecodingOptions
    ends: Ends
    engine: Any
    record: Mapping[str, Any]
    group: str

    @classmethod
    def make(
        cls, options: DecodingOptions, ends: Ends, engine: Any, rest: Mapping[str, Any]
    ) -> AnswerPlan:
        """A plan; `rest` is what the engine says of its own form of the options."""
        said = {k: v for k, v in options.record().items() if k != "eos_token_id"}
        record = {**said, **rest, "until": list(ends.stops), "eos_token_ids": sorted(ends.ids)}
        record |= ends.record()
        row = {"max_gen_toks", "until", "eos_token_ids", "seed"}
        if "forced_eos_token_id" in record:  # at the end of the longest
            row.remove("max_gen_toks")
        shared = {k: v for k, v in record.items() if k not in row}
        return cls(options, ends, engine, record, json.dumps(shared, sort_keys=True))


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt to be continued.

    Attributes:
        place: Its place among all.
        ids: Token ids of the prompt.
        plan: How it is answered.
        seed: Of this one answer, where it is drawn.
        task: The task it belongs to.
        opened: Whether the prompt leaves a thought open.
    """

    place: int
    ids: tuple[int, ...]
    plan: AnswerPlan
    seed: int | None = None
    task: str = ""
    opened: bool = False

    @property
    def limit(self) -> int:
        """New tokens at most."""
        return self.plan.options.limit

    @property
    def key(self) -> tuple[Any, ...]:
        """What decides its answer beside the model and the plan's group."""
        return self.ids, self.limit, self.plan.ends.stops, sorted(self.plan.ends.ids), self.seed


def read_requests(lm: Any, requests: Sequence[Any]) -> list[Request]:
    """Tokenises lm-eval's requests, and gives each answer that is drawn its own seed.

    Raises:
        EngineError: If a prompt and its answer do not fit into the context, or the options cannot
            be had.
    """
    out, seen = [], Counter[tuple[str, tuple[int, ...]]]()
    encoded = lm.encode([request.args[0] for request in requests])
    for place, (request, ids) in enumerate(zip(requests, encoded, strict=True)):
        task, asked = request.task_name or "", tuple(ids)
        try:
            plan: AnswerPlan = lm.plan(request.args[1])
        except (ConfigError, EngineError) as e:
            raise EngineError(str(e), task) from e
        if len(ids) + plan.options.limit > lm.max_length:
            raise EngineError(
                f"a prompt of {len(ids)} tokens and {plan.options.limit} new ones exceed the model's "
                f"{lm.max_length}; lower max_gen_toks (lm-eval would cut the prompt's head)",
                task=task,
            )
        seed = plan.options.seed
        if seed is not None:  # the task too: what else is in the pass changes no answer
            seed = draw(seed, task, asked, seen[task, asked])
            seen[task, asked] += 1
        opened = plan.ends.thoughts.opened(request.args[0])
        out.append(Request(place, asked, plan, seed, task, opened))
    return out


def all_stops(options: DecodingOptions, own: Mapping[str, Any]) -> list[str]:
    """The stop strings that were asked for, and those of the model's generation_config.

    Raises:
        EngineError: If its values ask for answers that cannot be had row by row.
    """
    if own.get("min_length") and "min_new_tokens" not in options.rest:
        raise EngineError(
            f"the base's generation_config has min_length {own['min_length']!r}, which counts the "
            "prompt and its padding; say min_new_tokens in gen_kwargs, which takes its place"
        )
    several = (own.get("num_return_sequences") or 1) > 1
    for name, why in (
        ("max_time", "answers would depend on how fast this machine is"),
        ("num_return_sequences" if several else "", "one answer is asked for"),
    ):
        if own.get(name):
            raise EngineError(
                f"the base's generation_config has {name} {own[name]!r}: {why}; take it out there"
            )
    more = [stop for stop in own.get("stop_strings") or () if stop not in options.until]
    return [*options.until, *more]
