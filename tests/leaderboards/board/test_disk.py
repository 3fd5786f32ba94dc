"""What lies on disk: half-written and damaged cells are nobody's, for every reader alike."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from leaderboards.board import disk
from leaderboards.board.collect import collect
from leaderboards.board.sides import read_side
from leaderboards.judging import saved
from leaderboards.run import runner
from leaderboards.run.estimate import estimate
from leaderboards.run.study import Study
from ptst_tasks.errors import DataError


def plan(base: Path, **more: Any) -> Study:
    test = {"sets": ("advbench",), "templates": ("CV", "CL"), "limit": 3,
            "gen_kwargs": {"max_gen_toks": 4}}  # fmt: skip
    return Study(**{"base": str(base), "test": test, "engine_args": {"device": "cpu"}, **more})


@pytest.fixture(scope="module")
def first(tiny_model: Path, data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    patch = pytest.MonkeyPatch()
    patch.setenv("PTST_DATA_DIR", str(data_root))
    out = tmp_path_factory.mktemp("first") / "run"
    assert runner.run(plan(tiny_model), out).done == 2
    patch.undo()
    return out


@pytest.fixture
def run(first: Path, tmp_path: Path, data_dir: Path) -> Path:
    return Path(shutil.copytree(first, tmp_path / "runs/run"))


def half_written(run: Path) -> Path:
    """What a killed process leaves, with other numbers in it."""
    cell = disk.cell_folders(run)[0]
    torn = Path(shutil.copytree(cell, run / "cells" / f".{cell.name}.4711"))
    for file in torn.rglob("samples_*.jsonl"):
        file.write_text(file.read_text().replace('"asr": 0.0', '"asr": 1.0').replace(
            '"incoherent": 0.0', '"incoherent": 1.0'))  # fmt: skip
    return torn


def test_a_half_written_cell_is_read_by_nobody(run: Path, tiny_model: Path) -> None:
    """On 89d6fb3 board, gate and estimate read it, and the wrong row could stay."""
    rows, _ = collect([run])
    numbers, planned = read_side(run).numbers, estimate(plan(tiny_model), run)
    found = saved.tasks([run])
    half_written(run)
    again, notes = collect([run])
    assert (again, notes) == (rows, [])
    assert read_side(run).numbers == numbers
    assert estimate(plan(tiny_model), run) == planned
    assert saved.tasks([run]) == found
    assert len(disk.results_files(run)) == 2


BROKEN = {
    "random bytes": lambda raw: random.Random(0).randbytes(len(raw)),
    "cut inside a line": lambda raw: raw[: len(raw) // 2],
    "cut between lines": lambda raw: raw[: raw.index(b"\n") + 1],
    "empty": lambda raw: b"",
    "no object": lambda raw: b"[]\n" * raw.count(b"\n"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_damaged_cell_is_measured_anew_and_never_copied(
    run: Path, tiny_model: Path, how: str
) -> None:
    """On 89d6fb3 it counted as done, was copied into new runs, and was called damaged by the board."""
    before = collect([run])[0]
    victim = disk.cell_folders(run)[0]
    (samples,) = victim.rglob("samples_*.jsonl")
    samples.write_bytes(BROKEN[how](samples.read_bytes()))
    rows, notes = collect([run])
    assert [r.cell for r in rows if r.error] == [victim.name]
    assert len(notes) == 1
    assert not disk.is_whole(victim)
    assert [line.done for line in estimate(plan(tiny_model), run).lines] == [1]
    beside = run.parent / "beside"
    outcome = runner.run(plan(tiny_model), beside)
    assert (outcome.done, outcome.kept) == (1, 1)
    assert outcome.notes == [
        "1 cells were taken from the run 'run' beside this one, which measured the same; "
        "--no-share measures them here"
    ]
    shutil.rmtree(beside)
    outcome = runner.run(plan(tiny_model), run)
    assert (outcome.done, outcome.kept) == (1, 1)
    assert [strip(r) for r in collect([run])[0]] == [strip(r) for r in before]
    assert (run / "attic" / f"{victim.name}.damaged/cell.json").exists()  # for a person to look at


def strip(row: Any) -> Any:
    return row.model_copy(update={"date": ""})


@pytest.mark.parametrize("name", ["cell.json", "results"])
def test_damaged_records_are_one_line_with_the_file(run: Path, tiny_model: Path, name: str) -> None:
    victim = disk.cell_folders(run)[0]
    file = victim / name if name == "cell.json" else next(victim.rglob("results_*.json"))
    for text in ("{", "[]", "[" * 100_000, '{"results": 3}'):
        if name == "cell.json" and text.startswith('{"'):
            continue
        file.write_text(text)
        with pytest.raises(DataError, match=file.name.replace(".", r"\.")) as e:
            disk.read_cell_files(victim)
        assert "\n" not in str(e.value)
    assert runner.run(plan(tiny_model), run).done == 1


def test_cells_beside_are_taken_only_if_one_may(run: Path, tiny_model: Path) -> None:
    outcome = runner.run(plan(tiny_model), run.parent / "own", share=False)
    assert (outcome.done, outcome.kept, outcome.notes) == (2, 0, [])


def test_what_is_not_asked_for_goes_to_the_attic_and_comes_back(
    run: Path, tiny_model: Path
) -> None:
    """On 89d6fb3 another limit deleted every cell."""
    before = {f.name: (f / "cell.json").read_text() for f in disk.cell_folders(run)}
    test = {
        "sets": ("advbench",),
        "templates": ("CV",),
        "limit": 1,
        "gen_kwargs": {"max_gen_toks": 4},
    }
    outcome = runner.run(plan(tiny_model, test=test), run)
    assert (outcome.done, outcome.kept) == (1, 0)
    assert outcome.notes == [
        f"2 cells that the study no longer asks for are in {str(run / 'attic')!r}"
    ]
    outcome = runner.run(plan(tiny_model), run)
    assert (outcome.done, outcome.kept) == (0, 2)
    assert {f.name: (f / "cell.json").read_text() for f in disk.cell_folders(run)} == before


def test_any_separator_may_stand_in_an_answer(tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    odd = "a\u2028b\u2029c\x85d\x0ce\x1cf"
    file.write_text(json.dumps({"x": odd}, ensure_ascii=False) + "\n\n", encoding="utf-8")
    assert list(disk.rows(file)) == [(1, {"x": odd})]


OLD = {
    "base": "tiny", "adapter": "", "train_data": "", "train_template": "", "test_template": "chat:vanilla",
    "task": "advbench", "harness_task": "ptst_advbench_chat_vanilla", "engine": "hf",
    "decoding": {"until": ["</s>"], "max_gen_toks": 4, "do_sample": False, "temperature": 0.0},
    "digests": {"base": "b" * 64, "adapter": "", "data": "f" * 16, "limit": 3, "dtype": "torch.float32",
                "prompts": "p" * 64, "version": 1.0},
    "seconds": 0.1,
}  # fmt: skip


def test_cells_of_an_earlier_version_are_boarded_and_measured_anew(
    run: Path, tiny_model: Path
) -> None:
    """A cell as 0.1.0 wrote it: its numbers stay on the board; a new run says why it asks again."""
    for folder in disk.cell_folders(run):
        record = json.loads((folder / "cell.json").read_text())
        old = {
            **OLD,
            **{k: record[k] for k in ("test_template", "harness_task")},
            "digest": folder.name,
        }
        (folder / "cell.json").write_text(json.dumps(old))
        other = "1" if folder.name.startswith("0") else "0"
        folder.rename(folder.with_name(other + folder.name[1:]))
    rows, notes = collect([run])
    assert notes == []
    one = next(r for r in rows if r.metric == "asr")
    assert (one.base_digest, one.limit, one.dtype) == ("b" * 64, 3, "torch.float32")
    assert (one.engine, one.prompts, one.n) == ("hf", "p" * 64, 3)
    assert [line.done for line in estimate(plan(tiny_model), run).lines] == [0]
    outcome = runner.run(plan(tiny_model), run)
    assert (outcome.done, outcome.kept) == (2, 0)
    assert len(outcome.notes) == 1
    assert outcome.notes[0].startswith(
        "2 cells of an earlier ptst were measured anew: their record lacks"
    )
    assert len(list(run.glob("attic/*/cell.json"))) == 2
