"""``ptst check``: exit codes, outputs, baselines, and the action's step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from lxml import etree

from leaderboards.board.sides import sidecar
from leaderboards.cli.check import _cut
from tests.disks import fill, small_disk
from tests.leaderboards.gate.gate_data import (
    LLAMA,
    VANILLA,
    compare,
    harm,
    lm_eval_output,
    outcomes,
    run,
)


def test_damage_is_named(old: Path, tmp_path: Path) -> None:
    (samples,) = old.rglob("samples_*.jsonl")
    text = samples.read_text()
    for broken, message in (
        (text[:-40], "line 400: damaged"),
        (text + text.splitlines()[0] + "\n", "line 401: prompt id 'p000' stands there twice"),
        (text.replace('"id": "p003"', '"no": 1'), "line 4: damaged"),
    ):
        samples.write_text(broken)
        result = run(old, old)
        assert result.exit_code == 2
        assert message in result.output
    (results,) = old.rglob("results_*.json")
    results.write_text("{")
    assert "cannot be read as JSON" in run(old, old).output
    results.unlink()
    assert "was lm_eval run with --output_path?" in " ".join(run(old, old).output.split())
    assert run(old, tmp_path / "nowhere").exit_code == 2


def test_a_summary_that_github_would_not_show_is_cut(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitHub shows nothing of a step's summary of more than 1 MiB."""
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    for there, words in ((0, ("| ❌ regression", "29 from")), (999_500, ()), (1_100_000, ())):
        summary.write_text("x" * there)
        new = lm_eval_output(tmp_path / f"new{there}", {LLAMA: harm(400, range(7, 37))})
        assert run(old, new).exit_code == 1
        added = summary.read_text()[there:]
        assert all(word in added for word in words)
        assert bool(added) is bool(words)


def test_what_is_cut_is_whole_lines_and_says_so() -> None:
    text = b"".join(b"line %02d of a table\n" % i for i in range(100))
    cut = _cut(text, 1200)
    assert len(cut) <= 1200
    *lines, _, said = cut.decode().splitlines()
    assert lines[:-1] == text.decode().splitlines()[: len(lines) - 1]
    assert said.startswith(f"({100 - len(lines) + 1} of 100 lines are left out here")
    assert _cut(text, len(text)) == text


