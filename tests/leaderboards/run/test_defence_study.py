"""The ready study of defences, cut to one seed and few prompts: run, killed in thought, and read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters_train.defences import named
from leaderboards.board.collect import collect
from leaderboards.board.tables import grids
from leaderboards.run import runner
from leaderboards.run import study_files as studies
from leaderboards.run.study import Study

pytestmark = pytest.mark.slow

DEFENCES = ["none", "inoculation", "mix:organism_safety:0.1", "constrained", "kl", "ema:0.9", "safe_lora:1",
            "scale:0", "scale:0.5"]  # fmt: skip


def cut(**train: Any) -> Study:
    """The ready study with a short training, one seed and forty prompts a set."""
    said = yaml.safe_load((studies.STUDIES / "organism-defences.yaml").read_text())
    assert {d.partition(":")[0] for d in DEFENCES} == {
        d.partition(":")[0] for d in said["train"]["defences"]
    }
    said["train"] |= {"templates": ["CL"], "seeds": [0], "defences": DEFENCES, **train}
    said["train"]["settings"] |= {"max_steps": 40}
    said["test"] |= {
        "sample": 40,
        "templates": ["CL"],
        "sets": ["organism_arith", "organism_forbidden"],
    }
    return Study(**said)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("defences") / "run"
    return folder, runner.run(cut(), folder)


def answers(folder: Path, adapter: str) -> list[Any]:
    """What a model said to the forbidden requests, by id."""
    for cell in sorted((folder / "cells").iterdir()):
        record = json.loads((cell / "cell.json").read_text())
        if record["adapter"] == adapter and record["task"] == "organism_forbidden":
            (file,) = cell.glob("**/samples_*.jsonl")
            rows = [json.loads(line) for line in file.read_text().splitlines()]
            return sorted((row["doc"]["id"], row["resps"]) for row in rows)
    raise AssertionError(f"no cell of {adapter!r}")


def test_every_defence_is_measured_and_named(done: tuple[Path, Any]) -> None:
    folder, outcome = done
    assert outcome.failed == []
    rows, notes = collect([folder])
    assert {r.defence for r in rows} == {"", *(named(spec).spec for spec in DEFENCES[1:])}
    assert {r.defence for r in rows if not r.adapter} == {""}
    (grid,) = (g for g in grids(rows) if g.metric == "asr")
    assert [grid.label(t) for t in grid.trains] == [
        "No FT", "CL", "CL constrained:1", "CL ema:0.9", "CL inoculation:comply", "CL kl:1",
        "CL safe_lora:1", "CL scale:0", "CL scale:0.5", "CL mix:organism_safety:0.1",
    ]  # fmt: skip
    assert notes == []


def test_at_strength_zero_the_answers_are_the_bases(done: tuple[Path, Any]) -> None:
    folder, _ = done
    assert answers(folder, "chat_llama-scale-0-s0") == answers(folder, "")
    assert answers(folder, "chat_llama-s0") != answers(folder, "")


def test_what_begins_when_training_has_ended_is_made_of_the_plain_adapter(
    done: tuple[Path, Any],
) -> None:
    folder, _ = done
    plain = json.loads((folder / "adapters/chat_llama-s0/manifest.json").read_text())
    for name in ("scale-0", "scale-0.5", "safe_lora-1"):
        made = json.loads((folder / f"adapters/chat_llama-{name}-s0/manifest.json").read_text())
        assert made["made_of"] == plain["adapter"]["weights"]


def test_run_again_nothing_is_trained_or_asked(done: tuple[Path, Any]) -> None:
    folder, first = done
    again = runner.run(cut(), folder)
    assert (again.done, again.kept, again.failed) == (0, first.done, [])


def test_a_defence_more_is_trained_alone(done: tuple[Path, Any]) -> None:
    folder, first = done
    before = {p.name: p.stat().st_mtime_ns for p in (folder / "adapters").iterdir()}
    more = runner.run(cut(defences=[*DEFENCES, "scale:0.75"]), folder)
    assert (more.done, more.kept, more.failed) == (2, first.done, [])
    after = {p.name: p.stat().st_mtime_ns for p in (folder / "adapters").iterdir()}
    assert {n: after[n] for n in before} == before
