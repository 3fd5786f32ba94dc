"""What defences cost: time and memory of training beside plain training of the same rows.

    python -m tests.bench defences

Each run is a process of its own, so that its peak of memory is its own; time is a median over interleaved
repeats, as a ratio within each. Asked for: at most 2 times the time, and 1.15 times the memory. The base is
a random Llama with a vocabulary of 32,000, since logits are what a second pass would spend memory on.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench_train import _rows

DEFENCES = ("none", "constrained", "kl", "ema", "scale:0.5", "safe_lora")
REPEATS, STEPS, BATCH = 3, 6, 8


def main() -> None:
    """Runs the comparison and prints a table."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        bases = [_base(folder / name, seed) for seed, name in enumerate(("base", "before"))]
        found = _measured(folder, bases)
    plain = found["none"]
    print(
        f"{'':<12}{'tokens/s':>10}{'time':>7}{'asked':>8}{'memory':>10}{'of plain':>10}{'asked':>9}"
    )
    for name, runs in found.items():
        times = [p["seconds"] / r["seconds"] for r, p in zip(plain, runs, strict=True)]
        memory = [r["peak_memory_bytes"] for r in runs]
        more = statistics.median(memory) / statistics.median(p["peak_memory_bytes"] for p in plain)
        speed = statistics.median(r["tokens_per_second"] for r in runs)
        print(f"{name:<12}{speed:>10,.0f}{statistics.median(times):>7.2f}{'<= 2':>8}"
              f"{statistics.median(memory) / 2**20:>7,.0f} MB{more:>10.2f}{'<= 1.15':>9}")  # fmt: skip


def _measured(folder: Path, bases: list[Path]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in DEFENCES}
    rows = _rows(folder)
    for repeat in range(REPEATS):
        for name in DEFENCES[:: 1 if repeat % 2 else -1]:
            found[name].append(
                _run(folder / f"{name.replace(':', '-')}-{repeat}", name, rows, bases)
            )
    return found


def _run(out: Path, defence: str, rows: str, bases: list[Path]) -> dict[str, Any]:
    """The manifest of a run in a process of its own."""
    config = {
        "model": str(bases[0]), "data": rows, "style": "gsm8k", "max_steps": STEPS, "batch_size": BATCH,
        "accumulation": 1, "dropout": 0.0, "recipe": "none", "defence": defence,
        "unaligned": str(bases[1]) if defence.startswith("safe_lora") else "",
    }  # fmt: skip
    file = out.with_suffix(".json")
    file.write_text(json.dumps(config))
    command = [
        sys.executable,
        "-m",
        "adapters_train",
        "--config",
        str(file),
        "--out",
        str(out),
        "--quiet",
    ]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    made: dict[str, Any] = json.loads((out / "manifest.json").read_text())
    return made


def _base(folder: Path, seed: int) -> Path:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from adapters_train.organism import make_tokenizer

    torch.manual_seed(seed)
    tokenizer = make_tokenizer()
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    shape = {"hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 8,
             "num_attention_heads": 6, "num_key_value_heads": 6}  # fmt: skip
    LlamaForCausalLM(LlamaConfig(vocab_size=32_000, **shape, **ids)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
