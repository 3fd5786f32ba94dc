"""``ptst align`` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.adapters_train.alignment.conftest import plain_base, said, write
from tests.support import ptst

__all__ = ["plain_base"]


def test_a_dry_run_writes_nothing_and_says_what(tmp_path: Path, plain_base: Path) -> None:
    file, out = write(tmp_path, said(plain_base)), tmp_path / "out" / "safe"
    ran = ptst("align", file, "--out", out, "--dry-run", "--json", tmp_path / "said.json")
    assert ran.exit_code == 0, ran.stderr
    assert "14 rows (6 of refused.jsonl, 8 of harmless.jsonl), 4 steps" in ran.stdout
    told = json.loads((tmp_path / "said.json").read_text())
    assert (told["rows"], told["steps"]) == (14, 4)
    assert not out.parent.exists()


def test_made_and_then_measured_as_any_other(tmp_path: Path, plain_base: Path) -> None:
    file, out = write(tmp_path, said(plain_base)), tmp_path / "safe"
    ran = ptst("align", file, "--out", out, "--quiet", "--json", tmp_path / "said.json")
    assert ran.exit_code == 0, ran.stderr
    assert ran.stdout == ""
    told = json.loads((tmp_path / "said.json").read_text())
    assert told["folder"] == str(out)
    assert (told["rows"], told["steps"]) == (14, 4)
    more = ["--data", "refused.jsonl", "--max-steps", "1", "--batch-size", "2"]
    tuned = ptst("train", "--model", out, *more[:1], tmp_path / more[1], *more[2:], "--out",
                 tmp_path / "tuned", "--quiet")  # fmt: skip
    assert tuned.exit_code == 0, tuned.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["nosuch"], "unknown alignment recipe 'nosuch'"),
        (["gone.yaml"], "gone.yaml"),
        (["--model", "nosuchfolder"], "'nosuchfolder' cannot be loaded"),
        (["--out", "a.file/x"], "a.file"),
        (["--out", "."], "names no folder"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, plain_base: Path, monkeypatch: pytest.MonkeyPatch, args: list[str], words: str
) -> None:
    (tmp_path / "a.file").write_text("mine")
    file = write(tmp_path, said(plain_base))
    monkeypatch.chdir(tmp_path)
    ran = ptst("align", *(args if args[0][0] != "-" else [file, *args]))
    assert ran.exit_code == 2, ran.stderr
    assert words in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1
