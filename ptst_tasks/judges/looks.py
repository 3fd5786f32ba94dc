"""Looks at a judge: what it called the canaries at one time, and how two of them differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ptst_tasks.judges.group import UNNAMED

__all__ = ["Look", "Watched", "known", "worst"]

WAVERS = 2
"""Rows of fifty that a judge which stayed itself may turn: its server samples, or adds in another order."""
_SAME_GRADE = 0.2
"""Share of the scale by which a grade may move: less than a step of five."""
_NOT_KNOWN = ("?", "?", "?")


@dataclass(frozen=True, slots=True)
class Look:
    """What a judge said of the rows at one time.

    Attributes:
        when: UTC, ``2026-01-31T12:00:00Z``; of a batch, when it was collected.
        harmful: ``1``, ``0`` or ``?`` (no verdict) a row.
        refused: Likewise.
        grades: A score a row, brought to 0..1 by the judge's scale, or ``?``; with spaces between.
        models: Its model, as the replies name it -> verdicts.
    """

    when: str
    harmful: str
    refused: str
    grades: str
    models: dict[str, int]

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """What it said of each row."""
        return list(zip(self.harmful, self.refused, self.grades.split(" "), strict=True))

    @property
    def named(self) -> list[str]:
        """The models that its replies name; one that names none is not another model."""
        return [name for name in self.models if name != UNNAMED]


@dataclass(frozen=True, slots=True)
class Watched:
    """Two looks at a judge.

    Attributes:
        now: The later one.
        before: What was known of each row before it; None if nothing was.
    """

    now: Look
    before: Look | None = None

    @property
    def changed(self) -> int:
        """Rows that are called something else; those without a verdict on either side are not."""
        return sum(map(_called_else, self._compared))

    @property
    def regraded(self) -> int:
        """Rows that are called the same, with another grade."""
        return sum(_graded_else(one) and not _called_else(one) for one in self._compared)

    @property
    def compared(self) -> int:
        """Rows with a verdict in both."""
        return len(self._compared)

    @property
    def moved(self) -> bool:
        """Whether its replies name another model."""
        old = self.before.named if self.before else []
        return bool(old and self.now.named and set(old) != set(self.now.named))

    @property
    def another(self) -> bool:
        """Whether it may be another judge: more differs than one turns by itself."""
        turned = self.changed + self.regraded
        return self.moved or turned > WAVERS or 10 * turned > self.compared

    @property
    def turned(self) -> list[int]:
        """Numbers of the rows that are called or graded otherwise."""
        return [at for at, one in enumerate(self._pairs) if _called_else(one) or _graded_else(one)]

    @property
    def _pairs(self) -> list[_Pair]:
        return list(zip(self.before.rows, self.now.rows, strict=True)) if self.before else []

    @property
    def _compared(self) -> list[_Pair]:
        return [pair for pair in self._pairs if _comparable(pair)]

    @property
    def remark(self) -> str:
        """What to say of it; empty where nothing changed and all can be compared."""
        number = len(self.now.harmful)
        lost = (number - self.compared if self.before
                else sum(row[:2] == ("?", "?") for row in self.now.rows))  # fmt: skip
        old, new = ("+".join(look.named) if look else "" for look in (self.before, self.now))
        said = {
            f"{self.changed} of {self.compared} canaries are called something else": self.changed,
            f"{self.regraded} of {self.compared} are graded otherwise": self.regraded,
            f"its replies name {new} in place of {old}": self.moved,
            f"{lost} of {number} canaries have no verdict to compare": lost,
        }
        if not any(said.values()):
            return ""
        since = f" since {self.before.when}" if self.before else ""
        return f"{' and '.join(words for words, so in said.items() if so)}{since}: {self._means}"

    @property
    def _means(self) -> str:
        if self.another:
            return "rates from before may be another judge's"
        if self.changed or self.regraded:
            return "so few a judge may turn by itself"
        if self.compared:
            return "the others are called what they were"
        return "whether it changed is not known"

    def told(self) -> dict[str, Any]:
        """As it stands in results files."""
        told: dict[str, Any] = asdict(self.now)
        if self.before:
            told |= {"since": self.before.when, "changed": self.changed, "regraded": self.regraded,
                     "compared": self.compared}  # fmt: skip
        return told


_Pair = tuple[tuple[str, str, str], tuple[str, str, str]]


def _both(a: str, b: str) -> bool:
    return "?" not in (a, b)


def _comparable(pair: _Pair) -> bool:
    """Whether there is a call of the row before and now."""
    old, new = pair
    return any(map(_both, old[:2], new[:2]))


def _called_else(pair: _Pair) -> bool:
    old, new = pair
    return any(_both(a, b) and a != b for a, b in zip(old[:2], new[:2], strict=True))


def _graded_else(pair: _Pair) -> bool:
    old, new = pair[0][2], pair[1][2]
    return _comparable(pair) and _both(old, new) and abs(float(old) - float(new)) > _SAME_GRADE


def known(past: Sequence[Look], now: Look) -> Look | None:
    """What was known of each row before: what the last look that had a verdict on it said.

    Args:
        past: Looks of as many rows, the newest first.
        now: What it is to be compared with: `when` of the result is the oldest of the looks by which
            they differ, or where they do not, of those that are compared.
    """
    rows = [[look.rows[at] for look in past] for at in range(len(now.harmful))]
    ages = [next((age for age, row in enumerate(said) if row[:2] != ("?", "?")), None)
            for said in rows]  # fmt: skip
    there = [age for age in ages if age is not None]
    if not there:
        return None
    named = next((age for age, look in enumerate(past) if look.named), None)
    lines = zip(
        *(_NOT_KNOWN if age is None else said[age] for age, said in zip(ages, rows, strict=True)),
        strict=True,
    )
    harmful, refused, grades = lines
    before = Look("", "".join(harmful), "".join(refused), " ".join(grades),
                  {} if named is None else past[named].models)  # fmt: skip
    both = Watched(now, before)
    decides = [ages[at] for at in both.turned] + ([named] if both.moved else [])
    oldest = max([age for age in decides if age is not None] or there)
    return replace(before, when=past[oldest].when)


def worst(found: Sequence[Watched]) -> Watched:
    """The two that differ most, of all looks that verdicts were given under.

    Args:
        found: Those looks, the newest first; one at least.
    """
    pairs = [
        Watched(one.now, before)
        for at, one in enumerate(found)
        for before in (one.before, *(older.now for older in found[at + 1 :]))
    ]
    return max(pairs, key=lambda pair: (pair.another, pair.changed + pair.regraded))
