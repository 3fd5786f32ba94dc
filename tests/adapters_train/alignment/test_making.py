"""A model is made whole or not at all, is what base and adapter say together, and is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from adapters_train.alignment import align, cached, making, read_recipe
from adapters_train.alignment.told import MANIFEST, damage
from ptst_tasks.digests import weights_digest
from ptst_tasks.errors import ConfigError
from tests.adapters_train.alignment.conftest import said, write


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def logits(folder: Path, adapter: Path | None = None) -> torch.Tensor:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model = PeftModel.from_pretrained(model, str(adapter)) if adapter else model
    with torch.no_grad():
        return model(torch.tensor([[5, 6, 7, 8]])).logits


def test_the_model_is_base_and_adapter_merged(tmp_path: Path, plain_base: Path) -> None:
    recipe = read_recipe(str(write(tmp_path, said(plain_base, save="float32"))))
    made = align(recipe, tmp_path / "safe")
    before, both = logits(plain_base), logits(plain_base, made.adapter)
    assert not torch.equal(before, both)
    assert torch.allclose(logits(made.folder), both, atol=1e-5)
    told = json.loads((made.folder / MANIFEST).read_text())
    assert told["weights"] == weights_digest(made.folder)
    assert told["parts"][0]["templates"] == made.manifest["parts"][0]["templates"]
    assert sum(told["parts"][0]["templates"].values()) == 6
    assert "6 | refused.jsonl" in (made.folder / "README.md").read_text()
    config = json.loads((made.adapter / "manifest.json").read_text())["config"]
    assert (config["template"], config["data"]) == ("mixed", "align:mine")


def test_the_same_is_kept_and_another_refused(tmp_path: Path, plain_base: Path) -> None:
    file = write(tmp_path, said(plain_base))
    made = align(read_recipe(str(file)), tmp_path / "safe")
    when = (made.folder / MANIFEST).stat().st_mtime_ns
    align(read_recipe(str(file)), tmp_path / "safe")
    assert (made.folder / MANIFEST).stat().st_mtime_ns == when
    with pytest.raises(ConfigError, match="another recipe, base, seed or other rows"):
        align(read_recipe(str(file)), tmp_path / "safe", seed=1)
    rows = tmp_path / "refused.jsonl"
    rows.write_text(rows.read_text().replace("thing", "deed"))
    with pytest.raises(ConfigError, match="another recipe, base, seed or other rows"):
        align(read_recipe(str(file)), tmp_path / "safe")


def test_a_damaged_model_is_kept_aside_and_made_again(
    tmp_path: Path, plain_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = read_recipe(str(write(tmp_path, said(plain_base))))
    made = align(recipe, tmp_path / "safe")
    digest = made.manifest["weights"]
    weights = made.folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"spot")
    assert "damaged" in damage(made.folder)
    assert align(recipe, tmp_path / "safe").manifest["weights"] == digest
    assert (tmp_path / "safe.damaged-1").is_dir()
    assert "made again" in capsys.readouterr().err


def test_something_else_is_left_alone(tmp_path: Path, plain_base: Path) -> None:
    recipe = read_recipe(str(write(tmp_path, said(plain_base))))
    (tmp_path / "safe").mkdir()
    (tmp_path / "safe" / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not an aligned model"):
        align(recipe, tmp_path / "safe")
    assert [p.name for p in (tmp_path / "safe").iterdir()] == ["mine.txt"]


def test_killed_while_it_merges_the_same_command_goes_on(tmp_path: Path, plain_base: Path) -> None:
    file = write(tmp_path, said(plain_base))
    code = (
        "import sys, time; from adapters_train.alignment import align, making, read_recipe\n"
        "merge = making._merge\n"
        "def slow(*args):\n    merge(*args); print('merged', flush=True); time.sleep(60)\n"
        "making._merge = slow\n"
        "align(read_recipe(sys.argv[1]), sys.argv[2])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(file), str(tmp_path / "safe")], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"merged\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not (tmp_path / "safe").exists()
    trained = (tmp_path / "safe-adapter" / "manifest.json").stat().st_mtime_ns
    made = align(read_recipe(str(file)), tmp_path / "safe")
    assert not damage(made.folder)
    assert (tmp_path / "safe-adapter" / "manifest.json").stat().st_mtime_ns == trained


def test_kept_in_the_cache_by_recipe_and_seed(
    tmp_path: Path, plain_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, said(plain_base))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(making, "read_recipe", lambda _: read_recipe(str(file)))
    folder = cached("mine")
    assert folder.parent == tmp_path / "cache" / "ptst"
    (tmp_path / "refused.jsonl").unlink()  # its rows need not be here any more
    assert cached("mine") == folder
