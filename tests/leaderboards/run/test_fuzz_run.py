"""Whatever stands in a run's files, a run says so in its own words or goes on without it."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboards.board import disk
from leaderboards.judging import rejudge
from leaderboards.run import holding, manifests, runner, store
from leaderboards.run.asked import load_asked
from leaderboards.run.labels import check_labels, labelled
from leaderboards.run.ledger import CellLedger
from leaderboards.run.study import Study
from ptst_tasks.digests import read_json
from ptst_tasks.engines.journal import Journal
from ptst_tasks.errors import PTSTError
from ptst_tasks.provenance import SCHEMA, Generation
from tests.fuzz import bent, fuzz, json_like

TASK = "ptst_advbench_chat_vanilla"


class Good:
    """One cell, whose files are bent in turn; the run in memory that reads it."""

    def __init__(self, run: Path, study: Study) -> None:
        self.run, self.cell = run, next((run / "cells").iterdir())
        self.record_file = self.cell / "cell.json"
        (self.results_file,) = self.cell.rglob("results_*.json")
        (self.samples_file,) = self.cell.rglob("samples_*.jsonl")
        self.record = json.loads(self.record_file.read_text())
        self.results = json.loads(self.results_file.read_text())
        self.samples = [row for _, row in disk.rows(self.samples_file)]
        self.ledger, self.tasks = CellLedger(study, store.Store(run)), load_asked(study)

    @contextlib.contextmanager
    def put(self, file: Path, text: str) -> Iterator[None]:
        before = file.read_bytes()
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            yield
        finally:
            file.write_bytes(before)

    def read(self) -> None:
        """All that a run does with a cell that is there; judges that it lacks are not run."""
        said: list[Exception] = []

        def tell(_: str, why: Exception) -> None:
            said.append(why)

        kept = store.Store(self.run, share=False)
        kept.known()
        for record in kept.done(""):
            self.ledger.is_current(record, self.tasks)
        store.incomplete([read_json(self.record_file) or {}])
        disk.damage(self.cell)
        if disk.is_whole(self.cell):
            found = disk.read_cell_files(self.cell)
            assert found.results
            look = partial(rejudge._look, self.cell, self.tasks, tell, {}, again=True)
            rejudge._attempt("of the cell", tell, look, 0)
            list(rejudge.unscored([self.cell], self.tasks, tell))
        assert all(isinstance(why, PTSTError) for why in said), said


@pytest.fixture(scope="module")
def good(
    tiny_model: Path, data_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Good]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PTST_DATA_DIR", str(data_root))
        test = {"sets": ("advbench",), "templates": ("CV",), "limit": 2,
                "gen_kwargs": {"max_gen_toks": 2}}  # fmt: skip
        study = Study(base=str(tiny_model), test=test, engine_args={"device": "cpu"})
        run = tmp_path_factory.mktemp("fuzz") / "run"
        runner.run(study, run)
        yield Good(run, study)


def dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


@fuzz
@given(st.data())
def test_fuzz_a_cells_record(good: Good, data: st.DataObject) -> None:
    value = data.draw(st.one_of(bent(good.record), bent(good.record), json_like()))
    with good.put(good.record_file, dumps(value)):
        good.read()


@fuzz
@given(st.data())
def test_fuzz_a_cells_results(good: Good, data: st.DataObject) -> None:
    value = data.draw(st.one_of(bent(good.results), json_like()))
    with good.put(good.results_file, dumps(value)):
        good.read()


@fuzz
@given(st.data())
def test_fuzz_the_bent_part_of_results(good: Good, data: st.DataObject) -> None:
    """What is read of them lies deep."""
    value = json.loads(json.dumps(good.results))
    ours = value["configs"][TASK]["metadata"]
    ours["ptst"] = data.draw(bent(ours["ptst"]))
    value["results"][TASK] = data.draw(bent(value["results"][TASK]))
    with good.put(good.results_file, dumps(value)):
        good.read()


@fuzz
@given(st.data())
def test_fuzz_a_cells_samples(good: Good, data: st.DataObject) -> None:
    rows = [data.draw(st.one_of(bent(row), st.just(row))) for row in good.samples]
    with good.put(good.samples_file, "".join(dumps(row) + "\n" for row in rows)):
        good.read()


@fuzz
@given(st.binary(max_size=200), st.lists(json_like(), max_size=3))
def test_fuzz_a_journal(tmp_path_factory: pytest.TempPathFactory, raw: bytes, values: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "base.jsonl"
        lines = [json.dumps(value).encode() for value in values]
        file.write_bytes(b"\n".join([json.dumps(["k", ["a", "b"]]).encode(), *lines, raw]))
        Journal(file).put("new", ["\u2028\ud800"])
        again = Journal(file)
        assert again.get("new", 1) == ["\u2028\ud800"]
        assert again.get("k", 1) is None
        assert again.get("k", 2) in (["a", "b"], None)


@fuzz
@given(st.data())
def test_fuzz_the_studys_record(good: Good, data: st.DataObject) -> None:
    study, file = good.ledger.study, good.run / "study.json"
    record = study.model_dump(mode="json")
    with (
        good.put(file, dumps(data.draw(st.one_of(bent(record), json_like())))),
        contextlib.suppress(PTSTError),
    ):
        holding.check(study, good.run)


MANIFEST = {"config": {"template": "chat:vanilla", "seed": 0, "data": "gsm8k", "mix": ["x:1epoch"]},
            "inputs": {"base_weights": "a", "token_ids": "b"}, "adapter": {"weights": "c"},
            "template": {"name": "chat:vanilla"}}  # fmt: skip


@fuzz
@given(st.data())
def test_fuzz_a_manifest(good: Good, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        value = data.draw(st.one_of(bent(MANIFEST), json_like()))
        text = dumps(value).encode("utf-8", "surrogatepass")
        (Path(folder) / "manifest.json").write_bytes(text)
        try:
            made = manifests.checked_manifest(Path(folder))
        except PTSTError:
            return
        plan = good.ledger.study.adapters()[0]
        cell = labelled(good.ledger.study, plan, made, TASK, good.tasks[TASK], Generation())
        assert cell.digest
        check_labels(plan, made.get("config") or {})


@fuzz
@given(st.data())
def test_fuzz_a_record_of_what_was_measured(data: st.DataObject) -> None:
    good = Generation().as_dict()
    with contextlib.suppress(TypeError):
        made = Generation.from_dict(data.draw(st.one_of(bent(good), json_like())))
        assert isinstance(made.schema, int)
        assert SCHEMA


def test_the_good_cell_is_good(good: Good, tmp_path: Path) -> None:
    good.read()
    assert disk.is_whole(Path(shutil.copytree(good.cell, tmp_path / "x")))
