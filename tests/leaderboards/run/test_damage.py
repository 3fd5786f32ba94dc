"""Damage in a run heals: the cell or adapter is named, kept aside, made again; nothing else suffers."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leaderboards.board import csvio, disk
from leaderboards.board.collect import collect
from leaderboards.run import runner
from leaderboards.run.asked import load_asked
from leaderboards.run.attic import put_aside
from leaderboards.run.identity import Records
from leaderboards.run.ledger import CellLedger
from leaderboards.run.measuring import Measuring
from leaderboards.run.store import Store
from leaderboards.run.study import Study
from ptst_tasks.errors import ConfigError, EngineError
from ptst_tasks.progress import Progress
from tests.support import save_adapter


def plan(base: Path, *adapters: dict[str, Any], **more: Any) -> Study:
    test = {"sets": ("advbench", "gsm8k"), "templates": ("CV",), "limit": 3,
            "gen_kwargs": {"max_gen_toks": 4}}  # fmt: skip
    train = {"adapters": adapters}
    return Study(
        **{
            "base": str(base),
            "test": test,
            "train": train,
            "engine_args": {"device": "cpu"},
            **more,
        }
    )


TRAIN = {"data": "gsm8k", "recipe": "none", "templates": ["CV", "TV"], "seeds": [0],
         "settings": {"max_steps": 4, "batch_size": 4, "accumulation": 1, "lr": 0.05,
                      "rank": 4}}  # fmt: skip


def board(run: Path) -> str:
    return csvio.dumps(collect([run])[0])


@pytest.fixture(autouse=True)
def _one_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


@pytest.fixture(scope="module")
def first(tiny_model: Path, data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PTST_DATA_DIR", str(data_root))
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        out = tmp_path_factory.mktemp("first") / "run"
        assert runner.run(plan(tiny_model), out).done == 2
        return out


@pytest.fixture
def run(first: Path, tmp_path: Path, data_dir: Path) -> Path:
    return Path(shutil.copytree(first, tmp_path / "runs/run"))


def edit(**values: Any) -> Callable[[Path], object]:
    def change(cell: Path) -> object:
        record = json.loads((cell / "cell.json").read_text())
        return (cell / "cell.json").write_text(json.dumps({**record, **values}))

    return change


def results(change: Callable[[Any], object]) -> Callable[[Path], object]:
    def apply(cell: Path) -> object:
        (file,) = cell.rglob("results_*.json")
        data = json.loads(file.read_text())
        change(data)
        return file.write_text(json.dumps(data))

    return apply


def samples(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    def apply(cell: Path) -> object:
        (file,) = cell.rglob("samples_*.jsonl")
        return file.write_bytes(change(file.read_bytes()))

    return apply


def a_folder(pattern: str) -> Callable[[Path], object]:
    def apply(cell: Path) -> object:
        (file,) = cell.rglob(pattern)
        file.unlink()
        return file.mkdir()

    return apply


def a_file(cell: Path) -> object:
    shutil.rmtree(cell)
    return cell.write_text("?")


def no_results(cell: Path) -> object:
    (file,) = cell.rglob("results_*.json")
    return file.unlink()


def task_of(data: Any) -> str:
    return next(iter(data["configs"]))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cell.json is a list": lambda cell: (cell / "cell.json").write_text("[]"),
    "cell.json is empty": lambda cell: (cell / "cell.json").write_text(""),
    "cell.json is missing": lambda cell: (cell / "cell.json").unlink(),
    "cell.json is a folder": a_folder("cell.json"),
    "cell.json is not UTF-8": lambda cell: (cell / "cell.json").write_bytes(b"\xff\xfe{}"),
    "its task is a list": edit(harness_task=[]),
    "its task is a path": edit(harness_task="../../x"),
    "its adapter is a number": edit(adapter=3),
    "its provenance is a list": edit(provenance=[]),
    "its provenance is text": edit(provenance="x"),
    "its data is null": edit(provenance={"data": None}),
    "its decoding is a number": edit(provenance={"decoding": {"options": 3}}),
    "its schema is text": edit(provenance={"schema": "2"}),
    "results are a list": results(lambda d: d.update(results=[])),
    "results of the task are null": results(lambda d: d["results"].update({task_of(d): None})),
    "configs are text": results(lambda d: d.update(configs="x")),
    "the config is a list": results(lambda d: d["configs"].update({task_of(d): []})),
    "metadata is a number": results(lambda d: d["configs"][task_of(d)].update(metadata=4)),
    "judges are text": results(
        lambda d: d["configs"][task_of(d)]["metadata"]["ptst"].update(judges="x")
    ),
    "n-samples is a list": results(lambda d: d.update({"n-samples": [1]})),
    "results are a folder": a_folder("results_*.json"),
    "results are gone": no_results,
    "samples are not UTF-8": samples(lambda raw: random.Random(0).randbytes(len(raw))),
    "samples are UTF-16": samples(lambda raw: raw.decode().encode("utf-16")),
    "samples have no answer": samples(lambda raw: raw.replace(b'"resps"', b'"answers"')),
    "samples are a folder": a_folder("samples_*.jsonl"),
    "the cell is a file": a_file,
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_cell_is_seen_named_and_kept(
    run: Path, tiny_model: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a model: the store takes the same cell again in place of the damaged one."""
    whole = Path(shutil.copytree(run / "cells", run.parent / "whole"))
    victim, other = sorted((run / "cells").iterdir())
    DAMAGE[what](victim)
    assert not disk.is_whole(victim)
    store = Store(run, share=False)
    assert store.known() == {other.name}
    assert len(store.done("")) == 1
    again = Path(shutil.copytree(whole / victim.name, store.cells / ".again"))
    store._place(again, victim)
    assert len(store.damaged) == 1
    assert victim.name in store.damaged[0]
    assert store.known() == {victim.name, other.name}
    assert (run / f"attic/{victim.name}.damaged").exists()


