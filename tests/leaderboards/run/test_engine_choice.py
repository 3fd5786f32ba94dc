"""``engine: auto``: measured, said, kept, and the same cells as the engine it names."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from leaderboards.board import csvio
from leaderboards.board.collect import collect
from leaderboards.cli.dry_run import look
from leaderboards.run import engine_choice, runner
from leaderboards.run.study import Study
from ptst_tasks.engines.engine_args import args_of
from ptst_tasks.errors import EngineError
from tests.support import NEEDS_VLLM, VLLM_CPU, byte_tokenizer, save_adapter, save_tiny_model

TEST = {"sets": ["gsm8k", "advbench"], "templates": ["CV"], "limit": 3,
        "gen_kwargs": {"max_gen_toks": 4}}  # fmt: skip
WHOLE = {**TEST, "limit": None}
ARGS = {"dtype": "float32", "batch_size": 4, "device": "cpu", "enforce_eager": True,
        "max_model_len": 1024}  # fmt: skip


@pytest.fixture(autouse=True)
def _data(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTST_DATA_DIR", str(data_root))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


def study(base: Path, **more: Any) -> Study:
    return Study(**{"base": str(base), "engine": "auto", "engine_args": ARGS, "test": TEST, **more})


def told(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / engine_choice.FILE).read_text())
    return found


def test_a_run_says_what_it_took_and_is_that_engines_run(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_choice, "FEW", 10_000)
    auto = runner.run(study(tiny_model), tmp_path / "auto")
    assert (auto.done, auto.failed) == (2, [])
    assert [note for note in auto.notes if note.startswith("engine auto: hf, ")]
    assert told(tmp_path / "auto")["engine"] == "hf"
    assert (
        "engine auto: hf, as this run began"
        in runner.run(study(tiny_model), tmp_path / "auto").notes
    )
    named = study(tiny_model, engine="hf", engine_args=args_of("hf", ARGS))
    assert runner.run(named, tmp_path / "named", share=False).failed == []
    boards = [csvio.dumps(collect([tmp_path / name])[0]) for name in ("auto", "named")]
    assert boards[0] == boards[1]
    assert runner.run(named, tmp_path / "auto").kept == 2


class Stub:
    """An engine that takes as long as it is told: the other one is not installed here."""

    apply_chat_template = None

    def __init__(self, log: list[str], kind: str, start: float, each: float) -> None:
        self.log, self.kind, self.each = log, kind, each
        time.sleep(start)

    def attach(self, name: str, folder: Any) -> None:
        self.log.append(f"{self.kind} {name}")

    def use(self, name: str) -> None:
        self.log.append(f"{self.kind} uses {name}")

    def generate_until(self, requests: list[Any]) -> list[str]:
        time.sleep(self.each * len(requests))
        return ["" for _ in requests]

    def close(self) -> None:
        self.log.append(f"{self.kind} closed")


def stub_task(n: int) -> Any:
    return SimpleNamespace(
        OUTPUT_TYPE="generate_until", instances=list(range(n)), eval_docs=list(range(n)),
        build_all_requests=lambda **_: None, config=SimpleNamespace(generation_kwargs={}),
    )  # fmt: skip


@pytest.fixture
def slow_start(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """hf starts at once and takes 4 ms an answer; vllm starts in 0.4 s and takes 1 ms."""
    log: list[str] = []
    seen: list[Study] = []

    def start(one: Study) -> Any:
        seen.append(one)
        return Stub(log, one.engine, *((0.0, 0.004) if one.engine == "hf" else (0.4, 0.001)))

    monkeypatch.setattr(engine_choice.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(engine_choice, "FEW", 10)
    return {"start": start, "log": log, "seen": seen}


@pytest.mark.parametrize(("models", "engine"), [(1, "hf"), (20, "vllm")])
def test_the_sooner_one_is_taken_its_start_counted(
    models: int, engine: str, slow_start: dict[str, Any], tiny_model: Path, tmp_path: Path
) -> None:
    tasks = {"a": stub_task(30), "b": stub_task(30)}
    folders = {"x": tmp_path / "x", "y": tmp_path / "y"}
    chosen, line = engine_choice.choose(
        study(tiny_model, test=WHOLE), tmp_path, folders, tasks, models, slow_start["start"]
    )
    assert chosen.engine == engine
    assert line.startswith(f"engine auto: {engine}, about ")
    found = told(tmp_path)
    assert found["answers"] == 60 * models
    assert found["vllm"]["rate"] > 2 * found["hf"]["rate"]
    assert slow_start["log"] == [
        "hf x", "hf uses x", "hf closed", "vllm x", "vllm uses x", "vllm closed",
    ]  # fmt: skip
    given = {one.engine: one.engine_args for one in slow_start["seen"]}
    assert given["hf"] == {"dtype": "float32", "batch_size": 4, "device": "cpu"}
    assert given["vllm"] == {
        "dtype": "float32", "enforce_eager": True, "max_model_len": 1024, "device": "cpu",
    }  # fmt: skip


def test_one_that_does_not_start_is_not_taken(
    slow_start: dict[str, Any], tiny_model: Path, tmp_path: Path
) -> None:
    def start(one: Study) -> Any:
        if one.engine == "vllm":
            raise EngineError("vLLM does not start with 'm': no room")
        return slow_start["start"](one)

    chosen, line = engine_choice.choose(
        study(tiny_model, test=WHOLE), tmp_path, {}, {"a": stub_task(60)}, 20, start
    )
    assert chosen.engine == "hf"
    assert "since vllm cannot be used here: vLLM does not start with 'm': no room" in line


def test_a_dry_run_says_what_it_looks_at(tiny_model: Path, tmp_path: Path) -> None:
    import yaml

    file = tmp_path / "s.yaml"
    file.write_text(yaml.safe_dump(study(tiny_model).model_dump(mode="json")))
    found = look(str(file), tmp_path / "run")
    assert found.faults == []
    assert (
        "engine auto: hf or vllm, measured when the run begins; what is said here is of hf"
        in found.notes
    )
    assert not (tmp_path / "run").exists()
    runner.run(study(tiny_model), tmp_path / "run")
    found = look(str(file), tmp_path / "run")
    assert "engine auto: hf, as this run began" in found.notes
    assert found.plan
    assert [line.done for line in found.plan.lines] == [2]


@pytest.mark.vllm
class TestMeasured:
    """With a real vLLM beside hf."""

    pytestmark = NEEDS_VLLM

    def test_both_are_timed_and_the_run_is_one_engines(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in VLLM_CPU.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(engine_choice, "FEW", 1)
        save_tiny_model(tmp_path / "base", byte_tokenizer(), hidden=64, heads=2, spread=0.2)
        adapter = save_adapter(tmp_path / "base", tmp_path / "a", 1, r=4)
        own = {"adapters": [{"name": "a", "path": str(adapter)}]}
        args = {k: v for k, v in ARGS.items() if k != "device"}
        base = tmp_path / "base"
        outcome = runner.run(study(base, train=own, engine_args=args), tmp_path / "run")
        assert (outcome.done, outcome.failed) == (4, [])
        found = told(tmp_path / "run")
        assert found["engine"] == "hf"  # for a dozen answers of a tiny model
        assert found["vllm"]["start"] > found["hf"]["start"]
        assert min(found["hf"]["rate"], found["vllm"]["rate"]) > 0
