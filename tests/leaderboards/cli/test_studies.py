"""``ptst run``: what it says, and to whom."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from leaderboards.cli.studies import show_failures
from ptst_tasks.replies import RAISE
from tests.support import ptst


@pytest.fixture
def study(tiny_model: Path, data_dir: Path, tmp_path: Path) -> Path:
    file = tmp_path / "my study.yaml"
    file.write_text(
        f"base: {tiny_model}\n"
        f"train: {{adapters: [{{name: gone, path: {tmp_path}/gone}}]}}\n"
        "test: {sets: [advbench], templates: [CV], limit: 2, gen_kwargs: {max_gen_toks: 2}}\n"
        "engine_args: {device: cpu}\n"
    )
    return file


def test_json_and_quiet_and_a_hint_that_can_be_pasted(study: Path, tmp_path: Path) -> None:
    run, file = tmp_path / "my run", tmp_path / "o.json"
    done = ptst("run", study, "--out", run, "--no-share", "--quiet", "--json", file)
    assert (done.exit_code, done.stdout) == (1, "")
    hint = done.stderr.splitlines()[-1].partition("by: ")[2]
    assert shlex.split(hint) == ["ptst", "run", str(study), "--out", str(run), "--no-share"]
    told = json.loads(file.read_text())
    assert (told["measured"], told["kept"], told["judged"], told["run"]) == (1, 0, 0, str(run))
    assert [one["what"] for one in told["failed"]] == ["gone ptst_advbench_chat_vanilla"]
    assert "holds no weights" in told["failed"][0]["why"]
    again = ptst("run", study, "--out", run, "--json", "-")
    assert json.loads(again.stdout)["kept"] == 1
    assert "1 were there, 1 failed" in again.stderr


def test_the_next_command_is_said(study: Path, tmp_path: Path) -> None:
    study.write_text(study.read_text().replace("train: ", "# "))
    run = tmp_path / "my run"
    done = ptst("run", study, "--out", run)
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "1 cells measured, 0 were there, 0 failed",
        f"now: ptst board '{run}' --layout paper",
    ]
    assert done.stderr == ""


def test_what_running_again_alone_does_not_mend_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Seen: cells whose thoughts were cut off were told to be tried again, and cut off again."""
    cut = (
        "judge a",
        f"2 of 4 responses have no verdict; 2 are thoughts that were cut off: {RAISE}",
    )
    for failed, said in (
        ([cut], [f"ptst: thoughts that were cut off stay so: {RAISE} (test.gen_kwargs of the study), "
                 "then: ptst run s"]),
        ([cut, ("b", "no")], ["ptst: failed cells are tried again by: ptst run s",
                              f"ptst: thoughts that were cut off stay so: {RAISE} (test.gen_kwargs of "
                              "the study), then: ptst run s"]),
        ([("b", "no")], ["ptst: failed cells are tried again by: ptst run s"]),
    ):  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            show_failures(failed, "ptst run s")
        assert ended.value.code == 1
        lines = capsys.readouterr().err.splitlines()
        assert [line for line in lines if line.startswith("ptst: ")] == said
    show_failures([], "ptst run s")
    assert capsys.readouterr().err == ""
