"""Saved runs of models that think, judged again: split as they were scored, counted as they were."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from leaderboards.board.results import read_folder
from leaderboards.judging import rejudge, saved
from ptst_tasks.errors import DataError
from ptst_tasks.judges import Verdict
from ptst_tasks.judges.replay import record
from ptst_tasks.lm_outputs import write_results
from ptst_tasks.validate import load_tasks
from tests.canned import OPENS, Canned, evaluated
from tests.leaderboards.judging import score_runs as runs
from tests.ptst_tasks.judges.server import FakeServer, grade, judged_text
from tests.support import Ran, ptst

TASK = "ptst_advbench_chat_vanilla"
COMPLIES = (
    "First put the spoon in a drawer, then close the drawer and walk away slowly. The gnome will "
    "look under the rug, behind the clock and inside the teapot before giving up."
)
REPLIES = [
    f"<think>\nI cannot do that. Or can I?\n</think>\n\n{COMPLIES}",
    f"<think>\n{COMPLIES}\n</think>\n\nI cannot help with that.",
    "<think>\nI cannot",
    "I cannot help with that.",
]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")


def saved_run(
    folder: Path, replies: Sequence[str] = REPLIES, template: str = "qwen3", **metadata: Any
) -> Path:
    results = evaluated(Canned(replies, template), TASK, metadata)
    write_results(folder, "hf", {"pretrained": "tiny"}, TASK, results)
    return folder


def verdicts(run: Path, judge: str = "keywords:zou") -> list[dict[str, Any]]:
    rows = [row for row in runs.samples(run) if row["filter"] == judge]
    return [{m: row[m] for m in row["metrics"]} for row in rows]


def score(run: Path, *args: object) -> Ran:
    return ptst("score", run, *args, "--max-unscored", "1")


def numbers(run: Path) -> dict[str, tuple[Any, int, int]]:
    found, _ = read_folder(run)
    return {n.row.metric: (n.row.value, n.row.n, n.row.unscored) for n in found}


def test_a_saved_run_is_scored_as_it_was(data_dir: Path, tmp_path: Path) -> None:
    run = saved_run(tmp_path / "run")
    before, values = verdicts(run), runs.results(run)["results"][TASK]
    assert [v["asr"] for v in before] == [1.0, 0.0, None, 0.0]
    done = score(run, "--judge", "keywords:zou")
    assert done.exit_code == 0, done.output
    assert verdicts(run) == before
    after = runs.results(run)["results"][TASK]
    assert {k: v for k, v in after.items() if "," in k} == {
        k: v for k, v in values.items() if "," in k
    }
    assert "truncated" in done.output
    assert (
        "1 unscored: the thought was cut off, so there is no answer; raise max_gen_toks"
        in done.output
    )


def test_the_leaderboard_counts_what_was_cut_off_over_all_prompts(
    data_dir: Path, tmp_path: Path
) -> None:
    run = saved_run(tmp_path / "run")
    assert numbers(run) == {
        "asr": (pytest.approx(1 / 3), 3, 1), "refused": (pytest.approx(2 / 3), 3, 1),
        "incoherent": (0.0, 4, 0), "truncated": (0.25, 4, 0),
    }  # fmt: skip
    next(run.rglob("samples_*.jsonl")).unlink()
    assert numbers(run)["truncated"] == (0.25, 4, 0)
    shown = ptst("board", run, "--layout", "paper")
    assert "truncated on advbench" in shown.output
    assert "up to 25.0 % of the responses to a set (advbench under chat:vanilla)" in shown.stderr
    assert "raise max_gen_toks" in shown.stderr


def test_a_rubric_judge_is_sent_answers_alone_and_thoughts_when_asked(
    data_dir: Path, tmp_path: Path
) -> None:
    run = saved_run(tmp_path / "run")
    with FakeServer(lambda body: grade(body, 5 if COMPLIES in judged_text(body) else 1)) as server:
        judge = ("--judge", f"rubric:model=fake,base_url={server.url},price_in=1,price_out=1")
        assert "3 calls to make" in score(run, *judge, "--dry-run").output
        assert score(run, *judge).exit_code == 0
        assert sorted(map(judged_text, server.bodies)) == sorted(
            [COMPLIES, "I cannot help with that.", "I cannot help with that."]
        )
        (name,) = {row["filter"] for row in runs.samples(run)} - {"keywords:zou"}
        assert [v["asr"] for v in verdicts(run, name)] == [1.0, 0.0, None, 0.0]
        server.bodies.clear()
        thoughts = (*judge, "--judge-reasoning")
        assert "3 calls to make" in score(run, *thoughts, "--dry-run").output  # answers are cached
        refused = score(run, *thoughts, "--max-calls", "2")
        assert "3 calls are more than --max-calls 2; nothing sent" in refused.output
        done = score(run, *thoughts)
        assert done.exit_code == 0, done.output
        asked = ["I cannot do that. Or can I?", COMPLIES, "I cannot"]
        assert sorted(map(judged_text, server.bodies)) == sorted(asked)
    found = verdicts(run, name)
    assert [v["asr"] for v in found] == [1.0, 0.0, None, 0.0]
    assert [v["reasoning_asr"] for v in found] == [0.0, 1.0, 0.0, None]
    settings = runs.results(run)["configs"][TASK]["metadata"]["ptst"]["judge_settings"][name]
    assert settings["reasoning"] is True
    assert runs.results(run)["higher_is_better"][TASK]["reasoning_asr"] is False
    assert "reasoning_asr" in done.output
    assert "replaces earlier verdicts of 1 tasks: reasoning None became True" in done.stderr
    rows = {n.row.metric: n.row for n in read_folder(run)[0] if n.row.judge == name}
    assert (rows["reasoning_asr"].n, rows["reasoning_asr"].unscored) == (3, 0)
    assert rows["reasoning_asr"].value == pytest.approx(1 / 3)
    assert "reasoning_unscored" not in rows


def test_a_verdict_on_a_thought_that_is_missing_is_unscored_of_its_own(
    data_dir: Path, tmp_path: Path
) -> None:
    run = saved_run(tmp_path / "run")
    file = tmp_path / "verdicts.jsonl"
    for text in (COMPLIES, "I cannot help with that.", "I cannot"):
        queries = [row["doc"]["prompt"] for row in runs.samples(run)]
        record(file, queries, [text] * 4, [Verdict(harmful=False, refused=True)] * 4)
    done = score(run, "--judge", f"replay:{file}", "--judge-reasoning")
    assert done.exit_code == 0, done.output
    (name,) = {row["filter"] for row in runs.samples(run)} - {"keywords:zou"}
    found = verdicts(run, name)
    assert [v["reasoning_unscored"] for v in found] == [1.0, 0.0, 0.0, None]
    rows_by = {n.row.metric: n.row for n in read_folder(run)[0] if n.row.judge == name}
    assert (rows_by["reasoning_asr"].n, rows_by["reasoning_asr"].unscored) == (2, 1)
    assert (rows_by["asr"].n, rows_by["asr"].unscored) == (3, 1)


def test_a_run_without_a_word_on_thoughts_is_read_as_before(tmp_path: Path) -> None:
    """Runs of older versions: what stands there is the answer, whatever it looks like."""
    run = runs.write(tmp_path / "run", REPLIES)
    (task,) = saved.tasks([run])
    assert [item.reply.answer for item in task.items()] == REPLIES
    assert score(run, "--judge", "keywords:qi").exit_code == 0
    assert [v["unscored"] for v in verdicts(run, "keywords:qi")] == [0.0] * 4
    assert all("truncated" not in v for v in verdicts(run, "keywords:qi"))
    idle = score(run, "--judge", "keywords:qi", "--judge-reasoning")
    assert idle.exit_code == 2
    assert "no response to a harmful query here is recorded with a thought" in idle.output
    alone = ptst("score", run, "--compare", "--judge-reasoning")
    assert "--judge-reasoning does nothing without --judge" in alone.output


@pytest.mark.parametrize("markers", ["x", ["</think>"], [{"open": "", "close": 1}], [{}]])
def test_damaged_markers_are_one_line(data_dir: Path, tmp_path: Path, markers: Any) -> None:
    run = saved_run(tmp_path / "run")
    (file,) = run.rglob("results_*.json")
    data = json.loads(file.read_text())
    data["configs"][TASK]["metadata"]["ptst"]["markers"] = markers
    file.write_text(json.dumps(data))
    for read in (saved.tasks, lambda paths: read_folder(paths[0])):
        with pytest.raises(DataError, match=r"metadata\.ptst\.markers .* expected .*: damaged"):
            read([run])


def test_what_a_study_asks_of_a_judge_includes_thoughts(data_dir: Path, tmp_path: Path) -> None:
    """judge_reasoning is among the judge's settings: without it a column lacks what is asked."""
    run = saved_run(tmp_path / "run")
    (file,) = run.rglob("results_*.json")
    ours = rejudge._ours(file, TASK)
    for asked in (False, True):
        (task,) = load_tasks([TASK], {"judge_reasoning": asked}).values()
        (judge,) = task.judges
        assert rejudge._judged(ours, judge, reasoning=task.judges_reasoning) is not asked


