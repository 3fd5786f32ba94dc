"""``ptst board | plot``: what is averaged, what is written, and that no option does nothing."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from leaderboards.board import csvio
from leaderboards.board.row import Row
from tests.disks import fill, small_disk
from tests.leaderboards.board.rows import CL, CV, ptst, row

PUBLISHED = Path(csvio.__file__).parents[1] / "published"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three seeds of one adapter beside the base."""
    rows = [row("", CV, 0.02), row("", CL, 0.0)]
    rows += [row(CV, t, v, seed=s) for t in (CV, CL) for s, v in enumerate((0.1, 0.2, 0.3))]
    csvio.write(rows, tmp_path / "b.csv")
    return tmp_path / "b.csv"


def test_the_safety_mix_board_keeps_its_training_sets_apart(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It printed 46.42 (GSM8K alone) and 1.25 (with safety examples) as 23.84 ± 22.59, two seeds."""
    assert (
        ptst(
            "board",
            PUBLISHED / "llama2-gsm8k-safety-mix.csv",
            "--layout",
            "paper",
            "--format",
            "md",
        )
        == 0
    )
    out = capsys.readouterr().out
    assert "| CA | 8.08 | 46.42 = | 2.00 \\* |" in out
    assert "| CA +safety_tuned_llamas | 2.75 | 1.25 = | 0.75 \\* |" in out
    assert "23.84" not in out
    assert "±" not in out  # single runs: nothing to take a deviation of


@pytest.mark.parametrize(
    ("suffix", "begins"),
    [("md", "**m: asr"), ("tex", "\\begin{table}"), ("html", "<!DOCTYPE html>"), ("csv", '"m: asr'),
     ("txt", "m: asr")],
)  # fmt: skip
def test_paper_layout_is_written_where_o_says(
    file: Path, tmp_path: Path, suffix: str, begins: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--layout paper -o f` printed the table and wrote no file."""
    out = tmp_path / "new" / f"t.{suffix}"
    assert ptst("board", file, "--layout", "paper", "-o", out) == 0
    text = out.read_text(encoding="utf-8")
    assert text.startswith(begins)
    assert "20.00" in text  # the mean of 10, 20 and 30
    assert "over 3 training seeds" in text
    assert f"1 tables written to {out}" in capsys.readouterr().out


def test_a_suffix_says_the_layout_and_a_format_wins(file: Path, tmp_path: Path) -> None:
    assert ptst("board", file, "-o", tmp_path / "t.md") == 0
    assert (tmp_path / "t.md").read_text().startswith("**m: asr")
    assert ptst("board", file, "-o", tmp_path / "t.md", "--layout", "tidy") == 0
    assert (tmp_path / "t.md").read_text().startswith("base,adapter")
    assert ptst("board", file, "-o", tmp_path / "t.md", "--format", "latex") == 0
    assert (tmp_path / "t.md").read_text().startswith("\\begin{table}")


@pytest.mark.parametrize(
    ("suffix", "begins"), [("csv", "set,metric,train"), ("md", "| set | metric")]
)
def test_a_comparison_is_written_where_o_says(
    file: Path, tmp_path: Path, suffix: str, begins: str
) -> None:
    """`--compare ... -o f` wrote no file."""
    out = tmp_path / f"c.{suffix}"
    assert ptst("board", file, "--compare", "llama2-gsm8k", "-o", out) == 0
    assert out.read_text(encoding="utf-8").startswith(begins)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--layout", "tidy", "--format", "md"), "--layout tidy is a CSV and cannot be 'md'"),
        (("--layout", "papre"), "did you mean 'paper'?"),
        (("--format", "latx"), "did you mean 'latex'?"),
        (("--compare", "published", "--layout", "paper"), "leave out --layout paper"),
        (
            ("--compare", "published", "--format", "latex"),
            "--compare gives text, csv, md, not 'latex'",
        ),
        (("--pool",), "--pool averages, and the tidy layout holds every number"),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    file: Path, options: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--layout tidy --format md` gave the other layout; the others were ignored."""
    assert ptst("board", file, *options) == 2
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["board", "plot"])
def test_an_argument_that_cannot_be_read_is_named_and_exit_code_2(
    command: str, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`ptst board good_run mistyped_run` made a smaller table and ended with 0."""
    out = tmp_path / "out.csv"
    assert ptst(command, file, tmp_path / "mistyped", "-o", out) == 2
    err = capsys.readouterr().err
    assert f"{str(tmp_path / 'mistyped')!r} does not exist" in err
    assert not out.exists()


def test_pooling_nothing_is_said(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ptst("board", file, "--layout", "paper", "--pool") == 0
    assert "--pool has nothing to pool" in capsys.readouterr().err


def test_what_is_in_no_table_is_counted_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other metrics, other harness tasks, kept copies and failed sets vanished from the layout."""
    rows = [
        row("", CV, 0.02), row("", CV, 0.3, metric="score"), row("", "", 0.4, task="hellaswag"),
        row(CV, CV, 0.5, seed=0, step=10), row(CV, CV, None, task="xstest", metric="", error="broke"),
    ]  # fmt: skip
    csvio.write(rows, tmp_path / "b.csv")
    assert ptst("board", tmp_path / "b.csv", "--layout", "paper") == 0
    err = capsys.readouterr().err
    assert "in no table: 1 row of metrics that are in no table here: score" in err
    assert "in no table: 1 row without a test template: hellaswag" in err
    assert "in no table: 1 row of copies kept along training" in err
    assert "in no table: 1 row failed, of sets without any number: xstest" in err


def test_a_board_for_programs(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ptst("board", file, "--json", "-") == 0
    out = json.loads(capsys.readouterr().out)
    assert [Row(**r) for r in out["rows"]] == csvio.read(file)
    assert ptst("board", file, "--layout", "paper", "--json", tmp_path / "t.json", "-q") == 0
    (table,) = json.loads((tmp_path / "t.json").read_text())["tables"]
    assert {"train": "CV", "test": CV, "mean": pytest.approx(0.2), "n": 100,
            "std": pytest.approx(0.0816, abs=1e-4), "values": [0.1, 0.2, 0.3],
            "over": "3 training seeds"} in table["fields"]  # fmt: skip
    assert capsys.readouterr().out == ""
    assert (
        ptst("board", file, "--compare", "llama2-gsm8k", "--json", "-", "-o", tmp_path / "c.md")
        == 0
    )
    assert json.loads(capsys.readouterr().out)["fields"]


def test_pictures_for_programs(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ptst("plot", file, "-o", tmp_path / "p", "--json", "-") == 0
    out, err = capsys.readouterr()
    files = json.loads(out)["files"]
    assert sorted(files) == sorted(str(p) for p in (tmp_path / "p").iterdir())
    assert all(f in err.replace("\n", " ") for f in files)
    assert ptst("plot", file, "-o", tmp_path / "p", "--quiet") == 0
    assert capsys.readouterr().out == ""


def test_no_pictures_without_matplotlib(
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It was a traceback."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert ptst("plot", file, "-o", tmp_path / "p") == 2
    assert "pip install 'ptst[plots]'" in capsys.readouterr().err
    assert not (tmp_path / "p").exists()


def test_pictures_and_boards_on_a_full_disk_and_a_read_only_one(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A picture of 0 bytes stayed; a board was cut in the middle."""
    with small_disk(tmp_path / "disk", 2048) as disk:
        out, plots = disk.path / "b.csv", disk.path / "p"
        assert ptst("board", file, "-o", out) == ptst("plot", file, "-o", plots, "-q") == 0
        before = {p: p.read_bytes() for p in disk.path.rglob("*") if p.is_file()}
        many = [row("", CV, 0.5, task=f"set{at}") for at in range(100)]
        csvio.write(many, tmp_path / "many.csv")
        filler = fill(disk)
        capsys.readouterr()
        for command, target in (("board", out), ("plot", plots)):
            assert ptst(command, tmp_path / "many.csv", "-o", target) == 2
            err = capsys.readouterr().err
            assert "No space left on device" in err
            assert err.count("ptst: error") == err.count("\n") == 1
        filler.unlink()
        disk.read_only()
        for command, target in (("board", out), ("plot", plots)):
            assert ptst(command, tmp_path / "many.csv", "-o", target) == 2
            assert "Read-only file system" in capsys.readouterr().err
        disk.read_only(False)
        assert {p: p.read_bytes() for p in disk.path.rglob("*") if p.is_file()} == before


def test_a_run_that_is_being_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Cells that are being made are nobody's yet; one that goes away meanwhile is a row."""
    from tests.leaderboards.gate.gate_data import lm_eval_output, outcomes

    run = tmp_path / "run"
    for name in ("done", ".done.host.1.abc.tmp", "half"):
        cell = run / "cells" / name
        lm_eval_output(cell, {"advbench/chat:llama": {"asr": outcomes(4)}})
        record = {"base": "tiny", "task": "advbench", "harness_task": "ptst_advbench_chat_llama"}
        (cell / "cell.json").write_text(json.dumps(record))
    (run / "study.json").write_text("{}")
    for file in (run / "cells/half").rglob("results_*"):
        file.write_text(file.read_text()[:50])
    assert ptst("board", run) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3
    assert "half" in err
    assert ".done" not in err + out
    shutil.rmtree(run / "cells/done")
    shutil.rmtree(run / "cells/half")
    assert ptst("board", run) == 2
    assert "no finished cell" in capsys.readouterr().err
