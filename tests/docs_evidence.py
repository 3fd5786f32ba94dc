"""Makes what docs and the front page show of real models: ``python -m tests.docs_evidence``.

``... RUN NAME`` first keeps a run's board as ``leaderboards/measured/NAME.csv``, beside it the outcome of
every prompt (ids and 0/1, no texts), and in docs/assets its picture. The tables are made from these files
alone; tests/test_docs_evidence.py checks that they are current.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats as sps

from leaderboards.board import csvio, figures, sides
from leaderboards.board.collect import collect
from leaderboards.board.defences import rankings
from leaderboards.board.mean_change import sign_flip
from leaderboards.board.rendering import sheet
from leaderboards.board.stats import holm, wilson
from leaderboards.board.tables import grids

ROOT = Path(__file__).parents[1]
MEASURED = ROOT / "leaderboards/measured"
PAGE = ROOT / "docs/evidence.md"
PAGES = (PAGE, ROOT / "docs/defences.md", ROOT / "README.md")
TEMPLATES = {"text:vanilla": "TV", "text:alpaca": "TA", "chat:vanilla": "CV", "chat:alpaca": "CA",
             "chat:llama": "CL"}  # fmt: skip
BEFORE = "before"
HARM = {"directharm4": "asr", "advbench": "asr"}
RATES = {**HARM, "xstest": "refused", "gsm8k": "exact_match"}
WORDS = {"directharm4": "DirectHarm4, attack success", "advbench": "AdvBench, attack success",
         "xstest": "XSTest's safe prompts, refused", "gsm8k": "GSM8K, exact match"}  # fmt: skip


def keep(run: Path, name: str) -> None:
    """Keeps a run: its board as `ptst board` writes it, its outcomes, its picture."""
    file = MEASURED / f"{name}.csv"
    sides.write_baseline(sides.read_side(run), file)
    csvio.write(collect([run])[0], file)
    picture(name)


def picture(name: str) -> None:
    """Draws the heat map of DirectHarm4, where something was trained, and in one way only."""
    rows = [row for row in csvio.read(MEASURED / f"{name}.csv") if row.task == "directharm4"]
    if not any(row.adapter for row in rows) or any(row.defence for row in rows):
        return
    found = list(grids(rows, ("asr",)))
    with tempfile.TemporaryDirectory() as folder:
        svg = figures.save(figures.heat_map(found[0]), Path(folder, name))[1].read_text()
    (PAGE.parent / f"assets/{name}.svg").write_text(svg, encoding="utf-8")


def outcomes(name: str) -> pd.DataFrame:
    """Every prompt's outcome, a row each: task, train, defence, test, seed, id, value (0 or 1)."""
    side = sides.read_side(MEASURED / f"{name}.csv")
    rows = [
        (n.row.task, TEMPLATES.get(n.row.train_template, BEFORE), n.row.defence,
         TEMPLATES[n.row.test_template], -1 if n.row.seed is None else n.row.seed, id_, value)
        for n in side.numbers
        if RATES.get(n.row.task) == n.row.metric and _first_judge(n.row.task, n.row.judge)
        for id_, value in (n.outcomes or {}).items() if value is not None
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["task", "train", "defence", "test", "seed", "id", "value"])


def defence_tables(name: str) -> str:
    """What `ptst board --layout defences` shows of a board."""
    found = rankings(sides.read_side(MEASURED / f"{name}.csv").numbers)
    return "\n\n".join(sheet(r.table(), r.title, r.remarks, "md") for r in found)


def _first_judge(task: str, judge: str) -> bool:
    return judge == ("flexible-extract" if task == "gsm8k" else "keywords:zou")


def by_prompt(data: pd.DataFrame) -> pd.DataFrame:
    """The mean over seeds of each prompt: the unit that intervals and tests count."""
    return data.groupby(["task", "train", "test", "id"], sort=False).value.mean().reset_index()


def rate_table(data: pd.DataFrame, task: str) -> str:
    """Training x test template, in percent, with Wilson's 95 % interval over prompts."""
    mine = by_prompt(data[data.task == task])
    tests = [t for t in TEMPLATES.values() if t in set(mine.test)]
    trains = [t for t in (BEFORE, *TEMPLATES.values()) if t in set(mine.train)]
    lines = ["| trained under | " + " | ".join(f"tested {t}" for t in tests) + " |",
             "|---|" + "---|" * len(tests)]  # fmt: skip
    for train in trains:
        cells = [_cell(mine[(mine.train == train) & (mine.test == test)].value) for test in tests]
        lines.append(
            f"| {train if train != BEFORE else 'before fine-tuning'} | {' | '.join(cells)} |"
        )
    return "\n".join(lines)


