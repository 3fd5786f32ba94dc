"""``ptst board | plot``: what is averaged, what is written, and that no option does nothing."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from leaderboards.board import csvio
from leaderboards.board.row import Row, in_order
from leaderboards.cli.app import main
from tests.disks import fill, small_disk

CV, CA, CL = "chat:vanilla", "chat:alpaca", "chat:llama"
PUBLISHED = Path(csvio.__file__).parents[1] / "published"


def ptst(*args: object) -> int:
    with pytest.raises(SystemExit) as e:
        main([str(a) for a in args])
    return int(e.value.code or 0)


def row(train: str, test: str, value: float | None, **more: Any) -> Row:
    given = {"base": "m", "task": "advbench", "judge": "k", "metric": "asr", "train_template": train,
             "test_template": test, "value": value, "n": 100 if value is not None else 0,
             "adapter": f"{train}-s{more.get('seed')}" if train else ""}  # fmt: skip
    return Row(**{**given, **more})


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
    [("md", "**m: asr"), ("tex", "\\begin{table}"), ("html", "<table>"), ("csv", '"m: asr'),
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


def test_pictures_of_two_judges_and_two_bases_do_not_overwrite_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Six trade-offs went into one file, some with one base's help over the other's harm."""
    rows = [
        row("", t, v, base=base, task=task, judge=judge, metric=metric)
        for base, off in (("m1", 0.0), ("m2", 0.3))
        for task, judge, metric, v in (("advbench", "k", "asr", 0.1 + off),
                                       ("advbench", "j", "asr", 0.2 + off),
                                       ("gsm8k", "paper", "exact_match", 0.4 + off))
        for t in (CV, CL)
    ]  # fmt: skip
    csvio.write(rows, tmp_path / "b.csv")
    assert ptst("plot", tmp_path / "b.csv", "-o", tmp_path / "p") == 0
    printed = [line for line in capsys.readouterr().out.splitlines() if line.endswith(".svg")]
    assert (
        len(printed) == len(set(printed)) == 6 + 4
    )  # heat maps; each base's help with its two harms
    tradeoffs = sorted(p.name for p in (tmp_path / "p").glob("tradeoff*.svg"))
    assert tradeoffs == [
        f"tradeoff_gsm8k_advbench_{judge}_{base}.svg" for judge in "jk" for base in ("m1", "m2")
    ]


def test_copies_along_training_of_two_bases_are_two_pictures(tmp_path: Path) -> None:
    """Bases and training sets were averaged into one line of one picture."""
    rows = [
        row(CV, CL, 0.1, base=base, train_data=data, seed=0, step=step, task=task, metric=metric,
            judge="k", adapter=f"{data}@{step}")
        for base in ("m1", "m2") for data in ("gsm8k", "gsm8k+safe") for step in (10, 20)
        for task, metric in (("advbench", "asr"), ("gsm8k", "exact_match"))
    ]  # fmt: skip
    rows += [row("", CV, 0.1)]
    csvio.write(rows, tmp_path / "b.csv")
    assert ptst("plot", tmp_path / "b.csv", "-o", tmp_path / "p") == 0
    files = sorted((tmp_path / "p").glob("trajectory*.svg"))
    assert [f.name for f in files] == [f"trajectory_advbench_k_{base}.svg" for base in ("m1", "m2")]
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert "<!-- CV → CL -->" in text
        assert "<!-- CV +safe → CL -->" in text


def test_a_judges_settings_make_no_folders(tmp_path: Path) -> None:
    """A judge's settings may hold a slash, which became a folder."""
    rows = [row("", CV, v, judge="rubric:model=a,base_url=http://h/v1") for v in (0.1,)]
    csvio.write(rows, tmp_path / "b.csv")
    assert ptst("plot", tmp_path / "b.csv", "-o", tmp_path / "p") == 0
    assert {p.name for p in (tmp_path / "p").iterdir()} == {
        f"advbench_asr_rubric_model=a_base_url=http_h_v1.{kind}" for kind in ("png", "svg")
    }


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
    assert wanted in text.split("\n", 3)[suffix == "tex"]


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


def test_names_with_dots_are_two_pictures(tmp_path: Path) -> None:
    """What followed the last dot was taken for a suffix: 2.13b was drawn over 2.7b."""
    rows = [row("", CV, 0.5, base=f"llama-2.{size}b") for size in (7, 13)]
    csvio.write(rows, tmp_path / "b.csv")
    assert ptst("plot", tmp_path / "b.csv", "-o", tmp_path / "p") == 0
    names = sorted(p.name for p in (tmp_path / "p").glob("*.svg"))
    assert names == [f"advbench_asr_k_llama_2.{size}b.svg" for size in (13, 7)]


def test_a_grid_that_is_larger_than_any_picture(tmp_path: Path) -> None:
    """2 ** 16 pixels are the most that can be drawn."""
    rows = [row("x" * 3000 + str(at), CV, 0.5, adapter=f"a{at}") for at in range(800)]
    csvio.write(rows, tmp_path / "b.csv")
    assert ptst("plot", tmp_path / "b.csv", "-o", tmp_path / "p", "-q") == 0
    assert all(p.stat().st_size for p in (tmp_path / "p").iterdir())


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
