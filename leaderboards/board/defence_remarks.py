"""What must be said below the table of defences: what it is of, who is best, and what is not in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from leaderboards.board.mean_change import DRAWN
from leaderboards.board.standing import Standing
from leaderboards.board.tables import Grid, short
from leaderboards.board.versus import (
    PAPERS,
    Known,
    Place,
    Versus,
    named,
    plain_of,
    ptst_of,
    same_data,
)

__all__ = ["remarks"]

Lines = Mapping[Place, Standing]
_FEW = 8
"""Names in a sentence."""


def remarks(
    harm: Grid, helps: Sequence[Grid], mild: Sequence[Grid], outcomes: Mapping[Place, Known],
    lines: Lines, tests: int,
) -> list[str]:  # fmt: skip
    """The sentences, in order.

    Args:
        harm: Attack success.
        helps: Helpfulness of the same base; the first is in the table.
        mild: Refusals of harmless prompts, likewise.
        outcomes: What `versus.known` says.
        lines: The table.
        tests: How many there are.
    """
    out = [
        *_measured(harm, helps, mild), *_compared(lines, tests), *_on_front(harm, helps, lines),
        *_beaten(lines), *_uncompared(harm, outcomes, lines), *_gaps(harm),
    ]  # fmt: skip
    return list(dict.fromkeys(out))


def _measured(harm: Grid, helps: Sequence[Grid], mild: Sequence[Grid]) -> Iterator[str]:
    """What the columns are of, and what is said below their own tables."""
    yield from harm.remarks("ASR: mean")
    yield "ASR: with Wilson's 95 % interval over prompts, each counted once whatever the seeds"
    for name, tables in (("help", helps), ("over-refusal", mild)):
        if not tables:
            continue
        first, *others = tables
        also = _some((_of(grid) for grid in others), "; also measured, and not in the table: ")
        yield f"{name}: {_of(first)}{also}"
        yield from (
            remark if remark in harm.notes else f"{name}: {remark.removeprefix(f'{name}: ')}"
            for remark in first.remarks(f"{name}: mean")
        )


def _of(grid: Grid) -> str:
    who = "; ".join(part for part in (grid.judge, grid.variant) if part)
    return f"{grid.metric} on {grid.task}{f' ({who})' if who else ''}"


def _compared(lines: Lines, tests: int) -> Iterator[str]:
    if not tests:
        yield "nothing could be compared prompt by prompt"
        return
    yield ("against none and PTST: points of ASR on the same prompts and seeds, with a 95 % interval over "
           f"prompts; p by Holm over {tests} comparison{'s' if tests > 1 else ''}")  # fmt: skip
    if any(versus.seeds > 1 for _, versus in _pairs(lines)):
        least = min(2 / (DRAWN + 1) * tests, 1.0)
        yield f"p is drawn ({DRAWN:,} ways) where there are several seeds: none below {least:.3f}"
        yield "seeds are averaged first: intervals and p speak of other prompts, not of other seeds"


def _pairs(lines: Lines) -> Iterator[tuple[Standing, Versus]]:
    return ((s, versus) for s in lines.values() for versus in (s.none, s.ptst) if versus)


def _on_front(harm: Grid, helps: Sequence[Grid], lines: Lines) -> Iterator[str]:
    if not helps:
        yield "no helpfulness was measured, so there is no front"
    else:
        yield "front: by the means alone, whatever their intervals, over all lines with help"
    several = len({harm.lines[train].data.partition("+")[0] for train, _ in lines} - {""}) > 1
    told = set()
    for place in lines:
        line = harm.lines[place[0]]
        found = ptst_of(harm, line) if line.template else []
        if len(found) == 1 and found[0] not in told:
            told.add(found[0])
            yield _ptst(harm, found[0], lines, f" on {line.data}" if several else "")
        elif len(found) > 1:
            yield _twins("PTST", harm, found)
        twins = plain_of(harm, place)
        if len(twins) > 1:
            yield _twins(f"plain training, for {line.label},", harm, twins)
    if not told:
        yield "PTST (plain training without a safety prompt, tested with one) was not measured"


def _twins(what: str, harm: Grid, places: Sequence[Place]) -> str:
    names = ", ".join(named(harm, place) for place in places)
    return f"{what} is there {len(places)} times ({names}): nothing is compared with it"


def _ptst(harm: Grid, place: Place, lines: Lines, on: str) -> str:
    others = [
        p for p in lines
        if p != place and harm.fields[p].ptst and not harm.lines[p[0]].defence
        and same_data(harm.lines[p[0]], harm.lines[place[0]])
    ]  # fmt: skip
    why = ", the paper's" if (harm.lines[place[0]].template, place[1]) == PAPERS else ", the first"
    chosen = f"{why} of {len(others) + 1} that are PTST" if others else ""
    said = f"PTST{on} is {named(harm, place)}{chosen}"
    mine = lines[place]
    if mine.front is None:
        return f"{said}; whether it is on the front is not known without helpfulness"
    if mine.front:
        return f"{said}; PTST is on the front"
    better = [s.name for s in lines.values() if s.beats(mine)]
    verb = "is" if len(better) == 1 else "are"
    return (
        f"{said}; PTST is not on the front: {', '.join(better)} {verb} as safe and as able, and better "
        "in one"
    )


def _beaten(lines: Lines) -> Iterator[str]:
    """Defences that a plain scale of the adapter beats, or equals, under the same templates."""
    for line in lines.values():
        if not line.defence or line.defence.startswith("scale:"):
            continue
        scales = [
            s for s in lines.values()
            if s.defence.startswith("scale:")
            and (s.template, s.more, s.test) == (line.template, line.more, line.test)
        ]  # fmt: skip
        better = [s.defence for s in scales if s.beats(line)]
        alike = [
            s.defence for s in scales
            if line.helps is not None and (s.asr, s.helps) == (line.asr, line.helps)
        ]  # fmt: skip
        if better:
            yield f"{line.name} is beaten by {' and '.join(better)}"
        elif alike:
            yield f"{line.name} is no better than {' and '.join(alike)}"


def _uncompared(harm: Grid, outcomes: Mapping[Place, Known], lines: Lines) -> Iterator[str]:
    """What stands in the rates and not in the comparisons."""
    rates = [named(harm, p) for p, found in outcomes.items() if None in found.values()]
    yield from _list(rates, "not compared, or not with all seeds, for the outcomes of prompts are not "
                     "there")  # fmt: skip
    yield from _counted(lines, "seeds that one of two alone has, with outcomes, are not compared",
                        lambda v: v.alone)  # fmt: skip
    yield from _counted(lines, "answers are not compared, for they or the other's have no verdict",
                        lambda v: v.lost)  # fmt: skip
    apart = [s.name for p, s in lines.items() if not s.none and plain_of(harm, p)
             and None not in outcomes[p].values()]  # fmt: skip
    yield from _list(apart, "no prompt of a seed in common with plain training")
    bare = [s.name for p, s in lines.items() if s.defence and not plain_of(harm, p)]
    yield from _list(bare, "plain training under the same templates was not measured")


def _counted(lines: Lines, what: str, count: Callable[[Versus], int]) -> Iterator[str]:
    found = {(s.name, v.beside): count(v) for s, v in _pairs(lines) if count(v)}
    yield from _list((f"{a} beside {b} ({n})" for (a, b), n in found.items()), what)


def _gaps(harm: Grid) -> Iterator[str]:
    whys: dict[str, list[str]] = {}
    for (train, test), why in harm.gaps.items():
        whys.setdefault(why, []).append(f"{harm.label(train)} → {short(test)}")
    for why, names in whys.items():
        yield from _list(names, f"not in the table ({why})")


def _list(names: Iterable[str], what: str) -> Iterator[str]:
    said = _some(names, f"{what}: ")
    if said:
        yield said


def _some(names: Iterable[str], what: str) -> str:
    """Some names after some words; nothing without names."""
    found = list(names)
    more = f" and {len(found) - _FEW} more" if len(found) > _FEW else ""
    return f"{what}{', '.join(found[:_FEW])}{more}" if found else ""
