"""The thoughts in the responses of one task of ours: made visible, taken off, counted."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from ptst_tasks.record import TaskRecord
from ptst_tasks.replies import RAISE, Reply, begun, described, families_of, read
from ptst_tasks.thinking import Markers, unopened

__all__ = ["Reasoning", "Unseen"]

log = logging.getLogger(__name__)

Doc = Mapping[str, Any]
Unseen = Literal["no", "maybe", "sure"]


class Reasoning:
    """What is known of a task's thoughts, from its requests to its scores.

    Args:
        task: Its name, for messages.
        prefix: What answers are made to begin with.
        judge_reasoning: Whether judges are asked about thoughts too.

    Attributes:
        families: What thoughts are marked by; none for a model that does not think.
        cut: Id of a row -> whether its thought was cut off.
    """

    def __init__(self, task: str, prefix: str = "", *, judge_reasoning: bool = False) -> None:
        self._task, self._prefix, self._judge_reasoning = task, prefix, judge_reasoning
        self.families: tuple[Markers, ...] = ()
        self.cut: dict[str, bool] = {}
        self._opens: dict[int, Markers] = {}
        self._only_seen = False
        self._unseen: Unseen = "no"

    def expect(
        self, families: tuple[Markers, ...], only_seen: bool = False, unseen: Unseen = "no"
    ) -> None:
        """Begins anew for a model.

        Args:
            families: Its markers.
            only_seen: Count thoughts only where there is one: what an endpoint serves, or a model
                that was told not to think, may have none at all.
            unseen: Whether the prompt may open a thought that is not seen here: a server writes it,
                or the user says that the model thinks.
        """
        self.families, self._only_seen, self._unseen = families, only_seen, unseen
        self._opens, self.cut = {}, {}

    def opened(self, number: int, family: Markers | None) -> None:
        """Takes note of a prompt that leaves a thought open."""
        if family is not None and not self._prefix:  # a prefill stands behind the thought
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
        seen, whole = 0, dict[str, int]()
        for one in instances:
            opens = self._opens.get(one.doc_id)
            one.resps = [described(text, opens or self._hidden(text)) for text in one.resps]
            replies = [self.read(one.doc, text) for text in one.resps]
            seen += any(r.cut or r.reasoning for r in replies)
            self.cut[str(one.doc.get("id"))] = any(r.cut for r in replies)
            if not self.families and (marker := begun(one.resps[0])):
                whole[marker] = whole.get(marker, 0) + 1
        self._say(whole)
        if self._judge_reasoning and not seen:
            log.warning("%s: judge_reasoning does nothing: no response has a thought", self._task)
        record.pop("thinks", None)  # of the model before
        record.pop("markers", None)
        if self.families and (seen or not self._only_seen):
            record["markers"], record["thinks"] = families_of(self.families), True

    def _hidden(self, text: str) -> Markers | None:
        sure = self._unseen == "sure"
        return None if self._unseen == "no" else unopened(text, self.families, sure=sure)

    def _say(self, whole: Mapping[str, int]) -> None:
        cut, n = sum(self.cut.values()), len(self.cut)
        if cut:
            log.warning("%s: %d of %d responses are thoughts that were cut off (%.1f %%): %s",
                        self._task, cut, n, 100 * cut / n, RAISE)  # fmt: skip
        for marker, times in whole.items():
            log.warning(
                "%s: %d of %d responses begin with %r and are scored whole, as nothing says that this "
                "model thinks; pass --apply_chat_template, or --metadata think_end_token",
                self._task, times, n, marker,
            )  # fmt: skip
