from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from adapters_train.defences.adapter_file import change, pairs, read
from ptst_tasks.model_files import ADAPTER_WEIGHTS


def test_a_change_that_fails_leaves_the_old_file(plain, tmp_path: Path) -> None:
    folder = shutil.copytree(plain.folder, tmp_path / "a")
    before = (folder / ADAPTER_WEIGHTS).read_bytes()

    def how(weights: object) -> dict[str, object]:
        raise RuntimeError("out of room")

    with pytest.raises(RuntimeError):
        change(folder, how)
    assert (folder / ADAPTER_WEIGHTS).read_bytes() == before
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        p.name for p in plain.folder.iterdir()
    )


def test_pairs_are_named_by_their_layer(plain) -> None:
    found = pairs(read(plain.folder))
    assert len(found) == 7
    a, b = found["model.layers.0.mlp.up_proj"]
    assert a.endswith("up_proj.lora_A.weight")
    assert b.endswith("up_proj.lora_B.weight")