def test_damage_heals_by_running_again(run: Path, tiny_model: Path) -> None:
    want = board(run)
    cells = sorted((run / "cells").iterdir())
    edit(provenance=[])(cells[0])
    DAMAGE["results are gone"](cells[1])
    outcome = runner.run(plan(tiny_model), run)
    assert (outcome.done, outcome.kept, outcome.failed) == (2, 0, [])
    assert len(outcome.notes) == 2
    assert all("it was made again, and the old one is" in note for note in outcome.notes)
    assert board(run) == want
    assert (runner.run(plan(tiny_model), run).done, board(run)) == (0, want)


def test_junk_in_a_journal_and_a_folder_in_its_place(run: Path, tiny_model: Path) -> None:
    want = board(run)
    for junk in (b'\xff\x00\n[1, 2]\n{"a": 1}\n["k", [3]]\ntorn', None):
        shutil.rmtree(run / "cells")
        journal = run / "journal/base.jsonl"
        journal.parent.mkdir(exist_ok=True)
        if junk is None:
            (journal / "mine").mkdir(parents=True)
        else:
            journal.write_bytes(junk)
        outcome = runner.run(plan(tiny_model), run)
        assert (outcome.done, outcome.failed, board(run)) == (2, [], want)
        (note,) = outcome.notes
        assert "base.jsonl" in note
        assert ("4 lines cannot be read" if junk else "is a folder, expected a file") in note
    assert (run / "attic/journal/base.jsonl.damaged/mine").is_dir()


