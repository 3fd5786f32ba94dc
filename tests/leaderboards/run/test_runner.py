"""A study of the tiny model: two trained adapters and the base, two templates, two sets."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leaderboards.board import csvio
from leaderboards.board.collect import collect
from leaderboards.run import runner
from leaderboards.run import study_files as study
from leaderboards.run.outcome import Outcome
from ptst_tasks.errors import ConfigError

STUDY = """
base: {base}
train: {{data: gsm8k, recipe: none, templates: [CV, TV], seeds: [0],
         settings: {{max_steps: 4, batch_size: 4, accumulation: 1, lr: 0.05, rank: 4, resume_every: 2}}}}
test: {{sets: [gsm8k, advbench], templates: [CV, CL], limit: 3, gen_kwargs: {{max_gen_toks: 6}}}}
engine_args: {{dtype: float32, batch_size: 4, device: cpu}}
"""


@pytest.fixture(autouse=True)
def _one_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


@pytest.fixture(scope="module")
def study_file(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("study") / "tiny.yaml"
    file.write_text(STUDY.format(base=tiny_model))
    return file


@pytest.fixture(scope="module")
def whole(
    study_file: Path, data_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """An uninterrupted run."""
    patch = pytest.MonkeyPatch()
    patch.setenv("PTST_DATA_DIR", str(data_root))
    patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    out = tmp_path_factory.mktemp("whole") / "run"
    outcome = runner.run(study.load(str(study_file)), out)
    assert (outcome.done, outcome.kept, outcome.failed) == (12, 0, [])
    yield out
    patch.undo()


def cells(run: Path) -> list[str]:
    return sorted(p.parent.name for p in run.glob("cells/*/cell.json"))


def board(run: Path) -> str:
    return csvio.dumps(collect([run])[0])


def again(file: Path, out: Path, **overrides: Any) -> Outcome:
    return runner.run(study.load(str(file), **overrides), out)


def test_cells_are_whole_and_lm_evals_own_files(whole: Path) -> None:
    assert len(cells(whole)) == 12
    for folder in (whole / "cells").iterdir():
        record = json.loads((folder / "cell.json").read_text())
        assert record["digest"] == folder.name
        (results,) = folder.glob("cell/results_*.json")
        (samples,) = folder.glob(f"cell/samples_{record['harness_task']}_*.jsonl")
        assert json.loads(results.read_text())["configs"][record["harness_task"]]
        assert len(samples.read_text().splitlines()) == (9 if record["task"] == "gsm8k" else 3)
    assert not (whole / "journal").exists() or not any((whole / "journal").iterdir())


def test_the_board_names_what_was_trained(whole: Path) -> None:
    rows, notes = collect([whole])
    assert notes == []
    assert {(r.adapter, r.train_template, r.seed) for r in rows} == {
        ("", "", None),
        ("chat_vanilla-s0", "chat:vanilla", 0),
        ("text_vanilla-s0", "text:vanilla", 0),
    }
    one = next(r for r in rows if r.adapter == "chat_vanilla-s0" and r.metric == "asr")
    assert (one.train_data, one.judge, one.n, one.unscored) == ("gsm8k", "keywords:zou", 3, 0)
    assert one.base_digest
    assert one.adapter_digest
    assert one.data_fingerprint
    assert one.date == "2023-11-14T22:13:20Z"


def test_a_second_run_measures_nothing(
    whole: Path, study_file: Path, data_dir: Path, tmp_path: Path
) -> None:
    before = board(whole)
    outcome = again(study_file, whole)
    assert (outcome.done, outcome.kept) == (0, 12)
    assert board(whole) == before


def test_a_run_beside_it_shares_cells_and_labels_change_nothing(
    whole: Path, study_file: Path, data_dir: Path
) -> None:
    beside = whole.parent / "beside"
    shutil.copytree(whole / "adapters", beside / "adapters")
    (beside / "study.json").write_text("{}")
    test = {"sets": ["advbench", "gsm8k"], "templates": ["CL", "CV"], "limit": 3,
            "gen_kwargs": {"max_gen_toks": 6}}  # fmt: skip
    outcome = again(study_file, beside, name="other", test=test)
    assert (outcome.done, outcome.kept) == (0, 12)
    assert cells(beside) == cells(whole)


@pytest.mark.parametrize(
    ("change", "new"),
    [
        ({"sets": ["gsm8k", "advbench"], "templates": ["CV", "CL"], "limit": 3,
          "gen_kwargs": {"max_gen_toks": 5}}, 12),
        ({"sets": ["gsm8k", "advbench"], "templates": ["CV", "CS"], "limit": 3,
          "gen_kwargs": {"max_gen_toks": 6}}, 6),
        ({"sets": ["gsm8k", "advbench"], "templates": ["CV", "CL"], "limit": 2,
          "gen_kwargs": {"max_gen_toks": 6}}, 12),
    ],
)  # fmt: skip
def test_what_can_change_an_answer_makes_a_new_cell(
    whole: Path, study_file: Path, data_dir: Path, tmp_path: Path, change: dict[str, Any], new: int
) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    outcome = again(study_file, out, test=change)
    assert (outcome.done, outcome.kept) == (new, 12 - new)
    assert len(cells(out)) == 12  # what is no longer asked for is left out


def test_a_changed_row_makes_a_new_cell(
    whole: Path, study_file: Path, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ptst_tasks import task

    out, data = tmp_path / "run", tmp_path / "data"
    shutil.copytree(whole, out)
    shutil.copytree(data_dir, data)
    file = data / "advbench/train.csv"
    file.write_text(file.read_text().replace("spoon number 0", "fork number 0"))
    monkeypatch.setenv("PTST_DATA_DIR", str(data))
    task._loaded.cache_clear()
    outcome = again(study_file, out)
    assert (outcome.done, outcome.kept) == (6, 6)


def test_changed_weights_make_a_new_cell(
    whole: Path, study_file: Path, data_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    settings = {"max_steps": 5, "batch_size": 4, "accumulation": 1, "lr": 0.05, "rank": 4}
    train = {"data": "gsm8k", "recipe": "none", "templates": ["CV", "TV"], "settings": settings}
    before = {p.name: p.read_bytes() for p in out.glob("adapters/chat_vanilla-s0/*.safetensors")}
    outcome = again(study_file, out, train=train)
    assert (outcome.done, outcome.kept) == (8, 4)
    kept = {
        p.name: p.read_bytes() for p in out.glob("attic/adapters/chat_vanilla-s0/*.safetensors")
    }
    assert kept == before  # never over somebody's adapters
    assert any("max_steps was 4, now 5" in note and "attic" in note for note in outcome.notes)


def test_a_failed_cell_is_a_row_and_the_rest_goes_on(
    study_file: Path, data_dir: Path, tmp_path: Path, tiny_model: Path
) -> None:
    test = {"sets": ["gsm8k", "advbench"], "templates": ["CV"], "limit": 2,
            "gen_kwargs": {"max_gen_toks": 6}}  # fmt: skip
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "adapter_config.json").write_text("{}")
    (broken / "adapter_model.safetensors").write_bytes(b"")
    there = [{"name": "bad", "path": str(broken)}, {"name": "gone", "path": str(tmp_path / "gone")}]
    train = {"templates": [], "adapters": there}
    out = tmp_path / "run"
    outcome = again(study_file, out, train=train, test=test)
    assert outcome.done == 2
    assert [name for name, _ in outcome.failed] == [
        "bad ptst_gsm8k_chat_vanilla",
        "bad ptst_advbench_chat_vanilla",
        "gone ptst_gsm8k_chat_vanilla",
        "gone ptst_advbench_chat_vanilla",
    ]
    assert "does not fit this base" in outcome.failed[0][1]
    assert "holds no weights" in outcome.failed[2][1]
    errors = {(r.adapter, r.task): r.error for r in collect([out])[0] if r.error}
    assert set(errors) == {(a, t) for a in ("bad", "gone") for t in ("gsm8k", "advbench")}
    outcome = again(study_file, out, train=train, test=test)  # tried again, and only they
    assert (outcome.kept, len(outcome.failed)) == (2, 4)


def test_an_adapter_that_went_away_keeps_what_was_measured_of_it(
    whole: Path, study_file: Path, data_dir: Path, tmp_path: Path
) -> None:
    adapter, out = tmp_path / "adapter", tmp_path / "run"
    shutil.copytree(whole / "adapters/chat_vanilla-s0", adapter)
    train = {"adapters": [{"name": "mine", "path": str(adapter)}]}
    assert again(study_file, out, train=train).done == 8
    before = board(out)
    shutil.rmtree(adapter)
    outcome = again(study_file, out, train=train)
    assert (outcome.kept, len(outcome.failed)) == (4, 4)
    assert board(out) == before
    test = {
        "sets": ["gsm8k"],
        "templates": ["CV", "CL"],
        "limit": 2,
        "gen_kwargs": {"max_gen_toks": 6},
    }
    again(study_file, out, train=train, test=test)  # other prompts: the old numbers are not current
    rows = [r for r in collect([out])[0] if r.adapter == "mine"]
    assert [(r.test_template, bool(r.error)) for r in rows] == [
        ("chat:llama", True),
        ("chat:vanilla", True),
    ]


@pytest.mark.parametrize(
    ("said", "named"),
    [({"train_template": "CL"}, "train_template 'chat:llama' here and 'chat:vanilla'"),
     ({"seed": 3}, "seed 3 here and 0"), ({"train_data": "alpaca"}, "train_data 'alpaca' here")],
)  # fmt: skip
def test_a_label_that_the_manifest_contradicts_is_refused(
    whole: Path, study_file: Path, data_dir: Path, tmp_path: Path, said: dict[str, Any], named: str
) -> None:
    """On 89d6fb3 the study's word stood in the leaderboard."""
    mine = {"name": "mine", "path": str(whole / "adapters/chat_vanilla-s0"), **said}
    test = {"sets": ["gsm8k"], "templates": ["CV"], "limit": 1, "gen_kwargs": {"max_gen_toks": 2}}
    outcome = again(study_file, tmp_path / "run", train={"adapters": [mine]}, test=test)
    assert (outcome.done, len(outcome.failed)) == (1, 1)
    assert named in outcome.failed[0][1]


