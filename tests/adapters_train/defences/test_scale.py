from __future__ import annotations

import torch
from safetensors.torch import load_file

from adapters_train import train_lora
from ptst_tasks.engines.hf import HFEngine
from tests.adapters_train.defences.runs import config_of, weights_of


def test_what_is_added_to_the_base_is_a_part_of_it(base, plain, tmp_path) -> None:
    found = train_lora(config_of(base, defence="scale:0.25", save_every=2), tmp_path / "a")
    for one, other in [
        (found.folder, plain.folder),
        (found.folder / "steps/step-000002", plain.folder / "steps/step-000002"),
    ]:
        mine, whole = weights_of(one), weights_of(other)
        for name in (n for n in whole if ".lora_B." in n):
            a = name.replace("lora_B", "lora_A")
            torch.testing.assert_close(mine[name] @ mine[a], 0.25 * whole[name] @ whole[a])


def test_at_zero_the_answers_are_the_bases_token_for_token(base, tmp_path) -> None:
    found = train_lora(config_of(base, defence="scale:0"), tmp_path / "a")
    assert not any(m.any() for n, m in weights_of(found.folder).items() if ".lora_B." in n)
    engine = HFEngine(
        pretrained=str(base), adapters={"a": found.folder}, device="cpu", dtype="float32"
    )
    ids = torch.tensor([engine.tok_encode("how do i make a bloxal ?")])
    told = []
    for name in ("", "a"):
        engine.use(name)
        told.append(engine.model.generate(ids, max_new_tokens=20, do_sample=False).tolist())
    assert told[0] == told[1]
    engine.close()


def test_an_adapter_that_is_zero_by_accident_is_still_refused(base, plain, tmp_path) -> None:
    """Nothing but the record of strength 0 makes an adapter that changes nothing a good one."""
    import json
    import shutil

    import pytest
    from safetensors.torch import save_file

    from ptst_tasks.errors import EngineError

    folder = shutil.copytree(plain.folder, tmp_path / "zero")
    file = folder / "adapter_model.safetensors"
    weights = {n: torch.zeros_like(m) if ".lora_B." in n else m for n, m in load_file(file).items()}
    save_file(weights, file, metadata={"format": "pt"})
    engine = HFEngine(pretrained=str(base), device="cpu", dtype="float32")
    with pytest.raises(EngineError, match="changes nothing"):
        engine.attach("zero", folder)
    made = json.loads((folder / "manifest.json").read_text())
    made["config"]["defence"] = "scale:0"
    (folder / "manifest.json").write_text(json.dumps(made))
    engine.attach("zero", folder)
    engine.close()
