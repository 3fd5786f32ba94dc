"""What a check prints: what is not decided, what could have been caught, and how CI uses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from leaderboards import gate_report
from leaderboards.gate_policy import default_policy, load_policy
from leaderboards.outcomes import read_side
from leaderboards.regress import check_sides
from tests.leaderboards.gate_data import lm_eval_output, outcomes, run

ROOT = Path(__file__).resolve().parents[2]
LLAMA = "advbench/chat:llama"


def release(folder: Path, n: int, ones: Any = (), **more: Any) -> Path:
    return lm_eval_output(folder, {LLAMA: {"asr": outcomes(n, ones)}}, **more)


def last(text: str) -> str:
    """The last line, however the terminal folded it."""
    flat = " ".join(text.split())
    return flat[max(flat.rfind(f"{word}: ") for word in ("OK", "UNDECIDED", "FAIL")) :]


def test_the_last_line_says_what_is_undecided_and_what_it_takes(tmp_path: Path) -> None:
    """Seen: "UNDECIDED: 1 inconclusive" and exit 0, which looks green."""
    a, b = release(tmp_path / "a", 30, [1]), release(tmp_path / "b", 30, [2])
    result = run(a, b, "--json", tmp_path / "r.json", "--markdown", tmp_path / "r.md")
    text = ("not decided: advbench / chat:llama / keywords:zou / asr (n = 30: about 165 prompts would "
            "do); this fails with --strict")  # fmt: skip
    assert result.exit_code == 0
    assert last(result.output) == f"UNDECIDED: 1 inconclusive. {text}"
    assert json.loads((tmp_path / "r.json").read_text())["undecided"] == text
    assert "about 165 prompts would do" in (tmp_path / "r.md").read_text().splitlines()[3]
    strict = run(a, b, "--strict")
    assert strict.exit_code == 1
    assert "about 165 prompts would do" in last(strict.output)
    assert "this fails with" not in strict.output


def test_many_undecided_numbers_are_counted(tmp_path: Path) -> None:
    sets = {f"s{at}/chat:llama": {"asr": outcomes(30, [at])} for at in range(5)}
    a = lm_eval_output(tmp_path / "a", sets)
    assert "s2 / chat:llama / keywords:zou / asr (n = 30:" in last(run(a, a).output)
    assert "; and 2 more" in last(run(a, a).output)


def test_counts_alone_say_that_pairs_need_fewer(tmp_path: Path) -> None:
    a = release(tmp_path / "a", 100, range(20), samples=False)
    assert "would do, fewer if prompts are paired" in last(run(a, a).output)


def test_a_check_of_new_numbers_alone_is_not_ok(tmp_path: Path) -> None:
    """Seen: "OK: 1 new", although nothing was compared."""
    old = lm_eval_output(tmp_path / "old", {"chatdoctor/chat:llama": {"rougeL": outcomes(9)}})
    result = run(old, release(tmp_path / "new", 400))
    assert (result.exit_code, last(result.output)[:43]) == (
        0,
        "UNDECIDED: 1 new. nothing was compared: eve",
    )
    assert run(old, tmp_path / "new", "--strict").exit_code == 1


# ---- what could have been caught


def test_the_smallest_change_that_could_have_been_caught(tmp_path: Path) -> None:
    """One test, 400 pairs, no flips: 6 newly harmful answers are 2^-6, but 5 points are 20 of 400:
    the 21st is beyond them, and of 6.14 % of 400 there are 21 or more 80 times of 100."""
    a = release(tmp_path / "a", 400)
    (line,) = check_sides(read_side(a), read_side(a), default_policy()).lines
    assert line.tests[0].detectable == pytest.approx(0.0614, abs=1e-4)
    result = run(a, a, "--json", tmp_path / "r.json", "--markdown", tmp_path / "r.md")
    head, row = (tmp_path / "r.md").read_text().splitlines()[3:6:2]
    cells = dict(zip(head.split(" | "), row.split(" | "), strict=True))
    assert cells["caught from (80%)"] == "+6.1"
    assert "+6.1" in result.output
    found = json.loads((tmp_path / "r.json").read_text())["lines"][0]
    assert found["detectable"] == found["tests"][0]["detectable"] == line.tests[0].detectable


def test_too_few_prompts_catch_nothing(tmp_path: Path) -> None:
    """Four prompts: not even four flips are beyond chance (2^-4 > 0.05)."""
    a = release(tmp_path / "a", 4)
    (line,) = check_sides(read_side(a), read_side(a), default_policy()).lines
    assert line.tests[0].detectable is None
    assert " nothing " in run(a, a).output


def test_what_is_caught_has_the_metrics_sign(tmp_path: Path) -> None:
    a = lm_eval_output(
        tmp_path / "a", {"gsm8k/chat:llama": {"exact_match": outcomes(400, range(300))}}
    )
    (tmp_path / "loss.yaml").write_text("rules: [{metrics: {exact_match: '-0.05'}}]")
    (tmp_path / "limit.yaml").write_text("rules: [{metrics: {exact_match: '>= 0.7'}}]")
    rows = []
    for name in ("loss", "limit"):
        report = check_sides(read_side(a), read_side(a), load_policy(tmp_path / f"{name}.yaml"))
        rows.append(gate_report.to_markdown(report).splitlines())
    assert "| -6.1 |" in "\n".join(rows[0])
    # at most 30 % wrong: 136 wrong answers of 400 are beyond (P = 0.047), seen 80 times of 100 at 35.9 %
    assert "| \\<= 64.1% |" in "\n".join(rows[1])


def test_a_long_table_is_cut_and_says_so(tmp_path: Path) -> None:
    """A comment on GitHub holds 65,536 characters."""
    sets = {f"s{at:03}/chat:llama": {"asr": outcomes(60)} for at in range(130)}
    a = lm_eval_output(tmp_path / "a", sets)
    worse = {**sets, "s120/chat:llama": {"asr": outcomes(60, range(40))}}
    b = lm_eval_output(tmp_path / "b", worse)
    result = run(a, b, "--markdown", tmp_path / "r.md", "--json", tmp_path / "r.json")
    markdown = (tmp_path / "r.md").read_text()
    assert len(markdown) < 65_536
    assert "❌ regression | s120" in markdown
    assert "30 pass not shown" in " ".join(result.output.split())
    assert len(json.loads((tmp_path / "r.json").read_text())["lines"]) == 130


# ---- CI


def _step(tmp_path: Path, strict: str, *sides: Path) -> subprocess.CompletedProcess[str]:
    """Runs the action's check step, with this command as `ptst`."""
    steps = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]
    script = next(step["run"] for step in steps if step.get("id") == "check")
    shim = tmp_path / "bin" / "ptst"
    shim.parent.mkdir(exist_ok=True)
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m leaderboards "$@"\n')
    shim.chmod(0o755)
    env = {"PATH": f"{shim.parent}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "BASELINE": str(sides[0]),
           "CURRENT": str(sides[1]), "POLICY": "", "ARGS": "", "OUT": str(tmp_path / "out"),
           "GITHUB_OUTPUT": str(tmp_path / "outputs"), "HOME": os.environ.get("HOME", "/"),
           "STRICT": strict}  # fmt: skip
    return subprocess.run(["bash", "-eo", "pipefail", "-c", script], env=env, check=False,
                          capture_output=True, text=True)  # fmt: skip


def test_the_action_and_the_docs_are_strict(tmp_path: Path) -> None:
    """Seen: a pull request with too few prompts to tell was green."""
    inputs = yaml.safe_load((ROOT / "action.yml").read_text())["inputs"]
    assert inputs["strict"]["default"] == "true"
    few = release(tmp_path / "few", 30, [1])
    for strict, code in (("true", "1"), ("false", "0")):
        done = _step(tmp_path, strict, few, few)
        assert done.returncode == 0, done.stderr  # the verdict is a later step's
        assert (tmp_path / "outputs").read_text().splitlines()[-4] == f"exit-code={code}"
    wrong = _step(tmp_path, "no", few, few)
    assert wrong.returncode == 2
    assert "expected true or false" in wrong.stderr
    job = yaml.safe_load((ROOT / "docs/gitlab-ci.yml").read_text())["ptst-check"]
    assert any("ptst check" in line and "--strict" in line for line in job["script"])
