"""The judges as a filter of lm-eval's, for anybody's task: ``function: ptst-judge``.

A version of lm-eval that reads entry points finds it by its name; for one that does not it is registered
by hand, ``register_filter("ptst-judge")(JudgeFilter)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lm_eval.api.filter import Filter

from ptst_tasks.errors import DataError
from ptst_tasks.filters import judge_replies
from ptst_tasks.judges import make
from ptst_tasks.replies import Reply

__all__ = ["JudgeFilter"]


class JudgeFilter(Filter):  # type: ignore[misc]
    """Puts a judge's verdict in each response's place, for `metrics.harmful` or `metrics.overrefusal`.

    Args:
        judge: ``name`` or ``name:settings``.
        query: Field of a row that holds the raw query.
        **_: Of lm-eval's.

    Raises:
        PTSTError: If there is no such judge.
    """

    def __init__(self, judge: str = "keywords:zou", query: str = "prompt", **_: Any) -> None:
        self._judge, self._query = make(judge), query

    def apply(self, resps: Iterable[Sequence[str]], docs: Sequence[dict[str, Any]]) -> list[Any]:
        """Judges all responses of a task at once.

        Raises:
            DataError: If a row has no such field.
            JudgeError: If the judge cannot judge at all.
        """
        given = [list(texts) for texts in resps]
        if lacking := next((doc for doc in docs if self._query not in doc), None):
            raise DataError(
                f"ptst-judge: a row has no field {self._query!r} for the query; it has "
                f"{', '.join(map(repr, lacking))}; say which one is it: query: NAME"
            )
        asked = [Reply(str(doc[self._query]), text)
                 for doc, texts in zip(docs, given, strict=True) for text in texts]  # fmt: skip
        verdicts = iter(judge_replies(self._judge, asked))
        return [[next(verdicts) for _ in texts] for texts in given]
