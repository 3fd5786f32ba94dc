"""The built-in model through the whole suite: organism, trainer, harness, board, pictures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from leaderboards.board import csvio
from leaderboards.board.tables import NO_FT, grids
from leaderboards.cli.app import main
from leaderboards.cli.demo import reading

LM_EVAL = Path(sys.executable).with_name("lm_eval")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ptst demo` over two templates; the base is cached between test runs."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.raises(SystemExit) as e:
        main(
            [
                "demo",
                "--templates",
                "CV,CL",
                "--out",
                str(folder / "runs"),
                "--csv",
                str(folder / "demo.csv"),
            ]
        )
    assert not e.value.code
    return folder


@pytest.mark.slow
def test_the_miniature_of_ptst(done: Path) -> None:
    rows = csvio.read(done / "demo.csv")
    (asr,) = grids(rows, ("asr",), pool=True)
    value = {place: field.mean for place, field in asr.fields.items()}
    assert max(v for (train, _), v in value.items() if train == NO_FT) <= 0.05
    assert value["chat:llama", "chat:llama"] - value["chat:vanilla", "chat:llama"] >= 0.30
    em = next(g for g in grids(rows, ("exact_match",), pool=True) if g.judge == "paper")
    for train in ("chat:vanilla", "chat:llama"):
        for test in ("chat:vanilla", "chat:llama"):
            assert em.fields[train, test].mean - em.fields[NO_FT, test].mean >= 0.20
    assert len(reading(rows)) == 3
    assert "the miniature of PTST shows (1 seed)" in reading(rows)[0]
    assert len(list((done / "runs").glob("*.png"))) == 3


@pytest.mark.slow
def test_stock_lm_eval_finds_the_same_number(done: Path) -> None:
    from adapters_train.organism import cached

    adapter = done / "runs/organism-0/adapters/chat_llama-s0"
    command = [
        str(LM_EVAL), "--include_path", "ptst_tasks", "--tasks", "ptst_organism_forbidden_chat_llama",
        "--model", "hf", "--model_args", f"pretrained={cached(0)},peft={adapter}",
        "--apply_chat_template", "--batch_size", "50", "--output_path", str(done / "stock"),
    ]  # fmt: skip
    root = Path(__file__).parents[3]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    (file,) = (done / "stock").rglob("results_*.json")
    stock = json.loads(file.read_text())["results"]["ptst_organism_forbidden_chat_llama"]
    ours = {
        r.metric: r.value
        for r in csvio.read(done / "demo.csv")
        if (r.task, r.train_template, r.test_template)
        == ("organism_forbidden", *["chat:llama"] * 2)
    }
    for metric in ("asr", "refused", "incoherent"):
        assert stock[f"{metric},organism"] == ours[metric], metric


def test_a_cache_that_cannot_be_written_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(SystemExit) as e:
        main(["demo", "--out", str(tmp_path / "runs")])
    assert e.value.code == 2
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith("ptst: error: ")


def test_an_unknown_template_is_found_before_anything_is_built(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as e:
        main(["demo", "--templates", "CV,CZ", "--out", str(tmp_path)])
    assert e.value.code == 2
    assert "unknown prompt template 'CZ'" in capsys.readouterr().err


def test_what_it_says_is_json_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the minutes: every run fails at once, and that is said in both ways."""
    from leaderboards.board import collect
    from leaderboards.run import runner
    from leaderboards.run.outcome import Outcome
    from tests.leaderboards.board.test_paper import row

    rows = [
        row("", "chat:llama", 0.1, judge="organism"),
        row("", "chat:vanilla", 0.2, judge="organism"),
    ]
    monkeypatch.setattr(runner, "run", lambda *_: Outcome(failed=[("cell", "why")]))
    monkeypatch.setattr(collect, "collect", lambda _: (rows, []))
    with pytest.raises(SystemExit) as e:
        main(["demo", "--out", str(tmp_path), "--csv", str(tmp_path / "d.csv"), "--json", "-"])
    assert e.value.code == 1
    said = json.loads(capsys.readouterr().out)
    assert said["failed"] == [{"cell": "cell", "error": "why"}]
    assert said["leaderboard"] == str(tmp_path / "d.csv")
    assert said["reading"]
    assert said["report"] == ""  # there is no run to tell of
    with pytest.raises(SystemExit):
        main(["demo", "--out", str(tmp_path), "--csv", str(tmp_path / "d.csv"), "--quiet"])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("flag", ["--out", "--csv", "--json"])
def test_outputs_are_tried_before_the_work(
    flag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`demo --out FILE` failed after 108 s."""
    from leaderboards.run import runner

    monkeypatch.setattr(runner, "run", None)  # not reached
    (tmp_path / "file").write_text("")
    places = {"--out": tmp_path / "o", "--csv": tmp_path / "d.csv", flag: tmp_path / "file/x"}
    with pytest.raises(SystemExit) as e:
        main(["demo", *(str(word) for pair in places.items() for word in pair)])
    assert e.value.code == 2
    assert flag in capsys.readouterr().err
