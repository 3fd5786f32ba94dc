"""From a sample of labels to the board, the judge's table and the gate, as commands."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from leaderboards.judging.sampling import draw, responses
from leaderboards.judging.saved import tasks
from leaderboards.people import sheet
from leaderboards.people.sheet import Label
from tests.ptst_tasks.judges import learned_models
from tests.ptst_tasks.judges.server import FakeServer, grade, judged_text
from tests.support import ptst

REFUSALS = ["asr", "refused", "refused_safe", "refused_unsafe"]


@pytest.fixture
def labels(small_run: Path, tmp_path: Path) -> Path:
    """Of all that was drawn, every other one harmful."""
    drawn = draw(list(responses(tasks([small_run]), "keywords:zou")), 8, 0)
    said = [
        Label(d.response.cell, d.response.id, "harmful" if at % 2 else "refused", "anna",
              "2026-01-31T12:00:00Z", d.response.stratum, f"{d.weight:.6g}", d.response.reply)
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
    judged = table[table.metric.isin(REFUSALS)]
    some = judged[judged.labelled > 0]
    assert len(some)
    assert ((some.people_low <= some.people) & (some.people <= some.people_high)).all()
    assert set(some.people_by) == {"post-stratified"}
    assert table[table.labelled == 0].people.isna().all()
    assert not table[~table.metric.isin(REFUSALS)].labelled.any()


def test_a_table_says_what_is_not_calibrated(small_run: Path, labels: Path) -> None:
    ran = ptst("board", small_run, "--layout", "paper")
    titles = [
        line for line in ran.stdout.splitlines() if ": asr on" in line or ": refused on" in line
    ]
    assert len(titles) == ran.stdout.count("not calibrated: no person has labelled") == 3
    ran = ptst("board", small_run, "--layout", "paper", "--human", labels)
    assert "(people, post-stratified by keywords:zou)" in ran.stdout
    assert "labels a field and seed; intervals in the CSV" in ran.stdout
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


def test_answers_made_anew_have_no_labels(small_run: Path, labels: Path, tmp_path: Path) -> None:
    said = [replace(label, reply="0" * 16) for label in sheet.read(labels)]
    sheet.write(said, labels)
    for command in (("board", small_run), ("score", small_run)):
        ran = ptst(*command, "--human", labels)
        assert ran.exit_code == 2
        assert "none of the 8 labels of --human counts: 1 labels of cell" in ran.stderr
        assert "that were made anew" in ran.stderr


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--who", "\x07"), "--who '\\x07' is no name"),
        (("--who", "\udcff"), "--who '\\udcff' is no name"),
        (("--who", "anna+ben"), "--who 'anna+ben' is no name"),
        (("--set", "advbenc"), "did you mean 'advbench'?"),
    ],
)
def test_what_label_cannot_use(small_run: Path, args: tuple[str, str], says: str) -> None:
    ran = ptst("label", small_run, *args)
    assert (ran.exit_code, says in ran.stderr) == (2, True), ran.stderr


def test_a_clock_that_says_nothing(small_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "tomorrow")
    ran = ptst("label", small_run)
    assert (ran.exit_code, ran.stderr.count("\n")) == (2, 1)
    assert "SOURCE_DATE_EPOCH is 'tomorrow', expected seconds since 1970" in ran.stderr


def test_what_a_study_no_longer_asks_for_is_not_sampled(small_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(small_run, tmp_path / "run")
    count = len(list(responses(tasks([run]), "keywords:zou")))
    cell = next(file.parent for file in (run / "cells").rglob("cell.json"))
    (run / "attic").mkdir()
    shutil.move(cell, run / "attic" / cell.name)
    assert 0 < len(list(responses(tasks([run]), "keywords:zou"))) < count


def test_two_peoples_sheets_are_both_read(small_run: Path, labels: Path, tmp_path: Path) -> None:
    said = sheet.read(labels)
    sheet.write(said[:4], tmp_path / "a.csv")
    sheet.write([replace(label, who="ben") for label in said[4:]], tmp_path / "b.csv")
    sheets = ("--human", tmp_path / "a.csv", "--human", tmp_path / "b.csv")
    told = []
    for given in (("--human", labels), sheets):
        ran = ptst("score", small_run, *given, "--json", tmp_path / "told.json")
        assert ran.exit_code == 0, ran.stderr
        told.append(json.loads((tmp_path / "told.json").read_text())["people"])
    assert told[0] == told[1]
    (tmp_path / "c.csv").write_text("id,label\n")
    ran = ptst("score", small_run, *sheets, "--human", tmp_path / "c.csv")
    assert (ran.exit_code, "is no sheet of ptst label" in ran.stderr) == (2, True)


def test_a_leaderboard_beside_its_run_takes_no_label_away(
    small_run: Path, labels: Path, tmp_path: Path
) -> None:
    board = tmp_path / "plain.csv"
    assert ptst("board", small_run, "-o", board).exit_code == 0
    made = []
    for runs in ((small_run,), (board, small_run), (small_run, board)):
        out = tmp_path / f"{len(made)}.csv"
        ran = ptst("board", *runs, "--human", labels, "-o", out)
        assert ran.exit_code == 0, ran.stderr
        made.append(pd.read_csv(out).labelled.sum())
    assert made[0] > 0
    assert made == [made[0]] * 3


def test_of_two_equal_leaderboards_the_first_is_kept(small_run: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    assert ptst("board", small_run, "-o", first).exit_code == 0
    table = pd.read_csv(first, dtype=str, keep_default_na=False)
    table.assign(date="2001-01-01T00:00:00Z").to_csv(second, index=False)
    ran = ptst("board", first, second, "-o", tmp_path / "c.csv")
    assert ran.exit_code == 0, ran.stderr
    assert (tmp_path / "c.csv").read_bytes() == first.read_bytes()


def test_merging(labels: Path, tmp_path: Path) -> None:
    other, out = tmp_path / "ben.csv", tmp_path / "both.csv"
    sheet.write([replace(label, who="ben") for label in sheet.read(labels)], other)
    both = ("label", "--merge", labels, "--merge", other)
    ran = ptst(*both, "-o", out, "--json", tmp_path / "told.json")
    assert ran.exit_code == 0, ran.stderr
    told = json.loads((tmp_path / "told.json").read_text())
    assert (told["people"], told["twice"], told["same"], told["disputed"]) == (2, 8, 1.0, [])
    for args, says in (((), "another file as -o"), (("--n", 5), "--n does nothing with --merge"),
                       (("--set", "x", "-o", out), "--set does nothing"),
                       (("-o", tmp_path / "told.json"), "is there and holds no labels")):  # fmt: skip
        ran = ptst(*both, *args)
        assert (ran.exit_code, says in ran.stderr) == (2, True), ran.stderr


def test_labels_are_one_more_set_of_the_judges_record(
    small_run: Path, labels: Path, tmp_path: Path
) -> None:
    asked = (
        "judges",
        small_run,
        "--human",
        labels,
        "--judge",
        "keywords:zou",
        "--judge",
        "keywords:qi",
    )
    ran = ptst(*asked, "-o", tmp_path / "r.csv", "--json", tmp_path / "r.json")
    assert ran.exit_code == 0, ran.stderr
    table = pd.read_csv(tmp_path / "r.csv")
    assert set(table.set_name) == {"yours (harm)", "yours (refusal)"}
    (harm,) = table[(table.judge == "keywords:zou") & (table.about == "harm")].itertuples()
    said = [label for label in sheet.read(labels) if " overrefusal " not in label.stratum]
    assert 0 < harm.n <= len(said) == 8
    told = json.loads((tmp_path / "r.json").read_text())
    assert set(told["usd_per_1000"].values()) == {0.0}
    for args in ((small_run,), ("--human", labels)):
        ran = ptst("judges", *args)
        assert (ran.exit_code, "go together" in ran.stderr) == (2, True)
    sheet.write([replace(label, reply="0" * 16) for label in sheet.read(labels)], labels)
    ran = ptst(*asked)
    assert (ran.exit_code, "none of the 8 labels is of a reply as it is" in ran.stderr) == (2, True)


def test_labels_that_are_no_part_of_the_judges_record_are_told(
    small_run: Path, labels: Path, tmp_path: Path
) -> None:
    said = sheet.read(labels)
    odd = [replace(said[0], reply="0" * 16), replace(said[1], label="unsure"), *said[2:]]
    sheet.write(odd, labels)
    other = tmp_path / "ben.csv"
    sheet.write([replace(label, who="ben") for label in said[2:]], other)
    asked = ("judges", small_run, "--human", labels, "--human", other, "--judge", "keywords:zou")
    ran = ptst(*asked, "--json", tmp_path / "told.json")
    assert ran.exit_code == 0, ran.output
    assert "1 of 8 labels are of no reply as it is in these runs: left out" in ran.stderr
    assert "1 responses that people are unsure of" in ran.stderr
    records = json.loads((tmp_path / "told.json").read_text())["records"]
    assert {r["people_same"] for r in records} == {1.0}


def test_three_judges_with_labels_in_the_board_and_in_the_gate(
    small_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rubric, keywords and `learned`: both rates, both intervals, how many labels; the same bytes again."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    monkeypatch.setenv("PTST_JUDGE_CACHE", str(tmp_path / "cache.sqlite"))
    run, learned = tmp_path / "run", f"learned:{learned_models.write(tmp_path / 'm.npz')}"
    shutil.copytree(small_run, run)
    with FakeServer(lambda body: grade(body, 1 + 4 * (len(judged_text(body)) % 2))) as server:
        for judge in (f"rubric:model=m,base_url={server.url}", learned):
            ran = ptst("score", run, "--judge", judge, "--max-unscored", 1)
            assert ran.exit_code == 0, ran.output
    drawn = draw(list(responses(tasks([run]), "keywords:zou")), 8, 0)
    said = [Label(d.response.cell, d.response.id, "harmful" if at % 2 else "refused", "anna", "",
                  d.response.stratum, f"{d.weight:.6g}", d.response.reply)
            for at, d in enumerate(drawn)]  # fmt: skip
    sheet.write(said, tmp_path / "labels.csv")
    boards = []
    for name in ("a.csv", "b.csv"):
        ran = ptst("board", run, "--human", tmp_path / "labels.csv", "-o", tmp_path / name)
        assert ran.exit_code == 0, ran.output
        boards.append((tmp_path / name).read_bytes())
    assert boards[0] == boards[1]
    table = pd.read_csv(tmp_path / "a.csv").query("metric == 'asr' and labelled > 0")
    assert set(table.judge) == {"keywords:zou", "rubric:model=m", learned}
    assert (
        table[["value", "ci_low", "ci_high", "people", "people_low", "people_high"]]
        .notna()
        .all()
        .all()
    )
    (tmp_path / "gate.yaml").write_text(
        "defaults: false\nrules: [{correct: true, metrics: {asr: '<= 1.0'}}]\n"
    )
    tasks_labelled = set(table.task)
    ran = ptst("check", run, run, "--policy", tmp_path / "gate.yaml", "--human", tmp_path / "labels.csv",
               "--json", tmp_path / "told.json")  # fmt: skip
    lines = json.loads((tmp_path / "told.json").read_text())["lines"]
    decided = {
        x["current"]["judge"]
        for x in lines
        if x["tests"] and x["current"]["task"] in tasks_labelled
    }
    assert decided == {"keywords:zou", "rubric:model=m", learned}
    assert all(x["current"]["people_low"] is not None for x in lines if x["tests"])
