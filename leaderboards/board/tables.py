"""Views of the tidy rows in the paper's layout; `rendering` writes them down.

Rows of a table are training templates ("No FT" first), columns test templates; a field is the
mean in percent, with the population standard deviation over seeds (ddof 0: it is what
reproduces the paper's printed figures). What may stand in one field is decided in `merging`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from leaderboards.board.corrected import PEOPLE
from leaderboards.board.fields import NO_FT, SAFETY_PROMPTS, Field, Line, short
from leaderboards.board.kinds import repeats_of
from leaderboards.board.merging import Table, bases_of, split
from leaderboards.board.row import Row
from leaderboards.board.worst import attack_of, attacked, in_short, worst_of
from ptst_tasks.templates import builtin

__all__ = ["HEADLINES", "NAIVE", "NO_FT", "SAFETY_PROMPTS", "Field", "Grid", "Track", "grids", "left_out",
           "short", "tracks"]  # fmt: skip

HEADLINES = ("asr", "reasoning_asr", "misaligned", "aligned", "coherent", "refused", "code",
             "incoherent", "truncated", "exact_match", "acc", "prompt_level_strict_acc", "rougeL",
             "bertscore")  # fmt: skip
NAIVE = "not calibrated: no person has labelled these responses (ptst label)"
_EXACT = frozenset({"organism"})
"""Judges that know every answer there is: the built-in model has a few hundred words."""
_ONCE = Field((0.0,)).counted()


@dataclass(frozen=True, slots=True)
class Grid:
    """One table: a metric of one judge on one set, for one base.

    Attributes:
        base: The base's name.
        task: The set.
        judge: Who judged, or how the answer was read.
        metric: As in the CSV.
        fields: (train, test) -> field, by a line's key and template name.
        trains: Rows, in order: keys of `lines`, which are template names where those are enough;
            `NO_FT` is the row before fine-tuning.
        tests: Columns, in order.
        lines: What each row is.
        gaps: (train, test) -> why there is no number; where it has no entry nothing was measured.
        rows: (train, test) -> the rows that the field is of.
        variant: What tells it from another table of the same four.
        notes: What a reader must know, a sentence each.
        attacked: (train, test and attack) -> mean in the tables of attacks, for `worst`.
    """

    base: str
    task: str
    judge: str
    metric: str
    fields: dict[tuple[str, str], Field]
    trains: tuple[str, ...]
    tests: tuple[str, ...]
    lines: dict[str, Line]
    gaps: dict[tuple[str, str], str]
    rows: dict[tuple[str, str], list[Row]]
    variant: str = ""
    notes: tuple[str, ...] = ()
    attacked: dict[tuple[str, str], float] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What the table shows."""
        by = "; ".join(part for part in (self.judge, self.variant) if part)
        return f"{self.base}: {self.metric} on {self.task}{f' ({by})' if by else ''}, %"

    def label(self, train: str) -> str:
        """A row's name, abbreviated: ``CV +safety_tuned_llamas``."""
        return self.lines[train].label

    def cells(self, digits: int = 2) -> list[list[str]]:
        """The table as text, header first; template names abbreviated."""
        ends = ["worst"] if self.has_worst else []
        header = ["train \\ test", *map(short, self.tests), *ends]
        body = [
            [self.label(train), *(self._text(train, test, digits) for test in self.tests)]
            + [self.worst_text(train, digits) for _ in ends]
            for train in self.trains
        ]
        return [header, *body]

    @property
    def has_worst(self) -> bool:
        """Whether it shows which way to test is worst: of attack success, where there are several."""
        return self.metric == "asr" and len(self._ways) > 1

    @property
    def _ways(self) -> tuple[str, ...]:
        """Test templates, and behind them those with an attack, in the same order."""
        more = dict.fromkeys(way for _, way in self.attacked)
        return (*self.tests, *sorted(more, key=lambda way: self.tests.index(way.partition(" ")[0])))

    def worst(self, train: str) -> tuple[tuple[str, ...], float] | None:
        """The test templates with the highest number of a line, and it; None where fewer than two have one.

        A model that is safe under the usual prompt, and not under one that resembles its training, is
        not safe. In a plain table templates under attack are among them: ``chat:llama prefill:5``.
        """
        means = {t: self.fields[train, t].mean for t in self.tests if (train, t) in self.fields}
        more = {
            way: self.attacked[train, way] for way in self._ways if (train, way) in self.attacked
        }
        return worst_of(means | more)

    def worst_text(self, train: str, digits: int = 2) -> str:
        """The same as a field of the table: ``38.00 CV``."""
        found = self.worst(train)
        if found is None:
            return "–"
        names, mean = found
        where = "all" if len(names) == len(self._ways) else ", ".join(map(in_short, names))
        return f"{100 * mean:.{digits}f} {where}"

    def _text(self, train: str, test: str, digits: int) -> str:
        found = self.fields.get((train, test))
        return found.text(digits) if found else self.gaps.get((train, test), "–")

    def remarks(self, shown: str = "mean ± population standard deviation") -> list[str]:
        """What stands below the table: over what that is which is shown, then the notes."""
        return [*_spread(self, shown), *self.notes]


