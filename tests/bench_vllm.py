"""vLLM's CPU build: a study beside stock lm_eval, and the engine beside bare ``LLM.generate``.

Needs the environment of ``make test-vllm``: ``.venv-vllm/bin/python -m tests.bench vllm``.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench_study import ADAPTERS, NEW, SETS, SLUGS, make, ours, timed
from tests.support import VLLM_CPU

LENGTH, ROUNDS, LONG = 2048, 3, 96


def stock(base: Path, adapter: Path, tasks: list[str]) -> list[str]:
    """Stock lm_eval's command for one adapter."""
    args = f"pretrained={base},lora_local_path={adapter},dtype=float32,enforce_eager=True"
    return [
        str(Path(sys.executable).with_name("lm_eval")), "--include_path", "ptst_tasks",
        "--model", "vllm", "--model_args", f"{args},max_model_len={LENGTH}",
        "--apply_chat_template", "--batch_size", "auto", "--tasks", ",".join(tasks),
        "--gen_kwargs", f"max_gen_toks={NEW}",
    ]  # fmt: skip


def overhead(base: Path, adapters: dict[str, Path]) -> float:
    """Our engine's time over that of bare ``LLM.generate``, the same prompts and adapter."""
    from ptst_tasks.engines import open_engine
    from ptst_tasks.engines.answer_plan import read_requests
    from ptst_tasks.engines.journal import Journal
    from ptst_tasks.validate import load_tasks

    lm: Any = open_engine("vllm", str(base), adapters=adapters, dtype="float32",
                          max_model_len=LENGTH, enforce_eager=True)  # fmt: skip
    tasks = load_tasks([f"ptst_{s}_{t}" for s in SETS for t in SLUGS])
    for task in tasks.values():
        task.config.generation_kwargs["max_gen_toks"] = LONG  # more like a study's 512
        task.build_all_requests(apply_chat_template=True, chat_template=lm.apply_chat_template)
    requests = [r for t in tasks.values() for r in t.instances]
    jobs = read_requests(lm, requests)
    prompts = [{"prompt_token_ids": list(job.ids)} for job in jobs]
    params = [lm._params(job) for job in jobs]
    engine = plain = 0.0
    with tempfile.TemporaryDirectory() as folder, lm.adapter("a0"):
        for i in range(ROUNDS + 1):  # the first one warms up
            lm.journal = Journal(Path(folder) / f"{i}.jsonl")
            lm.model.reset_prefix_cache()
            start = time.perf_counter()
            lm.generate_until(requests)
            middle = time.perf_counter()
            lm.model.reset_prefix_cache()
            between = time.perf_counter()
            lm.model.generate(prompts, params, lora_request=lm.lora_request, use_tqdm=False)
            if i:
                engine, plain = engine + middle - start, plain + time.perf_counter() - between
    lm.close()
    return engine / plain


def main() -> None:
    """Prints the two ratios."""
    if importlib.util.find_spec("vllm") is None:
        print("skipped: needs vLLM; make test-vllm, then .venv-vllm/bin/python -m tests.bench vllm")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base, adapters = make(folder)
        env = {
            **os.environ,
            **VLLM_CPU,
            "PTST_DATA_DIR": str(folder / "data"),
            "HF_HUB_OFFLINE": "1",
        }
        os.environ.update(env)
        args = {"dtype": "float32", "max_model_len": LENGTH, "enforce_eager": True}
        seconds = ours(folder, base, adapters, env, engine="vllm", engine_args=args)
        tasks = [f"ptst_{s}_{t}" for s in SETS for t in SLUGS]
        theirs = sum(timed(stock(base, a, tasks), env) for a in adapters.values())
        print(f"study of {ADAPTERS * len(tasks)} cells through one vLLM: {seconds:.1f} s")
        print(f"stock lm_eval --model vllm, one command per adapter: {theirs:.1f} s, "
              f"{theirs / seconds:.1f}x (at least 2.5)")  # fmt: skip
        ratio = overhead(base, adapters)
        print(f"engine over bare LLM.generate on the same prompts: {ratio:.3f} (at most 1.10)")


if __name__ == "__main__":
    main()
