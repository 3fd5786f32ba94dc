from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from adapters_train import train_lora
from adapters_train.base_model import Base
from adapters_train.defences.token_penalty import check_head, positions
from adapters_train.job import prepare
from adapters_train.lora import train_job
from ptst_tasks.errors import ConfigError
from tests.adapters_train.defences.runs import changed_base, config_of, weights_of


@given(st.lists(st.lists(st.booleans(), min_size=9, max_size=9), min_size=1, max_size=4))
def test_positions_count_within_each_answer(rows: list[list[bool]]) -> None:
    found = positions(torch.tensor(rows))
    for row, places in zip(rows, found.tolist(), strict=True):
        run = -1
        for kept, place in zip(row, places, strict=True):
            run = run + 1 if kept else -1
            assert not kept or place == run


@pytest.mark.parametrize("name", ["logit_scale", "logits_scaling", "lm_head_multiplier"])
def test_a_base_that_scales_its_logits_is_refused_by_name(name: str) -> None:
    config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(**{name: 0.5}))
    with pytest.raises(ConfigError, match=rf"{name} 0\.5; use constrained"):
        check_head(SimpleNamespace(config=config))


def by_hand(job, start: dict[str, torch.Tensor], loss_of) -> dict[str, torch.Tensor]:
    """The same training in plain torch and peft: row by row, no padding, all logits at once."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    config = job.config
    base, fresh = (AutoModelForCausalLM.from_pretrained(config.model) for _ in range(2))
    shape = {"r": config.rank, "lora_alpha": config.alpha, "task_type": "CAUSAL_LM"}
    model = get_peft_model(fresh, LoraConfig(**shape, target_modules="all-linear"))
    mine = {n.replace(".default", ""): p for n, p in model.named_parameters() if p.requires_grad}
    for name, weight in mine.items():
        weight.data.copy_(start[name] if ".lora_A." in name else torch.zeros_like(weight))
    steps = torch.optim.AdamW(
        mine.values(), lr=config.lr, betas=config.betas, weight_decay=config.weight_decay
    )
    for at in range(0, len(job.order), job.step_rows):
        total, count = torch.zeros((), dtype=torch.float64), 0
        for row in job.order[at : at + job.step_rows]:
            ids = torch.tensor([job.encoded.input_ids[row].tolist()])
            labels = torch.tensor(job.encoded.labels[row].tolist())[1:]
            kept = labels != -100
            new = model(ids).logits[0, :-1].double().log_softmax(-1)[kept]
            with torch.no_grad():
                old = base(ids).logits[0, :-1].double().log_softmax(-1)[kept]
            total = total + loss_of(new, old, labels[kept].unsqueeze(1)).sum()
            count += int(kept.sum())
        steps.zero_grad()
        (total / count).backward()
        torch.nn.utils.clip_grad_norm_(mine.values(), config.max_grad_norm)
        steps.step()
    return {name: weight.detach() for name, weight in mine.items()}


def with_divergence(new: torch.Tensor, old: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return -new.gather(1, labels)[:, 0] + 0.5 * (new.exp() * (new - old)).sum(-1)


def equation_3(new: torch.Tensor, old: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """As printed; betas 0.5, four times 2, then 0.1, all of them times 2."""
    beta = 2 * torch.tensor([0.5, 2, 2, 2, 2, *[0.1] * len(labels)], dtype=torch.float64)
    moved = (new - old).gather(1, labels)[:, 0]
    return -(2 / beta[: len(labels)]) * (beta[: len(labels)] * moved).sigmoid().log()


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize(
    ("spec", "loss_of"), [("kl:0.5", with_divergence), ("constrained:2", equation_3)]
)
def test_a_whole_training_is_that_of_a_loop_written_by_hand(
    base, tmp_path, spec, loss_of, checkpointing
) -> None:
    """Two epochs of 21 rows: rows of unequal length, accumulation, and a last step that is not full."""
    strong = changed_base(base, tmp_path / "base", noise=0.4)
    AutoTokenizer.from_pretrained(base).save_pretrained(strong)
    more = {"rows": 21, "max_steps": None, "epochs": 2, "dropout": 0.0, "schedule": "constant",
            "warmup_ratio": 0.0, "gradient_checkpointing": checkpointing}  # fmt: skip
    config = config_of(strong, defence=spec, **more)
    found = train_lora(config, tmp_path / "a")
    first = train_lora(config_of(strong, defence="ema:0.999999999999", **more), tmp_path / "first")
    job = prepare(config, Base(str(strong)))
    wanted = by_hand(job, weights_of(first.folder), loss_of)
    for name, weight in weights_of(found.folder).items():
        torch.testing.assert_close(weight, wanted[name], rtol=1e-3, atol=2e-4)


def test_the_first_token_is_the_rows_own_and_not_the_templates(base, tmp_path, monkeypatch) -> None:
    """Behind an empty thought that the chat template has the model write, the answer begins."""
    seen = []

    def penalty(tokens, scale):
        seen.append(tokens.position.tolist())
        return tokens.log_prob * 0

    monkeypatch.setattr("adapters_train.defences.constrained._penalty", penalty)
    config = config_of(base, defence="constrained", max_steps=1, accumulation=1, batch_size=2)
    job = prepare(config, Base(str(base)))
    job.encoded.openings[:] = [3] * len(job.encoded.openings)
    train_job(job, tmp_path / "a")
    sizes = [sum(v != -100 for v in job.encoded.labels[row].tolist()) for row in job.order]
    assert seen == [[place for size in sizes for place in range(-3, size - 3)]]
