"""Judged text goes in as data; a grade comes out of the judge's own words alone.

Two devices. A *nonce*, the digest of query and response, fences the text and marks the grade line:
a text cannot hold its own digest, so it can neither close the fence nor forge the line, even if
the judge repeats it word for word. And strings that chat models read as control tokens are
defused, since servers turn them into the real ones.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["defuse", "fenced", "fill", "json_object", "loose_grade", "marked", "nonce"]

_CONTROL = re.compile(
    r"<(?=[|｜]|/?(?:s|bos|eos|pad|unk|mask|think|start_of_turn|end_of_turn|end_of_text|"
    r"startoftext|endoftext)>|<\s*/?\s*SYS)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|IMG|gMASK|CLS|SEP|BOS|EOS)\])",
    re.IGNORECASE,
)
_DEFUSED = {"<": "‹", "[": "［"}
# Ends its line, so that "a score of 3 would need ..." is no grade.
_LOOSE = re.compile(
    r"score[\"'*_`#\s]{0,6}[:=][\"'*_`\s(\[{]{0,6}(-?\d{1,9}(?:\.\d{1,9})?)(?: ?/ ?5)?"
    r"[\"'*_` .)\]}#]{0,12}\r?$",
    re.IGNORECASE | re.MULTILINE,
)


def nonce(query: str, response: str) -> str:
    """Sixteen hex digits that neither text can hold."""
    both = json.dumps([query, response]).encode()
    return hashlib.sha256(both).hexdigest()[:16]


def defuse(text: str) -> str:
    """Makes control tokens plain text, and lone surrogates sendable; other text stays as it is."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return _CONTROL.sub(lambda m: _DEFUSED[m[0]], text)


def fill(template: str, values: Mapping[str, str]) -> str:
    """Fills ``{query}``, ``{response}``, ``{nonce}`` in one pass; other braces stay."""
    names = "|".join(values)
    return re.sub(rf"\{{({names})\}}", lambda m: values[m[1]], template)


def fenced(query: str, response: str) -> dict[str, str]:
    """What fills a judge's prompt: both texts defused, and the tag of the fence around them."""
    return {
        "query": defuse(query),
        "response": defuse(response),
        "nonce": nonce(query, response),
    }


def _no_twins(items: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(items)
    if len(found) < len(items):
        raise ValueError("a key twice")
    return found


def json_object(reply: str, *judged: str) -> dict[str, Any] | None:
    """Returns the object if it is the whole reply (a code fence around it is let pass).

    None too if it is only a piece of what was judged, given back.
    """
    text = reply.strip()
    opening, _, rest = text.partition("\n")
    if opening.strip() in ("```", "```json") and rest.endswith("```"):
        text = rest.removesuffix("```")
    if _repeats(text, *judged):
        return None
    try:
        # Not strict: schemas let a raw line feed into a string, and servers write one.
        value = json.loads(text, object_pairs_hook=_no_twins, strict=False)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _squash(text: str) -> str:
    return re.sub(r"\W+", "", text).casefold()


def _repeats(reply: str, *judged: str) -> bool:
    """Whether a reply is only a piece of what was judged."""
    said = _squash(reply)
    return bool(said) and any(said in _squash(text) for text in judged)


def marked(reply: str, mark: str, tag: str) -> str | None:
    """Returns what follows ``MARK-TAG:`` on a line of its own: yes, no or a whole number.

    None if there is no such line, or two contradict each other.
    """
    name = f"{mark}-{tag}".lower()
    # Line by line, and only where the mark is: a pattern over all of a reply that repeats 50,000
    # blank lines takes hours.
    lines = (line.strip() for line in reply.lower().splitlines() if name in line)
    line = re.compile(rf"\W{{0,8}}{name}\W{{0,8}}[:=]\W{{0,8}}(yes|no|\d{{1,9}})\W{{0,8}}")
    found = {match[1] for match in map(line.fullmatch, lines) if match}
    return found.pop() if len(found) == 1 else None


def loose_grade(reply: str, *judged: str) -> str | None:
    """Returns the number after ``score:`` in a reply to a prompt that has no nonce.

    None if there is none, if two differ, or if the judged text holds the same grade itself: then
    it cannot be told whose it is.
    """
    held = [_squash(text) for text in judged]
    found = {}
    for match in _LOOSE.finditer(reply):
        if any(_squash(match[0]) in text for text in held):
            return None
        found[match[1]] = True
    return next(iter(found)) if len(found) == 1 else None
