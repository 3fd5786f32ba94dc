"""The paper's figures beside yours: who judged either, over how many runs, and how far apart.

A difference in standard errors is computed only where both sides measured the same thing: one
judge's name on both, and seeds of one kind. Where they did not, the two numbers stand side by
side and the reason is said.

Published rows carry, beside ``asr``, ``asr_std`` (population standard deviation) and
``asr_training_seeds`` or ``asr_decoding_seeds`` (over how many); a number without them was printed
without a deviation.
"""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from leaderboards.board import csvio
from leaderboards.board.row import Row
from leaderboards.board.tables import HEADLINES, NO_FT, Field, Grid, grids, left_out, short
from ptst_tasks.errors import ConfigError, did_you_mean

__all__ = ["HEADER", "PUBLISHED", "Comparison", "compare", "published_file", "remarks"]

PUBLISHED = Path(__file__).parents[1] / "published"
HEADER = ("set", "metric", "train", "test", "yours", "over", "judge", "paper", "paper over",
          "paper judge", "diff / s.e.")  # fmt: skip
_KINDS = ("training_seeds", "decoding_seeds")
_NO_RATES = (
    "score",
    "rougeL",
    "bertscore",
    "aligned",
    "coherent",
)  # means: how single prompts vary is not known

Mine = tuple[Grid, str, str]
"""A field of yours: its table, its line's key, its test template."""
Place = tuple[str, str, str, str, str]
"""Set, metric, training set, training template or `NO_FT`, test template."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field of the paper beside one of yours.

    Attributes:
        task: The set.
        metric: As in the CSV.
        train: What was trained, as in your table.
        test: Test template.
        ours: Yours, 0..1.
        over: What yours is the mean over; empty for a single run.
        judge: Who judged yours.
        paper: The paper's, 0..1.
        paper_over: What the paper's is the mean over; empty where no deviation is printed.
        paper_judge: Who judged the paper's.
        errors: (ours - paper) over the standard error of that difference; None if it is zero, or
            if the two cannot be set against each other.
        why: Why they cannot.
    """

    task: str
    metric: str
    train: str
    test: str
    ours: float
    over: str
    judge: str
    paper: float
    paper_over: str
    paper_judge: str
    errors: float | None
    why: str = ""

    def line(self) -> list[str]:
        """The fields of a table's row, under `HEADER`."""
        off = "–" if self.errors is None else f"{self.errors:+.1f}"
        return [
            self.task, self.metric, self.train, short(self.test),
            f"{100 * self.ours:.2f}", self.over or "1 run", self.judge or "–",
            f"{100 * self.paper:.2f}", self.paper_over or "no std", self.paper_judge or "–", off,
        ]  # fmt: skip


def published_file(name: str, rows: Sequence[Row]) -> Path:
    """Returns the published CSV to compare with: a path, a name, or ``published`` for the best.

    Raises:
        ConfigError: If there is none that shares a set and templates with these rows.
    """
    files = sorted(PUBLISHED.glob("*.csv"))
    by_name = {file.stem: file for file in files}
    if name in by_name:
        return by_name[name]
    if Path(name).is_file():
        return Path(name)
    if Path(name).is_dir():
        raise ConfigError(f"--compare {name!r} is a folder, expected a CSV (`ptst board {shlex.quote(name)}"
                          f" -o FILE.csv` makes one) or one of {', '.join(by_name)}")  # fmt: skip
    bases = {_letters(r.base) for r in rows}
    known = [(csvio.read(file), file) for file in files]
    fitting = [
        (len(compare(rows, published)), file)
        for published, file in known
        if any(_letters(published[0].base) in base for base in bases)
    ]
    best = max(fitting, key=lambda pair: pair[0], default=(0, Path()))
    if name != "published":
        raise ConfigError(
            f"--compare: nothing published matches {name!r}; "
            f"{did_you_mean(name, ['published', *by_name])}name one of published, "
            f"{', '.join(by_name)}, or a CSV"
        )
    if not best[0]:
        raise ConfigError(
            f"--compare: nothing published matches {name!r} and the base {rows[0].base!r}; name one of "
            f"{', '.join(by_name)}, or a CSV"
        )
    return best[1]


