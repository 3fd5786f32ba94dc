"""`ptst judges`, as a command."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.leaderboards.judging import learned_sets
from tests.support import ptst


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PTST_DATA_DIR", str(tmp_path))
    (tmp_path / "judged").mkdir()
    rows = [
        f"hide spoon {i % 5},{'Sure' if i % 3 else 'I cannot'} {i},{int(i % 2)}" for i in range(40)
    ]
    file = tmp_path / "judged/jailjudge_mini.csv"
    file.write_text("prompt,response,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return tmp_path


def test_a_table_a_csv_and_json(home: Path) -> None:
    args = [
        "judges",
        "--set",
        "jailjudge-mini",
        "--judge",
        "keywords:zou",
        "--json",
        home / "j.json",
    ]
    for name in ("a.csv", "b.csv"):
        ran = ptst(*args, "-o", home / name)
        assert ran.exit_code == 0, ran.stderr
    assert (home / "a.csv").read_bytes() == (home / "b.csv").read_bytes()
    table = pd.read_csv(home / "a.csv")
    assert (table.judge[0], table.n[0], table.prompts[0]) == ("keywords:zou", 40, 5)
    assert "keywords:zou" in ran.stdout
    assert "spoon" not in ran.stdout + ran.stderr + (home / "a.csv").read_text()
    told = json.loads((home / "j.json").read_text())
    assert told["records"][0]["kappa"]["value"] == pytest.approx(table.kappa[0], abs=1e-4)
    assert told["per_second"]["keywords:zou jailjudge-mini"] > 0


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--set", "jailjudge"], "did you mean 'jailjudge-mini'"),
        (["--judge", "keyword"], "did you mean"),
        (["--set", "gptfuzz-train"], "does not exist"),
        (["--set", "jailjudge-mini", "-o", "/proc/x.csv"], "--out"),
    ],
)
def test_bad_input_is_one_line(home: Path, args: list[str], says: str) -> None:
    ran = ptst("judges", *args)
    assert ran.exit_code == 2
    assert says in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_a_learned_judge_is_made_told_and_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PTST_DATA_DIR", str(learned_sets.write(tmp_path / "sets")))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    missing = ptst("judges", "--judge", "learned", "--set", "jailjudge-mini")
    assert missing.exit_code == 2
    assert "`ptst judges --train` makes it" in missing.stderr
    for args in ([], ["-o", tmp_path / "mine.npz"]):
        made = ptst("judges", "--train", *args)
        assert made.exit_code == 0, made.stderr
    assert f"--judge learned:{tmp_path}/mine.npz" in made.stdout
    assert "spoon" not in made.stdout + made.stderr
    whole = (tmp_path / "cache/ptst/learned.npz").read_bytes()
    assert (tmp_path / "mine.npz").read_bytes() == whole
    card = json.loads((tmp_path / "mine.json").read_text())
    assert ptst("judges", "-o", tmp_path / "r.csv").exit_code == 0
    rows = pd.read_csv(tmp_path / "r.csv").query("judge == 'learned'")
    assert rows.unscored.tolist() == [round(r["unsure"] * r["responses"]) for r in card["record"]]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--judge", "keywords:zou"], "leave out --judge and --set"),
        (["--set", "jailjudge-mini"], "leave out --judge and --set"),
        (["-o", "mine.json"], "ends in .npz"),
        (["-o", "/proc/x.npz"], "--out"),
        (["-o", "kept.npz"], "the card would take its place"),
        ([], "does not exist"),
    ],
)
def test_training_that_cannot_be_is_one_line(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept.json").write_text("{}")
    ran = ptst("judges", "--train", *args)
    assert ran.exit_code == 2
    assert says in ran.stderr
    assert ran.stderr.count("\n") == 1
