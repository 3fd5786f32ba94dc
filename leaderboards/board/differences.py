"""What differs among rows that would otherwise be one number, and how it is said in few words."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

from leaderboards.board.numbers import OF_SOME
from leaderboards.board.row import COLUMNS, PEOPLES, Row

__all__ = ["ALIKE", "ASKED", "TRAINED", "differing", "in_words", "uneven", "value"]

ASKED = "prompts asked"
"""Not a column: n + unscored. It tells ``--limit`` where nobody recorded it."""
SEEDED = "decoding seed"
"""Not a column: whether there is one. A run without is no draw beside those that have one."""
TRAINED = tuple(c for c in COLUMNS if c in ("train_data", "adapter_config", "training", "defence"))
"""Columns that make another row of a table."""
_OWN = frozenset({
    "base", "task", "judge", "metric", "train_template", "test_template", "step",  # the place
    "adapter", "adapter_digest", "seed", "decoding_seed",  # what seeds move
    "value", "ci_low", "ci_high", "n", "unscored", "error", *PEOPLES, "judge_kappa",  # what was measured
    "cell", "date", "ptst_version",  # a digest of all the others, seeds too; when; what read it
})  # fmt: skip
ALIKE = (*(c for c in COLUMNS if c not in _OWN | set(TRAINED)), ASKED, SEEDED)
"""What numbers must share before they are averaged. A new column of the CSV is one of them."""
_IMPLIED = frozenset({"prompts", "asked"})  # digests that say nothing beside what moved them
_BY_TEST = frozenset({"decoding", "prompting", "prompts"})  # a template has its own
# A judge may leave these out of a verdict, and not every response has a thought, or a grade.
_NOT_FOR_ALL = ("refused", "partial", "score", "reasoning_asr", *OF_SOME)


def value(row: Row, column: str) -> Hashable:
    """A row's value of a column of `ALIKE`."""
    if column == SEEDED:
        return row.decoding_seed is not None
    if column != ASKED:
        return getattr(row, column)  # type: ignore[no-any-return]
    return None if row.metric.startswith(_NOT_FOR_ALL) else row.n + row.unscored


def differing(groups: Iterable[Sequence[Row]], ignored: frozenset[str]) -> tuple[str, ...]:
    """The columns in which rows of one group differ, for any of the groups."""
    found = {
        c
        for group in groups
        for c in ALIKE
        if c not in ignored and len({value(r, c) for r in group}) > 1
    }
    return tuple(c for c in ALIKE if c in found)


def in_words(columns: Sequence[str], tuples: Sequence[tuple[Any, ...]]) -> list[str]:
    """A few words for each tuple of these columns' values; different ones read differently."""
    short = [c for c in columns if c not in _IMPLIED] or columns
    for kept in (short, columns):
        at = [columns.index(c) for c in kept]
        texts = [
            ", ".join(_one(columns[i], row[i], [r[i] for r in tuples]) for i in at)
            for row in tuples
        ]
        if len(set(texts)) == len(texts):
            return texts
    return [f"{text} ({i})" for i, text in enumerate(texts, start=1)]


def _one(column: str, mine: Any, values: Sequence[Any]) -> str:
    if column == ASKED:
        return f"{mine} prompts"
    if column == SEEDED:
        return "decoding seeds" if mine else "no decoding seed"
    name = column.replace("_", " ")
    if mine in ("", None):
        return f"{name} not recorded" if column != "limit" else "no limit"
    mine, others = _parsed(mine), [_parsed(v) for v in values if v not in ("", None)]
    if isinstance(mine, dict) and all(isinstance(v, dict) for v in others):
        keys = sorted({k for v in others for k in v})
        moved = [k for k in keys if len({repr(v.get(k)) for v in others}) > 1]
        return f"{name} " + " ".join(f"{k}={_short(mine.get(k))}" for k in moved or mine)
    return f"{name} {_short(mine)}"


def _parsed(text: Any) -> Any:
    if not isinstance(text, str) or not text.startswith("{"):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _short(text: Any, most: int = 24) -> str:
    """Digests by their first digits."""
    text = str(text)
    head, _, tail = text.rpartition(":")
    if len(tail) >= 16 and not set(tail.lower()) - set("0123456789abcdef"):
        return f"{head}:{tail[:8]}" if head else tail[:8]
    return text if len(text) <= most else f"{text[: most - 3]}..."


def uneven(rows: Sequence[Row], named: Callable[[Row], str], ignored: frozenset[str]) -> list[str]:
    """Says in what the fields of one table differ beside template, training and seeds.

    Args:
        rows: Of one table.
        named: What a row of the CSV is called in the table.
        ignored: Columns that may differ.
    """
    out = _uneven(rows, named, ignored | _BY_TEST, "its fields are")
    for test in dict.fromkeys(r.test_template for r in rows):
        mine = [r for r in rows if r.test_template == test]
        out += _uneven(mine, named, ignored | (set(ALIKE) - _BY_TEST), f"column {test} is")
    return out


def _uneven(
    rows: Sequence[Row], named: Callable[[Row], str], ignored: frozenset[str], what: str
) -> list[str]:
    columns = differing([rows], ignored)
    groups: dict[tuple[Any, ...], dict[str, None]] = {}
    for row in rows:
        groups.setdefault(tuple(value(row, c) for c in columns), {})[named(row)] = None
    if len(groups) < 2:
        return []
    words = zip(in_words(columns, list(groups)), groups.values(), strict=True)
    return [f"{what} not measured alike: " + "; ".join(f"{w}: {', '.join(n)}" for w, n in words)]
