"""Paths of a study are relative to its YAML; what it said stays in records and labels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from leaderboards.board import csvio
from leaderboards.board.collect import collect
from leaderboards.run import runner
from leaderboards.run import study_files as study
from tests.support import save_adapter

STUDY = """\
base: base
train: {adapters: [{name: one, path: adapters/one}]}
test: {sets: [gsm8k], templates: [CV], limit: 1, gen_kwargs: {max_gen_toks: 2}}
engine_args: {dtype: float32, device: cpu}
"""


@pytest.fixture
def mine(tiny_model: Path, tmp_path: Path) -> Path:
    """A folder with a study, its base and an adapter."""
    folder = tmp_path / "mine"
    shutil.copytree(tiny_model, folder / "base")
    save_adapter(tiny_model, folder / "adapters/one", 1, r=2)
    (folder / "s.yaml").write_text(STUDY)
    (folder / "templates.yaml").write_text("- {name: 'chat:kind', abbr: CK, user: 'Q: {input}'}\n")
    return folder


def test_called_from_anywhere_it_is_the_same_study(
    mine: Path, tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same cells, labels and record, byte for byte; from above, ``base: base`` was no folder."""
    boards, records = [], []
    for number, (where, which) in enumerate([(mine, "s.yaml"), (tmp_path, "mine/s.yaml"),
                                             (mine / "base", "../s.yaml")]):  # fmt: skip
        monkeypatch.chdir(where)
        out = tmp_path / f"out{number}" / "run"
        outcome = runner.run(study.load(which), out)
        assert (outcome.done, outcome.failed) == (2, [])
        records.append((out / "study.json").read_text())
        csvio.write(collect([out])[0], out / "board.csv")
        boards.append(
            [line.rpartition(",")[0] for line in (out / "board.csv").read_text().split("\n")]
        )
    assert records[0] == records[1] == records[2]
    assert json.loads(records[0])["base"] == "base"
    assert {row.base for row in csvio.read(out / "board.csv")} == {"base"}
    digests = [sorted(p.name for p in (tmp_path / f"out{n}/run/cells").iterdir()) for n in range(3)]
    assert digests[0] == digests[1] == digests[2]


