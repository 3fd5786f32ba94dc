"""An output of inspect's as one text, as `ptst_tasks.engines.served` reads an endpoint's reply."""

from __future__ import annotations

from typing import Any

from ptst_tasks.engines.served_thoughts import UNSAID, written

__all__ = ["as_written", "has_answer", "whole"]


def has_answer(output: Any) -> bool:
    """Whether the model answered: not where the endpoint says that a filter took it, or why not."""
    if output.error or not output.choices:
        return False
    return output.stop_reason != "content_filter" or bool(output.completion)


def whole(output: Any) -> str:
    """Thought and answer, the thought within its markers; half characters are replaced."""
    return as_written(output.completion, _thought(output), cut=output.stop_reason == "max_tokens")


def as_written(answer: str, thought: str = "", *, cut: bool = False) -> str:
    """The same, of its parts.

    Args:
        answer: What was answered.
        thought: What was thought, where that came apart.
        cut: Whether the limit of new tokens ended it.
    """
    text = written(answer, thought, UNSAID, cut=cut) or ""
    return text.encode("utf-8", "replace").decode()


def _thought(output: Any) -> str:
    """What inspect took off as reasoning; empty for nothing."""
    content = output.message.content
    if isinstance(content, str):
        return ""
    parts = (part.reasoning or getattr(part, "summary", None) or ""
             for part in content if part.type == "reasoning")  # fmt: skip
    return "\n\n".join(part for part in parts if part)
