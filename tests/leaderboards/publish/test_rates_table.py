from __future__ import annotations

from pathlib import Path

import pytest

from leaderboards.board.row import Row
from leaderboards.publish.rates_table import lines, rate
from tests.leaderboards.board.rows import row
from tests.leaderboards.publish.made_adapter import NAME, made_subject

CL = "chat:llama"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (row("", CL, 0.125, ci_low=0.1, ci_high=0.2, n=60), "12.5 % (10.0 to 20.0, n = 60)"),
        (row("", CL, 0.125, ci_low=0.1, ci_high=0.2, n=60, unscored=3),
         "12.5 % (10.0 to 20.0, n = 60, 3 without a verdict)"),
        (row("", CL, 0.5, metric="rougeL"), "0.500 (n = 100)"),
        (row("", CL, None, unscored=9), "no verdict (9 responses)"),
        (row("", CL, None, error="x"), "failed"),
    ],
)  # fmt: skip
def test_a_rate(given: Row, expected: str) -> None:
    assert rate(given) == expected


def test_each_kind_has_its_heading_and_nothing_is_merged(tmp_path: Path) -> None:
    def own(**more: object) -> Row:
        return row(CL, CL, 0.5, adapter=NAME, judge_kappa=0.55, **more)

    rows = [row("", CL, 0.25), own(), own(attack="json"), own(metric="refused"),
            own(task="xstest", metric="refused_safe"), own(task="xstest", metric="refused"),
            own(decoding_seed=1), own(decoding_seed=2)]  # fmt: skip
    tables = lines(made_subject(tmp_path, *rows))
    assert {name: len(table) - 1 for name, table in tables.items()} == {
        "Attack success": 4, "Refusals of harmful queries": 1, "Over-refusal": 2,
    }  # fmt: skip
    _, first, *_, attacked = tables["Attack success"]
    assert first == [
        "advbench",
        CL,
        "answered a harmful query",
        "0.250 (n = 100)",
        "0.500 (n = 100)",
        "k (0.55)",
    ]
    assert attacked[0] == "advbench, attack json"
    assert attacked[3] == "not measured"


def test_a_base_that_was_asked_otherwise_is_marked(tmp_path: Path) -> None:
    rows = [row("", CL, 0.25, asked="a"), row(CL, CL, 0.5, adapter=NAME, asked="b")]
    [line] = lines(made_subject(tmp_path, *rows))["Attack success"][1:]
    assert line[3].endswith("[other prompts or decoding]")
