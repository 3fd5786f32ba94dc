"""Prompts as a reader can see them: every character, what stands around an answer, and the switch."""

from __future__ import annotations

import unicodedata

from ptst_tasks.chat import Rendered, Renderer

__all__ = ["around", "in_lines", "quoted", "thinking_state", "visible"]

_NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of Unicode that a terminal obeys, or shows nothing of."""


def visible(text: str) -> str:
    """Text on one line in which every character shows: controls and the unseen as escapes."""
    return "".join(_NAMED.get(c) or (_escaped(c) if _is_unseen(c) else c) for c in text)


def quoted(text: str) -> str:
    """The same between quotes, so that white space at its ends shows; ``nothing`` for none."""
    return f"'{visible(text)}'" if text else "nothing"


def in_lines(text: str) -> str:
    """The same on lines of its own; each line's end shows as ``↵``, and white space before it."""
    lines = text.split("\n")
    shown = [visible(line[: len(line.rstrip(" "))]) + "·" * (len(line) - len(line.rstrip(" ")))
             for line in lines]  # fmt: skip
    return "↵\n".join(shown)


def _is_unseen(c: str) -> bool:
    return unicodedata.category(c) in _UNSEEN or (c.isspace() and c != " ")


def _escaped(c: str) -> str:
    code = ord(c)
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )


def around(rendered: Rendered) -> str:
    """What stands between a prompt and an answer, and what ends the turn, in one line."""
    opened = rendered.opens
    told = f"before an answer {quoted(rendered.lead)}"
    if opened:
        told += f" (the prompt leaves a thought open, {quoted(opened.open)})"
    return f"{told}; end of turn {quoted(rendered.end)}"


def thinking_state(renderer: Renderer) -> str:
    """What the chat template is told about thinking, and which thoughts it knows, in one line."""
    known = " or ".join(
        f"{visible(m.open.strip() or '...')} ... {visible(m.close)}" for m in renderer.markers
    )
    thoughts = f"thoughts {known}" if known else "no thoughts are known of this model"
    return f"{renderer.thinking} ({thoughts})"
