"""Tables as text: every format holds every field, and names are no markup."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaderboards.board import csvio
from leaderboards.board.rendering import render
from leaderboards.board.row import Row, in_order
from leaderboards.board.tables import grids
from ptst_tasks.errors import ConfigError
from tests.leaderboards.board.rows import CV, ROWS, ptst, row

AWKWARD = "a|b\\c$d_e%f&g<script>h`i`\n[j](http://k) _l_ #m"

AWKWARD_MORE = "x\u2028y\x85z\ud800\x1b[31m"


def _view(rows: list[Row], tmp_path: Path, suffix: str) -> str:
    csvio.write(rows, tmp_path / "in.csv")
    assert csvio.read(tmp_path / "in.csv") == in_order(rows)
    assert ptst("board", tmp_path / "in.csv", "-o", tmp_path / f"out.{suffix}") == 0
    return (tmp_path / f"out.{suffix}").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("suffix", "wanted"),
    [
        ("md", "**a\\|b\\c\\$d_e%f\\&g\\<script\\>h\\`i\\` \\[j\\](http:\\//k) \\_l\\_ \\#m: asr"),
        ("tex", "\\caption{a\\textbar{}b\\textbackslash{}c\\$d\\_e\\%f\\&g\\textless{}script\\textgreater{}"
                "h\\textasciigrave{}i\\textasciigrave{} {[}j{]}(http://k) \\_l\\_ \\#m: asr"),
        ("html", "<caption>a|b\\c$d_e%f&amp;g&lt;script&gt;h`i` [j](http://k) _l_ #m: asr"),
        ("txt", "a|b\\c$d_e%f&g<script>h`i` [j](http://k) _l_ #m: asr"),
    ],
)  # fmt: skip
def test_names_are_no_markup(suffix: str, wanted: str, tmp_path: Path) -> None:
    text = _view([row("", CV, 0.5, base=AWKWARD)], tmp_path, suffix)
    lines = text.splitlines()
    assert wanted in (text if suffix == "html" else lines[suffix == "tex"])


@pytest.mark.parametrize("suffix", ["md", "tex", "html", "txt"])
def test_what_cannot_be_seen_is_shown(suffix: str, tmp_path: Path) -> None:
    """U+2028 and its like are one line; no name gives the terminal orders."""
    text = _view([row("", CV, 0.5, base=AWKWARD_MORE)], tmp_path, suffix)
    told = "x\\u2028y\\x85z\\ud800\\x1b[31m"
    if suffix == "tex":
        told = told.replace("\\", "\\textbackslash{}").replace("[", "{[}")
    assert told.replace("[", "\\[" if suffix == "md" else "[") in text


def test_a_line_of_latex_begins_with_no_option(tmp_path: Path) -> None:
    """``\\\\[2pt]`` and ``\\\\*`` are commands."""
    text = _view([row("[2pt]", CV, 0.5, seed=0)], tmp_path, "tex")
    assert "\n{[}2pt{]} & 50.00" in text


def test_a_spreadsheet_runs_nothing_of_a_table(tmp_path: Path) -> None:
    text = _view([row("=1+1", CV, 0.5, base="=cmd", seed=0)], tmp_path, "csv")
    assert ",=" not in text
    assert ptst("board", tmp_path / "in.csv", "--layout", "paper", "-o", tmp_path / "p.csv") == 0
    paper = (tmp_path / "p.csv").read_text()
    assert paper.startswith("\"'=cmd: asr on advbench")
    assert "\n'=1+1,50.00" in paper


def test_every_format_holds_every_field() -> None:
    tables = grids(ROWS)
    for fmt in ("csv", "md", "latex"):
        text = render(tables, fmt)
        for number in ("25.33", "1.08", "50.00"):
            assert number in text, fmt
    assert "| CV | 25.33 ±8.96 = | 1.08 ±0.12 \\* | 25.33 CV |" in render(tables, "md")
    latex = render(tables, "latex")
    assert r"CV & 25.33 $\pm$8.96$^{=}$ & 1.08 $\pm$0.12$^{*}$ & 25.33 CV \\" in latex
    assert r"\begin{tabular}{lrrr}" in latex
    with pytest.raises(ConfigError, match="no table to lay out"):
        render([], "md")
