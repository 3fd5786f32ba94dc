"""500 requests at 64 in flight against a real ``vllm serve``: our client beside vLLM's own.

Needs the environment of ``make test-vllm``: ``.venv-vllm/bin/python -m tests.bench served``.
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support import byte_tokenizer, save_adapter, save_tiny_model, vllm_server

REQUESTS, AT_ONCE, NEW, ROUNDS = 500, 64, 32, 5


def prompts() -> list[str]:
    """As long as a short question under a template."""
    return [
        f"Question: What is {i} + {i * i}?{' Think well.' * 15}\nAnswer:" for i in range(REQUESTS)
    ]


def ours(url: str) -> float:
    """Requests per second through engine ``openai``, its start included."""
    from lm_eval.api.instance import Instance

    from ptst_tasks.engines.served import ServedEngine

    options = {"until": [], "max_gen_toks": NEW, "do_sample": False, "temperature": 0.0}
    requests = [
        Instance("generate_until", {}, (text, options), 0, ("t", i, 1))
        for i, text in enumerate(prompts())
    ]
    start = time.perf_counter()
    lm = ServedEngine("tiny", base_url=url, concurrency=AT_ONCE, extra={"ignore_eos": True})
    lm.generate_until(requests)
    return REQUESTS / (time.perf_counter() - start)


def theirs(url: str, model: Path, folder: Path) -> float:
    """Requests per second through ``vllm bench serve``, as it says itself."""
    file = folder / "prompts.jsonl"
    file.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in prompts()))
    command = [
        sys.executable, "-m", "vllm.entrypoints.cli.main", "bench", "serve",
        "--backend", "openai", "--base-url", url.removesuffix("/v1"), "--endpoint", "/v1/completions",
        "--model", "tiny", "--tokenizer", str(model), "--dataset-name", "custom",
        "--dataset-path", str(file), "--custom-output-len", str(NEW), "--skip-chat-template",
        "--disable-shuffle", "--num-prompts", str(REQUESTS), "--max-concurrency", str(AT_ONCE),
        "--ignore-eos", "--temperature", "0", "--disable-tqdm", "--save-result", "--result-dir",
        str(folder), "--result-filename", "theirs.json",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    result: dict[str, Any] = json.loads((folder / "theirs.json").read_text())
    assert result["completed"] == REQUESTS
    return float(result["request_throughput"])


def main() -> None:
    """Prints the ratio of the medians, and all rounds."""
    if importlib.util.find_spec("vllm") is None:
        print(
            "skipped: needs vLLM; make test-vllm, then .venv-vllm/bin/python -m tests.bench served"
        )
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = save_tiny_model(folder / "base", byte_tokenizer(), hidden=64, heads=2, spread=0.2)
        adapters = {"a0": save_adapter(model, folder / "a0", 0)}
        with vllm_server(model, adapters, folder / "log") as url:
            ours(url)  # warms up the server, and our own imports
            pairs = [(ours(url), theirs(url, model, folder)) for _ in range(ROUNDS)]
    mine, own = (statistics.median(side) for side in zip(*pairs, strict=True))
    rounds = ", ".join(f"{a:.0f}/{b:.0f}" for a, b in pairs)
    print(f"requests per second, ours/vLLM's client: {rounds}")
    print(f"medians {mine:.0f} and {own:.0f}: {mine / own:.2f} (at least 0.9)")


if __name__ == "__main__":
    main()
