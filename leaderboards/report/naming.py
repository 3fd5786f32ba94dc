"""The names of a page: fit to be sent on, and apart where what they name is apart."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from leaderboards.board.fields import short
from leaderboards.board.row import COLUMNS, Row
from leaderboards.report.sendable import name_of
from ptst_tasks.keys import names_a_key

__all__ = ["Naming"]

# Numbers, and what is told apart by other means: an error is no name, and nobody shows a cell's.
_NOT_NAMED = frozenset({
    "seed", "value", "ci_low", "ci_high", "n", "unscored", "people", "people_low", "people_high",
    "labelled", "judge_kappa", "limit", "decoding_seed", "step", "date", "error", "cell",
})  # fmt: skip
_SETTINGS = frozenset({
    "attn_implementation", "backend", "bos_token", "chat_format", "dtype", "kind", "kv_cache_dtype",
    "load_format", "model", "peft", "pretrained", "quantization", "revision", "rubric", "stop", "style",
    "think_end_token", "thoughts", "tokenizer", "torch_dtype", "until",
})  # fmt: skip
"""Settings whose words may be shown, as names; of all others numbers and yes or no."""
_DIGESTS = frozenset({"chat_template", "system_instruction"})
_LONGEST = 80
"""Of a setting's words: a longer one is a text."""
_OBJECTS = frozenset({"decoding", "engine_args", "judge_settings", "prompting", "versions"})
"""Columns of settings: who writes them otherwise may write anything."""
_HEX = re.compile(r"(?:\w{1,10}:)?[0-9a-f]{6,64}")
_PLAIN = re.compile(
    r"v?\d{1,6}(?:\.\w{1,12}){1,4}(?:\+\w{1,12})?|\d{1,9}"
    r"|auto|on|off|none|true|false|cpu|cuda(?::\d+)?|(?:b?float|u?int|nf|fp)\d{1,2}"
)
_FIELD = re.compile(r"[A-Za-z_][\w.-]{0,40}")
_DEEP = ("base", "adapter")


class Naming:
    """Names that are fit to be sent on, and tell apart what is apart: a second ``x`` is ``x (2)``."""

    COLUMNS = tuple(column for column in COLUMNS if column not in _NOT_NAMED)

    def __init__(self) -> None:
        self._names: dict[str, dict[str, str]] = {column: {"": ""} for column in self.COLUMNS}
        self._cut: dict[str, str] = {}

    def __call__(self, column: str, raw: str) -> str:
        """The name of a value of a column of the leaderboard."""
        names = self._names["test_template" if column == "train_template" else column]
        if raw not in names:
            name, taken, at = self._named(column, raw), set(names.values()), 1
            while (new := name if at == 1 else f"{name} ({at})") in taken:
                at += 1
            names[raw] = new
        return names[raw]

    def _named(self, column: str, raw: str) -> str:
        try:
            settings = json.loads(raw)
        except (ValueError, RecursionError):
            settings = None
        if isinstance(settings, dict | list):
            return json.dumps(self._public(settings), sort_keys=True, separators=(",", ":"),
                              ensure_ascii=False)  # fmt: skip
        if column in _OBJECTS:
            return raw if _HEX.fullmatch(raw) or _PLAIN.fullmatch(raw) else self._without(raw)
        name = name_of(raw)
        if column in _DEEP and name.count("/") > 1:  # of the hub is one with one
            name = name.rstrip("/").rpartition("/")[2]
        return name

    def _public(self, value: Any, field: str = "") -> Any:
        """Settings: numbers as they are, and of words those that are known to name no place and no key."""
        if isinstance(value, dict):
            return {self._field(str(k)): self._public(v, str(k)) for k, v in value.items()}
        if isinstance(value, list):
            return [self._public(inner, field) for inner in value]
        if names_a_key(field) and not isinstance(value, bool):
            return self._without(value)
        if not isinstance(value, str):
            return value
        said = field in _SETTINGS and len(value) <= _LONGEST
        if said or _PLAIN.fullmatch(value) or (field in _DIGESTS and _HEX.fullmatch(value)):
            return name_of(value)
        return self._without(value)

    def _field(self, name: str) -> str:
        return name if _FIELD.fullmatch(name) and name_of(name) == name else self._without(name)

    def _without(self, value: Any) -> str:
        """What stands in a value's place: the same for the same, so that what differs still does."""
        at = len(self._cut) + 1
        return self._cut.setdefault(repr(value), "(cut)" if at == 1 else f"(cut {at})")

    def rows(self, rows: Iterable[Row]) -> list[Row]:
        """Rows with such names."""
        return [
            row.model_copy(update={c: self(c, getattr(row, c)) for c in self.COLUMNS})
            for row in rows
        ]

    def known(self) -> frozenset[str]:
        """The names so far that are what they were, for `leaderboards.report.sayable.told_of`."""
        same = {raw for names in self._names.values() for raw, name in names.items() if raw == name}
        return frozenset(same | {short(name) for name in same})