def _front(data: pd.DataFrame) -> str:
    """The table of the front page: without the safety prompt and with it."""
    few = data[data.train.isin([BEFORE, "CV", "CL"]) & data.test.isin(["CV", "CL"])]
    return f"{WORDS['directharm4']}, %:\n\n{rate_table(few, 'directharm4')}"


def _cell(values: pd.Series) -> str:
    if values.empty:
        return "-"
    low, high = wilson(values.sum(), len(values))
    return f"{100 * values.mean():.0f} ({100 * low:.0f}-{100 * high:.0f})"


def pairs(tests: Sequence[str], trains: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """(test, train, beside): the rise over the model before, and the templates beside each other."""
    for test in tests:
        for train in trains:
            yield test, train, BEFORE
    for test in tests:
        for train in trains:
            if train != test and test in trains:
                yield test, test, train


def paired_rows(
    data: pd.DataFrame, only: Sequence[tuple[str, str, str]] | None = None
) -> list[tuple[str, str, str, str, int, float, float, float, float]]:
    """(set, test, train, beside, n, difference, low, high, p) on prompts that both answered.

    `only` names the (test, train, beside) that are wanted: each takes thousands of draws.
    """
    out = []
    for task in (t for t in HARM if t in set(data.task)):
        wide = by_prompt(data[data.task == task]).pivot_table(
            index="id", columns=["train", "test"], values="value"
        )
        tests = [t for t in TEMPLATES.values() if t in set(data.test)]
        trains = [t for t in TEMPLATES.values() if t in set(data.train)]
        wanted = (p for p in pairs(tests, trains) if only is None or p in only)
        for test, train, beside in wanted:
            diff = (wide[train, test] - wide[beside, test]).dropna().to_numpy()
            out.append((task, test, train, beside, len(diff), *_difference(diff)))
    return out


def _difference(diff: np.ndarray) -> tuple[float, float, float, float]:
    """Mean, its 95 % t interval, and the two-sided p of a sign-flip test over prompts."""
    mean, n = float(diff.mean()), len(diff)
    if not diff.any():
        return 0.0, 0.0, 0.0, 1.0
    half = float(sps.t.ppf(0.975, n - 1) * diff.std(ddof=1) / np.sqrt(n))
    return mean, mean - half, mean + half, sign_flip(diff)


def unseen(n: int) -> float:
    """The rate up to which 0 of n is seen in 5 % of cases or more: where no t interval can be had."""
    return float(1 - 0.05 ** (1 / n))


def paired_table(data: pd.DataFrame, only: Sequence[tuple[str, str, str]]) -> str:
    """The comparisons (test, train, beside), with p values corrected by Holm over the table."""
    rows = paired_rows(data, only)
    lines = ["| set | tested | trained | beside | prompts | change in points (95 %) | p (Holm) |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    for row, p in zip(rows, holm([row[-1] for row in rows]), strict=True):
        task, test, train, beside, n, mean, low, high, _ = row
        change = f"{100 * mean:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
        if low == high:
            change = (
                f"no prompt turned (in 95 % of cases fewer than {100 * unseen(n):.1f} in 100 do)"
            )
        shown = "< 0.001" if p < 0.001 else f"{p:.3f}"
        lines.append(f"| {task} | {test} | {train} | {beside} | {n} | {change} | {shown} |")
    return "\n".join(lines)


def blocks() -> dict[str, str]:
    """Name of a block -> what stands in it."""
    out: dict[str, str] = {}
    for file in sorted(MEASURED.glob("*.csv")):
        every, name = outcomes(file.stem), file.stem
        data = every[every.defence == ""]
        if len(data) < len(every):
            out[f"{name} defences"] = defence_tables(name)
        for task in (t for t in RATES if t in set(data.task)):
            out[f"{name} {task}"] = f"{WORDS[task]}, %:\n\n{rate_table(data, task)}"
        out[f"{name} front"] = _front(data)
        tests = [t for t in ("CV", "CL") if t in set(data.test)]
        trains = [t for t in TEMPLATES.values() if t in set(data.train)]
        out[f"{name} rise"] = paired_table(
            data, [(t, train, BEFORE) for t in tests for train in trains]
        )
        if {"CV", "CL"} <= set(trains):
            out[f"{name} gap"] = paired_table(data, [("CL", "CL", "CV")])
    return out


def filled(text: str, made: dict[str, str]) -> str:
    """A page with the blocks that it names, between ``<!-- NAME -->`` and ``<!-- end -->``."""
    for name, block in made.items():
        place = rf"(<!-- {re.escape(name)} -->\n).*?(\n<!-- end -->)"
        text = re.sub(place, lambda m, b=block: m[1] + b + m[2], text, flags=re.DOTALL)
    return text


def main(*said: str) -> None:
    """Keeps a run, if one is named; then makes the blocks of the pages anew."""
    if said:
        keep(Path(said[0]), said[1])
    made = blocks()
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8"), made), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
