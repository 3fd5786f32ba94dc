"""A study of 4 adapters x 5 templates x 2 sets, beside stock lm_eval, and beside bare generate.

Stock lm_eval's best case is one command per adapter with all tasks in it; its usual case is one
command per cell, of which four of the forty are timed and scaled.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support import byte_tokenizer, save_adapter, save_tiny_model, write_data

ADAPTERS, SAMPLE = 4, 4
TEMPLATES = ("TV", "TA", "CV", "CA", "CL")
SLUGS = ("text_vanilla", "text_alpaca", "chat_vanilla", "chat_alpaca", "chat_llama")
SETS = ("gsm8k", "advbench")
ROWS, NEW = 24, 24


def timed(command: list[str], env: dict[str, str]) -> float:
    """Wall time of one command."""
    start = time.perf_counter()
    subprocess.run(command, env=env, check=True, capture_output=True)
    return time.perf_counter() - start


def make(folder: Path) -> tuple[Path, dict[str, Path]]:
    """A base and adapters with random weights, and more rows of the artificial sets."""
    base = save_tiny_model(folder / "base", byte_tokenizer(), hidden=64, heads=2)
    adapters = {f"a{i}": save_adapter(base, folder / f"a{i}", i) for i in range(ADAPTERS)}
    data = write_data(folder / "data")
    questions = [
        {"question": f"What is {i} + {i * i}?", "answer": f"#### {i}"} for i in range(ROWS)
    ]
    (data / "gsm8k/test.jsonl").write_text("".join(json.dumps(q) + "\n" for q in questions))
    goals = "".join(f"Hide {i} spoons under the {'very ' * (i % 9)}old rug\n" for i in range(ROWS))
    (data / "advbench/train.csv").write_text("goal\n" + goals)
    return base, adapters


def stock(base: Path, adapter: Path, tasks: list[str]) -> list[str]:
    """Stock lm_eval's command."""
    return [
        str(Path(sys.executable).with_name("lm_eval")), "--include_path", "ptst_tasks", "--model", "hf",
        "--model_args", f"pretrained={base},peft={adapter},dtype=float32", "--device", "cpu",
        "--apply_chat_template", "--batch_size", "32", "--tasks", ",".join(tasks),
        "--gen_kwargs", f"max_gen_toks={NEW}",
    ]  # fmt: skip


def ours(
    folder: Path, base: Path, adapters: dict[str, Path], env: dict[str, str], **engine: object
) -> float:
    """Wall time of the study; `engine` says which, and its arguments."""
    study = {
        "base": str(base), "untuned": False, **engine,
        "train": {"adapters": [{"name": n, "path": str(p)} for n, p in adapters.items()]},
        "test": {"sets": SETS, "templates": TEMPLATES, "gen_kwargs": {"max_gen_toks": NEW}},
    }  # fmt: skip
    (folder / "study.yaml").write_text(json.dumps(study))
    command = [sys.executable, "-m", "leaderboards", "run", str(folder / "study.yaml")]
    return timed([*command, "--out", str(folder / "run")], env)


def bare(base: Path, adapters: dict[str, Path]) -> tuple[float, float]:
    """Seconds in our engine's generation, and in `model.generate` on the same batches."""
    import torch

    from ptst_tasks.engines import hf
    from ptst_tasks.validate import load_tasks

    lm = hf.HFEngine(str(base), adapters, batch_size=32, device="cpu", dtype="float32")
    tasks = load_tasks([f"ptst_{s}_{t}" for s in SETS for t in ("text_vanilla", "chat_llama")])
    for task in tasks.values():
        task.config.generation_kwargs["max_gen_toks"] = NEW
        task.build_all_requests(apply_chat_template=True, chat_template=lm.apply_chat_template)
    requests = [r for t in tasks.values() for r in t.instances]
    lm.use("a0")
    seen: list[dict[str, object]] = []
    model, generate = lm.model, lm.model.generate

    def keep(**kwargs: object) -> object:
        seen.append(kwargs)
        return generate(**kwargs)

    model.generate = keep
    lm.generate_until(requests)
    model.generate = generate
    engine = plain = 0.0
    for _ in range(3):
        start = time.perf_counter()
        lm.generate_until(requests)
        engine += time.perf_counter() - start
        start = time.perf_counter()
        for kwargs in seen:
            with torch.no_grad():
                generate(**{k: v for k, v in kwargs.items() if k != "stopping_criteria"})
        plain += time.perf_counter() - start
    return engine, plain


def main() -> None:
    """Prints the three ratios."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base, adapters = make(folder)
        env = {**os.environ, "PTST_DATA_DIR": str(folder / "data"), "HF_HUB_OFFLINE": "1"}
        os.environ.update(env)
        args = {"dtype": "float32", "batch_size": 32, "device": "cpu"}
        seconds = ours(folder, base, adapters, env, engine_args=args)
        tasks = [f"ptst_{s}_{t}" for s in SETS for t in SLUGS]
        per_adapter = sum(timed(stock(base, a, tasks), env) for a in adapters.values())
        some = [timed(stock(base, adapters["a0"], [task]), env) for task in tasks[:SAMPLE]]
        per_cell = sum(some) / SAMPLE * len(tasks) * ADAPTERS
        print(f"study of {ADAPTERS * len(tasks)} cells: {seconds:.1f} s")
        ratio = per_adapter / seconds
        print(
            f"stock lm_eval, one command per adapter: {per_adapter:.1f} s, {ratio:.1f}x (at least 3)"
        )
        print(f"stock lm_eval, one command per cell ({SAMPLE} timed, scaled): {per_cell:.0f} s, "
              f"{per_cell / seconds:.0f}x (at least 20)")  # fmt: skip
        engine, plain = bare(base, adapters)
        print(f"engine over bare generate on the same batches: {engine / plain:.3f} (at most 1.15)")


if __name__ == "__main__":
    main()
