"""The gate's verdicts, from files: what passes, what does not, and what was not measured alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leaderboards.board import csvio
from leaderboards.board.row import REQUIRED, Row
from leaderboards.board.sides import read_side
from ptst_tasks.errors import DataError
from tests import bench_gate as bench
from tests.leaderboards.gate.gate_data import (
    LLAMA,
    compare,
    harm,
    lm_eval_output,
    outcomes,
    policy_from,
    verdicts,
    write_cell,
)

# ---- verdicts


def test_unchanged_passes(old: Path, tmp_path: Path) -> None:
    new = lm_eval_output(tmp_path / "new", {LLAMA: harm(400, [8])}, adapter="out/b")
    report = compare(old, new)
    (line,) = report.lines
    assert line.verdict == "pass"
    assert not report.failed
    assert (line.flipped, line.recovered) == (("p008",), 1)
    (test,) = line.tests
    assert (test.method, test.estimate, test.p_value, test.n) == ("paired", 0, 0.75, 400)


def test_lost_refusals_are_a_regression(old: Path, tmp_path: Path) -> None:
    new = lm_eval_output(tmp_path / "new", {LLAMA: harm(400, range(7, 37))})
    report = compare(old, new)
    (line,) = report.lines
    assert line.verdict == "regression"
    assert report.failed
    assert len(line.flipped) == 29
    # 29 worse, 0 better of 400: +7.25 points; exact one-sided p = 2^-29; one test, so Holm is it
    assert line.tests[0].p_holm == pytest.approx(2**-29)
    assert line.tests[0].estimate == pytest.approx(29 / 400)


def test_lower_is_worse_for_exact_match(tmp_path: Path) -> None:
    def side(name: str, right: range) -> Path:
        return lm_eval_output(
            tmp_path / name, {"gsm8k/chat:llama": {"exact_match": outcomes(400, right)}}
        )

    worse = compare(side("a", range(200)), side("b", range(170)))
    assert verdicts(worse) == ["regression"]
    assert worse.lines[0].flipped[:2] == ("p170", "p171")
    assert verdicts(compare(tmp_path / "b", tmp_path / "a")) == ["pass"]


# ---- missing verdicts, cells, prompts


def test_unscored_past_the_limit_cannot_pass(old: Path, tmp_path: Path) -> None:
    new = lm_eval_output(tmp_path / "new", {LLAMA: harm(400, [7], range(300, 309))})
    for a, b, side in ((old, new, "this run"), (new, old, "the baseline")):
        report = compare(a, b)
        assert verdicts(report) == ["unscored"]
        assert report.failed
        assert f"9 of 400 verdicts are missing in {side}" in report.lines[0].reason
    few = lm_eval_output(tmp_path / "few", {LLAMA: harm(400, [7], range(300, 308))})
    assert verdicts(compare(old, few)) == ["pass"]  # 8 of 400 is the limit


def test_a_missing_verdict_is_no_zero(tmp_path: Path) -> None:
    new = lm_eval_output(tmp_path / "new", {LLAMA: harm(10, [0, 1], [2, 3])})
    (number,) = read_side(new).numbers
    assert (number.row.value, number.row.n, number.row.unscored) == (0.25, 8, 2)
    bare = lm_eval_output(tmp_path / "bare", {LLAMA: harm(10, [0, 1], [2, 3])}, samples=False)
    (again,) = read_side(bare).numbers
    assert (again.row.value, again.row.n, again.row.unscored) == (0.25, 8, 2)
    none = lm_eval_output(tmp_path / "none", {LLAMA: harm(10, none=range(10))})
    report = compare(new, none, allow_mismatch=True)
    assert verdicts(report) == ["unscored"]


def test_lines_lost_from_the_samples_are_missing_verdicts(old: Path, tmp_path: Path) -> None:
    new = lm_eval_output(tmp_path / "new", {LLAMA: harm(390, [7])}, asked=400)
    report = compare(old, new)
    assert verdicts(report) == ["unscored"]
    assert len(report.lines[0].unpaired) == 10


def test_common_prompts_alone_are_paired(old: Path, tmp_path: Path) -> None:
    new = lm_eval_output(tmp_path / "new", {LLAMA: harm(395, [7])})
    line = compare(old, new).lines[0]
    assert line.tests[0].n == 395
    assert line.unpaired == ("p395", "p396", "p397", "p398", "p399")


# ---- measured alike?


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"ptst": {"data_fingerprint": "other"}}, "prompt set 'rows-of-advbench' became 'other'"),
        ({"gen_kwargs": {"max_gen_toks": 64}}, "decoding: max_gen_toks 512 became 64"),
        ({"judge": "rubric:gpt"}, "judge 'keywords:zou' became 'rubric:gpt'"),
        ({"base": "other"}, "base 'tiny' became 'other'"),
        ({"ptst": {"style": "openai"}}, "style 'gsm8k' became 'openai'"),
        ({"ptst": {"rubric": "v2"}}, "rubric None became 'v2'"),
    ],
)
def test_what_was_measured_otherwise_is_refused(
    old: Path, tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    new = lm_eval_output(tmp_path / "new", {LLAMA: harm(400, [7])}, **change)
    with pytest.raises(DataError) as caught:
        compare(old, new)
    assert named in str(caught.value)
    report = compare(old, new, allow_mismatch=True)
    assert verdicts(report) == ["pass"]
    assert any(named in note for note in report.notes)
    fact = {"base": "base", "gen_kwargs": "decoding"}.get(next(iter(change)))
    if fact:
        assert not compare(old, new, policy_from(tmp_path, f"may_differ: [{fact}]")).failed


def test_a_leaderboard_without_provenance_is_compared_and_noted(old: Path, tmp_path: Path) -> None:
    file = tmp_path / "bare.csv"
    head = ",".join(REQUIRED)
    file.write_text(f"{head}\ntiny,,,,,chat:llama,advbench,keywords:zou,asr,0.0025,,,400,0\n")
    report = compare(file, old)
    assert verdicts(report) == ["pass"]
    assert "decoding: recorded on one side only, not compared" in report.notes


def test_a_failed_cell_fails_the_check(old: Path, tmp_path: Path) -> None:
    write_cell(tmp_path / "r", "good", harm(400, [7]))
    write_cell(tmp_path / "r", "bad", None, test_template="chat:mpt", error="CUDA out of memory")
    report = compare(old, tmp_path / "r")
    assert verdicts(report) == ["missing", "pass"]
    assert report.lines[0].reason == "CUDA out of memory"
    assert report.failed


def test_nothing_to_check_is_an_error(old: Path, tmp_path: Path) -> None:
    policy = policy_from(tmp_path, "{defaults: false}")
    with pytest.raises(DataError, match="nothing to check"):
        compare(old, old, policy)


def test_a_mean_of_scores_is_not_tested(old: Path, tmp_path: Path) -> None:
    policy = policy_from(tmp_path, "rules: [{metrics: {rougeL: -0.03}}]")
    row = Row(base="b", task="chatdoctor", metric="rougeL", value=0.333, n=10)
    csvio.write([row], tmp_path / "x.csv")
    with pytest.raises(DataError, match="not a share of yes/no outcomes"):
        compare(tmp_path / "x.csv", tmp_path / "x.csv", policy)


def test_a_leaderboard_of_20_000_numbers_is_checked_in_little_memory() -> None:
    """Seen: 100,000 numbers did not finish in 9 minutes; `python tests/bench_gate.py` times them."""
    _, libraries = bench.scale(200, 20)
    _, peak = bench.scale(20_000, 2_000)
    assert peak - libraries < 140  # MB; beside what the libraries take, which every release changes
