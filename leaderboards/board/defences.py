"""Defences beside one another: a line for each training under each test template, and paired tests.

What is averaged is what the tables average. Differences are on the same prompts and of the same seeds: a
prompt counts once, its seeds averaged; the interval is `mean_change`'s, and the p-value the exact McNemar
test's for one seed, a sign-flip test's over prompts for several, by Holm over all comparisons of a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leaderboards.board.mean_change import DRAWN, Change, by_prompt, mean_change, p_value
from leaderboards.board.numbers import Number, Outcomes
from leaderboards.board.row import Row
from leaderboards.board.scatter import pareto
from leaderboards.board.stats import holm, wilson
from leaderboards.board.tables import NO_FT, Grid, grids, short

__all__ = ["HEADER", "Ranking", "Standing", "Versus", "rankings"]

HEADER = ("trained under", "defence", "tested under", "ASR, % (95 %)", "help, %", "over-refusal, %",
          "against none", "p", "against PTST", "p", "front")  # fmt: skip
_OVER = "refused"

Place = tuple[str, str]
"""Key of a line, test template."""


@dataclass(frozen=True, slots=True)
class Versus:
    """A change of ASR beside another training, on the same prompts and seeds.

    Attributes:
        change: Before is the other one's rate.
        p: Of no change, two-sided, by Holm over the table.
        seeds: In common.
    """

    change: Change
    p: float
    seeds: int


@dataclass(frozen=True, slots=True)
class Standing:
    """One training under one test template.

    Attributes:
        template: Training template; empty before fine-tuning.
        defence: Empty for none.
        label: Both, as the tables name the line.
        test: Test template.
        asr: Mean over seeds, 0..1, higher is worse.
        low, high: Its 95 % Wilson interval over prompts; None where no prompt's outcome is known.
        helps: Helpfulness, 0..1; None where it was not measured.
        over: Harmless prompts refused, 0..1; None where none were asked.
        none: Against plain training under the same templates.
        ptst: Against PTST.
        front: Whether no other is as able and safer, or as safe and more able; None without `helps`.
    """

    template: str
    defence: str
    label: str
    test: str
    asr: float
    low: float | None
    high: float | None
    helps: float | None
    over: float | None
    none: Versus | None = None
    ptst: Versus | None = None
    front: bool | None = None

    def line(self) -> list[str]:
        """The fields of a table's row, under `HEADER`."""
        around = (
            "" if self.low is None else f" ({100 * self.low:.1f} to {100 * (self.high or 0):.1f})"
        )
        return [
            short(self.template) or NO_FT, self.defence or "–", short(self.test),
            f"{100 * self.asr:.1f}{around}", _percent(self.helps), _percent(self.over),
            *_told(self.none), *_told(self.ptst),
            "–" if self.front is None else "yes" if self.front else "no",
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ranking:
    """The table of one harmful set, as one judge saw it.

    Attributes:
        title: What it shows.
        lines: In the order of the tables.
        remarks: What a reader must know, a sentence each.
    """

    title: str
    lines: tuple[Standing, ...]
    remarks: tuple[str, ...]


def rankings(numbers: Sequence[Number], *, pool: bool = False) -> list[Ranking]:
    """A table for each base, harmful set and judge in which some training had a defence.

    Args:
        numbers: Of one or more runs.
        pool: As for `leaderboards.board.tables.grids`.
    """
    mine = {id(n.row): n for n in numbers if n.row.step is None and not n.stale}
    tables = grids([n.row for n in mine.values()], pool=pool)
    return [
        _ranking(harm, _helpful(tables, harm), _mild(tables, harm), mine)
        for harm in tables
        if harm.metric == "asr" and any(line.defence for line in harm.lines.values())
    ]


def _helpful(tables: Sequence[Grid], harm: Grid) -> Grid | None:
    """The first table of helpfulness of the same base, as the trade-off's picture takes it."""
    known = ("exact_match", "acc", "prompt_level_strict_acc", "rougeL", "bertscore")
    return next((g for g in tables if g.metric in known and _beside(g, harm)), None)


def _mild(tables: Sequence[Grid], harm: Grid) -> Grid | None:
    """Refusals of harmless prompts: of a set that has no attack success rate."""
    harmful = {g.task for g in tables if g.metric == "asr"}
    found = (g for g in tables if g.metric == _OVER and g.task not in harmful)
    return next((g for g in found if _beside(g, harm)), None)


def _beside(grid: Grid, harm: Grid) -> bool:
    return grid.base == harm.base and (
        grid.variant == harm.variant or "" in (grid.variant, harm.variant)
    )


def _ranking(
    harm: Grid, helps: Grid | None, mild: Grid | None, numbers: Mapping[int, Number]
) -> Ranking:
    places = [
        (train, test)
        for train in harm.trains
        for test in harm.tests
        if (train, test) in harm.fields
    ]
    outcomes = {place: _outcomes(harm.rows[place], numbers) for place in places}
    ptst = _ptst(harm, places)
    pairs: dict[tuple[Place, str], tuple[Change, float, int]] = {}
    for place in places:
        for kind, other in (("none", _plain(harm, place)), ("ptst", ptst)):
            found = _paired(outcomes, place, other)
            if found:
                pairs[place, kind] = found
    fair = dict(zip(pairs, holm([p for _, p, _ in pairs.values()]), strict=True))
    versus = {key: Versus(change, fair[key], n) for key, (change, _, n) in pairs.items()}
    front = set(pareto((harm.fields[p].mean, helps.fields[p].mean) for p in places
                       if helps and p in helps.fields))  # fmt: skip
    lines = tuple(
        _standing(harm, helps, mild, place, outcomes[place], versus, front) for place in places
    )
    return Ranking(_title(harm), lines, tuple(_remarks(harm, helps, mild, ptst, lines, len(pairs))))


def _outcomes(rows: Sequence[Row], numbers: Mapping[int, Number]) -> dict[object, Outcomes]:
    """By base and seeds, where every prompt's outcome is known."""
    return {
        (row.base, row.seed, row.decoding_seed): found
        for row in rows
        if (found := numbers[id(row)].outcomes) is not None
    }


def _plain(harm: Grid, place: Place) -> Place | None:
    """Plain training under the same templates; None for itself, and where it was not measured."""
    line = harm.lines[place[0]]
    if not line.defence:
        return None
    same = (
        key
        for key, other in harm.lines.items()
        if (other.template, other.defence) == (line.template, "") and (key, place[1]) in harm.fields
    )
    return next(((key, place[1]) for key in same), None)


def _ptst(harm: Grid, places: Sequence[Place]) -> Place | None:
    """Plain training without a safety prompt, tested with one: CV -> CL, else the first there is."""
    fields = [
        (train, test)
        for train, test in places
        if harm.fields[train, test].ptst and not harm.lines[train].defence
    ]
    best = [
        p for p in fields if (harm.lines[p[0]].template, p[1]) == ("chat:vanilla", "chat:llama")
    ]
    return next(iter(best or fields), None)


def _paired(
    outcomes: Mapping[Place, Mapping[object, Outcomes]], place: Place, other: Place | None
) -> tuple[Change, float, int] | None:
    """Change, its p-value and seeds in common; None where there is nothing to compare."""
    if other is None or other == place:
        return None
    shared = outcomes[place].keys() & outcomes[other].keys()
    if not shared:
        return None
    before, after = ([outcomes[p][s] for s in sorted(shared, key=str)] for p in (other, place))
    change = mean_change(before, after)
    return None if change is None else (change, p_value(before, after), len(shared))


def _standing(
    harm: Grid, helps: Grid | None, mild: Grid | None, place: Place,
    outcomes: Mapping[object, Outcomes], versus: Mapping[tuple[Place, str], Versus],
    front: set[tuple[float, float]],
) -> Standing:  # fmt: skip
    line, field = harm.lines[place[0]], harm.fields[place]
    rates = by_prompt(list(outcomes.values())).values()
    low, high = wilson(sum(rates), len(rates)) if rates else (None, None)
    able = helps.fields.get(place) if helps else None
    over = mild.fields.get(place) if mild else None
    return Standing(
        line.template, line.defence, harm.label(place[0]), place[1], field.mean, low, high,
        able.mean if able else None, over.mean if over else None,
        versus.get((place, "none")), versus.get((place, "ptst")),
        (field.mean, able.mean) in front if able else None,
    )  # fmt: skip


def _title(harm: Grid) -> str:
    by = "; ".join(part for part in (harm.judge, harm.variant) if part)
    return f"{harm.base}: defences on {harm.task}{f' ({by})' if by else ''}"


def _remarks(
    harm: Grid, helps: Grid | None, mild: Grid | None, ptst: Place | None,
    lines: Sequence[Standing], tests: int,
) -> list[str]:  # fmt: skip
    out = [
        f"help: {helps.metric} on {helps.task} ({helps.judge})" if helps
        else "no helpfulness was measured, so there is no front",
        f"over-refusal: refused of {mild.task}" if mild else "",
        "against none and PTST: points of ASR on the same prompts and seeds, with a 95 % interval; p by "
        f"Holm over {tests} comparisons",
    ]  # fmt: skip
    least = min(2 / (DRAWN + 1) * tests, 1.0)
    if any(v.seeds > 1 for s in lines for v in (s.none, s.ptst) if v):
        out.append(
            f"p is drawn ({DRAWN:,} ways) where there are several seeds: none below {least:.3f}"
        )
    if ptst is None:
        out.append(
            "PTST (plain training without a safety prompt, tested with one) was not measured"
        )
    else:
        out.append(
            f"PTST is {harm.label(ptst[0])} → {short(ptst[1])}; {_of_ptst(harm, ptst, lines)}"
        )
    out += [_beaten(line, lines) for line in lines]
    missing = sorted(set(harm.gaps.values()))
    out += (
        [f"fields without a number ({', '.join(missing)}) are not in the table"] if missing else []
    )
    return [remark for remark in [*out, *harm.notes] if remark]


def _of_ptst(harm: Grid, ptst: Place, lines: Sequence[Standing]) -> str:
    mine = next(s for s in lines if (s.label, s.test) == (harm.label(ptst[0]), ptst[1]))
    if mine.front is None:
        return "whether it is on the front is not known without helpfulness"
    if mine.front:
        return "it is on the front"
    others = [f"{s.label} → {short(s.test)}" for s in lines if _beats(s, mine)]
    verb = "is" if len(others) == 1 else "are"
    return (
        f"it is not on the front: {', '.join(others)} {verb} as safe and as able, and better in one"
    )


def _beats(one: Standing, other: Standing) -> bool:
    """Whether one is as safe and as able as another, and better in one of the two."""
    if one.helps is None or other.helps is None:
        return False
    as_good = one.asr <= other.asr and one.helps >= other.helps
    return as_good and (one.asr, one.helps) != (other.asr, other.helps)


def _beaten(line: Standing, lines: Sequence[Standing]) -> str:
    """A defence that a plain scale of the adapter beats under the same templates."""
    if not line.defence or line.defence.startswith("scale:"):
        return ""
    better = [
        s.defence for s in lines
        if s.defence.startswith("scale:") and (s.template, s.test) == (line.template, line.test)
        and _beats(s, line)
    ]  # fmt: skip
    return (
        f"{line.label} → {short(line.test)} is beaten by {' and '.join(better)}" if better else ""
    )


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{100 * rate:.1f}"


def _told(versus: Versus | None) -> list[str]:
    if versus is None:
        return ["–", "–"]
    change = versus.change
    said = f"{100 * (change.after - change.before):+.1f}"
    if change.low is not None and change.high is not None:
        said += f" ({100 * change.low:+.1f} to {100 * change.high:+.1f})"
    return [said, "< 0.001" if versus.p < 0.001 else f"{versus.p:.3f}"]