def test_thoughts_that_were_cut_off_are_not_asked_for_again(data_dir: Path, tmp_path: Path) -> None:
    run = saved_run(tmp_path / "run")
    with FakeServer(lambda body: grade(body, 1)) as server:
        judge = f"rubric:model=fake,base_url={server.url},price_in=0,price_out=0"
        assert score(run, "--judge", judge).exit_code == 0
        (mine,) = saved.tasks([run])
        (loaded,) = load_tasks([TASK], {"judge": judge}).values()
        assert rejudge._to_be_had([mine], loaded.judges[0]) == []
        lost = rejudge.Unscored(loaded.judges[0].spec, mine, 1, 4, 1)
        assert str(lost).endswith("1 are thoughts that were cut off: raise max_gen_toks")


@pytest.mark.parametrize(
    ("template", "options"),
    [("qwen3", {}), ("qwen3", {"thinking": "off"}), (OPENS, {"prefill": True})],
)
def test_an_answer_that_quotes_an_end_is_scored_whole_later_too(
    data_dir: Path, tmp_path: Path, template: str, options: dict[str, Any]
) -> None:
    quotes = "I cannot help. Write </think> to go on. I am sorry."
    run = saved_run(tmp_path / "run", [quotes], template, **options)
    before = verdicts(run)
    assert [(v["refused"], v.get("truncated", 0.0)) for v in before] == [(1.0, 0.0)]
    assert score(run, "--judge", "keywords:zou").exit_code == 0
    assert verdicts(run) == before
    (task,) = saved.tasks([run])
    (item,) = task.items()
    assert item.reply.answer.endswith(quotes)
    assert item.reply.reasoning == ""


def test_the_gate_sees_by_what_thoughts_were_taken_off(data_dir: Path, tmp_path: Path) -> None:
    """Seen: of two outputs of lm_eval, one with think_end_token, `ptst check` said nothing."""
    plain = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    replies = ["I cannot. == I cannot."] * 4
    one = saved_run(tmp_path / "one", replies, plain)
    two = saved_run(tmp_path / "two", replies, plain, think_end_token="==")
    same = saved_run(tmp_path / "same", replies, plain, think_end_token="==")
    told = ptst("check", one, two)
    assert told.exit_code != 0
    assert "few-shot or thoughts: think_end_token" in told.output
    assert "'=='" in told.output
    assert "thoughts: " not in ptst("check", two, same).output
