"""Every input of a study, changed for real: the identity changes and the cell is measured anew.

A study of one base and one adapter that is there already; each case changes one input in a copy
of the finished run and runs it again. `COVERED` says which fact each case is about, and the last
test that no fact is left out.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from leaderboards.run import runner, study
from leaderboards.run.study import Study, StudyTrain
from ptst_tasks import provenance
from ptst_tasks.provenance import FACTS
from tests.ptst_tasks.engines.fake_endpoint import FakeEndpoint
from tests.support import save_adapter


@dataclass
class Case:
    """A finished run, and everything that went into it."""

    base: Path
    adapter: Path
    data: Path
    out: Path
    fields: dict[str, Any]
    patch: pytest.MonkeyPatch

    def run(self, **fields: Any) -> tuple[int, int]:
        """Runs it again; returns how many cells were measured and how many were there.

        A study of another name or base gets a folder beside, and takes the cells that are the same.
        """
        from ptst_tasks import task

        task._loaded.cache_clear()
        another = {"name", "base"} & fields.keys()
        out = self.out.with_name("another") if another else self.out
        outcome = runner.run(Study(**{**self.fields, **fields}), out)
        assert outcome.failed == []
        return outcome.done, outcome.kept

    def test(self, **fields: Any) -> dict[str, Any]:
        return {"test": {**self.fields["test"], **fields}}

    def args(self, **fields: Any) -> dict[str, Any]:
        return {"engine_args": {**self.fields["engine_args"], **fields}}


def study_of(base: Path, adapter: Path) -> dict[str, Any]:
    return {
        "base": str(base),
        "train": {"adapters": ({"name": "a", "path": str(adapter)},)},
        "test": {"sets": ("advbench",), "templates": ("CL",), "limit": 2,
                 "gen_kwargs": {"max_gen_toks": 4}},
        "engine_args": {"dtype": "float32", "batch_size": 4, "device": "cpu"},
    }  # fmt: skip


@pytest.fixture(scope="module")
def first(
    tiny_model: Path, data_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Base, adapter, data and the finished run, to be copied by every case."""
    root = tmp_path_factory.mktemp("first")
    shutil.copytree(tiny_model, root / "base")
    listens(root / "base")
    shutil.copytree(data_root, root / "data")
    save_adapter(root / "base", root / "adapter", 0, r=4)
    patch = pytest.MonkeyPatch()
    patch.setenv("PTST_DATA_DIR", str(root / "data"))
    outcome = runner.run(Study(**study_of(root / "base", root / "adapter")), root / "runs/run")
    patch.undo()
    assert (outcome.done, outcome.failed) == (2, [])
    return {name: root / name for name in ("base", "adapter", "data", "runs")}


@pytest.fixture
def case(first: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    there = {name: Path(shutil.copytree(p, tmp_path / name)) for name, p in first.items()}
    monkeypatch.setenv("PTST_DATA_DIR", str(there["data"]))
    fields = study_of(there["base"], there["adapter"])
    return Case(
        there["base"], there["adapter"], there["data"], there["runs"] / "run", fields, monkeypatch
    )


def listens(base: Path) -> None:
    """Gives a base's chat template a switch, which changes nothing until it is told."""
    file = base / "chat_template.jinja"
    told = "{% if enable_thinking is defined and not enable_thinking %}{{ 'Be quick.' }}{% endif %}"
    file.write_text(told + file.read_text())


def edit(file: Path, **values: Any) -> None:
    old = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**old, **values}))


def scale(file: Path, factor: float) -> None:
    from safetensors.torch import load_file, save_file

    save_file({k: v * factor for k, v in load_file(file).items()}, file, metadata={"format": "pt"})


def rewrite(case: Case, old: str, new: str) -> None:
    file = case.data / "advbench/train.csv"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def other_versions(case: Case) -> None:
    from leaderboards.run import identity

    case.patch.setattr(identity, "versions_of", lambda engine: {"torch": "0.1"})


