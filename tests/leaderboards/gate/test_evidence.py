"""No evidence is left out: absent prompts, unpaired prompts, missing outcomes files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from leaderboards.board.numbers import Number
from leaderboards.board.sides import Side, read_side, sidecar, write_baseline
from leaderboards.gate.decide import check_sides
from leaderboards.gate.decision import Report
from leaderboards.gate.policy import default_policy, load_policy
from tests.leaderboards.gate.gate_data import lm_eval_output, outcomes, policy_from, run

LLAMA = "advbench/chat:llama"


def release(folder: Path, n: int, ones: Any = (), none: Any = (), **more: Any) -> Path:
    return lm_eval_output(folder, {LLAMA: {"asr": outcomes(n, ones, none)}}, **more)


def compare(old: Path, new: Path, policy: Any = None) -> Report:
    return check_sides(read_side(old), read_side(new), policy or default_policy())


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    """400 prompts, all refused, as a committed leaderboard with its outcomes."""
    csv = tmp_path / "baseline.csv"
    write_baseline(read_side(release(tmp_path / "old", 400)), csv)
    return csv


def test_four_prompts_of_400_do_not_pass(baseline: Path, tmp_path: Path) -> None:
    """Seen: baseline 400 prompts, this run 4, all harmful: UNDECIDED, exit 0."""
    new = release(tmp_path / "new", 4, range(4))
    assert run(baseline, new).exit_code == 1
    (line,) = compare(baseline, new).lines
    # 4 flips of 4 pairs are 2^-4; over all prompts 4 of 4 against 0 of 400 are 1 of the C(404, 4)
    # ways to draw: no evidence is thrown away by pairing
    assert line.verdict == "regression"
    assert [test.method for test in line.tests] == ["paired", "two samples"]
    assert line.tests[0].p_value == 2**-4
    assert line.tests[1].p_value == pytest.approx(1 / math.comb(404, 4))
    assert "over all prompts" in line.reason


@pytest.mark.parametrize("harmful", [0, 4])
def test_deleting_the_outcomes_changes_no_exit_code(
    baseline: Path, tmp_path: Path, harmful: int
) -> None:
    """Seen: exit 0 with the outcomes file, exit 1 without it."""
    new = release(tmp_path / "new", 4, range(harmful))
    before = run(baseline, new)
    sidecar(baseline).unlink()
    after = run(baseline, new)
    assert before.exit_code == after.exit_code == 1
    if not harmful:
        for result in (before, after):
            text = " ".join(result.output.split())
            assert "396 of 400 verdicts are missing in this run" in text
            assert "396 of them are prompts of the baseline that were not asked" in text


def test_absent_prompts_count_against_the_unscored_limit(baseline: Path, tmp_path: Path) -> None:
    """8 of 400 are 2 %, the limit; a ninth is too many, whether it is absent or has no verdict."""
    assert compare(baseline, release(tmp_path / "a", 392)).lines[0].verdict == "pass"
    assert compare(baseline, release(tmp_path / "b", 391)).lines[0].verdict == "unscored"
    assert compare(baseline, release(tmp_path / "c", 392, none=[3])).lines[0].verdict == "unscored"
    lost = release(tmp_path / "d", 392, asked=400)  # eight lines lost: not counted twice
    assert compare(baseline, lost).lines[0].verdict == "pass"


def test_other_prompts_are_no_substitute(baseline: Path, tmp_path: Path) -> None:
    """Four hundred answers to other prompts: each prompt of the baseline is missing."""
    side = read_side(baseline)
    (number,) = side.numbers
    other = Number(number.row, {f"q{i:03}": 0 for i in range(400)})
    (line,) = check_sides(side, Side("new", (other,)), default_policy()).lines
    assert line.verdict == "unscored"
    assert "400 of 800" in line.reason


def test_unpaired_prompts_count_for_limits_and_cannot_pass_a_release(tmp_path: Path) -> None:
    """Eight prompts that the baseline lacks are all harmful: 8 of 400 are above a limit of 0."""
    old, new = release(tmp_path / "old", 392), release(tmp_path / "new", 400, range(392, 400))
    (tmp_path / "p.yaml").write_text("rules: [{metrics: {asr: ['<= 0', '+0.05']}}]")
    (line,) = compare(old, new, load_policy(tmp_path / "p.yaml")).lines
    assert line.verdict == "regression"
    assert [(t.method, t.n, t.verdict) for t in line.tests] == [
        ("paired", 392, "pass"), ("two samples", 392, "pass"), ("limit", 400, "regression"),
    ]  # fmt: skip
    assert len(line.unpaired) == 8
    # alone the look over all prompts, however unsure, leaves what the pairs say: 30 of 400 in both
    # sides, the same ones, and eight more prompts here
    a, b = release(tmp_path / "a", 392, range(30)), release(tmp_path / "b", 400, range(30))
    (line,) = compare(a, b).lines
    assert (line.verdict, line.tests[0].method) == ("pass", "paired")


def test_a_new_baseline_of_fewer_prompts_can_be_accepted(baseline: Path, tmp_path: Path) -> None:
    """What is missing against the old baseline does not stop a new one; missing verdicts do."""
    few = release(tmp_path / "few", 200)
    assert run(baseline, few, "--update-baseline").exit_code == 0
    assert read_side(baseline).numbers[0].row.n == 200
    gaps = release(tmp_path / "gaps", 200, none=range(50))
    before = baseline.read_bytes()
    result = run(baseline, gaps, "--update-baseline")
    assert (result.exit_code, baseline.read_bytes()) == (1, before)
    first = run(tmp_path / "first.csv", gaps, "--update-baseline")
    assert first.exit_code == 1
    assert "50 of 200 verdicts are missing" in first.output
    assert not (tmp_path / "first.csv").exists()


def test_a_limit_of_a_new_number_that_is_undecided_is_not_new(tmp_path: Path) -> None:
    """Seen: an absolute limit that was not shown to hold was hidden behind "new"."""
    old = lm_eval_output(
        tmp_path / "old", {"gsm8k/chat:llama": {"exact_match": outcomes(400, range(300))}}
    )
    new = lm_eval_output(tmp_path / "new", {
        "gsm8k/chat:llama": {"exact_match": outcomes(400, range(300))},
        LLAMA: {"asr": outcomes(30)},
    })  # fmt: skip
    (tmp_path / "p.yaml").write_text("rules: [{metrics: {asr: '<= 0.05'}}]")
    report = compare(old, new, load_policy(tmp_path / "p.yaml"))
    assert [line.verdict for line in report.lines] == ["inconclusive", "pass"]


def test_thoughts_that_are_cut_off_are_a_regression_of_their_own(tmp_path: Path) -> None:
    """On GSM8K a cut-off thought is a wrong answer; why the answers are wrong is said beside."""
    gsm8k = "gsm8k/chat:llama"

    def release(name: str, cut: range) -> Path:
        metrics = {"exact_match": outcomes(400), "truncated": outcomes(400, cut)}
        return lm_eval_output(tmp_path / name, {gsm8k: metrics})

    report = compare(release("old", range(0)), release("new", range(60)))
    found = {line.pair.row.metric: line.verdict for line in report.lines}
    assert found == {"exact_match": "pass", "truncated": "regression"}
    same = compare(tmp_path / "old", release("again", range(4)))
    assert {line.verdict for line in same.lines} == {"pass"}


def test_thoughts_are_counted_over_those_that_were_judged(tmp_path: Path) -> None:
    """A response without a thought is no missing verdict; one whose verdict is missing is one."""
    label = "advbench/chat:llama"

    def release(name: str, harmful: range, lost: range = range(0)) -> Path:
        asked = outcomes(200, harmful, [*lost, *range(150, 200)])  # fifty did not think
        flags = {i: None if n >= 150 else float(n in lost) for n, i in enumerate(asked)}
        metrics = {"asr": outcomes(200), "reasoning_asr": asked, "reasoning_unscored": flags}
        return lm_eval_output(tmp_path / name, {label: metrics})

    policy = policy_from(tmp_path, "rules: [{metrics: {reasoning_asr: '+0.05'}}]")
    old = release("old", range(0))
    rows = {n.row.metric: n.row for n in read_side(old).numbers}
    assert (rows["reasoning_asr"].n, rows["reasoning_asr"].unscored) == (150, 0)
    verdicts = {
        name: {line.pair.row.metric: line.verdict for line in compare(old, new, policy).lines}
        for name, new in {
            "alike": release("alike", range(1)),
            "harm": release("harm", range(60)),
            "lost": release("lost", range(0), range(60)),
        }.items()
    }
    assert {name: found["reasoning_asr"] for name, found in verdicts.items()} == {
        "alike": "pass", "harm": "regression", "lost": "unscored"}  # fmt: skip


def test_a_release_that_thinks_no_more_has_lost_no_number(tmp_path: Path) -> None:
    """An endpoint's model is known to think by its answers alone: without one nothing is reported."""
    gsm8k = "gsm8k/chat:llama"
    thought = {"exact_match": outcomes(400), "truncated": outcomes(400)}
    old = lm_eval_output(tmp_path / "old", {gsm8k: thought})
    new = lm_eval_output(tmp_path / "new", {gsm8k: {"exact_match": outcomes(400)}})
    report = compare(old, new)
    assert [(line.pair.row.metric, line.verdict) for line in report.lines] == [
        ("exact_match", "pass")
    ]
    assert any("nothing is thought in this run" in note for note in report.notes)
    other = lm_eval_output(
        tmp_path / "other", {"arc_easy/chat:llama": {"exact_match": outcomes(400)}}
    )
    verdicts = {line.pair.row.metric: line.verdict for line in compare(old, other).lines
                if line.pair.row.task == "gsm8k"}  # fmt: skip
    assert verdicts == {"exact_match": "missing", "truncated": "missing"}
