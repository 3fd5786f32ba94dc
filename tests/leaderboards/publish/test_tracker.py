from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from leaderboards.publish.tracker import check_tracker, log_to, measures, settings
from ptst_tasks.errors import MissingExtraError, UnknownNameError
from tests.leaderboards.board.rows import row
from tests.leaderboards.publish.made_adapter import NAME, SECRETS, made_subject

CL = "chat:llama"


def test_numbers_have_names_of_their_own(tmp_path: Path) -> None:
    rows = [row("", CL, 0.25, ci_low=0.2, ci_high=0.3), row(CL, CL, 0.5, adapter=NAME, unscored=2),
            row(CL, CL, None, adapter=NAME, metric="x")]  # fmt: skip
    assert measures(made_subject(tmp_path, *rows)) == {
        "base/advbench/chat:llama/k/asr": 0.25, "base/advbench/chat:llama/k/asr/n": 100,
        "base/advbench/chat:llama/k/asr/unscored": 0, "base/advbench/chat:llama/k/asr/low": 0.2,
        "base/advbench/chat:llama/k/asr/high": 0.3, "advbench/chat:llama/k/asr": 0.5,
        "advbench/chat:llama/k/asr/n": 100, "advbench/chat:llama/k/asr/unscored": 2,
    }  # fmt: skip


def test_a_tracker_that_is_unknown_or_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'trackio'"):
        check_tracker("trakio")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ptst\[trackio\]'"):
        check_tracker("trackio")


@pytest.mark.filterwarnings("default")  # trackio has warnings of its own
def test_a_run_of_trackio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trk"))  # read when it is imported
    pytest.importorskip("trackio")
    found = made_subject(tmp_path)
    assert log_to("trackio", found) == len(measures(found))
    assert capsys.readouterr().out == ""
    [file] = tmp_path.rglob("ptst.db")
    with sqlite3.connect(file) as db:
        [(name, numbers)] = db.execute("select run_name, metrics from metrics").fetchall()
        [(config,)] = db.execute("select config from configs").fetchall()
    assert name == NAME
    assert json.loads(numbers) == measures(found)
    assert settings(found).items() <= json.loads(config).items()
    assert not [secret for secret in SECRETS if secret in f"{numbers}{config}"]