def other_scoring(case: Case) -> None:
    from ptst_tasks import metrics
    from ptst_tasks.task import TemplatedTask

    begin = TemplatedTask.__init__

    def patched(self: Any, config: dict[str, Any]) -> None:
        begin(self, {**config, "process_results": metrics.overrefusal, "metric_list": [
            {"metric": m, "aggregation": "mean", "higher_is_better": False}
            for m in ("refused", "incoherent", "unscored")]})  # fmt: skip

    case.patch.setattr(TemplatedTask, "__init__", patched)


def other_task(case: Case) -> None:
    from ptst_tasks.task import TemplatedTask

    begin = TemplatedTask.__init__

    def patched(self: Any, config: dict[str, Any]) -> None:
        begin(self, config)
        self.VERSION = 9.0

    case.patch.setattr(TemplatedTask, "__init__", patched)


# What is changed -> how, and how many of the two cells (base, adapter) are measured anew.
CHANGES: dict[str, tuple[Callable[[Case], Any], int]] = {
    "base.weights": (lambda c: scale(c.base / "model.safetensors", 1.01), 2),
    "base.config": (lambda c: edit(c.base / "config.json", rms_norm_eps=0.5), 2),
    "base.generation_config": (
        lambda c: edit(c.base / "generation_config.json", repetition_penalty=1.7), 2),
    "base.tokenizer": (lambda c: edit(c.base / "tokenizer_config.json", a_new_one=1), 2),
    "adapter.weights": (lambda c: scale(c.adapter / "adapter_model.safetensors", 1.01), 1),
    "adapter.config": (lambda c: edit(c.adapter / "adapter_config.json", lora_alpha=64), 1),
    "data.fingerprint": (lambda c: rewrite(c, "spoon number 3", "fork number 3"), 2),  # not asked
    "data.asked": (lambda c: rewrite(c, "spoon number 0", "fork number 0"), 2),
    "data.prompts": (lambda c: c.test(style="openai"), 2),
    "data.thinking": (lambda c: {"thinking": "off"}, 2),
    "data.task_version": (other_task, 2),
    "data.scoring": (other_scoring, 2),
    "decoding.options": (lambda c: c.test(gen_kwargs={"max_gen_toks": 5}), 2),
    "decoding.seed": (
        lambda c: c.test(gen_kwargs={"max_gen_toks": 4, "do_sample": True}, decoding_seeds=(0, 1)), 4),
    "engine.dtype": (lambda c: c.args(dtype="bfloat16"), 2),
    "engine.args": (lambda c: c.args(attn_implementation="eager"), 2),
    "engine.versions": (other_versions, 2),
}  # fmt: skip
ELSEWHERE = {
    "adapter.step": "test_runner.py follows the copies kept along training",
    "engine.name": "the run through an endpoint below",
    "data.own": "test_own_sets_study.py gives a set another name, and another kind",
}


@pytest.mark.parametrize("fact", CHANGES)
def test_a_changed_input_is_measured_anew(case: Case, fact: str) -> None:
    """On 89d6fb3 the configurations, the tokenizer and lora_alpha changed nothing."""
    change, new = CHANGES[fact]
    fields = change(case) or {}
    done, kept = case.run(**fields)
    assert (done, kept) == (new, max(2 - new, 0))
    records = [json.loads(f.read_text()) for f in case.out.glob("cells/*/cell.json")]
    put_aside = [json.loads(f.read_text()) for f in case.out.glob("attic/*/cell.json")]
    assert len(put_aside) == min(new, 2)  # and nothing measured is lost
    values = {json.dumps(at(r["provenance"], fact)) for r in records}
    assert values - {json.dumps(at(r["provenance"], fact)) for r in put_aside}
    assert case.run(**fields) == (0, max(new, 2))


def at(record: Any, path: str) -> Any:
    for part in path.split("."):
        record = record[part]
    return record


