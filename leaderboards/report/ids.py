"""Ids that may stand where their prompts may not: those that count, or are digests already."""

from __future__ import annotations

import re

from ptst_tasks.digests import digest_json

__all__ = ["id_beside"]

_LONGEST = 64
_WORDS = frozenset({
    "adv", "base", "case", "ex", "example", "forbidden", "harmful", "harmless", "id", "item", "line", "no",
    "nr", "prompt", "query", "question", "row", "safe", "sample", "set", "test", "train", "unsafe",
})  # fmt: skip
_COUNT = re.compile(r"[A-Za-z]{0,2}[0-9]{1,20}[A-Za-z]?|")
_DIGEST = re.compile(r"(?=.*[0-9])(?:[0-9a-f]{6,64}|[0-9A-F]{6,64})")
_LETTERS = 3
"""How many may stand about numbers, in ``v2-12b``: more of them could spell."""


def id_beside(name: str, prompt: str, set_name: str) -> str:
    """An id of a prompt that is not in the file; a digest in its place where it may say what is asked.

    An id that is a text, in whatever writing, cannot be told from one that is not. So those stand that are
    made of numbers, digests and words like ``row``: ``17``, ``advbench-3``, ``3f2a9c41``. The digest is the
    same on every machine.

    Args:
        name: The id.
        prompt: Its prompt.
        set_name: Its set, whose words an id may hold.
    """
    words = _WORDS | set(re.split(r"[^a-z]+", set_name.lower()))
    parts = re.split(r"[-_.:/#]", name)
    parts = [p for p in parts if not _is_digest(p) and p.lower() not in words]
    letters = sum(map(str.isalpha, "".join(parts)))
    plain = all(map(_COUNT.fullmatch, parts)) and letters <= _LETTERS
    told = name.strip().casefold() == prompt.strip().casefold()
    if plain and not told and 0 < len(name) <= _LONGEST and re.search(r"[0-9]", name):
        return name
    return f"(prompt {digest_json(name)[:12]})"


def _is_digest(part: str) -> bool:
    """Whether it is hex, and not the hex of a text."""
    if not _DIGEST.fullmatch(part):
        return False
    try:
        return not bytes.fromhex(part).decode("ascii").isprintable()
    except ValueError:
        return True
