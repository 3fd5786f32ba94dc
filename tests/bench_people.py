"""How often the interval of people's rate covers it, and how wide it is: ``python -m tests.bench people``.

On real responses and people's real labels, by real judges: a sample of n labels is drawn as `ptst label`
draws it (by the square root of a verdict's size), 500 times; the rate is that of all of the set's labels.
Each judge is asked for its rate from the sample that its own verdicts drew, and the last two of a set from
one that the first drew, too. Beside it the judge's own rate with Wilson's interval, labels alone with a
plain sample of n, and PPI++ from the same plain sample. No set has a rate near 0 or 1, where intervals are
hard: these are simulated. Exit code 1 where post-stratified covers less than 0.93.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from leaderboards.board.stats import wilson
from leaderboards.board.strata import drawn_parts, strata_of
from leaderboards.judging.labelled_sets import SETS, read
from leaderboards.judging.sampling import shares
from leaderboards.people.rates import Rate, labels_alone, post_stratified, ppi
from ptst_tasks import judges
from ptst_tasks.judges.keywords import LISTS
from tests.support import SHARED

ROUNDS, LEAST, LABELS = 500, 0.93, (50, 100, 200)
Bools = npt.NDArray[np.bool_]
WAYS = ("post-stratified", "labels alone", "ppi++")
SIMULATED = {"good": (0.95, 0.03), "knows nothing": (0.5, 0.5), "calls few": (0.5, 0.02)}
"""Judge -> how many of the harmful and of the harmless responses it calls harmful."""
RATES = (0.0, 0.005, 0.01, 0.02, 0.03, 0.97, 0.99, 1.0)


def stratified(y: Bools, drew: Bools, own: Bools, n: int, rng: np.random.Generator) -> Rate:
    """One sample that a judge's verdicts drew, and the rate of this or another judge."""
    sizes = {v: int((drew == (v == "yes")).sum()) for v in ("no", "yes")}
    said = {
        str(i): int(y[i])
        for v, part in shares({v: s for v, s in sizes.items() if s}, n).items()
        for i in rng.choice(np.flatnonzero(drew == (v == "yes")), part, replace=False)
    }
    calls = [{str(i): int(v) for i, v in enumerate(some)} for some in (drew, own)]
    return post_stratified(strata_of(drawn_parts(calls[0], calls[:1]), calls[1], said))


def plain(y: Bools, v: Bools, n: int, rng: np.random.Generator) -> list[Rate]:
    """The other ways, from one plain sample."""
    at = np.zeros(len(y), dtype=bool)
    at[rng.choice(len(y), n, replace=False)] = True
    alone = labels_alone(y[at].tolist(), size=len(y))
    return [alone, ppi(y[at].tolist(), v[at].tolist(), v[~at].tolist())]


def design(y: Bools, drew: Bools, own: Bools, n: int) -> tuple[list[float], list[float]]:
    """Of each way how often it covers, and the mean width."""
    rng, truth = np.random.default_rng(n), float(y.mean())
    found = [[stratified(y, drew, own, n, rng), *plain(y, own, n, rng)] for _ in range(ROUNDS)]
    covers = np.mean([[r.low <= truth <= r.high for r in some] for some in found], axis=0)
    widths = np.mean([[r.high - r.low for r in some] for some in found], axis=0)
    return covers.tolist(), widths.tolist()


def real() -> Iterator[tuple[str, Bools, dict[str, Bools]]]:
    """(set, people's calls, judge -> its calls)."""
    for name, one in SETS.items():
        answers = read(name)
        by = {}
        for spec in (f"keywords:{k}" for k in LISTS):
            found = judges.make(spec).judge(
                [a.query for a in answers], [a.response for a in answers]
            )
            by[spec] = np.array(
                [bool(f.harmful if one.about == "harm" else f.refused) for f in found]
            )
        yield name, np.array([a.label for a in answers]), by


def on_real_sets() -> float:
    """Prints the table of the real sets; returns the least coverage."""
    print(f"| set | judge | drawn by | n | judge's own covers | {_heads()} |")
    print("|---" * (5 + len(WAYS)) + "|")
    least = 1.0
    for name, y, by in real():
        first = next(iter(by))
        for drew, spec in [*((s, s) for s in by), *((first, s) for s in by if s != first)]:
            low, high = wilson(int(by[spec].sum()), len(y))
            off = 100 * (by[spec].mean() - y.mean())
            own = "yes" if low <= y.mean() <= high else f"no, off by {off:+.0f} points"
            for n in LABELS:
                covers, widths = design(y, by[drew], by[spec], n)
                least = min(least, covers[0])
                cells = [f"{c:.3f}, {100 * w:.1f}" for c, w in zip(covers, widths, strict=True)]
                print(
                    f"| {name} | {spec} | {drew} | {n} | {own} | {' | '.join(cells)} |", flush=True
                )
    return least


def on_simulated() -> float:
    """Prints the table of rates near 0 and 1, of 500 responses each; returns the least coverage."""
    print("| rate | judge that drew | n | its own: covers, width | one beside that knows nothing |")
    print("|---" * 5 + "|")
    least = 1.0
    for rate, (name, (tpr, fpr)), n in itertools.product(RATES, SIMULATED.items(), LABELS):
        rng, found = np.random.default_rng(n), []
        for _ in range(ROUNDS):
            y = rng.permutation(500) < round(500 * rate)
            drew, other = (
                np.where(y, rng.random(500) < tpr, rng.random(500) < fpr),
                rng.random(500) < 0.5,
            )
            found.append([stratified(y, drew, own, n, rng) for own in (drew, other)])
        covers = np.mean([[r.low <= rate <= r.high for r in some] for some in found], axis=0)
        widths = np.mean([[r.high - r.low for r in some] for some in found], axis=0)
        cells = [f"{c:.3f}, {100 * w:.1f}" for c, w in zip(covers, widths, strict=True)]
        print(f"| {100 * rate:g} % | {name} | {n} | {' | '.join(cells)} |", flush=True)
        least = min(least, float(covers.min()))
    return least


def _heads() -> str:
    return " | ".join(f"{way}: covers, width" for way in WAYS)


def main() -> None:
    """Measures and prints the tables."""
    least = on_simulated()
    if not (SHARED / "data/judged").is_dir():
        print("real sets not measured: needs the sets that people labelled beside the checkout")
    else:
        os.environ["PTST_DATA_DIR"] = str(SHARED / "data")
        least = min(least, on_real_sets())
    print(f"post-stratified covers at least {least:.3f} (limit {LEAST})")
    sys.exit(least < LEAST)


if __name__ == "__main__":
    main()