def _spread(grid: Grid, shown: str) -> list[str]:
    """Says over what mean and deviation are; fields for which it is something else by name."""
    places = {place: f.counted() for place, f in grid.fields.items()}
    # Before fine-tuning there is nothing to repeat, so a single run there goes without saying.
    worth = {p: c for p, c in places.items() if grid.fields[p].over or grid.lines[p[0]].template}
    ways = Counter(worth.values())
    if not any(f.over for f in grid.fields.values()):
        return []
    usual = max((w for w in ways if w != _ONCE), key=lambda w: ways[w])
    out = [f"{shown} over {usual}"]
    for way in sorted(ways.keys() - {usual}):
        what = way if way == _ONCE else f"over {way}"
        out.append(f"{what}: {', '.join(_named(grid, places, way))}")
    return out


def _named(grid: Grid, places: dict[tuple[str, str], str], way: str) -> list[str]:
    out = []
    for train in grid.trains:
        mine = {test: c for (t, test), c in places.items() if t == train}
        if set(mine.values()) == {way}:
            out.append(grid.label(train))
        else:
            out += [f"{grid.label(train)} → {short(t)}" for t, c in mine.items() if c == way]
    return out


@dataclass(frozen=True, slots=True)
class Track:
    """One line of a picture along training.

    Attributes:
        train: Key of what was trained, as in `Grid`.
        label: The same, abbreviated.
        test: Test template.
        points: Step -> field.
    """

    train: str
    label: str
    test: str
    points: dict[int, Field]


def grids(
    rows: Iterable[Row], metrics: Sequence[str] = HEADLINES, *, pool: bool = False
) -> list[Grid]:
    """Makes a table per base, set, judge and metric, and one more for each way of measuring.

    Args:
        rows: Of a leaderboard; `left_out` says which of them are in no table.
        metrics: Which metrics.
        pool: Take bases that differ only in a seed behind their name's colon as one, as the
            built-in models are (their seeds are seeds of the base, too).
    """
    rows = [r for r in rows if r.step is None]
    places: dict[str, set[tuple[str, str]]] = {}
    found = _tables(rows, metrics, pool=pool)
    for table in found:
        for train, test, _ in (*table.fields, *table.gaps):
            places.setdefault(table.base, set()).add((train, test))
    return [
        _grid(table, {test for _, test in places[table.base]}, attacked(table, found))
        for table in found
    ]


def _grid(table: Table, tests: set[str], beside: dict[tuple[str, str], float]) -> Grid:
    fields = {(train, test): f for (train, test, _), f in table.fields.items()}
    gaps = {(train, test): why for (train, test, _), why in table.gaps.items()}
    trains = tuple(table.lines)
    rows = {(train, test): mine for (train, test, _), mine in table.rows.items()}
    return Grid(table.base, table.task, table.judge, table.metric, fields, trains, _ordered(tests),
                dict(table.lines), gaps, rows, table.variant, tuple(table.notes), beside)  # fmt: skip