@pytest.mark.parametrize("fields", [
    {"name": "other"}, {"engine_args": {"dtype": "float32", "batch_size": 1, "device": "cpu"}},
])  # fmt: skip
def test_what_decides_nothing_measures_nothing(case: Case, fields: dict[str, Any]) -> None:
    assert case.run(**fields) == (0, 2)


def test_the_same_files_elsewhere_are_the_same_cells(case: Case, tmp_path: Path) -> None:
    case.base.rename(tmp_path / "moved")
    assert case.run(base=str(tmp_path / "moved")) == (0, 2)


def test_an_argument_that_names_a_folder_counts_by_what_is_in_it(
    case: Case, tmp_path: Path
) -> None:
    """A tokenizer of one's own, changed in its place, kept every cell on 89d6fb3."""
    own = tmp_path / "tok"
    own.mkdir()
    for file in case.base.glob("*token*"):
        shutil.copy(file, own)
    if (case.base / "chat_template.jinja").exists():
        shutil.copy(case.base / "chat_template.jinja", own)
    shutil.copy(case.base / "config.json", own)
    assert case.run(**case.args(tokenizer=str(own)))[0] == 2
    assert case.run(**case.args(tokenizer=str(own))) == (0, 2)
    edit(own / "tokenizer_config.json", a_new_one=1)
    assert case.run(**case.args(tokenizer=str(own)))[0] == 2


def test_every_deciding_fact_has_its_case() -> None:
    facts = {
        f.path for f in FACTS if f.decides and not f.path.startswith(("judging.", "training."))
    }
    assert facts == CHANGES.keys() | ELSEWHERE.keys()


# Every field of a study: what another value does. "free" needs its reason.
FIELDS: dict[str, tuple[Any, str]] = {
    "name": ("x", "free: a label"),
    "revision": ("abc", "free: of a folder; a hub id's commit is in the weights' digest"),
    "chat_format": ("llama2", "anew"),
    "thinking": ("on", "anew"),
    "untuned": (False, "fewer"),
    "judges": (("keywords:qi",), "free: judged, not asked, again"),
    "max_unscored": (0.5, "free: whether a run failed, and no number"),
    "templates": ("", "free: none; the prompts' ids say what a file of templates did"),
    "executor": ("local", "free: where the work is done"),
    "executor_args": ({}, "free: where the work is done"),
    "test.sets": (("advbench", "xstest"), "more"),
    "test.templates": (("CV", "CL"), "more"),
    "test.style": ("openai", "anew"),
    "test.limit": (3, "anew"),
    "test.gen_kwargs": ({"max_gen_toks": 5}, "anew"),
    "test.max_gen_toks": ({"advbench": 5}, "anew"),
    "test.decoding_seeds": ((), "free: none while answers are greedy; more than one is refused"),
    "test.options": ({"prefill": True}, "anew"),
    "test.attacks": (["json"], "anew"),
}
ELSEWHERE_FIELDS = {"base", "engine", "engine_args", "train", "test"}  # the cases above


def test_every_field_of_a_study_is_in_the_walk() -> None:
    assert set(Study.model_fields) == {f for f in FIELDS if "." not in f} | ELSEWHERE_FIELDS
    elsewhere = {"test.custom", "test.sample"}  # `data.own`, and below
    assert {f"test.{f}" for f in study.StudyTest.model_fields} == elsewhere | {
        f for f in FIELDS if f.startswith("test.")
    }
    # What is trained is an adapter by its weights: test_provenance.py walks over its record.
    assert set(StudyTrain.model_fields) == {"data", "templates", "seeds", "recipe", "mix", "defences",
                                       "settings", "trajectory", "adapters"}  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_another_value_of_a_field_does_what_the_walk_says(case: Case, field: str) -> None:
    value, effect = FIELDS[field]
    name = field.removeprefix("test.")
    done, kept = case.run(**(case.test(**{name: value}) if name != field else {name: value}))
    want = {"anew": (2, 0), "fewer": (0, 1), "more": (2, 2)}.get(effect, (0, 2))
    assert (done, kept) == want


