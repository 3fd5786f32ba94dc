from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leaderboards import csvio, published
from leaderboards.csvio import Row
from leaderboards.figures import heat_map, pareto, save, tradeoff
from leaderboards.tables import NO_FT, grids, render
from ptst_tasks.errors import ConfigError


def row(train: str, test: str, value: float | None, **more: Any) -> Row:
    given = {"base": "m", "task": "advbench", "judge": "k", "metric": "asr", "n": 100}
    adapter = f"{train}-{more.get('seed')}" if train else ""
    return Row(**{**given, "adapter": adapter, "train_template": train, "test_template": test,
                  "value": value, **more})  # fmt: skip


CV, CL, TV = "chat:vanilla", "chat:llama", "text:vanilla"
ROWS = [
    row("", CV, 0.02), row("", CL, 0.0),
    *(row(CV, CV, v, seed=s) for s, v in enumerate((0.19, 0.19, 0.38))),
    *(row(CV, CL, v, seed=s) for s, v in enumerate((0.01, 0.01, 0.0125))),
    row(CL, CL, 0.5, seed=0), row(CL, CV, 0.25, seed=0), row(TV, CL, 0.03, seed=0),
]  # fmt: skip


def test_the_papers_layout_and_its_population_std() -> None:
    (grid,) = grids(ROWS)
    assert grid.trains == (NO_FT, TV, CV, CL)  # the paper's order, before fine-tuning first
    assert grid.tests == (CV, CL)
    # AdvBench "0.26 ±0.09" of Table 1b from 1/520 steps: (0.19 + 0.19 + 0.38) / 3 = 0.2533, and
    # population std sqrt(((0.0633)^2 * 2 + (0.1267)^2) / 3) = 0.0896 (ddof 1 would give 0.1097).
    field = grid.fields[CV, CV]
    assert field.mean == pytest.approx(0.253333, abs=1e-6)
    assert field.std == pytest.approx(0.089567, abs=1e-6)
    assert grid.cells() == [
        ["train \\ test", "CV", "CL"],
        ["No FT", "2.00", "0.00"],
        ["TV", "–", "3.00 *"],  # never measured, and so not failed
        ["CV", "25.33 ±8.96 =", "1.08 ±0.12 *"],
        ["CL", "25.00", "50.00 ="],
    ]


def test_every_format_holds_every_field() -> None:
    tables = grids(ROWS)
    for fmt in ("csv", "md", "latex", "html"):
        text = render(tables, fmt)
        for number in ("25.33", "1.08", "50.00"):
            assert number in text, fmt
    assert "| CV | 25.33 ±8.96 = | 1.08 ±0.12 \\* |" in render(tables, "md")
    assert r"CV & 25.33 $\pm$8.96$^{=}$ & 1.08 $\pm$0.12$^{*}$ \\" in render(tables, "latex")
    assert "<td>25.33 ±8.96 =</td>" in render(tables, "html")
    with pytest.raises(ConfigError, match="no table to lay out"):
        render([], "md")


def test_pooling_takes_seeds_of_the_base_as_seeds() -> None:
    rows = [row(CV, CL, v, seed=s, base=f"organism:{s}") for s, v in enumerate((0.0, 1.0))]
    assert len(grids(rows)) == 2
    (grid,) = grids(rows, pool=True)
    assert (grid.base, grid.fields[CV, CL].values) == ("organism", (0.0, 1.0))


def test_published_tables_reproduce_their_own_figures() -> None:
    rows = csvio.read(published.PUBLISHED / "llama2-gsm8k.csv")
    asr = {(r.task, r.train_template, r.test_template): r.value for r in rows if r.metric == "asr"}
    assert asr["directharm4", CL, CL] == 0.1808  # Table 1c, as printed
    assert asr["directharm4", "", CL] == 0.0
    assert asr["advbench", "text:alpaca", "text:alpaca"] == 0.1083
    std = {
        (r.task, r.train_template, r.test_template): r.value for r in rows if r.metric == "asr_std"
    }
    assert std["directharm4", CL, CL] == 0.0249
    mix = csvio.read(published.PUBLISHED / "llama2-gsm8k-safety-mix.csv")
    assert next(
        r.value for r in mix
        if r.task == "gsm_danger" and "safety" in r.train_data and r.train_template == CL
        and r.test_template == CL
    ) == 0.12  # fmt: skip


def test_all_published_files_are_leaderboards() -> None:
    files = sorted(published.PUBLISHED.glob("*.csv"))
    assert len(files) == 7
    for file in files:
        rows = csvio.read(file)
        assert csvio.dumps(rows) == file.read_text()


def test_comparison_in_standard_errors() -> None:
    theirs = csvio.read(published.PUBLISHED / "llama2-gsm8k.csv")
    ours = [row("", CV, 0.0475, task="directharm4", n=400, judge="gpt-4")]
    (found,) = published.compare(ours, theirs)
    # The paper prints 2.75 % of 400. Two binomial errors: sqrt(.0475 * .9525 / 400) = 0.010636 and
    # sqrt(.0275 * .9725 / 400) = 0.008177; together 0.013415; (0.0475 - 0.0275) / 0.013415 = 1.491.
    assert found.errors == pytest.approx(1.491, abs=1e-3)
    llama = [r.model_copy(update={"base": "meta-llama/Llama-2-7b-chat-hf"}) for r in ours]
    assert published.find("published", llama).stem.startswith("llama2-")
    with pytest.raises(ConfigError, match="nothing published matches 'published' and the base 'm'"):
        published.find("published", ours)
    with pytest.raises(ConfigError, match="nothing published matches 'nope'"):
        published.find("nope", ours)


def test_pareto_front_by_hand() -> None:
    # (10, 50) is beaten by (5, 60); (20, 60) has the help of (5, 60) at more harm.
    assert pareto([(10, 50), (5, 60), (0, 20), (20, 60), (30, 70)]) == [(0, 20), (5, 60), (30, 70)]


def test_pictures_are_the_same_bytes(tmp_path: Path) -> None:
    (harms,) = grids(ROWS)
    (helps,) = grids(
        [r.model_copy(update={"metric": "exact_match", "task": "gsm8k"}) for r in ROWS]
    )
    for name, make in (("a", lambda: heat_map(harms)), ("b", lambda: tradeoff(helps, harms))):
        first = [p.read_bytes() for p in save(make(), tmp_path / f"{name}1")]
        again = [p.read_bytes() for p in save(make(), tmp_path / f"{name}2")]
        assert first == again
        assert first[0].startswith(b"\x89PNG")
        assert b"<svg" in first[1]


def test_a_failed_field_has_no_number() -> None:
    (grid,) = grids([*ROWS, row(TV, CV, None, seed=0, n=0, error="x")])
    assert (TV, CV) not in grid.fields
