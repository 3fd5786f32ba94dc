from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from leaderboards.board import csvio
from leaderboards.board.collect import collect
from leaderboards.gate.policy import Policy
from leaderboards.report.build import build
from leaderboards.report.wishes import Wishes, check_wishes
from ptst_tasks.errors import ConfigError, DataError, DataNotFoundError
from tests.leaderboards.report.made_runs import CL, ZOU, Said, said, two_templates, write_cell


def data_of(page: str) -> dict[str, Any]:
    """What the page's script reads."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def test_a_run_whole(tmp_path: Path) -> None:
    run = two_templates(tmp_path / "run", turned=2)
    made = build([[run]])
    assert (made.answers, made.failed) == (120, False)
    assert made.headlines[0].startswith("stand-in, tested under CL: attack success on advbench")
    assert data_of(made.html)["runs"] == ["run"]
    assert "<h1>run</h1>" in made.html
    assert made.html == build([[run]]).html  # the same files make the same bytes


def test_two_runs_are_compared(tmp_path: Path) -> None:
    old, new = (
        two_templates(tmp_path / "old", n=60),
        two_templates(tmp_path / "new", turned=31, n=60),
    )
    made = build([[old], [new]])
    assert made.failed
    assert "FAIL: 2 regression" in made.html
    assert data_of(made.html)["runs"] == ["before", "after"]
    lenient = Policy.model_validate(
        {"defaults": False, "rules": [{"metrics": {"exact_match": -0.5}}]}
    )
    assert not build([[old], [new]], Wishes(policy=lenient)).failed


def test_a_leaderboard_has_tables_and_no_answers(tmp_path: Path) -> None:
    csvio.write(collect([two_templates(tmp_path / "run")])[0], tmp_path / "board.csv")
    made = build([[tmp_path / "board.csv"]])
    assert made.answers == 0
    assert any("no samples were logged" in note for note in made.notes)
    assert "asr on advbench" in made.html


def test_several_runs_may_be_one_side(tmp_path: Path) -> None:
    for seed in (0, 1):
        cell = [said(i, "refused") for i in range(3)]
        write_cell(tmp_path / f"s{seed}", "advbench", CL, cell, base=f"organism:{seed}")
    made = build([[tmp_path / "s0", tmp_path / "s1"]], Wishes(pool=True))
    assert made.answers == 6
    assert "organism: asr on advbench" in made.html


def test_what_is_missing_and_what_failed_stands_at_the_top(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write_cell(run, "advbench", CL, [said(0, "refused"), said(1, "unscored")])
    failed = write_cell(run, "advbench", CL, [said(0, "refused")], train=CL, seed=0)
    record = json.loads((failed / "cell.json").read_text())
    (failed / "cell.json").write_text(json.dumps({**record, "error": "no memory in /home/me/x"}))
    for file in (failed / "cell").iterdir():
        file.unlink()
    page = build([[run]]).html
    assert "1 answers to harmful queries lack a verdict of a judge" in page  # of both
    assert "1 cell failed: advbench chat:llama of chat:llama-s0: no memory in x" in page


@pytest.mark.parametrize(
    ("sides", "wishes", "told"),
    [
        (3, Wishes(), "report of 3 runs"),
        (0, Wishes(), "report of 0 runs"),
        (1, Wishes(texts="harmles"), "did you mean 'harmless'"),  # type: ignore[arg-type]
        (1, Wishes(policy=Policy()), "does nothing with one run"),
    ],
)
def test_wishes_that_cannot_be_had(sides: int, wishes: Wishes, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        check_wishes(sides, wishes)


def test_a_run_that_is_not_there_or_holds_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError):
        build([[tmp_path / "nothing"]])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError):
        build([[tmp_path / "empty"]])


def test_a_set_of_safe_and_unsafe_prompts_is_told_by_its_own_numbers(tmp_path: Path) -> None:
    """Its `refused` is of the safe ones alone, and so are the answers behind it."""
    rows = [
        Said(word, word, "no", {ZOU: f"{word} declined"}, {"label": word})
        for word in ("safe", "unsafe")
    ]
    write_cell(tmp_path / "run", "xstest", CL, rows)
    tree = html.fromstring(build([[tmp_path / "run"]]).html)
    (button,) = tree.xpath("//table[@class='heat']//button")
    assert (button.get("data-only"), button.text_content()) == (
        "safe",
        "Answers of No FT: 100.0n 1",
    )
