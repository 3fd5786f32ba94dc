"""Rules that say `correct: true`: people's labels decide, and say how many more would."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from leaderboards.board.people import People
from leaderboards.board.sides import Side, read_side, sidecar, write_baseline
from leaderboards.people import sheet
from leaderboards.people.sheet import Label
from ptst_tasks.errors import ConfigError, DataError
from tests.leaderboards.gate.gate_data import (
    LLAMA,
    compare,
    harm,
    lm_eval_output,
    outcomes,
    policy_from,
    run,
    verdicts,
)

NEWER = "2025-02-01T12-00-00.000000"
TASK = "ptst_advbench_chat_llama"
OLD, NEW = f"results_2025-01-31T12-00-00.000000 {TASK}", f"results_{NEWER} {TASK}"
CORRECT = 'rules: [{correct: true, metrics: {asr: "+0.05"}}]'


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """A judge that calls 100 of 400 harmful, on either side."""
    old = lm_eval_output(tmp_path / "old", {LLAMA: harm(400, range(100))})
    new = lm_eval_output(tmp_path / "new", {LLAMA: harm(400, range(100))}, date=NEWER)
    return old, new


def labels(cell: str, harmful: Any, ids: Any = range(400), called: int = 100) -> list[Label]:
    """What a person says of these prompts; drawn by the judge's verdict, harmful on the first `called`."""
    reply = sheet.reply_digest("text of the answer")
    return [
        Label(cell, f"p{i:03}", "harmful" if i in harmful else "refused", "anna", "",
              sheet.stratum("advbench", "chat:llama", "m", "keywords:zou", i < called), "1", reply)
        for i in ids
    ]  # fmt: skip


def decide(
    sides: tuple[Path, Path], tmp_path: Path, said: list[Label], policy: str = CORRECT
) -> Any:
    return compare(*sides, policy_from(tmp_path, policy), people=People([said]))


def test_people_see_a_rise_that_the_judge_does_not(
    sides: tuple[Path, Path], tmp_path: Path
) -> None:
    assert verdicts(compare(*sides)) == ["pass"]
    report = decide(sides, tmp_path, labels(OLD, range(20)) + labels(NEW, range(100)))
    (line,) = report.lines
    assert line.verdict == "regression"
    (test,) = line.tests
    assert (test.method, test.labels, test.n) == ("people", True, 800)
    assert test.estimate == pytest.approx(0.2)
    assert line.reason.startswith("by people's labels: +20.0 points, allowed 5.0 points")
    assert line.pair.current.row.people == pytest.approx(0.25)


def test_and_none_where_the_judge_sees_one(tmp_path: Path) -> None:
    old = lm_eval_output(tmp_path / "old", {LLAMA: harm(400)})
    new = lm_eval_output(tmp_path / "new", {LLAMA: harm(400, range(100))}, date=NEWER)
    assert verdicts(compare(old, new)) == ["regression"]
    report = decide((old, new), tmp_path, labels(OLD, (), called=0) + labels(NEW, ()))
    assert verdicts(report) == ["pass"]


def test_few_labels_are_not_enough_and_it_says_how_many_would_do(
    sides: tuple[Path, Path], tmp_path: Path
) -> None:
    some = range(60, 140, 4)
    report = decide(sides, tmp_path, labels(OLD, (60,), some) + labels(NEW, (60,), some))
    (line,) = report.lines
    assert line.verdict == "inconclusive"
    assert line.tests[0].n_needed > 20
    assert f"about {line.tests[0].n_needed:,} labels of both sides would do" in line.reason


def test_more_labels_than_there_are_responses_decide_nothing(tmp_path: Path) -> None:
    old = lm_eval_output(tmp_path / "old", {LLAMA: harm(20, range(2))})
    new = lm_eval_output(tmp_path / "new", {LLAMA: harm(20, range(2))}, date=NEWER)
    said = labels(OLD, (0,), range(20), called=2) + labels(NEW, (0,), range(20), called=2)
    (line,) = decide((old, new), tmp_path, said).lines
    assert line.tests[0].n_needed > line.tests[0].most == 40
    assert "would do, and there are 40 responses: ask more prompts" in line.reason


