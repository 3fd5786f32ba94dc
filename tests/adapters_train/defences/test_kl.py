"""The penalty of a real step against full logits of plain transformers and peft."""

from __future__ import annotations

import torch

from adapters_train import train_lora
from adapters_train.base_model import Base
from adapters_train.job import prepare
from tests.adapters_train.defences.runs import config_of


def test_the_first_steps_loss_is_the_plain_one_for_the_adapter_is_zero(base, plain, tmp_path):
    found = train_lora(config_of(base, defence="kl:7"), tmp_path / "a")
    assert found.losses[0] == plain.losses[0]
    assert found.losses[-1] != plain.losses[-1]


def test_the_second_steps_loss_is_cross_entropy_and_the_weighted_divergence(base, tmp_path):
    config = config_of(base, defence="kl:3", dropout=0.0, accumulation=1, save_every=1, max_steps=2,
                       template="chat:llama")  # fmt: skip
    found = train_lora(config, tmp_path / "a")
    job = prepare(config, Base(str(base)))
    rows = job.order[job.step_rows : 2 * job.step_rows]
    assert (
        abs(found.losses[1] - _by_hand(base, found.folder / "steps/step-000001", job, rows)) < 1e-5
    )


def _by_hand(base, adapter, job, rows) -> float:
    """Mean over the answers' tokens of -log p + 3 KL(p || p_base), row by row, no padding."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    total, count = 0.0, 0
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).eval()
    for row in rows:
        ids = torch.tensor([list(job.encoded.input_ids[row])])
        labels = torch.tensor(list(job.encoded.labels[row]))[1:]
        with torch.no_grad():
            new = model(ids).logits[0, :-1].double().log_softmax(-1)
            with model.disable_adapter():
                old = model(ids).logits[0, :-1].double().log_softmax(-1)
        kept = labels != -100
        plain = -new[kept].gather(1, labels[kept].unsqueeze(1)).sum()
        kl = torch.nn.functional.kl_div(old[kept], new[kept], reduction="sum", log_target=True)
        total, count = total + float(plain + 3 * kl), count + int(kept.sum())
    return total / count
