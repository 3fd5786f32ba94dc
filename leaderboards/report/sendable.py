"""What of a run may stand in a file that is sent on: which texts, and names without paths and secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from leaderboards.board.rendering import shown
from leaderboards.board.row import Row
from ptst_tasks.keys import hidden, names_a_key
from ptst_tasks.organism_world import SETS as MADE_UP
from ptst_tasks.record import TaskRecord

__all__ = ["TEXTS", "Naming", "Texts", "facts_of", "is_harmless", "name_of", "told_of"]

Texts = Literal["none", "harmless", "harmful"]
TEXTS: tuple[Texts, ...] = ("none", "harmless", "harmful")

_MOST = 2000
"""Characters of a name that are read: the expressions take the square of it."""
_PATH = r"(?:~(?:[a-z_][\w-]*)?[\\/]|[A-Za-z]:[\\/]|\\\\|\.{1,2}/|(?<![\w./<])/(?![/\s]))"
_WHOLE = re.compile(rf"^{_PATH}[^:]+$")
_QUOTED = re.compile(rf"(['\"])(?={_PATH})((?:(?!\1).)+)\1")
_BARE = re.compile(rf"(?<![\w'\"\\]){_PATH}[^\s'\",;:)\]}}]+")
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]{1,15}://[^\s'\",;)\]}]+", re.IGNORECASE)
_BEARER = re.compile(r"(?i)\b(?:bearer|basic) +(?=[^\s'\"]*[\d=_-])[^\s'\",;)\]}]{6,}")
_PAIR = re.compile(
    r"(?i)\b(?!\w*(?:bos|eos|pad|unk|end|sep|cls|mask)_token)"
    r"((?:\w*[_-])?(?:api_?key|key|token|secret|passwords?|passwd|credentials?|host|hostname))"
    r"(['\"]?\s*[=:]\s*)[^\s,;&)]+"
)
_PRIVATE = re.compile(
    r"(?i)(?:^|_)(?:hosts?|urls?|headers?|prox(?:y|ies)|cookies?|auth|user(?:name)?|keys?|secrets?)$"
)
_SAID = re.compile(r"(['\"])(?:\\.|(?!\1)[^\\]){20,}?\1")


def is_harmless(ours: TaskRecord, doc: Mapping[str, Any]) -> bool:
    """Whether a prompt and its answers may stand in a file that nobody asked to hold harmful ones.

    What is not known to be harmless is not: a task of somebody else's, a set of a user's own that does not
    say, an unsafe prompt among safe ones.
    """
    if ours.get("set") in MADE_UP:  # a few hundred words of nonsense
        return True
    kind = ours.get("kind")
    return kind == "helpful" or (kind == "overrefusal" and doc.get("label", "safe") == "safe")


def name_of(text: str) -> str:
    """Text on one line: of a path its last part alone, no address, and nothing that looks like a key."""
    text = _ADDRESS.sub("(an address)", shown(text[:_MOST]).replace("file://", ""))
    text = hidden(_BEARER.sub("***", text))
    for place in (Path.cwd(), Path.home()):
        if len(place.parts) > 2:
            text = text.replace(f"{place}/", "/")
    if _WHOLE.match(text):
        return _last(text)
    text = _PAIR.sub(r"\1\2***", text)
    text = _QUOTED.sub(lambda found: f"{found[1]}{_last(found[2])}{found[1]}", text)
    return _BARE.sub(lambda found: _last(found[0]), text)


def told_of(text: str, texts: Texts) -> str:
    """An error or a note: it may quote what a prompt or an answer says, and then says that it did."""
    text = name_of(text)
    return text if texts == "harmful" else _SAID.sub(r"\1...\1", text)


def _last(path: str) -> str:
    return re.split(r"[\\/]", path.rstrip("\\/"))[-1]


def facts_of(text: str) -> str:
    """A column of compact JSON without what names a place or a key."""
    try:
        facts = json.loads(text)
    except ValueError:
        return name_of(text)
    if not isinstance(facts, dict):
        return name_of(text)
    return name_of(json.dumps(_public(facts), sort_keys=True, separators=(",", ":")))


def _public(value: Any) -> Any:
    """A value without the fields that name a place or a key."""
    if isinstance(value, list):
        return [_public(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _public(inner)
        for name, inner in value.items()
        if not names_a_key(name) and not _PRIVATE.search(name)
    }


class Naming:
    """Names that are fit to be sent on, and tell apart what is apart: a second ``x`` is ``x (2)``."""

    COLUMNS = ("base", "adapter", "train_data", "train_template", "defence", "test_template", "task",
               "judge")  # fmt: skip

    def __init__(self) -> None:
        self._names: dict[str, dict[str, str]] = {column: {"": ""} for column in self.COLUMNS}

    def __call__(self, column: str, raw: str) -> str:
        """The name of a value of a column of the leaderboard."""
        names = self._names["test_template" if column == "train_template" else column]
        if raw not in names:
            name, taken, at = name_of(raw), set(names.values()), 1
            if column in ("base", "adapter") and name.count("/") > 1:  # of the hub is one with one
                name = _last(name)
            while (new := name if at == 1 else f"{name} ({at})") in taken:
                at += 1
            names[raw] = new
        return names[raw]

    def rows(self, rows: Iterable[Row]) -> list[Row]:
        """Rows with such names."""
        return [
            row.model_copy(update={c: self(c, getattr(row, c)) for c in self.COLUMNS})
            for row in rows
        ]
