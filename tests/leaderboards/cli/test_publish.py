"""`ptst publish`, as a user meets it; pushing is tests/leaderboards/publish/test_hub.py's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.leaderboards.board.rows import ptst
from tests.leaderboards.publish.made_adapter import NAME, made_run


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--push"], "--push needs --repo"),
        (["--private"], "--private does nothing without --push"),
        (["--update", "--repo", "me/mine"], "--update does nothing without --push"),
        (["--push", "--repo", "mine"], "expected OWNER/NAME"),
        (["--push", "--repo", "me/mine", "--private", "--update"], "is for a new repository"),
        (["--log-to", "trakio"], "did you mean 'trackio'"),
        (["--adapter", "chat:lama-s0"], f"did you mean '{NAME}'"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    tmp_path: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = made_run(tmp_path / "run")
    assert ptst("publish", run, *words) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (run / "publish").exists()


def test_what_it_writes_and_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, out = made_run(tmp_path / "run"), tmp_path / "out"
    assert ptst("publish", run, "-o", out, "--json", "-") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["adapter"], said["repo"], said["logged"]) == (NAME, "", 0)
    assert said["files"] == [
        str(out / n) for n in ("README.md", "board.png", "every_eval_ever.json")
    ]