def test_a_damaged_adapter_of_the_run_is_trained_again_and_one_failure_is_its_own(
    tiny_model: Path, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On 89d6fb3 a truncated adapter failed for ever, and a failed training took all with it."""
    from adapters_train import lora

    study, out = plan(tiny_model, train=TRAIN), tmp_path / "run"
    train = lora._train

    def fail(job: Any, *args: Any) -> Any:
        if job.template.name == "text:vanilla":
            raise KeyError("odd")
        return train(job, *args)

    with monkeypatch.context() as patch:
        patch.setattr(lora, "_train", fail)
        outcome = runner.run(study, out)
    assert outcome.done == 4
    assert {why for _, why in outcome.failed} == {"KeyError: 'odd'"}
    assert len(outcome.failed) == 2
    errors = {r.train_template for r in collect([out])[0] if r.error}
    assert errors == {"text:vanilla"}
    outcome = runner.run(study, out)
    assert (outcome.done, outcome.kept, outcome.failed) == (2, 4, [])
    want = board(out)
    one, two = sorted((out / "adapters").iterdir())
    weights = one / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-20])
    (two / "manifest.json").write_text('{"config": [], "inputs": 3}')
    outcome = runner.run(study, out)
    assert (outcome.kept, outcome.done, outcome.failed) == (6, 0, [])
    assert len(outcome.notes) == 2
    assert "holds other weights than were trained; it is trained again" in outcome.notes[0]
    assert "config is []" in outcome.notes[1]
    assert len(list((out / "attic/adapters").iterdir())) == 2
    assert board(out) == want


@pytest.mark.parametrize(
    ("text", "words"),
    [("[]", "holds no JSON object"), ('{"config": []}', "config is []"), ("{", "cannot be read"),
     ('{"config": {"seed": "x"}}', "config.seed is 'x'"), ("\ud800", "cannot be read")],
)  # fmt: skip
def test_a_damaged_manifest_fails_its_adapter_alone(
    tiny_model: Path, data_dir: Path, tmp_path: Path, text: str, words: str
) -> None:  # fmt: skip
    """On 89d6fb3 a list was a traceback, and what could not be read was no manifest."""
    folder = save_adapter(tiny_model, tmp_path / "a", 1, r=4)
    (folder / "manifest.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    study = plan(tiny_model, {"name": "a", "path": str(folder)})
    ledger = CellLedger(study, Store(tmp_path / "run"))
    measuring = Measuring(None, ledger, Records(study, tiny_model), Progress(), tmp_path / "run")
    measuring.model(study.adapters()[1], folder, load_asked(study))
    assert len(ledger.outcome.failed) == 2
    assert all(words in why for _, why in ledger.outcome.failed)


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """One task's scoring raises."""
    from ptst_tasks.task import TemplatedTask

    score = TemplatedTask.process_results

    def process(self: Any, doc: Any, answers: Any) -> Any:
        if self.set_name == "gsm8k":
            raise error
        return score(self, doc, answers)

    monkeypatch.setattr(TemplatedTask, "process_results", process)


@pytest.mark.parametrize(
    "error", [KeyError("odd"), ZeroDivisionError("by zero"), RecursionError("deep"), MemoryError()]
)
def test_whatever_one_task_raises_fails_its_cell_alone(
    tiny_model: Path, data_dir: Path, tmp_path: Path, error: Exception,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out = tmp_path / "run"
    asked = []
    with monkeypatch.context() as patch:
        failing(patch, error)
        from ptst_tasks.engines.hf import HFEngine

        answer = HFEngine._answer
        patch.setattr(HFEngine, "_answer", lambda lm, b: [asked.append(len(b)), answer(lm, b)][1])
        outcome = runner.run(plan(tiny_model), out)
    assert sum(asked) == 6  # nothing is generated twice
    assert outcome.done == 1
    ((name, why),) = outcome.failed
    assert "gsm8k" in name
    assert why.startswith(type(error).__name__)
    assert (runner.run(plan(tiny_model), out).done, len(list(out.glob("cells/*")))) == (1, 2)


def test_an_interrupt_is_no_failed_cell(
    tiny_model: Path, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        runner.run(plan(tiny_model), tmp_path / "run")
    assert list((tmp_path / "run").glob("cells/*")) == []


@pytest.mark.parametrize(
    ("file", "text"),
    [("config.json", "[]"), ("config.json", "{"), ("model.safetensors", "x"),
     ("tokenizer.json", "{}"), ("config.json", '{"model_type": "none-such"}')],
)  # fmt: skip
def test_a_base_that_does_not_load_is_one_line(
    tiny_model: Path, data_dir: Path, tmp_path: Path, file: str, text: str
) -> None:
    from tests.support import ptst

    base = Path(shutil.copytree(tiny_model, tmp_path / "base"))
    (base / file).write_text(text)
    (tmp_path / "s.yaml").write_text(f"base: {base}\ntest: {{sets: [advbench], templates: [CV]}}")
    done = ptst("run", tmp_path / "s.yaml", "--out", tmp_path / "run", "-q")
    assert done.exit_code == 2
    assert str(base) in done.stderr
    assert done.stderr.count("ptst: error: ") == 1
    assert "Traceback" not in done.output
    assert not (tmp_path / "run").exists()


def test_an_adapters_name_stays_inside_the_run(
    tiny_model: Path, data_dir: Path, tmp_path: Path
) -> None:
    """On 89d6fb3 ``../../notes`` deleted a file beside the run."""
    folder = save_adapter(tiny_model, tmp_path / "a", 1, r=4)
    (tmp_path / "notes.jsonl").write_text("precious")
    study = plan(tiny_model, {"name": "../../notes", "path": str(folder)})
    outcome = runner.run(study, tmp_path / "runs/run")
    assert (outcome.done, outcome.failed) == (4, [])
    assert (tmp_path / "notes.jsonl").read_text() == "precious"
    assert {p.name for p in tmp_path.iterdir()} == {"a", "notes.jsonl", "runs"}
    assert "../../notes" in board(tmp_path / "runs/run")


def test_two_measured_versions_of_one_cell_both_stay(tmp_path: Path) -> None:
    kept = tmp_path / "attic/x"
    for number in range(3):
        (tmp_path / "x").mkdir()
        (tmp_path / "x/answers").write_text(str(number))
        assert put_aside(tmp_path / "x", kept) == kept
    assert [(tmp_path / f"attic/{n}/answers").read_text() for n in ("x", "x.1", "x.2")] == [
        "2", "0", "1",
    ]  # fmt: skip


def test_what_a_killed_process_left_goes_only_where_nobody_else_can_be(
    run: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import contextmanager

    left = [run / "cells/.x.host.1.ab.tmp", run / "cells/.x.4711", run / ".study.json.h.1.a.tmp"]
    for folder in left:
        folder.mkdir()

    @contextmanager
    def unlocked(*_: Any) -> Any:
        yield False

    with monkeypatch.context() as patch:
        patch.setattr(runner, "claimed", unlocked)
        outcome = runner.run(plan(tiny_model), run)
    assert all(folder.exists() for folder in left)
    assert "locks no files" in outcome.notes[0]
    assert runner.run(plan(tiny_model), run).notes == []
    assert not any(folder.exists() for folder in left)


def test_a_run_killed_while_it_puts_cells_aside_finishes_that_next_time(
    run: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    want, before = board(run), {p.name for p in (run / "cells").iterdir()}
    test = {**plan(tiny_model).test.model_dump(), "limit": 1}
    moved = Store._put_aside

    def once(self: Store, folder: Path, *args: str) -> Path:
        if self.attic.exists():
            raise KeyboardInterrupt
        return moved(self, folder, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "_put_aside", once)
        with pytest.raises(KeyboardInterrupt):
            runner.run(plan(tiny_model, test=test), run)
    outcome = runner.run(plan(tiny_model, test=test), run)
    assert outcome.notes == [f"1 cells that the study no longer asks for are in '{run}/attic'"]
    assert {p.name for p in (run / "attic").iterdir()} == before
    outcome = runner.run(plan(tiny_model), run)
    assert (outcome.kept, outcome.done, board(run)) == (2, 0, want)


def test_training_that_cannot_begin_for_anybody_is_the_studys_fault(
    tiny_model: Path, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaderboards.run.adapters._train", lambda *_: pytest.fail("it began"))
    study = plan(tiny_model, train={**TRAIN, "data": str(tmp_path / "none.jsonl")})
    with pytest.raises((ConfigError, EngineError, ValueError)):
        runner.run(study, tmp_path / "run")
    assert not (tmp_path / "run").exists()
