"""The report of 100,000 answers: opened and filtered in chromium, beside the table library alone.

DataTables alone holds the same rows as a table of six columns, and filters them by its own search.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

from leaderboards.report.build import build
from leaderboards.report.wishes import Wishes
from tests.browser.chromium import context, find, started
from tests.leaderboards.report.made_runs import CL, CV, Said, logged, write_cell

PROMPTS, MODELS, TESTS = 500, 40, (CV, CL, "text:vanilla", "text:alpaca", "chat:alpaca")
RUNS = 5
OURS = """(value) => {
    const box = document.querySelector("#filters [name=q]"), from = performance.now();
    box.value = value; box.dispatchEvent(new Event("input"));
    return performance.now() - from; }"""
CHOICE = """(value) => {
    const box = document.querySelector("#filters [name=verdict]"), from = performance.now();
    box.value = value; box.dispatchEvent(new Event("change"));
    return performance.now() - from; }"""
THEIRS = """(value) => {
    const from = performance.now();
    window.alone.search(value).draw();
    return performance.now() - from; }"""


def write_run(run: Path) -> None:
    """100,000 answers of some 400 characters in words of no language."""
    random.seed(0)
    words = [f"w{i}" for i in range(5000)]
    asked = [" ".join(random.choices(words, k=25)) for _ in range(PROMPTS)]
    for model in range(MODELS):
        for test in TESTS:
            answers = [
                Said(f"s{i}", asked[i], " ".join(random.choices(words, k=70)),
                     {judge: random.choice(["right", "wrong"]) for judge in ("strict", "flexible")})
                for i in range(PROMPTS)
            ]  # fmt: skip
            train = {"train": CL, "seed": model} if model else {}
            write_cell(run, "gsm8k", test, answers, **train)  # type: ignore[arg-type]


def table_of(run: Path) -> pd.DataFrame:
    """The same answers as plain rows."""
    rows = [
        (
            one.id,
            asked.set_name,
            asked.model.adapter,
            asked.test,
            one.verdicts["strict"],
            one.answer,
        )
        for asked, answers in logged(run, "harmless")
        for one in answers.values()
    ]
    return pd.DataFrame(rows, columns=["prompt", "set", "trained", "tested", "verdict", "answer"])


def alone(rows: pd.DataFrame) -> str:
    """DataTables with these rows, and nothing of ours."""
    from leaderboards.report.page import _json, _tables

    script, style = _tables()
    data = _json(rows.to_numpy().tolist())
    titles = _json([{"title": name} for name in rows.columns])
    return (
        f"<!DOCTYPE html><style>{style}</style><table id=table></table>"
        f"<script type=application/json id=data>{data}</script><script type=module>{script}\n"
        f"window.alone = jQuery('#table').DataTable({{data: JSON.parse(document.getElementById('data')"
        f".textContent), columns: {titles}, order: []}}); document.documentElement.dataset.ready = 'yes';"
        "</script>"
    )


def opened(browser: Any, file: Path) -> tuple[float, Any]:
    """Seconds until the page can be used, and the page."""
    page = context(browser, dark=False, width=1440).new_page()
    start = time.perf_counter()
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready]")
    return time.perf_counter() - start, page


def measure(browser: Any, file: Path, search: str) -> tuple[float, list[float], Any]:
    """Median seconds to open, milliseconds of each of five searches, and the last page."""
    times = []
    for _ in range(RUNS):
        seconds, page = opened(browser, file)
        times.append(seconds)
    return statistics.median(times), [page.evaluate(search, f"w{i}") for i in range(100, 105)], page


def main() -> None:
    """Prints both beside each other; the promises are 3 s and 200 ms."""
    program = find()
    if program is None:
        print("skipped: there is no chromium")
        return
    with tempfile.TemporaryDirectory() as folder, started(program) as browser:
        write_run(Path(folder, "run"))
        start = time.perf_counter()
        made = build([[Path(folder, "run")]], Wishes())
        seconds = time.perf_counter() - start
        ours, theirs = Path(folder, "ours.html"), Path(folder, "theirs.html")
        ours.write_text(made.html, encoding="utf-8")
        theirs.write_text(alone(table_of(Path(folder, "run"))), encoding="utf-8")
        open_ours, search_ours, page = measure(browser, ours, OURS)
        choices = [page.evaluate(CHOICE, value) for value in ("right", "wrong", "right", "wrong")]
        open_theirs, search_theirs, _ = measure(browser, theirs, THEIRS)
    print(f"{made.answers:,} answers, {len(made.html) / 1e6:.0f} MB, made in {seconds:.1f} s")
    print(f"opens in {open_ours:.2f} s (at most 3), DataTables alone {open_theirs:.2f} s, "
          f"ratio {open_ours / open_theirs:.2f}")  # fmt: skip
    print(f"a search takes {max(search_ours):.0f} ms at most (200), DataTables alone "
          f"{max(search_theirs):.0f} ms, ratio {max(search_ours) / max(search_theirs):.2f}; another filter "
          f"{max(choices):.0f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
