"""Where an answer ends, and which text it leaves: as lm-eval's ``hf`` model with one row per batch.

lm-eval looks for stop strings in the text *with* special tokens, returns the text *without* them,
and always takes the tokenizer's end of sequence as one stop string more, whatever the model's
generation_config calls its end. In a batch of many rows its answers depend on when the other
rows end; here each row ends where it would have ended alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ptst_tasks.engines.thoughts import Thoughts, cut_answer, special_tokens
from ptst_tasks.lm_internals import stops_with_end

__all__ = ["Ends", "id_list"]

_BACK = 2  # lm-eval looks that many tokens further back than a stop string has


class Ends:
    """The ends of one kind of request.

    Args:
        tokenizer: The model's; None where it is not to be had.
        until: Stop strings, as they were asked for.
        eos: The model's own ids for the end of an answer.
        thoughts: What is known of its thoughts.

    Attributes:
        stops: The stop strings, the tokenizer's end of sequence among them.
        words: Those worth looking for in a text while it grows; a special token is known by its id.
        ids: Ids that end an answer: the model's, and special tokens that hold a stop string.
        late: Those of them that close a thought as well (``<|end|>`` of gpt-oss), and end an answer
            only behind it; they are not among `ids`.
        thoughts: As it was given.
    """

    def __init__(
        self,
        tokenizer: Any,
        until: Iterable[str],
        eos: Iterable[int],
        thoughts: Thoughts | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self.thoughts = thoughts or Thoughts(tokenizer, ())
        self.stops = tuple(stops_with_end(list(until), _eos_text(tokenizer)))
        special = special_tokens(tokenizer)
        words = [stop for stop in self.stops if stop]
        self.words = tuple(stop for stop in words if stop not in special.values())
        holding = {i for i, text in special.items() if any(stop in text for stop in words)}
        ends, closers = {*eos, *holding}, self.thoughts.closers
        self.late = frozenset(ends & closers)
        # A stop string may be within a marker (``<|``); markers are no text of an answer.
        self.ids = frozenset(ends - closers - (self.thoughts.shown - {*eos}))
        # A stop string may run from a special token into the text beside it.
        self._joined = {
            i
            for i, text in special.items()
            if i not in self.ids | self.thoughts.shown and any(_meet(text, s) for s in words)
        }

    def record(self) -> dict[str, Any]:
        """What is told apart for thoughts, as plain values; nothing for a model without markers."""
        late = {"eos_token_ids_of_answers": sorted(self.late)} if self.late else {}
        return {**self.thoughts.record(), **late}

    @functools.cached_property
    def _reach(self) -> list[tuple[str, int]]:
        """Each stop string, and how many tokens back lm-eval looks for it."""
        encode = functools.partial(self._tokenizer.encode, add_special_tokens=False)
        return [(stop, len(encode(stop)) + _BACK) for stop in self.stops if stop]

    def trim(self, ids: Sequence[int], opened: bool = False) -> list[int]:
        """The tokens of an answer up to its end, the token that ends it included.

        Args:
            ids: As they were generated.
            opened: Whether the prompt left a thought open.
        """
        first = self._first_of_answer(ids, opened)
        ends = (i for i, t in enumerate(ids) if t in self.ids or (t in self.late and i >= first))
        ids = list(ids[: next(ends, len(ids)) + 1])
        for i, token in enumerate(ids):
            if token in self._joined and i >= first:
                farthest = i + max(reach for _, reach in self._reach)
                for end in range(i + 1, min(farthest, len(ids)) + 1):
                    if self._stopped(ids[:end]):
                        return ids[:end]
        return ids

    def response(self, ids: Sequence[int], opened: bool, plain: Callable[[Any], str]) -> str:
        """The text of a response: its thought whole, its answer up to its end.

        Args:
            ids: As they were generated.
            opened: Whether the prompt left a thought open.
            plain: Decodes without special tokens.
        """
        text = self.thoughts.text(self.trim(ids, opened), opened, plain)
        return cut_answer(text, self.stops, self.thoughts.markers, opened)

    def _first_of_answer(self, ids: Sequence[int], opened: bool) -> int:
        if not self.thoughts.markers or (self.late | self._joined).isdisjoint(ids):
            return 0
        return self.thoughts.answer_at(ids, self.thoughts.begun(ids, opened))

    def _stopped(self, ids: list[int]) -> bool:
        return any(stop in self._tokenizer.decode(ids[-reach:]) for stop, reach in self._reach)


def id_list(ids: Any) -> list[int]:
    """Ids of a configuration, which may say none, one or many."""
    if ids is None:
        return []
    return [int(i) for i in ids] if isinstance(ids, (list, tuple)) else [int(ids)]


def _eos_text(tokenizer: Any) -> str | None:
    eos = getattr(tokenizer, "eos_token_id", None)
    return None if eos is None else str(tokenizer.decode([eos], skip_special_tokens=False))


def _meet(text: str, stop: str) -> bool:
    """Whether a stop string can begin or end within this text, or hold all of it."""
    if text in stop:
        return True
    sizes = range(1, min(len(text), len(stop)) + 1)
    return any(text.endswith(stop[:n]) or text.startswith(stop[-n:]) for n in sizes)
