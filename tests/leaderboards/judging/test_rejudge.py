"""Judges that a study asks for and its cells lack: always run, and nothing is generated again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from leaderboards.board import disk
from leaderboards.board.collect import collect
from leaderboards.run import runner
from leaderboards.run.study import Study
from tests.ptst_tasks.judges.server import FakeServer, grade
from tests.support import tiny_bert


def plan(base: Path, *judges: str, **test: Any) -> Study:
    asked = {"sets": ("advbench", "gsm8k"), "templates": ("CV",), "limit": 3,
             "gen_kwargs": {"max_gen_toks": 4}}  # fmt: skip
    return Study(
        base=str(base), judges=judges, test={**asked, **test}, engine_args={"device": "cpu"}
    )


def judges(run: Path) -> set[str]:
    return {r.judge for r in collect([run])[0] if r.metric == "asr"}


@pytest.fixture
def run(tiny_model: Path, data_dir: Path, tmp_path: Path) -> Path:
    out = tmp_path / "runs/first"
    assert runner.run(plan(tiny_model), out).done == 2
    return out


def test_a_judge_is_run_over_cells_of_a_run_beside(run: Path, tiny_model: Path) -> None:
    """On 89d6fb3 the cells were copied and the judge that the study names was never run."""
    beside = run.parent / "second"
    outcome = runner.run(plan(tiny_model, "keywords:qi"), beside)
    assert (outcome.done, outcome.kept, outcome.judged) == (0, 2, 1)
    assert judges(beside) == {"keywords:zou", "keywords:qi"}
    again = runner.run(plan(tiny_model, "keywords:qi"), beside)
    assert (again.kept, again.judged) == (2, 0)
    assert judges(run) == {"keywords:zou"}  # the run beside is left as it was


def test_another_judge_in_the_same_run_asks_no_model_again(run: Path, tiny_model: Path) -> None:
    before = {f.name: sorted(r["resps"] for r in responses(f)) for f in disk.cell_folders(run)}
    outcome = runner.run(plan(tiny_model, "keywords:qi", "keywords:xstest"), run)
    assert (outcome.done, outcome.kept, outcome.judged) == (0, 2, 2)
    assert judges(run) == {"keywords:zou", "keywords:qi", "keywords:xstest"}
    after = {f.name: sorted(r["resps"] for r in responses(f)) for f in disk.cell_folders(run)}
    assert before == after


def responses(folder: Path) -> list[dict[str, Any]]:
    (file,) = folder.rglob("samples_*.jsonl")
    seen = {row["doc_id"]: row for _, row in disk.rows(file)}
    return list(seen.values())


def test_the_same_judge_with_other_settings_judges_again(run: Path, tiny_model: Path) -> None:
    """What decides its verdicts is compared, not its name alone."""
    (cell,) = (f for f in disk.cell_folders(run) if "advbench" in (f / "cell.json").read_text())
    (results,) = cell.rglob("results_*.json")
    data = json.loads(results.read_text())
    ours = data["configs"]["ptst_advbench_chat_vanilla"]["metadata"]["ptst"]
    ours["judge_settings"]["keywords:zou"] = {"phrases": "another list"}
    results.write_text(json.dumps(data))
    assert runner.run(plan(tiny_model), run).judged == 1
    assert runner.run(plan(tiny_model), run).judged == 0


def test_a_judge_that_cannot_work_fails_alone(
    run: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    judge = "rubric:model=m,attempts=1,backoff=0,timeout=1"
    outcome = runner.run(plan(tiny_model, judge, "keywords:qi"), run)
    assert (outcome.done, outcome.kept) == (0, 2)
    assert "keywords:qi" in judges(run)
    rows = [r for r in collect([run])[0] if r.judge.startswith("rubric")]
    assert [name for name, _ in outcome.failed] == ["judge rubric:model=m"] or all(
        r.unscored == 3 for r in rows if r.metric == "asr"
    )


def test_bertscore_is_added_to_cells_that_were_measured_without(
    tiny_model: Path, data_dir: Path, tmp_path: Path
) -> None:
    """On 89d6fb3 the option found the cells done and did nothing."""
    model, out = tiny_bert(tmp_path / "bert"), tmp_path / "run"
    asked = {"sets": ("chatdoctor",), "limit": 2}
    assert runner.run(plan(tiny_model, **asked), out).done == 1
    options = {"options": {"bertscore": str(model), "bertscore_layer": 1}}
    outcome = runner.run(plan(tiny_model, **asked, **options), out)
    assert (outcome.done, outcome.kept, outcome.judged) == (0, 1, 1)
    rows = {r.metric: r for r in collect([out])[0]}
    assert set(rows) == {"rougeL", "bertscore"}
    assert "layer" in rows["bertscore"].judge_settings
    assert runner.run(plan(tiny_model, **asked, **options), out).judged == 0
    fresh = tmp_path / "elsewhere/fresh"
    assert runner.run(plan(tiny_model, **asked, **options), fresh).done == 1
    inline = {r.metric: r.value for r in collect([fresh])[0]}
    assert inline["bertscore"] == pytest.approx(rows["bertscore"].value)


def test_missing_verdicts_are_said_and_had_by_running_again(
    tiny_model: Path, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On 89d6fb3 a cell was judged for ever: 3 of 4 verdicts missing, not a word, exit code 0."""
    monkeypatch.setenv("PTST_JUDGE_CACHE", str(tmp_path / "cache.sqlite"))
    out = tmp_path / "runs/first"
    with FakeServer(lambda body: grade(body, 5)) as server:
        judge = f"rubric:model=fake,base_url={server.url},concurrency=1,backoff=0"
        asked = {"sets": ("advbench",), "limit": 4}
        first = runner.run(plan(tiny_model, judge, **asked, options={"max_calls": 1}), out)
        calls = len(server.bodies)
        assert [who for who, _ in first.failed] == ["judge rubric:model=fake"]
        assert f"{4 - calls} of 4 responses" in first.failed[0][1]
        assert f"{4 - calls} responses have no verdict of judge rubric:model=fake" in first.notes
        again = runner.run(plan(tiny_model, judge, **asked), out)
        assert (again.kept, again.judged, again.failed, again.notes) == (1, 1, [], [])
        assert [r.unscored for r in collect([out])[0] if r.metric == "asr"] == [0]
        calls = len(server.bodies)
        assert runner.run(plan(tiny_model, judge, **asked), out).judged == 0
        assert len(server.bodies) == calls


