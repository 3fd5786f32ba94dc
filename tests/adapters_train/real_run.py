"""A real run on real data: GSM8K's training part, and the loss on answers of its test part.

``PTST_DATA_DIR=... python -m tests.adapters_train.real_run`` makes a small Llama on the spot
(d=128, 2 layers, random weights, the tokenizer given), trains 200 steps and prints the figures.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.adapters_train.conftest import make_base
from tests.support import SHARED

ROWS = 64  # held-out questions


def held_out_losses(
    folder: Path, steps: int = 200, tokenizer: str = "minimind"
) -> tuple[float, float]:
    """Mean loss per answer token, in nats, before and after training."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from adapters_train import TrainConfig, train_lora

    tok = AutoTokenizer.from_pretrained(SHARED / "tokenizers" / tokenizer)
    # Wide first weights: the head stays as it is, and its logits must be able to say something.
    shape = {
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "initializer_range": 0.1,
    }
    base = make_base(folder / "base", tok, **shape, num_attention_heads=4, num_key_value_heads=4)
    small = {"max_steps": steps, "batch_size": 8, "accumulation": 1, "lr": 1e-2, "rank": 16}
    config = TrainConfig(model=str(base), data="gsm8k", template="text:vanilla", **small)
    train_lora(config, folder / "adapter", progress=sys.stderr.isatty())
    rows = _held_out(tok)
    model = AutoModelForCausalLM.from_pretrained(base)
    before = _loss(model, rows)
    return before, _loss(PeftModel.from_pretrained(model, folder / "adapter"), rows)


def _held_out(tok):
    from adapters_train.data import Example
    from adapters_train.encode import encode
    from ptst_tasks import sets
    from ptst_tasks.chat import Renderer
    from ptst_tasks.templates import builtin

    rows = [Example(r["prompt"], r["answer"]) for r in sets.load("gsm8k").rows[:ROWS]]
    return encode(rows, tok, Renderer.for_tokenizer(tok), builtin().get("text:vanilla"), 1024)


def _loss(model, rows) -> float:
    import torch

    total, count = 0.0, 0
    with torch.no_grad():
        for ids, labels in zip(rows.input_ids, rows.labels, strict=True):
            wanted = torch.tensor(labels.tolist())[1:]
            said = model.eval()(torch.tensor([ids.tolist()])).logits[0, :-1]
            total += torch.nn.functional.cross_entropy(said, wanted, reduction="sum").item()
            count += int((wanted != -100).sum())
    return total / count


if __name__ == "__main__":
    os.environ.setdefault("PTST_DATA_DIR", str(SHARED / "data"))
    with tempfile.TemporaryDirectory() as made:
        begun = time.monotonic()
        before, after = held_out_losses(Path(made), *map(int, sys.argv[1:2]))
        manifest = json.loads((Path(made) / "adapter/manifest.json").read_text())
        print(f"held-out GSM8K answers, {ROWS} rows: {before:.4f} -> {after:.4f} nats/token")
        print(f"training loss {manifest['losses'][0][1]:.4f} -> {manifest['losses'][-1][1]:.4f}")
        print(f"{manifest['steps']} steps, {manifest['tokens_per_second']} tokens/s")
        print(f"{time.monotonic() - begun:.0f} s in all")