def test_the_same_run_goes_on_from_another_folder(
    mine: Path, tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mine)
    runner.run(study.load("s.yaml"), tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    outcome = runner.run(study.load("mine/s.yaml"), tmp_path / "run")
    assert (outcome.done, outcome.kept, outcome.failed) == (0, 2, [])


def test_every_path_of_a_study(mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (mine / "rows.jsonl").write_text("")
    (mine / "mine.csv").write_text("prompt\nx\n")
    (mine / "s.yaml").write_text(
        "base: base\ntemplates: templates.yaml\nengine_args: {tokenizer: base}\n"
        "train: {data: rows.jsonl, adapters: [{name: a, path: adapters/one}]}\n"
        "test: {sets: [custom], templates: [CK], options: {custom: mine.csv}}\n"
    )
    monkeypatch.chdir(tmp_path)
    found = study.load("mine/s.yaml")
    assert found.base == "mine/base"
    assert found.label == "base"
    assert found.templates == "mine/templates.yaml"
    assert found.train.data == "mine/rows.jsonl"
    assert found.train.adapters[0].path == "mine/adapters/one"
    assert found.test.options == {"custom": "mine/mine.csv"}
    assert found.engine_args == {"tokenizer": "mine/base"}
    record = found.model_dump(mode="json")
    assert (record["base"], record["train"]["adapters"][0]["path"]) == ("base", "adapters/one")
    assert record["test"]["options"] == {"custom": "mine.csv"}
    assert found.notes == ()


def test_files_of_judges(mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (mine / "verdicts.jsonl").write_text("")
    judges = "['replay:verdicts.jsonl', 'panel:majority;keywords;replay:file=verdicts.jsonl']"
    (mine / "s.yaml").write_text(f"{STUDY}judges: {judges}\n".replace("gsm8k", "advbench"))
    monkeypatch.chdir(tmp_path)
    found = study.load("mine/s.yaml")
    assert found.judges == (
        "replay:file=mine/verdicts.jsonl",
        "panel:majority;keywords;replay:file=mine/verdicts.jsonl",
    )
    assert found.model_dump(mode="json")["judges"][0] == "replay:verdicts.jsonl"


def test_what_used_to_work_works_and_is_told(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative to the current folder, as all paths were once."""
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies/s.yaml").write_text(STUDY)
    monkeypatch.chdir(mine)
    found = study.load("../studies/s.yaml")
    assert (found.base, found.train.adapters[0].path) == ("base", "adapters/one")
    assert [note.partition(" is taken")[0] for note in found.notes] == [
        "base 'base'", "train.adapters.0.path 'adapters/one'"]  # fmt: skip
    assert "is taken from the current folder" in found.notes[0]


def test_of_two_the_one_beside_the_study_is_taken_and_told(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "base").mkdir()
    monkeypatch.chdir(tmp_path)
    found = study.load("mine/s.yaml")
    assert found.base == "mine/base"
    assert "the current folder has one, too" in found.notes[0]


@pytest.mark.parametrize("base", ["meta-llama/Llama-2-7b-chat-hf", "gpt2", "organism:0"])
def test_names_stay_names(base: str, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(f"base: {base}\ntrain: {{templates: [CV], data: gsm8k}}\n")
    found = study.load(str(tmp_path / "s.yaml"))
    assert (found.base, found.train.data, found.notes) == (base, "gsm8k", ())


def test_at_an_endpoint_a_name_is_no_path(mine: Path, tmp_path: Path) -> None:
    (mine / "s.yaml").write_text(
        "base: base\nengine: openai\nengine_args: {base_url: 'http://localhost:1/v1'}\n"
        "train: {adapters: [{name: a, path: adapters/one}]}\ntest: {sets: [advbench]}\n"
    )
    found = study.load(str(mine / "s.yaml"))
    assert (found.base, found.train.adapters[0].path) == ("base", "adapters/one")
    assert found.test.sets == ("advbench",)


def test_a_worker_gets_paths_from_where_the_study_was_started(
    mine: Path, tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from leaderboards.run.adapters import RunAdapters
    from leaderboards.run.executor_args import SlurmArgs
    from leaderboards.run.executors.spread import make_orders
    from leaderboards.run.ledger import CellLedger
    from leaderboards.run.store import Store

    monkeypatch.chdir(tmp_path)
    found = study.load("mine/s.yaml")
    ledger = CellLedger(found, Store(tmp_path / "run"))
    (first, *_) = make_orders(ledger, RunAdapters(found, tmp_path / "run", []), SlurmArgs())
    assert (first.study.base, first.cwd, first.study.label) == ("mine/base", str(tmp_path), "base")
    assert str(mine / "base") in first.paths


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("rows:train", "mine/rows:train"),
        ("rows", "mine/rows"),
        ("owner/name/config:test", "owner/name/config:test"),
        ("https://example.org/rows.csv", "https://example.org/rows.csv"),
    ],
)
def test_data_with_a_split_and_ids_of_the_hub(
    said: str, found: str, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An id became a path beside the study, and a split hid that its folder is there."""
    (mine / "rows").mkdir()
    (mine / "s.yaml").write_text(
        f"base: base\ntrain: {{templates: [CV], data: '{said}'}}\n"
        f"test: {{sets: [custom], templates: [CV], options: {{custom: '{said}'}}}}\n"
    )
    monkeypatch.chdir(tmp_path)
    got = study.load("mine/s.yaml")
    assert (got.train.data, got.test.options) == (found, {"custom": found})
    record = got.model_dump(mode="json")
    assert (record["train"]["data"], record["test"]["options"]) == (said, {"custom": said})