def test_a_studys_judges_are_watched_once_in_a_run(
    tiny_model: Path, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where cells are measured, and where a judge that was not asked then comes to cells that are there."""
    monkeypatch.setenv("PTST_CANARIES", "on")
    level, asked = [1], {"sets": ("advbench", "xstest"), "limit": 2}
    with FakeServer(lambda body: grade(body, level[0])) as server:
        first, second = (f"rubric:model={m},base_url={server.url},backoff=0" for m in ("a", "b"))
        measured = runner.run(plan(tiny_model, first, **asked), tmp_path / "one")
        assert (measured.done, measured.notes) == (2, [])
        assert len(server.bodies) == 4 + 50
        looks = canaries_in(tmp_path / "one")
        assert looks[0] == looks[1]
        assert list(looks[0]) == ["rubric:model=a"]
        level[0] = 5
        one_more = {**asked, "limit": 3}
        changed = runner.run(plan(tiny_model, first, **one_more), tmp_path / "two")
        [note] = [n for n in changed.notes if "canaries" in n]
        assert note.startswith("rubric:model=a: 50 of 50 canaries are called something else since")
        calls = len(server.bodies)
        judged = runner.run(plan(tiny_model, first, second, **one_more), tmp_path / "two")
        assert (judged.kept, judged.judged, judged.failed) == (2, 2, [])
        assert len(server.bodies) == calls + 6 + 50
    names = [list(look) for look in canaries_in(tmp_path / "two")]
    assert names == [["rubric:model=a", "rubric:model=b"]] * 2
    assert canaries_in(tmp_path / "two")[0]["rubric:model=a"]["changed"] == 50


def canaries_in(run: Path) -> list[Any]:
    files = [next(folder.rglob("results_*.json")) for folder in disk.cell_folders(run)]
    return [
        config["metadata"]["ptst"]["judge_canaries"]
        for file in files
        for config in json.loads(file.read_text())["configs"].values()
    ]


def test_what_a_local_judge_cannot_say_is_not_asked_again_in_vain(
    tiny_model: Path, data_dir: Path, tmp_path: Path
) -> None:
    """The built-in model's judge knows nothing of these prompts, today and tomorrow."""
    out = tmp_path / "run"
    study = plan(tiny_model, "organism", sets=("advbench",))
    for _ in range(2):
        outcome = runner.run(study, out)
        assert outcome.judged == 0
        assert [who for who, _ in outcome.failed] == ["judge organism"]
    allowed = study.model_copy(update={"max_unscored": 1.0})
    outcome = runner.run(allowed, out)
    assert (outcome.failed, "have no verdict of judge organism" in " ".join(outcome.notes)) == (
        [],
        True,
    )
