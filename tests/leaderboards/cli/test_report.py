from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.leaderboards.board.rows import ptst
from tests.leaderboards.report.made_runs import two_templates


def test_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, out = two_templates(tmp_path / "run", turned=9), tmp_path / "new" / "mine.html"
    assert ptst("report", run, "-o", out, "--json", "-") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["answers"] == 120
    assert told["bytes"] == out.stat().st_size < 2_000_000
    assert told["headlines"][0].startswith("stand-in, tested under CL")
    assert not told["failed"]
    assert len(set(told["notes"])) == len(told["notes"])
    assert "harmful answer" not in out.read_text()
    assert ptst("report", run, "-o", out, "--texts", "harmful", "--label", 5) == 0
    assert "harmful answer" in out.read_text()
    shown = capsys.readouterr().out
    assert "120 answers" in shown


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--texts", "harmfull"), "did you mean 'harmful'"),
        (("--policy", "gate.yaml"), "gate.yaml"),
        (("--label", "5"), "--label: the responses"),
        (("--judge", "nobody"), "--judge: the responses"),
        (("--label", "500", "--texts", "harmful"), "there are 80 responses"),
        (("--judge", "nobody", "--texts", "harmful"), "not judged by 'nobody'"),
        (("-o", "."), "it is a folder"),
        (("nothing",), "'nothing' does not exist"),
        (("run", "run"), "report of 3 runs"),
    ],
)
def test_what_cannot_be_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    two_templates(tmp_path / "run")
    before = sorted(tmp_path.rglob("*"))
    assert ptst("report", "run", *args) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_is_not_its_own_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = two_templates(tmp_path / "run")
    board = tmp_path / "board.csv"
    assert ptst("board", run, "-o", board) == 0
    kept = board.read_bytes()
    assert ptst("report", board, "-o", board) == 2
    assert board.read_bytes() == kept
