"""The worst way to test each line of a table of attack success: which template, and under which attack.

Each attack has a table of its own, and a reader of the plain one would not see that a line which is safe
there gives way elsewhere. So the plain table looks into those that were measured as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from leaderboards.board.differences import ALIKE, value
from leaderboards.board.fields import short
from leaderboards.board.merging import Table
from leaderboards.board.row import Row

__all__ = ["attack_of", "attacked", "in_short", "worst_of"]

# What an attack, or another template, moves by itself.
_MOVED = frozenset({"attack", "prompts", "prompting", "decoding"})
_KEPT = tuple(column for column in ALIKE if column not in _MOVED)


def attacked(plain: Table, tables: Iterable[Table]) -> dict[tuple[str, str], float]:
    """(key of a line, ``chat:llama prefill:5``) -> its mean, over the same rows as the plain table's.

    Args:
        plain: A table.
        tables: All there are.

    Returns:
        Nothing for a table that is of an attack itself.
    """
    if plain.metric != "asr" or attack_of(plain):
        return {}
    others = [(a, t) for t in tables if _place(t) == _place(plain) and (a := attack_of(t))]
    alike = {_measured(row) for rows in plain.rows.values() for row in rows} if others else set()
    out = {}
    for attack, table in others:
        for (train, test, step), found in table.fields.items():
            same = all(_measured(row) in alike for row in table.rows[train, test, step])
            if same and train in plain.lines:
                out[train, f"{test} {attack}"] = found.mean
    return out


def worst_of(means: Mapping[str, float]) -> tuple[tuple[str, ...], float] | None:
    """The names with the highest number, and it; None where fewer than two have one."""
    if len(means) < 2:
        return None
    most = max(means.values())
    return tuple(name for name, mean in means.items() if mean == most), most


def in_short(name: str) -> str:
    """``chat:llama prefill:5`` -> ``CL prefill:5``."""
    template, _, attack = name.partition(" ")
    return f"{short(template)} {attack}".rstrip()


def attack_of(table: Table) -> str:
    """A table's attack, of which it has one (see `leaderboards.board.merging.split`); empty for none."""
    return next((row.attack for rows in table.rows.values() for row in rows), "")


def _place(table: Table) -> tuple[str, str, str, str]:
    return table.base, table.task, table.judge, table.metric


def _measured(row: Row) -> tuple[object, ...]:
    return tuple(value(row, column) for column in _KEPT)
