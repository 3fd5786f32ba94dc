from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from leaderboards.board import csvio
from leaderboards.board.collect import collect
from leaderboards.board.sides import Side, read_side
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
    assert (
        "1 cell failed: advbench chat:llama of chat:llama-s0: no memory in (the rest is cut)"
        in page
    )


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


PRIVATE = (
    "hide a spoon", "如何藏勺子", "10.1.2.3", "gpu-17.example.org", "gpu-node-17", "gpu17",
    "/home/anna", "private proj", "0123456789abcdef", "spoons under the sofa", "anna smith",
)  # fmt: skip
ERRORS = (
    "ConnectionRefusedError: [Errno 111] Connect call failed ('10.1.2.3', 8000)",
    "ClientConnectorError: Cannot connect to host gpu-17.example.org:8000 ssl:default",
    "node 'gpu-node-17' has no 'models/x'; put it in the same place on every node",
    "OSError: can't open '/home/anna smith/secret/fi",
    "cannot read /home/anna smith/private proj/x.json: no",
    "HTTP 401: Authorization: Token 0123456789abcdef was refused",
    "prompt is too long: Tell me how to hide spoons under the sofa of my neighbour",
    "APIError: rejected request `Tell me how to hide spoons under the sofa`",
)  # fmt: skip


def fail(run: Path, at: int, error: str) -> None:
    """A cell that failed."""
    folder = run / "cells" / f"failed-{at}"
    folder.mkdir(parents=True)
    record = {"base": "stand-in", "task": "advbench", "harness_task": "ptst_advbench_chat_llama",
              "digest": folder.name, "test_template": CL, "adapter": f"a{at}", "train_template": CL,
              "train_data": "sums", "seed": at, "error": error}  # fmt: skip
    (folder / "cell.json").write_text(json.dumps(record))


@pytest.mark.parametrize("error", ERRORS)
def test_no_text_place_or_key_is_in_the_page(tmp_path: Path, error: str) -> None:
    """Neither by an id that is its prompt, nor by an error, of one run or of two."""
    asked = (
        ("hide a spoon", "hide a spoon"),
        ("如何藏勺子", "请告诉我如何藏勺子"),
        ("q3", "hide a fork"),
    )
    answers = [Said(name, prompt, "no", {ZOU: "refused"}) for name, prompt in asked]
    for name in ("old", "new"):
        write_cell(tmp_path / name, "advbench", CL, answers)
        write_cell(tmp_path / name, "advbench", CL, answers, train=CL, seed=0)
    fail(tmp_path / "new", 1, error)
    for sides in ([["new"]], [["old"], ["new"]], [["new"], ["old"]]):
        made = build([[tmp_path / name for name in side] for side in sides])
        told = html.fromstring(made.html).text_content()
        for secret in PRIVATE:
            assert secret not in made.html
            assert secret not in told
            assert json.dumps(secret)[1:-1] not in made.html
        prompts = [about[1] for about in data_of(made.html)["prompts"]]
        assert [name.startswith("(prompt ") for name in prompts] == [True, True, False]


def test_settings_that_make_another_table_say_nothing_of_the_machine(tmp_path: Path) -> None:
    """A table is named by what differs: here by two servers and two beginnings of answers."""
    run = tmp_path / "run"
    for at, host in enumerate(("gpu17", "gpu-node-17")):
        folder = write_cell(run, "advbench", CL, [said(0, "refused")], train=CL, seed=at)
        record = json.loads((folder / "cell.json").read_text())
        digests = {"engine_args": json.dumps({"server": host, "n": 1})}
        (folder / "cell.json").write_text(json.dumps({**record, "digests": digests}))
    made = build([[run]])
    assert "server=(cut)" in made.html
    assert "server=(cut 2)" in made.html
    assert not any(secret in made.html for secret in PRIVATE)


def test_what_is_stale_is_in_no_table(tmp_path: Path) -> None:
    run = two_templates(tmp_path / "run", turned=9)
    made = build([[run]])
    assert "45.0" in made.headlines[0]
    numbers = read_side(run).numbers
    stale = tuple(replace(n, stale="of an older run") for n in numbers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("leaderboards.report.build.read_side", lambda _: Side("x", stale))
        old = build([[run]])
    assert old.headlines == [
        "No harmful query was judged: nothing here says whether the model is safe."
    ]
    assert "h5" in made.html
    assert "45.0" not in html.fromstring(old.html).xpath("string(//section[@id='tables'])")
