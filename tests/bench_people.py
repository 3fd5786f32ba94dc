"""How often the interval of people's rate covers it, and how wide it is: ``python -m tests.bench people``.

On real responses and people's real labels, by real judges: a sample of n labels is drawn as `ptst label`
draws it (by the square root of a verdict's size), 500 times; the rate is that of all of the set's labels.
Beside it the judge's own rate with Wilson's interval, labels alone with a plain sample of n, and PPI++ from
the same plain sample. Exit code 1 where post-stratified covers less than 0.93.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from leaderboards.board.stats import wilson
from leaderboards.judging.labelled_sets import SETS, read
from leaderboards.judging.sampling import shares
from leaderboards.people.rates import Rate, Stratum, labels_alone, post_stratified, ppi
from ptst_tasks import judges
from ptst_tasks.judges.keywords import LISTS
from tests.support import SHARED

ROUNDS, LEAST = 500, 0.93
Bools = npt.NDArray[np.bool_]
WAYS = ("post-stratified", "labels alone", "ppi++")


def drawn(y: Bools, v: Bools, n: int, rng: np.random.Generator) -> list[Rate]:
    """One sample of either kind, and the rates by it."""
    sizes = {str(c): int((v == c).sum()) for c in (False, True)}
    strata = []
    for c, part in shares({k: s for k, s in sizes.items() if s}, n).items():
        some = rng.choice(y[v == (c == "True")], part, replace=False)
        strata.append(Stratum(sizes[c], part, int(some.sum())))
    at = np.zeros(len(y), dtype=bool)
    at[rng.choice(len(y), n, replace=False)] = True
    plain = [
        labels_alone(y[at].tolist(), size=len(y)),
        ppi(y[at].tolist(), v[at].tolist(), v[~at].tolist()),
    ]
    return [post_stratified(strata), *plain]


def design(y: Bools, v: Bools, n: int, rounds: int = ROUNDS) -> tuple[list[float], list[float]]:
    """Of each way how often it covers, and the mean width."""
    rng, truth = np.random.default_rng(n), float(y.mean())
    found = [drawn(y, v, n, rng) for _ in range(rounds)]
    covers = np.mean([[r.low <= truth <= r.high for r in some] for some in found], axis=0)
    widths = np.mean([[r.high - r.low for r in some] for some in found], axis=0)
    return covers.tolist(), widths.tolist()


def real() -> Sequence[tuple[str, str, Bools, Bools]]:
    """(set, judge, people's calls, the judge's)."""
    out = []
    for name, one in SETS.items():
        answers = read(name)
        y = np.array([a.label for a in answers])
        for spec in (f"keywords:{k}" for k in LISTS):
            found = judges.make(spec).judge(
                [a.query for a in answers], [a.response for a in answers]
            )
            v = np.array([bool(f.harmful if one.about == "harm" else f.refused) for f in found])
            out.append((name, spec, y, v))
    return out


def main() -> None:
    """Measures and prints the table."""
    if not (SHARED / "data/judged").is_dir():
        print("not measured: needs the sets that people labelled beside the checkout")
        return
    os.environ["PTST_DATA_DIR"] = str(SHARED / "data")
    print(
        f"| set | judge | n | judge's own covers | {' | '.join(f'{w}: covers, width' for w in WAYS)} |"
    )
    print("|---" * (4 + len(WAYS)) + "|")
    least = 1.0
    for name, spec, y, v in real():
        low, high = wilson(int(v.sum()), len(v))
        own = (
            "yes"
            if low <= y.mean() <= high
            else f"no, off by {100 * (v.mean() - y.mean()):+.0f} points"
        )
        for n in (50, 100, 200):
            covers, widths = design(y, v, n)
            least = min(least, covers[0])
            cells = [f"{c:.3f}, {100 * w:.1f}" for c, w in zip(covers, widths, strict=True)]
            print(f"| {name} | {spec} | {n} | {own} | {' | '.join(cells)} |", flush=True)
    print(f"post-stratified covers at least {least:.3f} (limit {LEAST})")
    sys.exit(least < LEAST)


if __name__ == "__main__":
    main()
