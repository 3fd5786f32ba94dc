"""What is read of a side and written of a baseline: whole, or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from leaderboards.board import csvio
from leaderboards.board.numbers import Number
from leaderboards.board.row import COLUMNS
from leaderboards.board.sides import Side, read_side, sidecar, write_baseline
from ptst_tasks.errors import ConfigError, DataError
from tests.leaderboards.gate.gate_data import lm_eval_output, outcomes, run

LLAMA = "advbench/chat:llama"


def release(folder: Path, n: int, ones: Any = (), none: Any = (), **more: Any) -> Path:
    return lm_eval_output(folder, {LLAMA: {"asr": outcomes(n, ones, none)}}, **more)


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    """400 prompts, all refused, as a committed leaderboard with its outcomes."""
    csv = tmp_path / "baseline.csv"
    write_baseline(read_side(release(tmp_path / "old", 400)), csv)
    return csv


@pytest.mark.parametrize("value", [None, float("nan")])
def test_null_beside_unscored_0_is_refused(tmp_path: Path, value: Any) -> None:
    """Seen: such a prompt was in no rate and counted nowhere."""
    new = release(tmp_path / "new", 20)
    (samples,) = new.rglob("samples_*.jsonl")
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    lines[3]["asr"] = value
    samples.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(DataError, match=r"prompt 'p003' has no verdict .*expected unscored: 1"):
        read_side(new)
    lines[3]["unscored"] = 1.0
    samples.write_text("\n".join(map(json.dumps, lines)))
    (number,) = read_side(new).numbers
    assert (number.row.n, number.row.unscored) == (19, 1)


def test_a_header_alone_says_what_is_missing(baseline: Path, tmp_path: Path) -> None:
    """Seen: "'empty.csv' has no row with" and nothing more."""
    empty = tmp_path / "empty.csv"
    empty.write_text(",".join(COLUMNS) + "\n")
    for sides in ((empty, baseline), (baseline, empty)):
        result = run(*sides)
        assert result.exit_code == 2
        assert "empty.csv' has a header and no rows" in " ".join(result.output.split())


def test_a_sidecar_is_read_whole_or_refused(baseline: Path) -> None:
    """Seen: an id given twice was counted once, and a line with U+2028 in an id was cut in two."""
    (number,) = read_side(baseline).numbers
    odd = Number(number.row, {**dict.fromkeys(["a\u2028b", "\ud800", "é"], 0),
                              **{f"p{i}": 0 for i in range(397)}})  # fmt: skip
    write_baseline(Side("x", (odd,)), baseline)
    assert dict(read_side(baseline).numbers[0].outcomes or {}) == odd.outcomes
    line = json.loads(sidecar(baseline).read_text())
    line["ids"][1] = line["ids"][0]
    sidecar(baseline).write_text(json.dumps(line) + "\n")
    with pytest.raises(DataError, match="line 1: damaged"):
        read_side(baseline)


def test_a_sidecar_of_0_1_0_is_read(baseline: Path) -> None:
    """It has no seed of the sampling."""
    line = json.loads(sidecar(baseline).read_text())
    del line["decoding_seed"]
    sidecar(baseline).write_text(json.dumps(line) + "\n")
    assert read_side(baseline).numbers[0].outcomes is not None


def test_a_baseline_that_cannot_be_written_leaves_the_old_one(
    baseline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen: a full disk ended in a traceback, with a new leaderboard beside old outcomes."""
    side, before = read_side(baseline), (baseline.read_bytes(), sidecar(baseline).read_bytes())

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(csvio, "write", full)
    with pytest.raises(ConfigError, match="cannot be written: No space left on device"):
        write_baseline(side, baseline)
    assert (baseline.read_bytes(), sidecar(baseline).read_bytes()) == before
    assert sorted(file.name for file in baseline.parent.glob(".*")) == []
