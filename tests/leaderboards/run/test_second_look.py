"""Sequences of runs that two readers found: edits after a kill, other settings, copies, other disks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from leaderboards.board import disk
from leaderboards.run import runner, study_files
from leaderboards.run.attic import put_aside
from leaderboards.run.store import Store
from ptst_tasks.engines.journal import Journal
from tests.disks import small_disk
from tests.support import save_adapter

TRAINED = """
base: {base}
train: {{data: gsm8k, recipe: none, templates: [CV], seeds: [0], trajectory: {follow},
         settings: {{max_steps: {steps}, batch_size: 4, accumulation: 1, rank: 4, save_every: 2}}}}
test: {{sets: [advbench], templates: [CV], limit: 2, gen_kwargs: {{max_gen_toks: 2}}}}
engine_args: {{dtype: float32, batch_size: 4, device: cpu}}
"""


def make(tmp_path: Path, base: Path, *, steps: int = 4, follow: str = "false") -> Any:
    file = tmp_path / "s.yaml"
    file.write_text(TRAINED.format(base=base, steps=steps, follow=follow))
    return study_files.load(str(file))


def adapters(run: Path) -> dict[str, Any]:
    files = run.glob("adapters/*/manifest.json")
    return {f.parent.name: json.loads(f.read_text())["config"]["max_steps"] for f in files}


def test_a_journal_keeps_the_answers_that_nobody_used(tmp_path: Path) -> None:
    file = tmp_path / "base.jsonl"
    Journal(file).put("other study", ["paid for"])
    now = Journal(file)
    assert now.get("mine") is None
    now.put("mine", ["x"])
    now.settle()
    left = Journal(file)
    assert left.get("other study") == ["paid for"]
    assert left.get("mine") is None
    left.settle()
    assert not file.exists()


def test_a_journal_keeps_what_a_failed_task_was_answered(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "base.jsonl")
    journal.begin()
    journal.put("of the task that failed", ["paid for"])
    journal.begin()  # the others, once more
    journal.put("of the others", ["x"])
    journal.settle()
    left = Journal(tmp_path / "base.jsonl")
    assert left.get("of the task that failed") == ["paid for"]
    assert left.get("of the others") is None


def test_adapters_of_other_settings_go_to_the_attic_and_come_back(
    tiny_model: Path, data_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    runner.run(make(tmp_path, tiny_model, steps=4), out)
    weights = (out / "adapters/chat_vanilla-s0/adapter_model.safetensors").read_bytes()
    other = runner.run(make(tmp_path, tiny_model, steps=2), out)
    assert other.failed == []
    assert any("max_steps was 4, now 2" in note and "attic" in note for note in other.notes)
    assert adapters(out) == {"chat_vanilla-s0": 2}
    back = runner.run(make(tmp_path, tiny_model, steps=4), out)
    assert (back.done, back.failed) == (0, [])
    assert any("it was in the attic" in note for note in back.notes)
    assert (out / "adapters/chat_vanilla-s0/adapter_model.safetensors").read_bytes() == weights


def test_a_damaged_copy_is_made_again(tiny_model: Path, data_dir: Path, tmp_path: Path) -> None:
    out, asked = tmp_path / "run", make(tmp_path, tiny_model, follow="true")
    first = runner.run(asked, out)
    assert first.failed == []
    (copy,) = out.glob("adapters/*/steps/step-000002/adapter_model.safetensors")
    whole = copy.read_bytes()
    copy.write_bytes(whole[:1000])
    again = runner.run(asked, out)
    assert (again.done, again.failed) == (0, [])
    assert any("step-000002" in note and "trained again" in note for note in again.notes)
    assert copy.read_bytes() == whole


def test_the_cells_of_a_copy_are_found_by_its_name(tmp_path: Path) -> None:
    for name in ("a", "a@2", "a@4", "ab"):
        folder = tmp_path / "cells" / name
        (folder / "cell").mkdir(parents=True)
        record = {"base": "b", "task": "t", "adapter": name, "harness_task": "t", "digest": name}
        (folder / "cell.json").write_text(json.dumps(record))
    whole = pytest.MonkeyPatch()
    whole.setattr(disk, "is_whole", lambda _: True)
    store = Store(tmp_path)
    assert [r["adapter"] for r in store.done("a")] == ["a", "a@2", "a@4"]
    assert [r["adapter"] for r in store.done("a@2")] == ["a@2"]
    whole.undo()


def test_an_attic_on_another_disk(tmp_path: Path) -> None:
    (tmp_path / "cells/d").mkdir(parents=True)
    (tmp_path / "cells/d/cell.json").write_text("{}")
    with small_disk(tmp_path / "attic", 512):
        kept = put_aside(tmp_path / "cells/d", tmp_path / "attic/d")
        assert (kept / "cell.json").read_text() == "{}"
        assert [p.name for p in (tmp_path / "attic").iterdir()] == ["d"]
    assert not (tmp_path / "cells/d").exists()


def test_an_object_that_says_nothing_is_no_cell(tmp_path: Path) -> None:
    (tmp_path / "cell.json").write_text('{"scored": []}')
    assert "does not say base and task" in disk.damage(tmp_path)


def test_same_weights_with_another_scale_are_two_adapters_and_two_types_are_none(
    tiny_model: Path, data_dir: Path, tmp_path: Path
) -> None:
    from leaderboards.cli.dry_run import look

    one = save_adapter(tiny_model, tmp_path / "one", 1, r=4)
    other = Path(shutil.copytree(one, tmp_path / "other"))
    config = json.loads((other / "adapter_config.json").read_text())
    (other / "adapter_config.json").write_text(json.dumps({**config, "lora_alpha": 64}))
    file = tmp_path / "s.yaml"
    file.write_text(
        f"base: {tiny_model}\ntrain: {{adapters: [{{name: a, path: one}}, {{name: b, path: other}}]}}\n"
        "test: {sets: [advbench], templates: [CV]}\n"
    )
    assert look(str(file), tmp_path / "run").faults == []
    (other / "adapter_config.json").write_text(json.dumps({**config, "peft_type": "IA3"}))
    assert any("must be of one type" in fault for fault in look(str(file), tmp_path / "run").faults)