def tracks(
    rows: Iterable[Row], metrics: Sequence[str], *, pool: bool = False
) -> list[tuple[Grid, list[Track]]]:
    """Follows copies kept along training: per table its lines, one for each train and test."""
    out = []
    for table in _tables([r for r in rows if r.step is not None], metrics, pool=pool):
        lines: dict[tuple[str, str], dict[int, Field]] = {}
        for (train, test, step), found in sorted(table.fields.items(), key=lambda p: p[0][2] or 0):
            if step is not None:
                lines.setdefault((train, test), {})[step] = found
        order = list(table.lines)
        keys = sorted(lines, key=lambda p: (order.index(p[0]), _ordered([p[1]]), p[1]))
        made = [Track(a, table.lines[a].label, b, lines[a, b]) for a, b in keys]
        out.append((_grid(table, {test for _, test in lines}, {}), made))
    return out


def _tables(rows: Sequence[Row], metrics: Sequence[str], *, pool: bool) -> list[Table]:
    named = bases_of(rows, pool=pool)
    groups: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in rows:
        if row.test_template and row.metric in metrics:
            key = (named[row.base], row.task, row.judge, row.metric)
            groups.setdefault(key, []).append(row)
    failed = [r for r in rows if r.test_template and not r.metric]
    order, out = {m: i for i, m in enumerate(metrics)}, list[Table]()
    for key in sorted(groups, key=lambda k: (k[0], order[k[3]], k[1], k[2])):
        if all(r.value is None for r in groups[key]):
            continue
        lost = [r for r in failed if (named[r.base], r.task) == key[:2]]
        made = split([*groups[key], *lost], key[0], pool=pool)
        notes = (NAIVE if _naive(groups[key]) else _labels(groups[key]), repeats_of(groups[key]))
        for table in made:
            table.notes += filter(None, notes)
        out += made
    return out


def _naive(rows: Sequence[Row]) -> bool:
    """Whether these are a judge's rates of which no person has said anything."""
    judged = any(r.judge not in ("", *_EXACT) and r.metric in PEOPLE for r in rows)
    return judged and all(r.people is None for r in rows)


def _labels(rows: Sequence[Row]) -> str:
    """On how many labels people's rates rest, of a table of these alone (see `people_rows`)."""
    counts = [r.labelled for r in rows if r.people is not None and r.value == r.people]
    if len(counts) < len(rows):
        return ""
    few, many = min(counts), max(counts)
    return f"{few if few == many else f'{few} to {many}'} labels a field and seed; intervals in the CSV"


def left_out(
    rows: Sequence[Row],
    metrics: Sequence[str] = HEADLINES,
    *,
    pool: bool = False,
    steps: bool = False,
) -> list[str]:
    """Says which rows are in none of the tables, how many, and why.

    Args:
        rows: What `grids` was given.
        metrics: As there.
        pool: As there.
        steps: Whether copies kept along training are shown elsewhere.
    """
    named = bases_of(rows, pool=pool)
    made = _tables([r for r in rows if r.step is None], metrics, pool=pool)
    shown = {(t.base, t.task, attack_of(t)) for t in made}
    whys: dict[str, list[str]] = {}
    for row in rows:
        place = (named[row.base], row.task, row.attack)
        if row.step is not None and not steps:
            whys.setdefault("of copies kept along training (`ptst plot` draws them)", []).append(
                row.task
            )
        elif row.step is None and not row.test_template:
            whys.setdefault("without a test template", []).append(row.task)
        elif row.step is None and row.metric and row.metric not in metrics:
            whys.setdefault("of metrics that are in no table here", []).append(row.metric)
        elif row.step is None and row.value is None and place not in shown:
            why = "failed, of sets without any number" if row.error else "without any verdict"
            whys.setdefault(why, []).append(f"{row.task} {row.attack}".rstrip())
    return [
        f"{len(names)} row{'s' if len(names) > 1 else ''} {why}: {', '.join(dict.fromkeys(names))}"
        for why, names in whys.items()
    ]


def _ordered(names: Iterable[str]) -> tuple[str, ...]:
    known = builtin().names()
    return tuple(sorted(names, key=lambda n: (known.index(n) if n in known else len(known), n)))
