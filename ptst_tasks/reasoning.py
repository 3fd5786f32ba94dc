"""The thoughts in the responses of one task of ours: made visible, taken off, counted."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ptst_tasks.record import TaskRecord
from ptst_tasks.replies import RAISE, Reply, begun, described, families_of, read
from ptst_tasks.thinking import Markers, unopened

__all__ = ["Known", "Reasoning", "Unseen"]

log = logging.getLogger(__name__)

Doc = Mapping[str, Any]
Unseen = Literal["no", "maybe", "sure"]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a model's thoughts.

    Attributes:
        families: Its markers; none for one that does not think.
        only_seen: Count thoughts only where there is one: what an endpoint serves, or a model that
            was told not to think, may have none at all.
        unseen: Whether the prompt may open a thought that is not seen here: a server writes it, or
            the user says that the model thinks.
        hidden: The families whose opening marker a server may have written.
        instead: Which engine of ours ends the answer alone at stop strings, where the model's class
            ends thoughts there too; empty for engines of ours.
        stripped: Whether lm-eval takes thoughts off itself.
    """

    families: tuple[Markers, ...] = ()
    only_seen: bool = False
    unseen: Unseen = "no"
    hidden: tuple[Markers, ...] = ()
    instead: str = ""
    stripped: bool = False


class Reasoning:
    """What is known of a task's thoughts, from its requests to its scores.

    Args:
        task: Its name, for messages.
        prefix: What answers are made to begin with.
        judge_reasoning: Whether judges are asked about thoughts too.

    Attributes:
        known: What is known of the model's.
        cut: Id of a row -> whether the thought of its response, of several the first, was cut off.
    """

    def __init__(self, task: str, prefix: str = "", *, judge_reasoning: bool = False) -> None:
        self._task, self._prefix, self._judge_reasoning = task, prefix, judge_reasoning
        self.known = Known()
        self.cut: dict[str, bool] = {}
        self._opens: dict[int, Markers] = {}

    def prefilled(self, prefix: str) -> None:
        """Answers are made to begin with this, which only the model's tokenizer could say."""
        self._prefix = prefix

    @property
    def families(self) -> tuple[Markers, ...]:
        """What thoughts are marked by; none for a model that does not think."""
        return self.known.families

    def expect(self, known: Known) -> None:
        """Begins anew for a model."""
        self.known, self._opens, self.cut = known, {}, {}

    def opened(self, number: int, family: Markers | None) -> None:
        """Takes note of a prompt that leaves a thought open, of a model whose thoughts are looked for."""
        # A prefill stands behind the thought.
        if family is not None and self.families and not self._prefix:
            self._opens[number] = family

    def read(self, doc: Doc, text: str) -> Reply:
        """Takes a response apart."""
        query = str(doc.get("prompt", ""))
        return read(query, text, self.families, self._prefix, judge_reasoning=self._judge_reasoning)

    def take_off(self, resps: Sequence[Sequence[str]], docs: Sequence[Doc]) -> list[list[str]]:
        """The answers alone, for filters of lm-eval."""
        return [
            [self.read(doc, text).answer for text in texts]
            for doc, texts in zip(docs, resps, strict=True)
        ]

    def look(self, instances: Iterable[Any], record: TaskRecord) -> None:
        """Makes every response say where its thought begins; counts those that were cut off.

        Args:
            instances: lm-eval's, answered.
            record: Told of the families, and whether thoughts are counted.
        """
        seen, stops, whole = 0, False, dict[str, int]()
        for one in instances:
            replies = self.mark(one)
            seen += any(r.cut or r.reasoning for r in replies)
            stops |= bool(self.known.instead) and _has_stops(one)
            if not self.families and (marker := begun(one.resps[0])):
                whole[marker] = whole.get(marker, 0) + 1
        self._say(whole, f"{RAISE}, or {_OURS % self.known.instead}" if stops else RAISE)
        if self._judge_reasoning and not seen:
            log.warning("%s: judge_reasoning does nothing: no response has a thought", self._task)
        record.pop("thinks", None)  # of the model before
        record.pop("markers", None)
        if self.families:
            record["markers"] = families_of(self.families)
            if seen or not self.known.only_seen:
                record["thinks"] = True

    def mark(self, instance: Any) -> list[Reply]:
        """Makes the responses of one instance say where their thoughts begin; takes them apart."""
        opens = self._opens.get(instance.doc_id)
        instance.resps = [described(text, opens or self._hidden(text)) for text in instance.resps]
        replies = [self.read(instance.doc, text) for text in instance.resps]
        # As every other metric, of the first of several responses.
        self.cut[str(instance.doc.get("id"))] = replies[0].cut
        return replies

    def _hidden(self, text: str) -> Markers | None:
        sure = self.known.unseen == "sure"
        return None if self.known.unseen == "no" else unopened(text, self.known.hidden, sure=sure)

    def _say(self, whole: Mapping[str, int], advice: str) -> None:
        cut, n = sum(self.cut.values()), len(self.cut)
        if cut:
            log.warning("%s: %d of %d responses are thoughts that were cut off (%.1f %%): %s",
                        self._task, cut, n, 100 * cut / n, advice)  # fmt: skip
        why = _STRIPPED if self.known.stripped else _UNKNOWN
        for marker, times in whole.items():
            log.warning("%s: %d of %d responses begin with %r and are scored whole, %s",
                        self._task, times, n, marker, why)  # fmt: skip


_OURS = "use `ptst eval --model %s`, whose stop strings end the answer alone"
_UNKNOWN = "as nothing says that this model thinks; pass --apply_chat_template, or --metadata " \
           "think_end_token"  # fmt: skip
_STRIPPED = "as lm-eval found no end of the thought (think_end_token in --model_args)"


def _has_stops(instance: Any) -> bool:
    options = instance.args[1] if len(instance.args) > 1 else None
    return isinstance(options, Mapping) and bool(options.get("until"))
