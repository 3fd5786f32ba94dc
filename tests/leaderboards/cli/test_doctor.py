from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from leaderboards.cli.app import main


def doctor(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", *words])
    return int(ended.value.code or 0)


@pytest.fixture(autouse=True)
def _here(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_line_each_and_no_key(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-proj-abcdefgh")
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefghijkl")
    assert doctor() == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert {line.split()[0] for line in lines} <= {"ok", "absent"}
    assert sum("judge keywords" in line for line in lines) == 1
    assert "abcdefgh" not in out + err


def test_sets_have_lines_of_their_own_when_asked(capsys) -> None:
    assert doctor() == 0
    assert "set advbench" not in capsys.readouterr().out
    assert doctor("--sets") == 0
    assert "ok      set advbench: a copy is here" in capsys.readouterr().out.splitlines()


def test_what_is_broken_is_exit_code_1(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("PTST_DATA_DIR", "nowhere")
    assert doctor("--json", "-") == 1
    lines = json.loads(capsys.readouterr().out)
    broken = [line for line in lines if line["state"] == "broken"]
    assert {"part", "what", "state", "told", "mend"} == set(lines[0])
    assert all(line["mend"] for line in broken)
    assert "$PTST_DATA_DIR" in {line["what"] for line in broken}
    [sets] = [line["told"] for line in lines if line["part"] == "set" and line["what"] == "all"]
    assert f"{sum('set' in line['part'] for line in broken)} are broken" in sets


def test_the_shell_completes_commands() -> None:
    said = {"_PTST_COMPLETE": "complete_bash", "COMP_WORDS": "ptst do", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "leaderboards"], env={**os.environ, **said}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.split() == ["doctor"], done.stderr


def test_a_study_is_looked_at_too(tiny_model: Path, capsys) -> None:
    text = "base: {}\ntest: {{sets: [{}], templates: [CV], limit: 2}}\n"
    Path("good.yaml").write_text(text.format(tiny_model, "advbench"))
    assert doctor("good.yaml") == 0
    out = capsys.readouterr().out
    assert "ok      study good: memory: measuring about" in out
    Path("bad.yaml").write_text(text.format("no/such/folder", "advbench"))
    assert doctor("bad.yaml") == 1
    out = capsys.readouterr().out
    assert "broken  study bad:" in out
    assert "ptst run bad.yaml --dry-run" in out
    assert doctor("advbenchstudy") == 2
    assert "advbenchstudy" in capsys.readouterr().err
