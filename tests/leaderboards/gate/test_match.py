"""Which number of one side belongs to which of the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaderboards.board.sides import read_side, select
from leaderboards.gate.decide import check_sides
from leaderboards.gate.policy import default_policy
from ptst_tasks.errors import ConfigError, DataError
from tests.leaderboards.gate.gate_data import (
    LLAMA,
    VANILLA,
    compare,
    harm,
    lm_eval_output,
    verdicts,
    write_cell,
)


def test_missing_and_new_cells(tmp_path: Path) -> None:
    a = lm_eval_output(tmp_path / "a", {LLAMA: harm(400), VANILLA: harm(400)})
    b = lm_eval_output(tmp_path / "b", {LLAMA: harm(400), "jbb/chat:llama": harm(100)})
    report = compare(a, b)
    assert verdicts(report) == ["missing", "new", "pass"]
    assert report.failed
    assert "1 numbers are new: not in the baseline" in report.notes


def test_ambiguous_sides_are_refused(old: Path, tmp_path: Path) -> None:
    both = lm_eval_output(tmp_path / "new", {LLAMA: harm(400)}, adapter="out/a")
    lm_eval_output(
        both, {LLAMA: harm(400, range(60))}, adapter="out/b", date="2025-02-01T00-00-00.0"
    )
    with pytest.raises(DataError, match=r"'out/a' and 'out/b'; choose one"):
        compare(old, both)
    side = select(read_side(both), ["adapter=out/b"])
    assert check_sides(read_side(old), side, default_policy()).failed
    with pytest.raises(ConfigError, match=r"adapter='out/c'"):
        select(read_side(both), ["adapter=out/c"])
    with pytest.raises(ConfigError, match=r"did you mean 'adapter'"):
        select(read_side(both), ["adaptor=x"])


def test_the_newest_of_two_runs_counts(old: Path, tmp_path: Path) -> None:
    new = lm_eval_output(tmp_path / "new", {LLAMA: harm(400, range(60))})
    lm_eval_output(new, {LLAMA: harm(400)}, date="2025-02-01T00-00-00.000000")
    report = compare(old, new)
    assert verdicts(report) == ["pass"]
    assert any("replaces what is older" in note for note in report.notes)


def test_a_run_folder_is_matched_by_training(tmp_path: Path) -> None:
    for name, bad in (("r1", 0), ("r2", 60)):
        for template in ("chat:vanilla", "chat:llama"):
            ones = range(bad) if template == "chat:vanilla" else ()
            write_cell(tmp_path / name, template[5:], harm(400, ones), adapter=f"{name}-{template}",
                  train_data="gsm8k", train_template=template, seed=0)  # fmt: skip
    report = compare(tmp_path / "r1", tmp_path / "r2")
    assert verdicts(report) == ["regression", "pass"]
    assert report.lines[0].pair.label.endswith("asr / gsm8k / chat:vanilla / s0")
    single = read_side(tmp_path / "r1" / "cells" / "llama")
    assert single.numbers[0].row.train_template == "chat:llama"


def test_one_model_under_two_paths_is_one_base(tmp_path: Path) -> None:
    for name in ("r1", "r2"):
        write_cell(tmp_path / name, "c", harm(400), base=f"/{name}/tiny", base_digest="sha256:1")
    assert verdicts(compare(tmp_path / "r1", tmp_path / "r2")) == ["pass"]
    write_cell(tmp_path / "r2", "c", None, base="/r2/tiny", base_digest="sha256:2")
    with pytest.raises(DataError, match="weights of the base 'sha256:1' became 'sha256:2'"):
        compare(tmp_path / "r1", tmp_path / "r2")
