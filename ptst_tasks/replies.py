"""What a model wrote, apart: the thought beside, and the answer alone for everything that scores.

A response in memory and in a samples file is whole: thought and answer with their markers. It is
read by the families that the task's record names, so that a saved run is read as it was scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ptst_tasks.thinking import MARKERS, Markers, split

__all__ = ["CUT", "RAISE", "Reply", "begun", "described", "families_in", "families_of", "read"]

RAISE = "raise max_gen_toks"
"""What to do about thoughts that are cut off."""
CUT = f"the thought was cut off, so there is no answer; {RAISE}"
"""Why such a response has no verdict."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A response as it is judged.

    Attributes:
        query: The raw question or prompt.
        answer: What was answered, with the prefill; empty where the thought was cut off.
        reasoning: What was thought, without markers; empty where nothing was.
        cut: Whether the thought was cut off, so that there is no answer.
        judge_reasoning: Whether a judge is asked about the thought too.
    """

    query: str
    answer: str
    reasoning: str = ""
    cut: bool = False
    judge_reasoning: bool = False


def described(text: str, opens: Markers | None) -> str:
    """A response that says by itself where its thought begins.

    Args:
        text: As the model wrote it.
        opens: The family whose thought the prompt left open; None for none.
    """
    if opens is None or not opens.open or text.lstrip().startswith(opens.open.strip()):
        return text
    return opens.open + text


def read(
    query: str,
    text: str,
    families: Sequence[Markers],
    prefix: str = "",
    *,
    judge_reasoning: bool = False,
) -> Reply:
    """Takes a response apart.

    Args:
        query: The raw question or prompt.
        text: The response, thought included.
        families: What the model's thoughts are marked by; none for one that does not think.
        prefix: What the answer was made to begin with.
        judge_reasoning: See `Reply`.
    """
    # A text that says whose thought it begins with is read by that family first.
    begins = text.lstrip()
    mine = sorted(families, key=lambda m: not (m.open and begins.startswith(m.open.strip())))
    parts = split(text, mine)
    answer = "" if parts.cut else prefix + parts.answer
    return Reply(query, answer, parts.reasoning, parts.cut, judge_reasoning)


def begun(text: str) -> str:
    """The marker of a known family that a text begins with; empty for none."""
    start = text.lstrip()
    return next((m.open.strip() for m in MARKERS if start.startswith(m.open.strip())), "")


def families_of(markers: Iterable[Markers]) -> list[dict[str, Any]]:
    """Families as plain values, for a task's record."""
    return [{"open": m.open, "close": m.close, "head": list(m.head), "tail": list(m.tail)}
            for m in markers]  # fmt: skip


def families_in(record: Mapping[str, Any]) -> tuple[Markers, ...]:
    """The families that a task's record names; none where it is of a version that split nothing.

    Raises:
        ValueError: If one of them is no such thing.
    """
    return tuple(map(_family, record.get("markers") or ()))


def _family(values: Any) -> Markers:
    try:
        texts = [values["open"], values["close"], *values["head"], *values["tail"]]
        made = Markers(
            values["open"], values["close"], tuple(values["head"]), tuple(values["tail"])
        )
    except (TypeError, KeyError) as e:
        raise ValueError(f"{values!r:.60}") from e
    if not made.close or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{values!r:.60}")
    return made
