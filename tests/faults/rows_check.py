"""``ptst check``: two sides, a policy, and where the verdict is written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.faults.rows_board import board
from tests.faults.table import Fault, text

CHECK = "check board.csv run"
DEEP = "[" * 5000
BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))


def policy(name: str, content: str | bytes, *says: str) -> Fault:
    """A policy that is wrong."""
    return Fault(f"check: {name}", f"{CHECK} --policy p.yaml", ("--policy 'p.yaml'", *says),
                 text("p.yaml", content))  # fmt: skip


def beside(change: Callable[[Path], object]) -> Callable[[Path], object]:
    """Makes a copy of the leaderboard, b.csv, and changes what is beside it."""

    def prepare(folder: Path) -> object:
        shutil.copy(folder / "board.csv", folder / "b.csv")
        return change(folder / "b.outcomes.jsonl")

    return prepare


ROWS = [
    Fault("check: no baseline", "check nothere.csv run", ("'nothere.csv' does not exist",)),
    Fault("check: no release", "check board.csv nothere", ("'nothere' does not exist",)),
    Fault("check: the baseline is empty", "check x.csv run", ("'x.csv' is empty",), text("x.csv", "")),
    Fault("check: the baseline is an empty folder", "check new run", ("'new' holds neither",),
          lambda folder: (folder / "new").mkdir()),
    Fault("check: nothing that is limited", "check x.csv x.csv", ("nothing to check", "bleu"),
          text("x.csv", board({"metric": "bleu"}))),
    Fault("check: outcomes are damaged", "check b.csv run", ("'b.outcomes.jsonl', line 1: damaged",),
          beside(lambda file: file.write_text('{"base": 3}\n'))),
    Fault("check: outcomes nested too deeply", "check b.csv run", ("line 1: damaged",),
          beside(lambda file: file.write_text("[" * 100_000))),
    Fault("check: outcomes are not UTF-8", "check b.csv run", ("line 1: damaged",),
          beside(lambda file: file.write_bytes(b"\xe9\n"))),
    Fault("check: no such policy", f"{CHECK} --policy p.yaml", ("--policy 'p.yaml'", "No such file")),
    Fault("check: the policy is a folder", f"{CHECK} --policy run", ("--policy 'run'", "directory")),
    policy("the policy is not UTF-8", b"alpha: \xe9", "is not UTF-8 (byte 0xe9 at 7)"),
    policy("the policy is a list", "- alpha", "holds no settings", "--default-policy"),
    policy("the policy is empty", "", "holds no settings"),
    policy("the policy is nested too deeply", DEEP, "nested too deeply"),
    policy("the policy's aliases explode", BOMB, "aliases stand for too many values"),
    policy("the policy holds itself", "rules: &r [{metrics: {asr: *r}}]", "recursive"),
    policy("the policy has an unknown field", "alhpa: 0.05", "did you mean 'alpha'?"),
    policy("the policy has a key twice", "alpha: 0.05\nalpha: 0.1", "stands there twice"),
    policy("the policy's alpha is no number", "alpha: .nan", "alpha"),
    policy("the policy's alpha is out of range", "alpha: 5", "alpha"),
    policy("the policy's limit is no number", "rules: [{metrics: {asr: {at_most: nan}}}]", "nan"),
    policy("the policy's limit is huge", f"rules: [{{metrics: {{asr: '+1{'0' * 400}'}}}}]", "0..1"),
    policy("the policy's limit is a list of lists", "rules: [{metrics: {asr: [['+0.05']]}}]",
           "is no limit"),
    policy("the policy's rule is no rule", "rules: [asr]", "rules.0"),
    policy("the policy frees no fact", "may_differ: [limitt]", "did you mean 'limit'?"),
    policy("the policy has two documents", "alpha: 0.05\n---\nalpha: 0.1", "another document"),
    policy("the policy holds a NUL", "alpha: \0", "is not YAML"),
    Fault("check: --json cannot be written", f"{CHECK} --json /proc/x/y", ("--json '/proc/x/y'",)),
    Fault("check: --junit is a folder", f"{CHECK} --junit run", ("--junit 'run'", "a folder")),
    Fault("check: --markdown is below a file", f"{CHECK} --markdown study.yaml/x", ("--markdown",)),
    Fault("check: two reports in one file", f"{CHECK} --json x --junit x",
          ("--junit and --json are the same file",)),
    Fault("check: two reports on standard output", f"{CHECK} --json - --markdown -",
          ("are the same file, '-'",)),
    Fault("check: --json is the baseline", f"{CHECK} --json board.csv",
          ("--json 'board.csv' is read here", "name another file")),
    Fault("check: --json is the policy", f"{CHECK} --policy study.yaml --json study.yaml",
          ("--json 'study.yaml' is read here",)),
    Fault("check: a condition without =", f"{CHECK} --baseline-only adapter",
          ("--baseline-only 'adapter'", "COLUMN=VALUE")),
    Fault("check: a condition on no column", f"{CHECK} --current-only adaptr=one",
          ("--current-only 'adaptr=one'", "did you mean 'adapter'?")),
    Fault("check: a condition that no row meets", f"{CHECK} --current-only adapter=two",
          ("--current-only", "adapter='two'", "'one'")),
    Fault("check: the new baseline is no CSV", "check run board.csv --update-baseline",
          ("--update-baseline writes a CSV", "'run'")),
    Fault("check: the new baseline cannot be written", "check /proc/x/b.csv run --update-baseline",
          ("BASELINE '/proc/x/b.csv' cannot be written",)),
    Fault("check: the new baseline is a folder", "check b.csv run --update-baseline",
          ("BASELINE 'b.csv'", "a folder"), lambda folder: (folder / "b.csv").mkdir()),
    Fault("check: the new outcomes are a folder", "check b.csv run --update-baseline",
          ("'b.outcomes.jsonl'", "a folder"),
          lambda folder: (folder / "b.outcomes.jsonl").mkdir()),
    Fault("check: the job's summary cannot be written", f"{CHECK} -q",
          ("note: the job's summary", "'/proc/x/y'"), code=0,
          env={"GITHUB_STEP_SUMMARY": "/proc/x/y"}),
    Fault("check: quiet says nothing", f"{CHECK} -q", (), code=0, lines=0),
]  # fmt: skip
