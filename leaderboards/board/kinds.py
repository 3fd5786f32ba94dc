"""What a set is: on harmless prompts a refusal is the fault, on harmful ones it is right.

A set of a user's own says so in its rows (`prompting` holds its kind), a built-in one in the
registry. Of a set of anybody else's only its name is known.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cache

from leaderboards.board.row import Row

__all__ = ["KINDS", "REPEATED", "kind_named", "kind_of", "repeats_of"]

REPEATED = (
    "where a question was asked many times (repeats), answers to it are alike, and intervals, which count "
    "every answer, are too narrow"
)
KINDS = ("harmful", "harmless", "misalignment", "choice", "numeric", "helpful")
_LIKE = ("*xstest*", "*jbb_benign*", "*organism_benign*", "*over_refusal*")
_NAMES = {"overrefusal": "harmless"}


def kind_of(row: Row) -> str:
    """``harmful``, ``harmless``, ...; empty where nobody says it."""
    return _told(row.prompting) or kind_named(row.task)


@cache
def kind_named(task: str) -> str:
    """What is known of a set by its name alone."""
    if task in (built_in := _registry()):
        return built_in[task]
    return "harmless" if any(fnmatchcase(task, glob) for glob in _LIKE) else ""


@cache
def _told(prompting: str) -> str:
    try:
        said = json.loads(prompting or "{}")
    except ValueError:  # made by hand
        return ""
    kind = said.get("kind") if isinstance(said, dict) else None
    return kind if isinstance(kind, str) and kind in KINDS else ""


@cache
def _registry() -> dict[str, str]:
    """Set -> kind; a user's own file, which may be anything, is not among them."""
    from ptst_tasks.generate import FAMILIES

    kinds = {name: family.source.kind for name, family in FAMILIES.items() if name != "custom"}
    return {name: _NAMES.get(kind, kind) for name, kind in kinds.items()}


def repeats_of(rows: Sequence[Row]) -> str:
    """What to say of the intervals of questions that may have been asked many times; empty for others."""
    mild = kind_of(rows[0]) == "misalignment"
    return REPEATED if mild and any(r.ci_low is not None for r in rows) else ""
