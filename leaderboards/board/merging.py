"""What may be averaged: seeds, and nothing else.

Rows of the CSV become the fields of tables. Numbers stand in one field, and are averaged, only
where everything but a training seed or a decoding seed is the same. What else differs makes
another row of the table (other training data, other adapters of the same seed) or another table
(engine, decoding, prompts asked, judge's settings ...), each named by what differs. What cannot
be told apart at all has no number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from leaderboards.board.differences import TRAINED, differing, in_words, uneven, value
from leaderboards.board.fields import SAFETY_PROMPTS, Field, Line, short
from leaderboards.board.row import Row
from ptst_tasks.templates import builtin

__all__ = ["Table", "bases_of", "split"]

Place = tuple[str, str, int | None]
"""Key of a line, test template, step."""


@dataclass(slots=True)
class Table:
    """The fields of one metric of one judge on one set, for one base.

    Attributes:
        base, task, judge, metric: As in the CSV.
        variant: What tells it from another table of the same four: ``engine vllm``.
        lines: Its rows, in order, by key.
        fields: By line, test template and step.
        rows: By the same, the rows that a field is of.
        gaps: Why a field has no number: ``failed``, ``unscored``, ``differs``.
        notes: What a reader must know, a sentence each.
    """

    base: str
    task: str
    judge: str
    metric: str
    variant: str = ""
    lines: dict[str, Line] = field(default_factory=dict)
    fields: dict[Place, Field] = field(default_factory=dict)
    rows: dict[Place, list[Row]] = field(default_factory=dict)
    gaps: dict[Place, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def bases_of(rows: Iterable[Row], *, pool: bool) -> dict[str, str]:
    """Base -> its name in tables; with `pool` without the seed behind a colon."""
    names = dict.fromkeys(r.base for r in rows)
    parts = {name: name.rpartition(":") for name in names}
    return {n: p[0] if pool and p[0] and p[2].isdigit() else n for n, p in parts.items()}


def split(rows: Sequence[Row], base: str, *, pool: bool) -> list[Table]:
    """Makes the tables of rows of one base, set, judge and metric; each attack has its own.

    Args:
        rows: Measured or failed; all have a test template.
        base: The base's name in tables.
        pool: `rows` are of several bases that differ in a seed.

    Returns:
        None of an attack without any number; `leaderboards.board.tables.left_out` tells of it.
    """
    out = []
    for attack in sorted({r.attack for r in rows}):
        for table in _alike([r for r in rows if r.attack == attack], base, pool=pool):
            said = (f"attack {attack}" if attack else "", table.variant)
            table.variant = ", ".join(part for part in said if part)
            out.append(table)
    return out


def _alike(rows: Sequence[Row], base: str, *, pool: bool) -> list[Table]:
    """The tables of one attack."""
    ignored = frozenset(("base_digest", "base_files") if pool else ())
    good = [r for r in rows if r.value is not None]
    if not good:
        return []
    places: dict[Any, list[Row]] = {}
    for row in good:
        places.setdefault((_kind(row), row.test_template, row.step), []).append(row)
    columns = differing(places.values(), ignored)
    parts: dict[tuple[Any, ...], list[Row]] = {}
    for row in good:
        parts.setdefault(tuple(value(row, c) for c in columns), []).append(row)
    names = in_words(columns, list(parts)) if columns else [""]
    bad = [r for r in rows if r.value is None]
    out = []
    for name, part in zip(names, parts.values(), strict=True):
        first = part[0]
        table = Table(base, first.task, first.judge, first.metric, name)
        _fill(table, part, bad, ignored)
        out.append(table)
    return sorted(out, key=lambda t: t.variant)


def _kind(row: Row) -> tuple[Any, ...]:
    """What a line of a table is about; with the adapter, where there is no seed to go by."""
    alone = bool(row.adapter) and (row.seed is None or not row.train_template)
    trained = (getattr(row, c) for c in TRAINED)
    return (row.train_template, *trained, _adapter(row) if alone else "")


def _adapter(row: Row) -> str:
    return row.adapter_digest or row.adapter


def _seed(row: Row) -> tuple[Any, ...]:
    return row.base, row.base_digest, -1 if row.seed is None else row.seed


def _fill(table: Table, good: list[Row], bad: list[Row], ignored: frozenset[str]) -> None:
    several = _several(good)
    of: dict[tuple[Any, ...], list[Row]] = {}
    for row in good:
        kind = _kind(row)
        of.setdefault((*kind[:-1], _adapter(row)) if kind in several else kind, []).append(row)
    lines = _lines(of, several, table.notes)
    for kind in sorted(of, key=lambda k: _order(lines[k])):
        line = table.lines.setdefault(lines[kind].key, lines[kind])
        cells: dict[tuple[str, int | None], list[Row]] = {}
        for row in of[kind]:
            cells.setdefault((row.test_template, row.step), []).append(row)
        for (test, step), rows in cells.items():
            _field(table, line, (line.key, test, step), rows)
    named = {id(r): lines[kind].label for kind, rows in of.items() for r in rows}
    table.notes += uneven(good, lambda r: named[id(r)], ignored)
    _gaps(table, bad, {id(r): lines[k].key for k, rows in of.items() for r in rows}, good)


def _several(rows: Iterable[Row]) -> set[tuple[Any, ...]]:
    """Kinds in which one seed has several adapters: its adapters are no seeds of each other."""
    seen: dict[tuple[Any, ...], str] = {}
    out = set()
    for row in rows:
        place = (_kind(row), row.test_template, row.step, _seed(row), row.decoding_seed)
        if seen.setdefault(place, _adapter(row)) != _adapter(row):
            out.add(_kind(row))
    return out


def _lines(
    of: dict[tuple[Any, ...], list[Row]], several: set[tuple[Any, ...]], notes: list[str]
) -> dict[tuple[Any, ...], Line]:
    """Names each kind of row; no two alike."""
    firsts = {kind: rows[0] for kind, rows in of.items()}
    out: dict[tuple[Any, ...], Line] = {}
    mains = {r.train_data.partition("+")[0] for r in firsts.values() if r.train_template}
    for kind, row in firsts.items():
        more = [_data(row, mains)] if row.train_template else []
        more.append(row.defence)
        for column in ("adapter_config", "training"):
            mine = getattr(row, column)
            twins = {getattr(r, column) for r in firsts.values() if _same(r, row)}
            more += [f"{column} {mine[:8] or '?'}"] if len(twins) > 1 else []
        alone = row.adapter if kind[-1] else ""
        if alone and len({k[-1] for k in of if firsts[k].adapter == alone}) > 1:
            alone += f" {_adapter(row)[-64:][:8]}"
        if alone and any(_same(r, row) for k, r in firsts.items() if k != kind):
            more.append(alone)
        line = Line(
            row.train_template, row.train_data, " ".join(m for m in more if m), alone, row.defence
        )
        while line.key in {other.key for other in out.values()}:  # two lines are never one
            line = replace(line, more=f"{line.more} (another)".strip())
        out[kind] = line
    if several:
        who = ", ".join(line.label for kind, line in out.items() if (*kind[:-1], "") in several)
        notes.append(f"one seed has several adapters, so each has a row of its own: {who}")
    return out


def _same(a: Row, b: Row) -> bool:
    said = ("train_template", "train_data", "defence")
    return all(getattr(a, name) == getattr(b, name) for name in said)


def _data(row: Row, mains: set[str]) -> str:
    """What the label says of the training set: what was mixed in, or all of it where sets differ."""
    main, *mixed = row.train_data.split("+")
    if row.defence.startswith("mix:"):  # which says so itself
        mixed = [name for name in mixed if name != row.defence.split(":")[1]]
    if len(mains) > 1 and row.train_data:
        return "+".join([main, *mixed])
    return "".join(f"+{name}" for name in mixed) if len(mains) < 2 else "(data ?)"


def _order(line: Line) -> tuple[Any, ...]:
    known = ["", *builtin().names()]
    at = known.index(line.template) if line.template in known else len(known)
    unknown = not line.template and bool(line.adapter)
    return (len(known) if unknown else at, line.template, line.data, line.more, line.adapter)


def _field(table: Table, line: Line, place: Place, rows: Sequence[Row]) -> None:
    table.rows[place] = list(rows)
    by_seed: dict[tuple[Any, ...], dict[int | None, list[Row]]] = {}
    for row in rows:
        by_seed.setdefault(_seed(row), {}).setdefault(row.decoding_seed, []).append(row)
    values: list[list[float]] = []
    for seed in sorted(by_seed):
        draws = by_seed[seed]
        found = [
            list(dict.fromkeys(_value(r) for r in draws[d])) for d in sorted(draws, key=_first)
        ]
        if any(len(v) > 1 for v in found):
            table.gaps[place] = "differs"
            these = " and ".join(f"{100 * v:.2f}" for v in next(v for v in found if len(v) > 1))
            table.notes.append(
                f"{line.label} → {short(place[1])} was measured alike with different results "
                f"({these}); neither is shown"
            )
            return
        values.append([v[0] for v in found])
    drawn = {len(v) for v in values}
    if len(values) > 1 and len(drawn) > 1:
        each = ", ".join(str(len(v)) for v in values)
        table.notes.append(
            f"{line.label} → {short(place[1])}: its training seeds have unequal numbers of decoding "
            f"seeds ({each}); each counts once"
        )
    template = line.template
    made = Field(
        tuple(values[0]) if len(values) == 1 else tuple(sum(v) / len(v) for v in values),
        diagonal=template == place[1],
        ptst=bool(template) and template not in SAFETY_PROMPTS and place[1] in SAFETY_PROMPTS,
        over=_over(list(by_seed), max(drawn)),
        n=rows[0].n,
    )
    table.fields[place] = replace(made, each=max(drawn)) if len(values) > 1 else made


def _first(seed: int | None) -> int:
    return -1 if seed is None else seed


def _value(row: Row) -> float:
    assert row.value is not None  # `split` parts the measured from the failed
    return row.value


def _over(seeds: Sequence[tuple[Any, ...]], drawn: int) -> str:
    """What the values of a field are."""
    bases = {s[:2] for s in seeds}
    if len(seeds) == 1:
        return "decoding seeds" if drawn > 1 else ""
    if len(bases) == 1:
        return "training seeds"
    return "bases" if len(bases) == len(seeds) else "pairs of base and training seed"


def _gaps(table: Table, bad: Sequence[Row], keys: dict[int, str], good: Sequence[Row]) -> None:
    """Notes fields that have no number, and those that lack one of their seeds."""
    of = {_kind(r): keys[id(r)] for r in reversed(good)}
    by_name = {(r.adapter, r.train_template): keys[id(r)] for r in reversed(good)}
    lost: dict[Place, int] = {}
    for row in bad:
        key = by_name.get((row.adapter, row.train_template)) or of.get(_kind(row))
        if key is None:
            key = next((k for k, _ in _loosely(table, row)), None)
        if key is None:
            made = Line(row.train_template, row.train_data, row.defence, row.adapter, row.defence)
            key = made.key
            table.lines[key] = made
        place = (key, row.test_template, row.step)
        if place in table.fields:
            lost[place] = lost.get(place, 0) + 1
        else:
            table.gaps.setdefault(place, "failed" if row.error else "unscored")
    for (key, test, _), n in lost.items():
        table.notes.append(
            f"{table.lines[key].label} → {short(test)}: {n} run{'s' if n > 1 else ''} failed or "
            f"has no verdict, and is not in it"
        )
    order = sorted(table.lines.values(), key=_order)
    table.lines = {line.key: line for line in order}


def _loosely(table: Table, row: Row) -> Iterator[tuple[str, Line]]:
    """Lines of a failed row's template: it does not know all that a measured one does."""
    for key, line in table.lines.items():
        alike = line.template == row.train_template and row.train_data in ("", line.data)
        alike = alike and line.defence == row.defence
        if alike and (row.train_template or not row.adapter):
            yield key, line