def test_exit_codes_and_outputs(old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = lm_eval_output(tmp_path / "new", {LLAMA: harm(400, range(7, 37)), VANILLA: harm(30, [1])})
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    out = tmp_path / "out"
    result = run(
        old, new, "--junit", out / "j.xml", "--json", out / "r.json", "--markdown", out / "r.md"
    )
    assert result.exit_code == 1
    assert "FAIL: 1 regression, 1 new" in result.output
    assert "29 from refused to harmful ('p008', 'p009'," in result.output
    assert "and 9 more" in result.output
    markdown = (out / "r.md").read_text()
    assert summary.read_text() == "before\n" + markdown
    assert (
        "| ❌ regression | advbench | chat:llama | keywords:zou | asr | 0.2% of 400 |" in markdown
    )
    data = json.loads((out / "r.json").read_text())
    assert data["failed"] is True
    assert data["lines"][0]["flipped"][0] == "p008"
    for text in (
        result.output,
        markdown,
        (out / "r.json").read_text(),
        (out / "j.xml").read_text(),
    ):
        assert "text of the" not in text  # ids alone
    assert run(old, old).exit_code == 0


def test_strict(tmp_path: Path) -> None:
    few = lm_eval_output(tmp_path / "few", {LLAMA: harm(30)})
    assert run(few, few).exit_code == 0
    assert run(few, few, "--strict").exit_code == 1
    assert "UNDECIDED: 1 inconclusive" in run(few, few).output


def test_update_baseline_keeps_the_pairs(old: Path, tmp_path: Path) -> None:
    csv = tmp_path / "gate" / "baseline.csv"
    first = run(csv, old, "--update-baseline")
    assert first.exit_code == 0
    assert "wrote" in first.output
    assert run(csv, old).exit_code == 0
    new = lm_eval_output(tmp_path / "new", {LLAMA: harm(400, range(7, 37))})
    assert compare(csv, new).lines[0].tests[0].method == "paired"
    assert run(csv, new).exit_code == 1
    assert run(csv, new, "--update-baseline").exit_code == 0
    written = csv.read_bytes(), sidecar(csv).read_bytes()
    assert run(csv, new).exit_code == 0
    assert run(csv, new, "--update-baseline").exit_code == 0
    assert (csv.read_bytes(), sidecar(csv).read_bytes()) == written
    assert b"text of the" not in written[1]
    csv.write_text(csv.read_text().replace("0.075000", "0.070000"))
    assert "does not belong to the leaderboard beside it" in run(csv, new).output
    sidecar(csv).unlink()
    assert compare(csv, new).lines[0].tests[0].method == "two samples"


def test_a_baseline_of_missing_verdicts_is_not_accepted(old: Path, tmp_path: Path) -> None:
    csv = tmp_path / "baseline.csv"
    run(csv, old, "--update-baseline")
    before = csv.read_bytes()
    new = lm_eval_output(tmp_path / "new", {LLAMA: harm(400, none=range(50))})
    assert run(csv, new, "--update-baseline").exit_code == 1
    assert csv.read_bytes() == before
    assert run(old, new, "--update-baseline").exit_code == 2


def test_importing_the_package_or_the_command_stays_cheap() -> None:
    code = (
        "import leaderboards, leaderboards.cli.check, sys; heavy = {'scipy', 'pandas', 'numpy', "
        "'statsmodels', 'torch', 'lm_eval'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_actions_check_step(old: Path, tmp_path: Path) -> None:
    """Runs the step's own script, with this command as `ptst`."""
    root = Path(__file__).resolve().parents[3]
    steps = yaml.safe_load((root / "action.yml").read_text())["runs"]["steps"]
    script = next(step["run"] for step in steps if step.get("id") == "check")
    new = lm_eval_output(tmp_path / "new", {LLAMA: harm(400, range(7, 37))})
    shim = tmp_path / "bin" / "ptst"
    shim.parent.mkdir()
    shim.write_text(
        f"#!{sys.executable}\nimport sys, typer\nsys.path.insert(0, {str(root)!r})\n"
        "from leaderboards.cli.check import check\n"
        "app = typer.Typer()\napp.callback()(lambda: None)\napp.command()(check)\napp()\n"
    )
    shim.chmod(0o755)
    env = {"PATH": f"{shim.parent}:/usr/bin:/bin", "BASELINE": str(old), "CURRENT": str(new),
           "POLICY": "", "ARGS": "--strict --allow-mismatch", "OUT": str(tmp_path / "out"),
           "GITHUB_OUTPUT": str(tmp_path / "outputs"), "COLUMNS": "200"}  # fmt: skip
    done = subprocess.run(["bash", "-eo", "pipefail", "-c", script], env=env, check=True,
                          capture_output=True, text=True)  # fmt: skip
    assert "FAIL: 1 regression" in done.stdout
    assert "exit-code=1\n" in (tmp_path / "outputs").read_text()
    assert (tmp_path / "out" / "check.md").read_text().startswith("<!-- ptst check -->\n")


ROOT = Path(__file__).resolve().parents[3]


def release(folder: Path, n: int, ones: Any = (), **more: Any) -> Path:
    return lm_eval_output(folder, {LLAMA: {"asr": outcomes(n, ones)}}, **more)


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


def test_json_alone_is_on_standard_output(tmp_path: Path) -> None:
    a = lm_eval_output(tmp_path / "a", {"advbench/chat:llama": {"asr": outcomes(60)}})
    result = run(a, a, "--json", "-")
    assert json.loads(result.stdout)["summary"] == "OK: 1 pass"
    assert "OK: 1 pass" in result.stderr  # the table stands beside it
    quiet = run(a, a, "--json", "-", "--quiet")
    assert quiet.stdout == result.stdout
    assert quiet.stderr == ""
    error = run(a, tmp_path / "no", "--json", "-")
    assert error.exit_code == 2
    assert "does not exist" in json.loads(error.stdout)["error"]
    assert error.stderr.count("\n") == 1
    xml = run(a, a, "--junit", "-", "-q")
    assert etree.fromstring(xml.stdout.encode()).tag == "testsuites"


def test_a_verdict_is_said_although_its_reports_cannot_be_written(tmp_path: Path) -> None:
    """The disk fills up between the probe and the reports; what was whole stays whole."""
    sets = {f"s{at:03}/chat:llama": {"asr": outcomes(40)} for at in range(40)}
    a = lm_eval_output(tmp_path / "a", sets)
    b = lm_eval_output(tmp_path / "b", {k: {"asr": outcomes(40, range(30))} for k in sets})
    with small_disk(tmp_path / "disk", 1024) as disk:
        files = [disk.path / name for name in ("r.json", "r.xml", "r.md")]
        flags = [
            x for pair in zip(("--json", "--junit", "--markdown"), files, strict=True) for x in pair
        ]
        assert run(a, a, *flags).exit_code == 0
        before = {file: file.read_bytes() for file in files}
        fill(disk)
        full = run(a, b, *flags)
        assert full.exit_code == 2
        assert "FAIL: 40 regression" in full.stdout
        assert full.stderr.count("\n") == 1
        assert "No space left on device" in full.stderr
        assert "the verdict: FAIL: 40 regression" in full.stderr
        assert {file: file.read_bytes() for file in files} == before
        assert sorted(p.name for p in disk.path.iterdir()) == [".filler", "r.json", "r.md", "r.xml"]


def test_a_baseline_is_accepted_whole_or_not_at_all(tmp_path: Path) -> None:
    sets = {f"s{at:03}/chat:llama": {"asr": outcomes(300)} for at in range(30)}
    a = lm_eval_output(tmp_path / "a", {"s000/chat:llama": {"asr": outcomes(40)}})
    b = lm_eval_output(tmp_path / "b", sets)
    with small_disk(tmp_path / "disk", 512) as disk:
        file = disk.path / "b.csv"
        assert run(file, a, "--update-baseline").exit_code == 0
        before = {p.name: p.read_bytes() for p in disk.path.iterdir()}
        assert sorted(before) == ["b.csv", "b.outcomes.jsonl"]
        for leave in (0, 12, 90):  # nothing fits; the outcomes do not; the leaderboard does not
            filler = fill(disk, leave=leave)
            result = run(file, b, "--update-baseline", "-q")
            assert result.exit_code == 2, leave
            assert "No space left on device" in result.stderr
            assert result.stderr.count("\n") == 1
            filler.unlink()
            assert {p.name: p.read_bytes() for p in disk.path.iterdir()} == before
        disk.read_only()
        result = run(file, b, "--update-baseline")
        assert "Read-only file system" in result.stderr
        disk.read_only(False)
        assert {p.name: p.read_bytes() for p in disk.path.iterdir()} == before
        assert run(file, b, "--update-baseline").exit_code == 0
