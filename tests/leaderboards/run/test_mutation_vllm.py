"""The mutation test through a real vLLM, started once: `make test-vllm`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leaderboards.run import local, runner
from leaderboards.run.study import Study
from ptst_tasks.engines import open_engine
from ptst_tasks.provenance import FACTS
from tests.leaderboards.run.test_mutation import CHANGES, Case, listens
from tests.support import NEEDS_VLLM, VLLM_CPU, byte_tokenizer, save_adapter, save_tiny_model

pytestmark = NEEDS_VLLM
ARGS = {"dtype": "float32", "max_model_len": 2048, "enforce_eager": True}
ELSEWHERE = {
    "adapter.step": "test_runner.py, through engine hf: the engine has no part in it",
    "engine.name": "test_vllm.py measures one study with hf and vllm",
    "data.own": "test_own_sets_study.py: the engine has no part in it",
    "engine.dtype": "vLLM would have to be started again; test_mutation.py does so with hf",
}


@pytest.fixture(scope="module")
def made(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Base, adapter, data, and an engine that holds the base."""
    patch = pytest.MonkeyPatch()
    for name, value in VLLM_CPU.items():
        patch.setenv(name, value)
    root = tmp_path_factory.mktemp("made")
    base = save_tiny_model(root / "base", byte_tokenizer(), hidden=64, heads=2, spread=0.2)
    listens(base)
    adapter = save_adapter(base, root / "adapter", 0, r=4)
    lm = open_engine("vllm", str(base), expected=[adapter], **ARGS)
    yield {"base": base, "adapter": adapter, "data": data_root, "lm": lm}
    lm.close()
    patch.undo()


@pytest.fixture
def case(made: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    there = {n: Path(shutil.copytree(made[n], tmp_path / n)) for n in ("base", "adapter", "data")}
    monkeypatch.setenv("PTST_DATA_DIR", str(there["data"]))
    lm = made["lm"]
    monkeypatch.setattr(lm, "close", lambda: None)
    monkeypatch.setattr(local, "start_engine", lambda *_: lm)
    lm._names.clear()  # the case's own adapter is attached anew, under the study's name
    fields = {
        "base": str(there["base"]), "engine": "vllm", "engine_args": dict(ARGS),
        "train": {"adapters": ({"name": "a", "path": str(there["adapter"])},)},
        "test": {"sets": ("advbench",), "templates": ("CL",), "limit": 2,
                 "gen_kwargs": {"max_gen_toks": 4}},
    }  # fmt: skip
    outcome = runner.run(Study(**fields), tmp_path / "runs/run")
    assert (outcome.done, outcome.failed) == (2, [])
    lm._names.clear()
    return Case(
        there["base"], there["adapter"], there["data"], tmp_path / "runs/run", fields, monkeypatch
    )


@pytest.mark.parametrize("fact", [f for f in CHANGES if f not in ELSEWHERE])
def test_a_changed_input_is_measured_anew(case: Case, fact: str) -> None:
    change, new = CHANGES[fact]
    fields: dict[str, Any] = {"engine_args": {**ARGS, "seed": 5}} if fact == "engine.args" else {}
    fields = fields or change(case) or {}
    assert case.run(**fields) == (new, max(2 - new, 0))
    assert case.run(**fields) == (0, max(new, 2))


def test_every_deciding_fact_has_its_case() -> None:
    facts = {
        f.path for f in FACTS if f.decides and not f.path.startswith(("judging.", "training."))
    }
    assert facts == CHANGES.keys() | ELSEWHERE.keys()
