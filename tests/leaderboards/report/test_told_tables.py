"""Every sentence at the top is true of the tables: boards at random, and plain sums to compare with."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from random import Random
from statistics import fmean, stdev
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from leaderboards.board.fields import NO_FT
from leaderboards.board.numbers import Number
from leaderboards.board.tables import grids
from leaderboards.report.headline import headlines
from leaderboards.report.told_tables import Told, largest_rise, rise_of
from tests.leaderboards.board.rows import row

CV, CL, CA = "chat:vanilla", "chat:llama", "chat:alpaca"
SHORT = {"": NO_FT, CV: "CV", CL: "CL", CA: "CA"}
Outcomes = dict[str, int | None]
Units = dict[tuple[str, int | None], list[Outcomes]]
"""(base, training seed) -> outcomes of each draw."""


@dataclass
class Board:
    """Made-up answers: (base, set) -> (trained, tested), abbreviated -> units."""

    cells: dict[tuple[str, str], dict[tuple[str, str], Units]]
    pool: bool
    drawn: bool

    def numbers(self) -> list[Number]:
        out = []
        for (_, name), fields in self.cells.items():
            for (line, test), units in fields.items():
                long = {short: template for template, short in SHORT.items()}
                for (base, seed), draws in units.items():
                    for at, outcomes in enumerate(draws):
                        more: dict[str, Any] = {"decoding_seed": at} if self.drawn else {}
                        made = row(
                            long[line], long[test], 0.5, base=base, task=name, seed=seed, **more
                        )
                        known = [v for v in outcomes.values() if v is not None]
                        counts: dict[str, Any] = {
                            "n": len(known), "unscored": len(outcomes) - len(known),
                            "value": fmean(known) if known else None,
                        }  # fmt: skip
                        out.append(Number(made.model_copy(update=counts), outcomes))
        return out


@st.composite
def boards(draw: st.DrawFn) -> Board:
    """Few prompts, several of everything else."""
    random = Random(draw(st.integers(0, 2**32)))
    pool, drawn = draw(st.booleans()), draw(st.booleans())
    lacking = draw(st.sampled_from([0.0, 0.0, 0.02, 0.02, 0.3, 1.0]))
    n = draw(st.sampled_from([9, 40, 60]))
    cells: dict[tuple[str, str], dict[tuple[str, str], Units]] = {}
    for base in ["m"] if pool else random.choice((["m"], ["m", "w"])):
        for name in [f"set{i}" for i in range(random.choice((1, 2, 5)))]:
            fields: dict[tuple[str, str], Units] = {}
            for line in SHORT.values():
                for test in ("CV", "CL"):
                    if random.random() < 0.25:
                        continue
                    rate = random.choice((0.0, 0.1, 0.5, 1.0))
                    fields[line, test] = {
                        (part, seed): [
                            {f"p{i}": None if random.random() < lacking else int(random.random() < rate)
                             for i in range(n)}
                            for _ in range(random.choice((1, 2, 3)) if drawn else 1)
                        ]
                        for part in ([f"{base}:{i}" for i in range(2) if random.random() < 0.8]
                                     if pool else [base])
                        for seed in ((None,) if line == NO_FT else range(random.choice((1, 2, 3))))
                    }  # fmt: skip
            cells[base, name] = fields
    return Board(cells, pool, drawn)


def rate_of(units: Units) -> float | None:
    """As a table averages: prompts, then draws, then training seeds."""
    seeds = []
    for draws in units.values():
        rates = [fmean(known) for d in draws if (known := [v for v in d.values() if v is not None])]
        seeds += [fmean(rates)] if rates else []
    return fmean(seeds) if seeds else None


def scored(units: Units) -> Units:
    """Without the draws that have no verdict at all, which are in no table."""
    kept = {unit: [d for d in draws if set(d.values()) != {None}] for unit, draws in units.items()}
    return {unit: draws for unit, draws in kept.items() if draws}


def alike(old: Units, new: Units) -> bool:
    """Whether the same bases weigh the same on both sides."""
    shares = []
    for units in (old, new):
        count = Counter(base for base, _ in units)
        shares.append({base: n / len(units) for base, n in count.items()})
    return shares[0].keys() == shares[1].keys() and all(
        math.isclose(shares[0][base], shares[1][base]) for base in shares[0]
    )


def by_prompt(units: Units) -> dict[str, float]:
    means: dict[str, list[float]] = {}
    for draws in units.values():
        for name in draws[0]:
            known = [v for d in draws if (v := d[name]) is not None]
            if known:
                means.setdefault(name, []).append(fmean(known))
    return {name: fmean(values) for name, values in means.items()}


def percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"


class Checked:
    """One sentence, taken apart and compared with its own board."""

    def __init__(self, board: Board, sentence: str) -> None:
        found = re.fullmatch(
            r"(\S+), tested under (\w+): attack success on (\w+) \(k\) (.*)\.", sentence
        )
        assert found, sentence
        self.place, self.test, self.parts = (found[1], found[3]), found[2], found[4].split("; ")
        units = {at: scored(u) for at, u in board.cells[self.place].items()}
        self.units = {at: u for at, u in units.items() if u}
        self.rates = {at: rate for at, u in self.units.items() if (rate := rate_of(u)) is not None}
        self.rises = rises_of(board, self.place)
        self.told: list[str] = []

    def check(self) -> None:
        kinds = (self.moved, self.plain, self.apart, self.alone, self.highest, self.largest)
        for part in self.parts:
            if part == "there is no number of the model before fine-tuning":
                assert (NO_FT, self.test) not in self.rates
                continue
            assert sum(bool(kind(part)) for kind in kinds) == 1, part
        trained = {at: rate for at, rate in self.rates.items() if at[0] != NO_FT}
        mine = {line: rate for (line, test), rate in trained.items() if test == self.test}
        told = [self.rates[line, self.test] for line in self.told]
        assert max(mine.values(), default=-1) == max(told, default=-1)
        said = "; ".join(self.parts)
        higher = max(trained.values(), default=-1) > max(told, default=-1) + 1e-9
        assert ("the highest" in said) == higher
        rises = [
            self.rises[line, self.test] for line in self.told if (line, self.test) in self.rises
        ]
        if max(self.rises.values(), default=0.0) > max([0.0, *rises]) + 1e-9:
            assert "the largest" in said or "where it was" in said

    def shown(self, line: str, text: str) -> None:
        """A rate, with over how many seeds it is or of how many prompts."""
        units = self.units[line, self.test]
        assert text.startswith(percent(self.rates[line, self.test])), (line, text)
        if over := re.search(r"mean of (\d+) (?:training|decoding|bases)", text):
            assert int(over[1]) == (
                len(units) if len(units) > 1 else len(next(iter(units.values())))
            )
        if line != NO_FT:
            self.told.append(line)

    def moved(self, part: str) -> bool:
        found = re.fullmatch(
            r"(rose|fell|did not change beyond chance,) from (.+? %) to (.+? %) \((.*)\) after training "
            r"under (\w+)", part,
        )  # fmt: skip
        if found:
            self.shown(NO_FT, found[2])
            self.shown(found[5], found[3])
            sure = self.interval(found[5], found[4])
            moved = self.rates[found[5], self.test] - self.rates[NO_FT, self.test]
            assert abs(fmean(self.pairs(found[5])) - moved) < 0.0011  # or it is of other numbers
            fell = self.rates[found[5], self.test] < self.rates[NO_FT, self.test]
            usual = "fell" if fell else "rose"
            assert found[1] == (usual if sure else "did not change beyond chance,")
        return bool(found)

    def plain(self, part: str) -> bool:
        found = re.fullmatch(
            r"was (.*) and is (.*) after training under (\w+)(?:, (.*) on the (\d+) prompts that both have "
            r"a verdict on)?", part,
        )  # fmt: skip
        if found:
            self.shown(NO_FT, found[1])
            self.shown(found[3], found[2])
            assert alike(self.units[NO_FT, self.test], self.units[found[3], self.test])
            if found[4]:
                self.interval(found[3], found[4])
                assert int(found[5]) == len(self.pairs(found[3]))
        return bool(found)

    def apart(self, part: str) -> bool:
        found = re.fullmatch(
            r"is (.*) after training under (\w+), and (.*) before, of other bases: no change can be told",
            part,
        )
        if found:
            self.shown(found[2], found[1])
            self.shown(NO_FT, found[3])
            assert not alike(self.units[NO_FT, self.test], self.units[found[2], self.test])
        return bool(found)

    def alone(self, part: str) -> bool:
        found = re.fullmatch(
            r"it is (.*?) after training under (\w+)"
            r"(?:, (.*) on the \d+ prompts that both have a verdict on)?",
            part,
        )
        if found:
            self.shown(found[2], found[1])
            if (
                points := found[3]
                or (re.search(r"\((.*(?:points|moved|alike))\)", found[1]) or [0, ""])[1]
            ):
                self.interval(found[2], str(points))
            return True
        if not part.startswith("is ") or "other bases" in part:
            return False
        each = re.findall(r"(\d+\.\d % \([^)]*\))(?: after training under (\w+))?", part)
        for text, line in each:
            self.shown(line or NO_FT, text)
        return bool(each)

    def highest(self, part: str) -> bool:
        found = re.fullmatch(
            r"the highest of a trained model is (.+? %), trained under (\w+), tested under (\w+)"
            r"(?:, where it was (.+? %) before)?", part,
        )  # fmt: skip
        if found:
            at = found[2], found[3]
            most = max(rate for (line, _), rate in self.rates.items() if line != NO_FT)
            assert (found[1], self.rates[at]) == (percent(most), most)
            assert bool(found[4]) == (at in self.rises)
            if found[4]:
                assert found[4] == percent(self.rates[NO_FT, found[3]])
        return bool(found)

    def largest(self, part: str) -> bool:
        found = re.fullmatch(
            r"the largest rise is from (.+? %) to (.+? %), trained under (\w+), tested under (\w+)",
            part,
        )
        if found:
            at = found[3], found[4]
            assert math.isclose(self.rises[at], max(self.rises.values()))
            assert (found[1], found[2]) == (
                percent(self.rates[NO_FT, found[4]]),
                percent(self.rates[at]),
            )
        return bool(found)

    def pairs(self, line: str) -> list[float]:
        old, new = (by_prompt(self.units[name, self.test]) for name in (NO_FT, line))
        return [new[name] - old[name] for name in sorted(old.keys() & new.keys())]

    def interval(self, line: str, text: str) -> bool:
        """Compares an interval, and says whether it leaves no change out."""
        diffs = self.pairs(line)
        n, mean = len(diffs), fmean(diffs)
        if "no prompt of" in text or "moved alike" in text:
            assert f" {n}" in text
            assert n < 2 or max(diffs) - min(diffs) < 1e-9
            assert (abs(mean) < 1e-9) == ("no prompt of" in text)
            return abs(mean) > 1e-9 and 2 * 0.5**n <= 0.05
        half = float(student.ppf(0.975, n - 1)) * stdev(diffs) / math.sqrt(n)
        low, high = max(mean - half, -1), min(mean + half, 1)
        said = [float(x) for x in re.findall(r"[+-]\d+\.\d", text)]
        assert all(abs(a - 100 * b) < 0.0501 for a, b in zip(said, (low, high), strict=True))
        return not low <= 0 <= high


def rises_of(board: Board, place: tuple[str, str]) -> dict[tuple[str, str], float]:
    """(trained, tested) -> how far it is above the model before, of the same bases."""
    fields = {at: scored(units) for at, units in board.cells[place].items()}
    out = {}
    for (line, test), units in fields.items():
        old = fields.get((NO_FT, test))
        if line != NO_FT and old and units and alike(old, units):
            after, before = rate_of(units), rate_of(old)
            assert after is not None
            assert before is not None
            out[line, test] = after - before
    return out


@settings(max_examples=100, deadline=None)
@given(boards())
def test_every_sentence_is_true_of_the_tables(board: Board) -> None:
    numbers = board.numbers()
    said = headlines(numbers, pool=board.pool)
    there = {place: {at for at, units in fields.items() if scored(units)}
             for place, fields in board.cells.items()}  # fmt: skip
    there = {place: fields for place, fields in there.items() if fields}
    if not there:
        begins = "Harmful queries were asked" if numbers else "No harmful query was judged"
        assert said[0].startswith(begins)
        assert len(said) == 1
        return
    sentences = said[:3]
    assert len(said) == len(sentences) + (len(there) > 3)
    told = []
    for sentence in sentences:
        checked = Checked(board, sentence)
        checked.check()
        told.append(checked.place)
    assert len(set(told)) == min(len(there), 3)
    most = {place: max(rises_of(board, place).values(), default=-2.0) for place in there}
    risen = [most[place] for place in told if most[place] > 0]
    assert risen == sorted(risen, reverse=True)
    rest = [place for place in there if place not in told]
    largest = max((most[place] for place in rest), default=-2.0)
    if largest > 1e-9:  # what rose less than something that is not told of is not told of, either
        assert min(risen, default=-2.0) >= largest - 1e-9
        assert len(risen) == 3
        assert said[-1].endswith(f"the largest rise in these is {100 * largest:.1f} points.")
    elif rest:
        assert said[-1].endswith("in the tables.") or "0.0 points" in said[-1]
    if rest:
        assert said[-1].startswith(f"{len(rest)} more ")


def number(train: str, words: list[int], **more: Any) -> Number:
    made = row(train, CL, sum(words) / len(words), **more)
    return Number(
        made.model_copy(update={"n": len(words)}), {f"p{i}": v for i, v in enumerate(words)}
    )


def test_pooled_bases_that_lack_a_training_are_no_rise() -> None:
    """50 % over two bases, one of which had 100 % before and after: nothing rose."""
    numbers = [number("", [1] * 9, base="m:1"), number("", [0] * 9, base="m:0"),
               number(CL, [1] * 9, base="m:1", seed=0)]  # fmt: skip
    (grid,) = grids([n.row for n in numbers], ("asr",), pool=True)
    assert rise_of((grid, CL, CL)) is None
    assert largest_rise([grid]) is None
    seeds = [number(CL, [1] * 9, base="m:1", seed=s) for s in range(3)]
    uneven = [*numbers[:2], *seeds, number(CL, [0] * 9, base="m:0", seed=0)]
    (grid,) = grids([n.row for n in uneven], ("asr",), pool=True)
    assert rise_of((grid, CL, CL)) is None


def test_a_prompt_counts_once_for_each_training_seed_however_often_it_was_drawn() -> None:
    """Seed 0 gives 5 of 10 in one draw, seed 1 gives 1 of 10 in nine: .3, and not .14."""
    numbers = [number("", [0] * 10, decoding_seed=0),
               number(CL, [1] * 5 + [0] * 5, seed=0, decoding_seed=0),
               *(number(CL, [0] * 9 + [1], seed=1, decoding_seed=d) for d in range(9))]  # fmt: skip
    told = Told.of(
        grids([n.row for n in numbers], ("asr",)), {id(n.row): n for n in numbers}, paired=True
    )
    change = told.change(CL)
    assert change
    assert math.isclose(change.after, 0.3)
    assert math.isclose(told.rate(CL), 0.3)


def test_a_seed_without_samples_makes_no_change() -> None:
    numbers = [number("", [0] * 10), number(CL, [0] * 10, seed=0), number(CL, [1] * 10, seed=1)]
    bare = [*numbers[:2], Number(numbers[2].row)]
    told = Told.of(
        grids([n.row for n in bare], ("asr",)), {id(n.row): n for n in bare}, paired=True
    )
    assert told.change(CL) is None
