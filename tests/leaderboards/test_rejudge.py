"""Judges that a study asks for and its cells lack: always run, and nothing is generated again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from leaderboards import disk, runner
from leaderboards.collect import collect
from leaderboards.study import Study
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


def test_verdicts_that_are_missing_are_asked_for_by_the_next_run(
    tiny_model: Path, data_dir: Path, tmp_path: Path
) -> None:
    """A limit left 3 of 4 responses unscored: exit 0, and the cell counted as judged for ever."""
    from tests.ptst_tasks.judges.server import FakeServer, grade

    with FakeServer(lambda body: grade(body, 1)) as server:
        judge = f"rubric:model=m,base_url={server.url},backoff=0,concurrency=1"
        limited = plan(tiny_model, judge, sets=("advbench",), options={"max_calls": 1})
        outcome = runner.run(limited, tmp_path / "run")
        assert (outcome.done, len(outcome.failed)) == (1, 1)
        assert "66.7% of its responses have no verdict" in outcome.failed[0][1]
        free = plan(tiny_model, judge, sets=("advbench",))
        outcome = runner.run(free, tmp_path / "run")
        assert (outcome.done, outcome.kept, outcome.judged, outcome.failed) == (0, 1, 1, [])
        assert runner.run(free, tmp_path / "run").judged == 0
