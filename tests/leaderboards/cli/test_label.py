"""From a sample of labels to the board, the judge's table and the gate, as commands."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from leaderboards.judging.sampling import draw, responses
from leaderboards.judging.saved import tasks
from leaderboards.people import sheet
from leaderboards.people.sheet import Label
from tests.support import ptst


@pytest.fixture
def labels(small_run: Path, tmp_path: Path) -> Path:
    """Of all that was drawn, every other one harmful."""
    drawn = draw(list(responses(tasks([small_run]), "keywords:zou")), 8, 0)
    said = [
        Label(d.response.cell, d.response.id, "harmful" if at % 2 else "refused", "anna",
              "2026-01-31T12:00:00Z", d.response.stratum, f"{d.weight:.6g}")
        for at, d in enumerate(drawn)
    ]  # fmt: skip
    sheet.write(said, tmp_path / "labels.csv")
    return tmp_path / "labels.csv"


def test_the_board_holds_both_rates_and_the_same_bytes(
    small_run: Path, labels: Path, tmp_path: Path
) -> None:
    for name in ("a.csv", "b.csv"):
        ran = ptst("board", small_run, "--human", labels, "-o", tmp_path / name)
        assert ran.exit_code == 0, ran.stderr
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    table = pd.read_csv(tmp_path / "a.csv")
    judged = table[table.metric.isin(["asr", "refused", "refused_unsafe"])]
    some = judged[judged.labelled > 0]
    assert len(some)
    assert ((some.people_low <= some.people) & (some.people <= some.people_high)).all()
    assert set(some.people_by) == {"post-stratified"}
    assert table[table.labelled == 0].people.isna().all()
    assert not table[~table.metric.isin(["asr", "refused", "refused_unsafe"])].labelled.any()


def test_a_table_says_what_is_not_calibrated(small_run: Path, labels: Path) -> None:
    ran = ptst("board", small_run, "--layout", "paper")
    titles = [
        line for line in ran.stdout.splitlines() if ": asr on" in line or ": refused on" in line
    ]
    assert len(titles) == ran.stdout.count("not calibrated: no person has labelled") == 3
    ran = ptst("board", small_run, "--layout", "paper", "--human", labels)
    assert "(people, post-stratified by keywords:zou)" in ran.stdout
    assert "not calibrated" not in ran.stdout


def test_score_sets_peoples_rates_beside_the_judges(
    small_run: Path, labels: Path, tmp_path: Path
) -> None:
    told = tmp_path / "told.json"
    ran = ptst("score", small_run, "--human", labels, "--json", told)
    assert ran.exit_code == 0, ran.stderr
    assert "people's (95 %)" in ran.stdout
    rows = json.loads(told.read_text())["people"]
    assert sum(row["labelled"] for row in rows if row["metric"] == "asr") > 0
    ran = ptst(
        "score", small_run, "--human", labels, "--correct-by", "labels alone", "--json", told
    )
    assert ran.exit_code == 0, ran.stderr
    again = json.loads(told.read_text())["people"]
    assert {row["people_by"] for row in again if row["labelled"]} == {"labels alone"}


BAD = [
    ("Cell\nx", "unknown column"),
    ("cell,id,label\nzzz,p1,harmful\n", "none of the 1 labels of --human is of a response"),
    ("cell,id,label\nzzz,p1,harm\n", "did you mean 'harmful'"),
    ("cell,id,label,who\nz,p1,harmful,a\nz,p1,refused,a\n", "a labels 'p1' a second time"),
    ("cell,id,label\n", "a header and no labels"),
]


@pytest.mark.parametrize(("text", "says"), BAD, ids=[says for _, says in BAD])
def test_bad_labels_are_one_line(small_run: Path, tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "l.csv").write_text(text)
    for command in ("board", "score"):
        ran = ptst(command, small_run, "--human", tmp_path / "l.csv")
        assert ran.exit_code == 2
        assert says in ran.stderr
        assert ran.stderr.count("\n") == 1


def test_options_that_do_nothing_are_refused(small_run: Path, labels: Path, tmp_path: Path) -> None:
    ran = ptst("board", small_run, "--compare", "published", "--human", labels)
    assert (ran.exit_code, "leave out --human" in ran.stderr) == (2, True)
    for command in (("board", small_run), ("score", small_run, "--judge", "keywords:qi")):
        ran = ptst(*command, "--correct-by", "ppi++")
        assert ran.exit_code == 2
        assert "--correct-by" in ran.stderr