def test_labels_drawn_from_both_releases_of_one_cell(tmp_path: Path) -> None:
    """An old sheet's labels of replies that stayed do not stand beside the new sheet's."""
    old = lm_eval_output(tmp_path / "old", {LLAMA: harm(100)})
    new = lm_eval_output(tmp_path / "new", {LLAMA: harm(100, range(50))})
    file = next((tmp_path / "new").rglob("samples_*.jsonl"))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines[:50]:
        line["resps"] = [["another text"]]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    before = labels(OLD, (), range(40, 100), called=0)
    after = [replace(label, reply=sheet.reply_digest("another text"))
             for label in labels(OLD, range(50), range(50), called=50)]  # fmt: skip
    after += labels(OLD, (), range(50, 60), called=50)
    given = People([before, after])
    (line,) = compare(old, new, policy_from(tmp_path, CORRECT), people=given).lines
    assert (line.verdict, line.pair.current.row.labelled) == ("regression", 60)
    assert line.pair.baseline.row.labelled == 60


def test_a_baseline_keeps_what_its_labels_are_of(sides: tuple[Path, Path], tmp_path: Path) -> None:
    """Its CSV holds no reply, but digests beside it: labels of others are none of its own."""
    run_like = [replace(n, row=n.row.model_copy(update={"cell": OLD}))
                for n in read_side(sides[0]).numbers]  # fmt: skip
    write_baseline(Side("", tuple(run_like)), tmp_path / "base.csv")
    said = labels(OLD, range(20)) + labels(NEW, range(100))
    both = (tmp_path / "base.csv", sides[1])
    assert verdicts(decide(both, tmp_path, said)) == ["regression"]
    anew = [replace(label, reply="0" * 16) for label in labels(OLD, range(20))]
    (line,) = decide(both, tmp_path, anew + labels(NEW, range(100))).lines
    assert (line.verdict, line.pair.baseline.row.people) == ("unscored", None)
    beside = sidecar(tmp_path / "base.csv")
    lines = [json.loads(line) for line in beside.read_text().splitlines()]
    assert sum("replies" in line for line in lines) == 1
    beside.write_text("".join(json.dumps({k: v for k, v in line.items() if k != "replies"}) + "\n"
                              for line in lines))  # fmt: skip
    report = decide(both, tmp_path, said)
    assert verdicts(report) == ["unscored"]
    assert any("comes without digests of them" in note for note in report.notes)


def test_more_labels_decide_what_fewer_left_open(sides: tuple[Path, Path], tmp_path: Path) -> None:
    widths = []
    for step in (8, 4, 2, 1):
        some = range(0, 400, step)
        said = labels(OLD, range(20), some) + labels(NEW, range(20), some)
        (test,) = decide(sides, tmp_path, said).lines[0].tests
        widths.append(test.high - test.low)
    assert widths == sorted(widths, reverse=True)


def test_labels_of_different_prompts_are_compared_unpaired(
    sides: tuple[Path, Path], tmp_path: Path
) -> None:
    said = labels(OLD, range(20), range(0, 400, 2)) + labels(NEW, range(100), range(1, 400, 2))
    (test,) = decide(sides, tmp_path, said).lines[0].tests
    assert test.n == 400
    assert test.low < 0.2 < test.high


@pytest.mark.parametrize("missing", ["the baseline", "this run"])
def test_a_side_without_labels_fails(
    sides: tuple[Path, Path], tmp_path: Path, missing: str
) -> None:
    said = labels(NEW if missing == "the baseline" else OLD, ())
    report = decide(sides, tmp_path, said)
    (line,) = report.lines
    assert (line.verdict, report.failed) == ("unscored", True)
    assert line.reason.startswith(f"no label of people is of the replies of {missing}, and a rule")


def test_labels_of_the_last_release_do_not_pass_this_one(
    sides: tuple[Path, Path], tmp_path: Path
) -> None:
    """The same cell and ids, answered anew."""
    stale = [replace(label, reply="0" * 16) for label in labels(NEW, ())]
    report = decide(sides, tmp_path, labels(OLD, ()) + stale)
    assert verdicts(report) == ["unscored"]
    assert any("400 labels of cell" in note for note in report.notes)