def _letters(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def compare(
    rows: Sequence[Row], published: Sequence[Row], *, pool: bool = False
) -> list[Comparison]:
    """Sets your fields beside the paper's: set, metric, training set and both templates agree."""
    spreads = {(_place(r), r.judge): r.value for r in published}
    return [
        _compared(grid, grid.label(train), grid.fields[train, test], row, spreads)
        for (grid, train, test), met in _met(grids(rows, pool=pool), published)
        for row in met
    ]


def _place(row: Row) -> Place:
    return row.task, row.metric, row.train_data, row.train_template or NO_FT, row.test_template


def _numbers(published: Sequence[Row]) -> list[Row]:
    return [r for r in published if r.metric in HEADLINES and r.value is not None]


def _met(ours: Sequence[Grid], published: Sequence[Row]) -> Iterator[tuple[Mine, list[Row]]]:
    """Every field of yours, with the published numbers of its place."""
    for grid in ours:
        for train, test in (
            (a, b) for a in grid.trains for b in grid.tests if (a, b) in grid.fields
        ):
            line = grid.lines[train]
            place = (grid.task, grid.metric, line.template or NO_FT, test)
            met = [r for r in _numbers(published) if (*_place(r)[:2], *_place(r)[3:]) == place]
            sets = {r.train_data for r in met}
            if line.data or len(sets) > 1:  # unknown training data is that of the only table there
                met = [r for r in met if r.train_data == line.data]
            known = line.template or not line.adapter
            yield (grid, train, test), met if known else []


def _compared(
    grid: Grid,
    train: str,
    field: Field,
    row: Row,
    spreads: dict[tuple[Place, str], float | None],
) -> Comparison:
    task, metric, *rest = _place(row)

    def beside(more: str) -> float | None:
        return spreads.get(((task, f"{metric}_{more}", *rest), row.judge))  # type: ignore[arg-type]

    std, kind = beside("std"), next((k for k in _KINDS if beside(k)), "")
    seeds = int(beside(kind) or 0) if kind else 0
    over = f"{seeds} {kind.replace('_', ' ')}" if kind else ""
    why = _why(grid, field, row, std, over)
    paper = row.value or 0.0
    error = 0.0 if why else math.hypot(_error(field), _paper_error(row, std, seeds))
    return Comparison(
        task, metric, train, row.test_template, field.mean, field.counted() if field.over else "",
        "; ".join(p for p in (grid.judge, grid.variant) if p), paper, over, row.judge,
        (field.mean - paper) / error if error else None, why,
    )  # fmt: skip


def _why(grid: Grid, field: Field, row: Row, std: float | None, over: str) -> str:
    """Why the two cannot be set against each other; empty if they can."""
    if grid.judge != row.judge:
        return f"your judge {grid.judge!r} is not the paper's {row.judge!r}"
    if std is not None and not over:
        return "over how many seeds the published deviation is, is not said"
    if field.over and over and not over.endswith(field.over):
        return f"yours is over {field.over}, the paper's over {over.partition(' ')[2]}"
    if row.metric in _NO_RATES and (std is None or not field.over):
        return f"{row.metric} is no rate, so a single run says nothing of its standard error"
    return ""


def _error(field: Field) -> float:
    if field.std is not None:
        return field.std / math.sqrt(len(field.values) - 1)  # of the mean, from a ddof 0 spread
    return math.sqrt(max(field.mean * (1 - field.mean), 0) / field.n) if field.n else 0.0


def _paper_error(row: Row, spread: float | None, seeds: int) -> float:
    if spread is not None:
        return spread / math.sqrt(seeds - 1) if seeds > 1 else 0.0
    value = row.value or 0.0
    return math.sqrt(max(value * (1 - value), 0) / row.n)


def remarks(
    found: Sequence[Comparison],
    rows: Sequence[Row],
    published: Sequence[Row],
    *,
    pool: bool = False,
) -> list[str]:
    """What a reader of a comparison must know: what was not set against each other, and why."""
    out = []
    bases = dict.fromkeys(r.base for r in rows)
    theirs = published[0].base
    if foreign := [b for b in bases if _letters(theirs) not in _letters(b)]:
        out.append(f"the paper's base is {theirs!r}, yours {', '.join(map(repr, foreign))}")
    for why, n in Counter(c.why for c in found if c.why).items():
        out.append(f"{n} field{'s' if n > 1 else ''} side by side without a standard error: {why}")
    ours = grids(rows, pool=pool)
    out += [f"{grid.title}: {note}" for grid in ours for note in grid.notes]
    met = list(_met(ours, published))
    guessed = sum(1 for (g, t, _), r in met if r and g.lines[t].template and not g.lines[t].data)
    if guessed:
        out.append(
            f"{guessed} of your fields do not say what was trained on; taken to be the paper's"
        )
    alone = Counter(f"{g.metric} on {g.task}" for (g, _, _), found in met if not found)
    out += _absent("your fields are not in the published table", alone)
    beside = {id(r) for _, found in met for r in found}
    theirs_alone = [r for r in _numbers(published) if id(r) not in beside]
    out += _absent("published numbers have no counterpart here",
                   Counter(f"{r.metric} on {r.task}" for r in theirs_alone))  # fmt: skip
    return out + [f"not compared: {line}" for line in left_out(rows, pool=pool)]


def _absent(what: str, of: Counter[str]) -> list[str]:
    named = ", ".join(f"{name} ({n})" for name, n in of.items())
    return [f"{what}: {named}"] if of else []