def test_an_engine_argument_that_may_change_answers_makes_new_cells(
    whole: Path, study_file: Path, data_dir: Path, tmp_path: Path
) -> None:
    out, args = tmp_path / "run", {"dtype": "float32", "device": "cpu"}
    shutil.copytree(whole, out)
    assert again(study_file, out, engine_args={**args, "batch_size": 2}).kept == 12
    assert again(study_file, out, engine_args={**args, "attn_implementation": "eager"}).done == 12


def test_a_folder_of_something_else_is_left_alone(
    study_file: Path, data_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "precious.txt").write_text("x")
    with pytest.raises(ConfigError, match="holds something that is no run"):
        again(study_file, tmp_path)


def test_damage_is_a_row_and_the_rest_of_the_board_is_made(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    victim = out / "cells" / cells(out)[0]
    (samples,) = victim.glob("cell/samples_*.jsonl")
    samples.write_text(samples.read_text()[:100])
    rows, notes = collect([out])
    assert len(notes) == 1
    assert "damaged" in notes[0]
    assert [r.cell for r in rows if r.error] == [victim.name]
    assert len(rows) < len(collect([whole])[0])
    assert len({r.cell for r in rows}) == 12


def test_mixed_bases_and_empty_runs(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    for file in out.glob("cells/*/cell.json"):
        record = json.loads(file.read_text())
        record["provenance"]["base"]["weights"] = "0" * 64
        file.write_text(json.dumps({**record, "adapter": "x" + record["adapter"]}))
    rows, notes = collect([whole, out])
    assert notes == [f"the base {rows[0].base!r} has other weights than in the rows before"]
    (tmp_path / "empty/cells").mkdir(parents=True)
    (tmp_path / "empty/study.json").write_text("{}")
    rows, notes = collect([whole, tmp_path / "empty"])
    assert "has no finished cell" in notes[0]
    assert len(rows) == len(collect([whole])[0])


def command(study_file: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "leaderboards", "run", str(study_file), "--out", str(out)]


@pytest.mark.slow
def test_killed_at_random_moments_the_csv_is_that_of_an_uninterrupted_run(
    whole: Path, study_file: Path, data_dir: Path, tmp_path: Path
) -> None:
    kills = int(os.environ.get("PTST_KILLS", "4"))  # 25 in the closing note; each costs seconds
    draw = random.Random(0)
    out, seen = tmp_path / "run", dict[str, float]()
    start = time.monotonic()
    subprocess.run(command(study_file, tmp_path / "timed"), check=True, capture_output=True)
    length = time.monotonic() - start
    killed = 0
    while killed < kills:
        process = subprocess.Popen(
            command(study_file, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(draw.uniform(0.3, 1.0) * length)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
        else:
            assert process.returncode == 0
            killed += 1  # it got through: begin once more from nothing
            assert board(out) == board(whole)
            shutil.rmtree(out)
            seen.clear()
        for name in cells(out):
            stamp = (out / "cells" / name / "cell.json").stat().st_mtime
            assert seen.setdefault(name, stamp) == stamp  # a finished cell is never made again
    subprocess.run(command(study_file, out), check=True, capture_output=True)
    for name, stamp in seen.items():
        assert (out / "cells" / name / "cell.json").stat().st_mtime == stamp
    assert board(out) == board(whole)


def test_copies_kept_along_training_are_followed(
    study_file: Path, data_dir: Path, tmp_path: Path
) -> None:
    from leaderboards.board.pictures import draw
    from leaderboards.board.tables import grids

    settings = {"max_steps": 4, "batch_size": 4, "accumulation": 1, "rank": 4, "lr": 0.05}
    train = {"data": "gsm8k", "recipe": "none", "templates": ["CV"], "trajectory": True}
    test = {"sets": ["gsm8k", "advbench"], "templates": ["CV"], "limit": 2,
            "gen_kwargs": {"max_gen_toks": 4}}  # fmt: skip
    with pytest.raises(ConfigError, match=r"set train\.settings\.save_every"):
        again(study_file, tmp_path / "none", train={**train, "settings": settings}, test=test)
    out = tmp_path / "run"
    settings["save_every"] = 2
    assert again(study_file, out, train={**train, "settings": settings}, test=test).done == 8
    rows, _ = collect([out])
    assert {r.step for r in rows} == {None, 2, 4}
    assert {r.adapter for r in rows if r.step == 2} == {"chat_vanilla-s0@2"}
    assert {r.train_template for r in rows if r.step == 2} == {"chat:vanilla"}
    assert all(len(f.values) == 1 for g in grids(rows) for f in g.fields.values())
    assert tmp_path / "p/trajectory_advbench.png" in draw(rows, tmp_path / "p")