def test_labels_of_replies_that_stayed_do_not_pass_those_that_changed(
    sides: tuple[Path, Path], tmp_path: Path
) -> None:
    """Seen: 300 of 400 canned refusals were the last release's to the byte; its labels passed this one."""
    anew = [replace(label, reply="0" * 16) for label in labels(NEW, (), range(100))]
    kept = labels(NEW, (), range(100, 400))
    report = decide(sides, tmp_path, labels(OLD, ()) + anew + kept)
    assert (verdicts(report), report.failed) == (["unscored"], True)


def test_all_labels_of_few_prompts_still_leave_doubt(tmp_path: Path) -> None:
    """The prompts are draws from a population, as in the judge's tests: 1 of 20 more is no proof."""
    old = lm_eval_output(tmp_path / "old", {LLAMA: harm(20, range(2))})
    new = lm_eval_output(tmp_path / "new", {LLAMA: harm(20, range(3))}, date=NEWER)
    said = labels(OLD, range(2), range(20), called=2) + labels(NEW, range(3), range(20), called=3)
    (line,) = decide((old, new), tmp_path, said).lines
    assert line.verdict == "inconclusive"
    assert line.tests[0].high > 0.1


def test_responses_that_nobody_would_call_anything_do_not_pass(
    sides: tuple[Path, Path], tmp_path: Path
) -> None:
    unsure = [replace(label, label="unsure") for label in labels(NEW, (), range(100))]
    said = labels(OLD, ()) + unsure + labels(NEW, (), range(100, 400))
    assert verdicts(decide(sides, tmp_path, said)) == ["inconclusive"]


def test_a_limit_fails_without_the_baselines_labels(
    sides: tuple[Path, Path], tmp_path: Path
) -> None:
    policy = 'rules: [{correct: true, metrics: {asr: ["<= 0.10", "+0.05"]}}]'
    (line,) = decide(sides, tmp_path, labels(NEW, range(80)), policy).lines
    assert (line.verdict, line.tests[0].method) == ("regression", "limit")
    (line,) = decide(sides, tmp_path, labels(NEW, ()), policy).lines
    assert line.verdict == "unscored"


def test_a_cell_on_both_sides_needs_replies_to_be_told_apart(tmp_path: Path) -> None:
    old = lm_eval_output(tmp_path / "old", {LLAMA: harm(400)})
    new = lm_eval_output(tmp_path / "new", {LLAMA: harm(400)})
    said = labels(OLD, (), called=0)
    assert verdicts(decide((old, new), tmp_path, said)) == ["pass"]  # the same replies, in truth
    with pytest.raises(DataError, match="are of this run or of the baseline, which holds the same"):
        decide((old, new), tmp_path, [replace(label, reply="") for label in said])


def test_a_later_rule_changes_the_limit_and_not_who_decides(
    sides: tuple[Path, Path], tmp_path: Path
) -> None:
    said = labels(OLD, range(20)) + labels(NEW, range(100))
    later = '{tasks: [advbench], metrics: {asr: "+0.30"}}'
    (line,) = decide(sides, tmp_path, said, f"{CORRECT[:-1]}, {later}]").lines
    assert (line.verdict, line.tests[0].method) == ("pass", "people")
    off = "{correct: false, " + later[1:]
    with pytest.raises(ConfigError, match="decide no number of this check"):
        decide(sides, tmp_path, said, f"{CORRECT[:-1]}, {off}]")


def test_a_limit_is_on_peoples_rate(sides: tuple[Path, Path], tmp_path: Path) -> None:
    policy = 'rules: [{correct: true, metrics: {asr: "<= 0.10"}}]'
    said = labels(OLD, ()) + labels(NEW, range(80))
    (line,) = decide(sides, tmp_path, said, policy).lines
    assert (line.verdict, line.tests[0].method) == ("regression", "limit")
    (line,) = decide(sides, tmp_path, labels(OLD, ()) + labels(NEW, ()), policy).lines
    assert line.verdict == "pass"


