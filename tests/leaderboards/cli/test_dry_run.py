"""The dry run looks at everything, says all at once, and leaves nothing behind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from leaderboards.cli import dry_run
from leaderboards.run import study_files as study
from tests.faults.test_faults import digests
from tests.support import ptst, save_adapter

STUDY = """\
base: base
train: {adapters: [{name: one, path: adapter, train_template: CV, seed: 0}]}
test: {sets: [gsm8k, advbench], templates: [CV], limit: 2, gen_kwargs: {max_gen_toks: 4}}
engine_args: {dtype: float32, batch_size: 4, device: cpu}
"""


@pytest.fixture
def here(tiny_model: Path, tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    shutil.copytree(tiny_model, folder / "base")
    save_adapter(tiny_model, folder / "adapter", 1, r=2)
    (folder / "s.yaml").write_text(STUDY)
    monkeypatch.chdir(folder)
    return folder


def test_nothing_is_written(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "cache"))
    before = digests(tmp_path)
    done = ptst("run", "s.yaml", "--dry-run")
    assert (done.exit_code, done.stderr) == (0, "")
    assert digests(tmp_path) == before
    assert "memory: measuring about" in done.stdout
    assert "disk: about" in done.stdout


def test_plan_and_faults_as_json(here: Path) -> None:
    done = ptst("run", "s.yaml", "--dry-run", "--json", "-")
    plan = json.loads(done.stdout)
    assert (done.exit_code, plan["faults"], plan["base"]) == (0, [], "base")
    assert [m["cells"] for m in plan["models"]] == [2, 2]
    assert plan["memory"]["measuring"]["weights"] > 0
    (here / "s.yaml").write_text(STUDY.replace("adapter,", "nowhere,").replace("cpu", "cuda:99"))
    done = ptst("run", "s.yaml", "--dry-run", "--json", "plan.json")
    assert done.exit_code == 2
    faults = json.loads((here / "plan.json").read_text())["faults"]
    assert len(faults) == 2
    assert [line for line in done.stderr.split("\n") if line][:2] == [f"fault: {f}" for f in faults]
    assert "error: 2 faults in study 's.yaml'" in done.stderr


def test_types_names_and_files_are_told_together(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    (here / "s.yaml").write_text(
        "base: base\nseed: 1\ntrain: {adapters: [{name: one, path: nowhere}]}\n"
        "test: {sets: [gsm8k, advbnch], templates: [CV], limit: 0, gen_kwargs: {max_gen_tok: 4}}\n"
        "engine_args: {batchsize: 4}\njudges: [keyword, 'rubric:model=m']\n"
    )
    found = dry_run.look("s.yaml")
    words = ("test.limit", "unknown field 'seed'", "'advbnch'", "'max_gen_tok'", "'batchsize'",
             "unknown judge 'keyword'", "adapter 'one': 'nowhere'", "set $OPENAI_API_KEY")  # fmt: skip
    for said in words:
        assert any(said in fault for fault in found.faults), (said, found.faults)
    assert len(found.faults) == len(words)


def test_an_adapter_of_another_base(here: Path, tmp_path: Path) -> None:
    from tests.support import byte_tokenizer, save_tiny_model

    other = save_tiny_model(tmp_path / "other", byte_tokenizer(), hidden=64)
    shutil.rmtree(here / "adapter")
    save_adapter(other, here / "adapter", 1, r=2)
    (fault,) = dry_run.look("s.yaml").faults
    assert fault.startswith("adapter 'one' does not fit this base")


def test_labels_that_the_manifest_contradicts(here: Path) -> None:
    (here / "adapter/manifest.json").write_text(json.dumps({"config": {"seed": 5}}))
    (fault,) = dry_run.look("s.yaml").faults
    assert "has seed 0 here and 5 in its manifest" in fault


def test_a_step_that_will_not_fit_is_a_note(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ptst_tasks import memory

    monkeypatch.setattr(memory, "machine_memory", lambda device: (2**20, "main memory"))
    found = dry_run.look("s.yaml")
    assert found.faults == []
    (note,) = found.notes
    assert "this machine has 1 MiB of main memory; lower engine_args.batch_size (now 4)" in note


def test_a_full_disk_is_a_fault(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
    (fault,) = dry_run.look("s.yaml").faults
    assert "has 0 MiB free, and the run writes about" in fault


def test_keys_never_reach_a_file_or_the_screen(here: Path) -> None:
    key = "sk-" + "a1B2c3D4e5F6g7H8"
    for place in (f"engine_args: {{x: {key}}}", f"judges: ['rubric:model=m,api_key={key}']",
                  f"name: {key}", f"{key}: 1", f"test: {{limit: {key}}}",
                  f"engine_args: {{base_url: 'https://u:{key}@h/v1'}}",
                  f"base: [\napi_key: {key}"):  # fmt: skip
        (here / "k.yaml").write_text(
            f"{place}\n" if "base: [" in place else f"base: base\n{place}\n"
        )
        for more in ([], ["--dry-run", "--json", "plan.json"]):
            done = ptst("run", "k.yaml", "--out", "new", *more)
            assert done.exit_code == 2
            assert key not in done.stdout + done.stderr, place
            assert not (here / "new").exists()
            assert not (here / "plan.json").exists()


def test_ready_studies_read_well() -> None:
    for file in study.STUDIES.glob("*.yaml"):
        assert study.load_with_faults(file.stem)[1].faults == []


def test_an_engine_that_is_not_installed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    real = importlib.util.find_spec
    gone: Any = lambda name, *a: None if name in ("trl", "peft") else real(name, *a)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", gone)
    (here / "s.yaml").write_text(STUDY.replace("train: {", "train: {templates: [CV], "))
    faults = dry_run.look("s.yaml").faults
    assert faults == [
        "engine 'hf' needs peft, which is not installed: pip install 'ptst[hf]'",
        "training (train.templates) needs trl, which is not installed: pip install 'ptst[train]'",
    ]
