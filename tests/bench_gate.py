"""False alarms and misses of the gate, by simulation; `python tests/bench_gate.py` prints it all.

A check has 20 numbers. `false alarm`: the share of checks of two equally good releases with any
regression (5 % at most). `caught`: the share of checks in which the one number of 20 that truly
worsened by margin + 10 points is called a regression; at n = 400 and a margin of 5 points 95 % or
more up to 20 % ASR, and at 40 to 60 % where the outcomes of a prompt are correlated by 0.5 or more,
but 91 % where they are not correlated at all. `from`: the smallest worsening that the check says
it catches with a probability of 80 %, and `found`: how often it does (paired, at the rate of flips
that is expected). `passes`: how often one number passes when nothing changed. `wrong pass`: how
often it passes when it worsened by exactly the margin (5 % at most). The decisions are those of
leaderboards.board.stats, on arrays. Last, how long `ptst check` takes on 100,000 numbers, and how much
memory.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":  # or tests/leaderboards would hide the package of that name
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from leaderboards.board import advice, stats
from leaderboards.board.row import Row

CELLS, ALPHA = 20, 0.05
RATES, SIZES, CORRELATIONS = (0.0, 0.01, 0.05, 0.2, 0.4, 0.5, 0.6), (100, 400, 520), (0.0, 0.5, 0.9)
POWER = 0.8
Array = Any
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Setting:
    rate: float  # of the baseline, 0..1
    n: int
    correlation: float  # between the two outcomes of one prompt
    margin: float = 0.05
    paired: bool = True


def table(setting: Setting, increase: float, shape: tuple[int, ...], rng: Any) -> Array:
    """Counts (both bad, worse, better, both good) of runs; 2x2 with the wanted correlation."""
    p0, p1 = setting.rate, setting.rate + increase
    both = p0 * p1 + setting.correlation * np.sqrt(p0 * (1 - p0) * p1 * (1 - p1))
    both = min(both, p0, p1)  # unequal rates cannot be as correlated as one likes
    return rng.multinomial(setting.n, [both, p1 - both, p0 - both, 1 - p0 - p1 + both], size=shape)


def judge(setting: Setting, counts: Array) -> tuple[Array, Array, Array]:
    """(p-value, estimate, upper bound) of every number."""
    both, worse, better = counts[..., 0], counts[..., 1], counts[..., 2]
    n, estimate = setting.n, (worse - better) / setting.n
    if setting.paired:
        upper = stats.tango(worse, better, n, 1 - 2 * ALPHA).high
        return stats.mcnemar_worse(worse, better), estimate, upper
    now, was = both + worse, both + better
    upper = stats.newcombe(now, n, was, n, 1 - 2 * ALPHA).high
    return stats.fisher_worse(now, n, was, n), estimate, upper


def holm_rows(p: Array) -> Array:
    """stats.holm of every row (a test compares them): statsmodels collects garbage at each call."""
    order = p.argsort(axis=1)
    steps = np.take_along_axis(p, order, axis=1) * np.arange(p.shape[1], 0, -1)
    adjusted = np.minimum(np.maximum.accumulate(steps, axis=1), 1)
    return np.take_along_axis(adjusted, order.argsort(axis=1), axis=1)


def regressions(setting: Setting, counts: Array) -> Array:
    """Which numbers of which checks are regressions, after Holm over each check."""
    p, estimate, _ = judge(setting, counts)
    adjusted = holm_rows(p)
    return stats.is_regression(estimate, adjusted, setting.margin, ALPHA)


def false_alarms(setting: Setting, checks: int, rng: Any) -> float:
    counts = table(setting, 0.0, (checks, CELLS), rng)
    return float(regressions(setting, counts).any(axis=1).mean())


def caught(setting: Setting, checks: int, rng: Any) -> float:
    counts = table(setting, 0.0, (checks, CELLS), rng)
    counts[:, 0] = table(setting, setting.margin + 0.10, (checks,), rng)
    return float(regressions(setting, counts)[:, 0].mean())


def detectable(setting: Setting) -> float:
    """What the check says that it catches, with the flips that are to be expected."""
    p, n = setting.rate, setting.n
    if setting.paired:
        flips = round(n * p * (1 - p) * (1 - setting.correlation))
        found = advice.detectable_paired(
            flips, round(p * n), n, setting.margin, ALPHA / CELLS, POWER
        )
    else:
        found = advice.detectable_two_samples(
            n, round(p * n), n, setting.margin, ALPHA / CELLS, POWER
        )
    return float(found[0])


def found(setting: Setting, checks: int, rng: Any) -> float:
    """How often a worsening of that size is caught, where nothing else changed.

    Pairs flip back as often as before; of two samples the baseline is the one that was measured.
    """
    p, n, worsening = setting.rate, setting.n, detectable(setting)
    if np.isnan(worsening):
        return float("nan")
    if setting.paired:
        flips = round(n * p * (1 - p) * (1 - setting.correlation)) / n
        back = float(advice.flips_back(flips, 1 - round(p * n) / n, worsening))
        drawn = rng.multinomial(n, [back + worsening, back, 1 - 2 * back - worsening], size=checks)
        p_value = stats.mcnemar_worse(drawn[:, 0], drawn[:, 1])
        estimate = (drawn[:, 0] - drawn[:, 1]) / n
    else:
        bad = rng.binomial(n, round(p * n) / n + worsening, size=checks)
        p_value = stats.fisher_worse(bad, n, round(p * n), n)
        estimate = (bad - round(p * n)) / n
    caught = stats.is_regression(estimate, p_value * CELLS, setting.margin, ALPHA)
    return float(caught.mean())


def passes(setting: Setting, increase: float, checks: int, rng: Any) -> float:
    _, _, upper = judge(setting, table(setting, increase, (checks,), rng))
    return float(stats.is_pass(upper, setting.margin).mean())


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--checks", type=int, default=2000)
    checks, start, rng = parser.parse_args().checks, time.perf_counter(), np.random.default_rng(7)
    for margin in (0.05, 0.02):
        for paired in (True, False):
            _print(margin, paired, checks, rng)
    scale()
    print(f"\n{time.perf_counter() - start:.0f} s, seed 7, {checks} checks of {CELLS} numbers each")


def _print(margin: float, paired: bool, checks: int, rng: Any) -> None:
    kind = "paired (ids known)" if paired else "two samples (counts alone)"
    print(f"\n{kind}, margin {margin:.0%}, alpha {ALPHA:.0%}; all in %")
    print(" ASR   n  corr | false alarm  caught |  from  found | passes  wrong pass")
    for rate in RATES:
        for n in SIZES:
            for correlation in CORRELATIONS if rate else (0.0,):
                s = Setting(rate, n, correlation, margin, paired)
                row = (false_alarms(s, checks, rng), caught(s, checks, rng),
                       passes(s, 0.0, checks, rng), passes(s, margin, checks, rng))  # fmt: skip
                a, b, c, d = (f"{100 * x:5.1f}" for x in row)
                e, f = (f"{100 * x:5.1f}" for x in (detectable(s), found(s, checks, rng)))
                print(f"{100 * rate:4.0f} {n:4d}  {correlation:3.1f} | {a}       {b}  | {e}  {f} | "
                      f"{c}   {d}")  # fmt: skip


def leaderboard(file: Path, count: int, seed: int, paired: int = 0) -> None:
    """Writes a leaderboard of `count` numbers of 400 prompts; the first `paired` with outcomes."""
    from leaderboards.board.numbers import Number
    from leaderboards.board.sides import Side, write_baseline

    rng = np.random.default_rng(seed)
    ids = [f"prompt-{at:05}" for at in range(400)]
    kinds = (
        ("advbench", "asr"),
        ("gsm8k", "exact_match"),
        ("xstest", "refused"),
        ("harmbench", "asr"),
    )
    numbers = []
    for at in range(count):
        (task, metric), template = kinds[at % 4], f"chat:t{at // 4 % 9}"
        outcomes = (rng.random(400) < 0.05).astype(int)
        bad = int(outcomes.sum())
        digests = {name: f"sha256:{name:064}" for name in ("base_digest", "base_files", "asked",
                   "prompts", "adapter_config", "data_fingerprint", "scoring")}  # fmt: skip
        row = Row(
            base="org/model", adapter=f"runs/{at // 36}", train_data="gsm8k", seed=at // 36,
            train_template="chat:vanilla", test_template=template, task=task, judge="keywords:zou",
            metric=metric, value=bad / 400, ci_low=0, ci_high=1, n=400, **digests,
            adapter_digest=f"sha256:{at // 36:064}", cell=f"{at:020}", engine="hf", dtype="bfloat16",
            decoding='{"do_sample":false,"max_gen_toks":512,"until":["</s>"]}', task_version="1",
            date="2025-01-31T12:00:00Z", lm_eval_version="0.4.13",
        )  # fmt: skip
        known = dict(zip(ids, outcomes.tolist(), strict=True)) if at < paired else None
        numbers.append(Number(row, known))
    write_baseline(Side("made up", tuple(numbers)), file)


def scale(count: int = 100_000, paired: int = 10_000) -> tuple[float, float]:
    """`ptst check` on two leaderboards, end to end: (seconds, peak memory in MB)."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("old.csv", "new.csv")]
        for seed, file in enumerate(files):
            make = (f"from pathlib import Path; from tests import bench_gate as b; "
                    f"b.leaderboard(Path({str(file)!r}), {count}, {seed}, {paired})")  # fmt: skip
            subprocess.run([sys.executable, "-c", make], check=True, cwd=ROOT)  # in its own memory
        start = time.perf_counter()
        command = [sys.executable, "-m", "leaderboards", "check", *map(str, files)]
        # Through a small process: a child's peak begins with that of whoever forked it.
        measured = ("import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], "
                    "stdout=subprocess.PIPE, text=True); print(done.stdout.splitlines()[-1]); "
                    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")  # fmt: skip
        done = subprocess.run([sys.executable, "-c", measured, *command], cwd=ROOT, check=True,
                              stdout=subprocess.PIPE, text=True)  # fmt: skip
        last, peak_kb = done.stdout.splitlines()
        seconds, peak = time.perf_counter() - start, int(peak_kb) * 1024 / 1e6
    print(f"\n{count:,} numbers, {paired:,} of them with outcomes by prompt: {seconds:.0f} s, "
          f"peak {peak:.0f} MB\n{last[:100]}")  # fmt: skip
    return seconds, peak


if __name__ == "__main__":
    main()