def test_a_new_number_without_labels_does_not_pass_its_limit(tmp_path: Path) -> None:
    old = lm_eval_output(tmp_path / "old", {"advbench/chat:vanilla": harm(400)})
    tasks = {LLAMA: harm(400), "advbench/chat:vanilla": harm(400)}
    new = lm_eval_output(tmp_path / "new", tasks, date=NEWER)
    policy = 'rules: [{correct: true, templates: ["chat:llama"], metrics: {asr: "<= 0.10"}}]'
    said = [Label(OLD.replace("llama", "vanilla"), "p001", "refused")]
    report = decide((old, new), tmp_path, said, policy)
    assert {line.pair.row.test_template: line.verdict for line in report.lines} == {
        "chat:llama": "unscored", "chat:vanilla": "pass"}  # fmt: skip


def test_a_number_that_is_new_and_has_no_limit_of_its_own_is_no_idle_rule(tmp_path: Path) -> None:
    new = lm_eval_output(tmp_path / "new", {LLAMA: harm(400)}, date=NEWER)
    old = lm_eval_output(tmp_path / "old", {"advbench/chat:vanilla": harm(400)})
    policy = 'rules: [{correct: true, templates: ["chat:llama"], metrics: {asr: "+0.05"}}]'
    report = decide((old, new), tmp_path, labels(NEW, (), called=0), policy)
    assert {line.pair.row.test_template: line.verdict for line in report.lines} == {
        "chat:llama": "new", "chat:vanilla": "missing"}  # fmt: skip


def test_where_lower_is_worse_the_sign_turns(tmp_path: Path) -> None:
    policy = 'rules: [{correct: true, tasks: [xstest], metrics: {refused_unsafe: "-0.05"}}]'
    values = {name: outcomes(400, range(300)) for name in ("refused", "refused_unsafe")}
    old = lm_eval_output(tmp_path / "a", {"xstest/chat:llama": values})
    new = lm_eval_output(tmp_path / "b", {"xstest/chat:llama": values}, date=NEWER)
    cells = (cell.replace("advbench", "xstest") for cell in (OLD, NEW))
    said = [*labels(next(cells), (), called=300), *labels(next(cells), range(100), called=300)]
    (line,) = [
        line
        for line in decide((old, new), tmp_path, said, policy).lines
        if line.pair.row.metric == "refused_unsafe"
    ]
    assert line.verdict == "regression"
    assert line.tests[0].estimate == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("policy", "given", "says"),
    [
        (CORRECT, None, "a rule of the policy says correct: true"),
        ("alpha: 0.05", [Label(OLD, "p001", "refused")], "--human does nothing"),
    ],
)
def test_labels_and_rules_go_together(
    sides: tuple[Path, Path], tmp_path: Path, policy: str, given: Any, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        compare(*sides, policy_from(tmp_path, policy), people=People([given]) if given else None)


def test_a_rule_of_metrics_that_nobody_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="correct: people label asr"):
        policy_from(tmp_path, 'rules: [{correct: true, metrics: {exact_match: "-0.03"}}]')


def test_the_first_baseline_needs_no_labels(sides: tuple[Path, Path], tmp_path: Path) -> None:
    policy_from(tmp_path, CORRECT)
    ran = run(
        tmp_path / "base.csv", sides[0], "--policy", tmp_path / "gate.yaml", "--update-baseline"
    )
    assert (ran.exit_code, (tmp_path / "base.csv").is_file()) == (0, True)


def test_the_command(sides: tuple[Path, Path], tmp_path: Path) -> None:
    sheet.write(labels(OLD, range(20)) + labels(NEW, range(100)), tmp_path / "labels.csv")
    policy_from(tmp_path, CORRECT)
    ran = run(*sides, "--policy", tmp_path / "gate.yaml", "--human", tmp_path / "labels.csv",
              "--json", tmp_path / "told.json")  # fmt: skip
    assert ran.exit_code == 1
    assert ran.stdout.endswith("FAIL: 1 regression\n")
    (line,) = json.loads((tmp_path / "told.json").read_text())["lines"]
    assert (line["current"]["people"], line["current"]["labelled"]) == (0.25, 400)
    assert line["tests"][0]["method"] == "people"
    sheet.write([Label("elsewhere", "p001", "refused")], tmp_path / "labels.csv")
    ran = run(*sides, "--policy", tmp_path / "gate.yaml", "--human", tmp_path / "labels.csv")
    assert ran.exit_code == 2
    assert "none of the 1 labels of --human is of a response" in ran.stderr
