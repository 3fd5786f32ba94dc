from __future__ import annotations

import warnings
from pathlib import Path

import pytest

import leaderboards
from ptst_tasks.errors import ConfigError
from tests.leaderboards.report.made_runs import two_templates


def test_the_door_writes_what_the_command_writes(tmp_path: Path) -> None:
    run = two_templates(tmp_path / "run")
    with pytest.warns(UserWarning, match="trade-off"):
        out = leaderboards.write_report(str(run), tmp_path / "a.html", texts="harmful", label=7)
    assert out == tmp_path / "a.html"
    assert "7 answers, drawn at random" in out.read_text()


def test_two_runs(tmp_path: Path) -> None:
    runs = [two_templates(tmp_path / name) for name in ("old", "new")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        out = leaderboards.write_report(runs, tmp_path / "a.html", texts="none")
    assert "What changed" in out.read_text()


def test_a_file_that_cannot_be_written_stays_as_it_is(tmp_path: Path) -> None:
    run = two_templates(tmp_path / "run")
    with pytest.raises(ConfigError, match="cannot be written"):
        leaderboards.write_report(run, tmp_path)
    (tmp_path / "a.html").write_text("mine")
    with pytest.raises(ConfigError, match="texts is 'all'"):
        leaderboards.write_report(run, tmp_path / "a.html", texts="all")  # type: ignore[arg-type]
    assert (tmp_path / "a.html").read_text() == "mine"