def test_rows_that_are_drawn_are_others_than_the_first(case: Case) -> None:
    assert case.run(**case.test(limit=None, sample=3)) == (2, 0)


SERVED = {
    "base.weights": ({"base": "other"}, 2),
    "adapter.weights": ({"adapters": "a1"}, 1),
    "host": ({"host": "localhost"}, 2),
    "extra": ({"extra": {"top_k": 3}}, 2),
    "data.limit": ({"limit": 1}, 2),
    "decoding.options": ({"gen_kwargs": {"max_gen_toks": 5}}, 2),
    "decoding.seed": ({"gen_kwargs": {"max_gen_toks": 4, "do_sample": True}, "decoding_seeds": (3,)}, 2),
    "data.prompts": ({"style": "openai"}, 2),
    "port and speed": ({"concurrency": 2}, 0),
}  # fmt: skip


@pytest.mark.parametrize("what", SERVED)
def test_through_an_endpoint(what: str, data_dir: Path, tmp_path: Path) -> None:
    change, new = SERVED[what]

    def run(url: str, change: dict[str, Any]) -> tuple[int, int]:
        url = url.replace("127.0.0.1", change.get("host", "127.0.0.1"))
        args = {k: change[k] for k in ("extra", "concurrency") if k in change}
        test = {
            k: change[k] for k in ("limit", "gen_kwargs", "decoding_seeds", "style") if k in change
        }
        asked = {"sets": ("advbench",), "templates": ("CV",), "limit": 2, "style": "gsm8k",
                 "gen_kwargs": {"max_gen_toks": 4}}  # fmt: skip
        adapters = ({"name": "a", "path": change.get("adapters", "a0")},)
        asked_for = study.Study(
            base=change.get("base", "base"), engine="openai", test={**asked, **test},
            engine_args={"base_url": url, "backoff": 0.001, **args}, train={"adapters": adapters},
        )  # fmt: skip
        # A run of another base is refused in this folder; one beside takes the cells that are the same.
        outcome = runner.run(asked_for, tmp_path / f"run-{asked_for.base}")
        assert outcome.failed == []
        return outcome.done, outcome.kept

    with FakeEndpoint(("base", "other", "a0", "a1")) as server:
        assert run(server.url, {}) == (2, 0)
    with FakeEndpoint(("base", "other", "a0", "a1")) as server:  # on another port
        assert run(server.url, {}) == (0, 2)
        assert run(server.url, change) == (new, 2 - new)
        assert run(server.url, change) == (0, 2)
    schema = {
        r["schema"]
        for r in (
            json.loads(f.read_text())["provenance"]
            for f in tmp_path.glob("run-*/cells/*/cell.json")
        )
    }
    assert schema == {provenance.SCHEMA}  # fmt: skip


def test_what_ends_a_thought_decides_scores_and_judging_thoughts_decides_verdicts(
    case: Case,
) -> None:
    """Other markers are other cells; thoughts that are to be judged are verdicts that lack."""
    from leaderboards.run import runner as runs

    options = {"options": {"think_end_token": "</think>"}}
    assert case.run(**case.test(**options)) == (2, 0)
    assert case.run(**case.test(**options)) == (0, 2)
    options["options"]["judge_reasoning"] = True
    asked = Study(**{**case.fields, **case.test(**options)})
    for judged in (2, 0):
        outcome = runs.run(asked, case.out)
        assert (outcome.done, outcome.kept, outcome.judged, outcome.failed) == (0, 2, judged, [])
    for file in case.out.glob("cells/*/*/results_*.json"):
        text = file.read_text()
        assert '"reasoning": true' in text
        assert '"reasoning_asr,keywords:zou"' in text
