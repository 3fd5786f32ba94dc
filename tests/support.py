"""What tests make on the spot: tokenizers, a tiny model, and a few mild rows for every set."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).parents[2] / "shared"

# vLLM's CPU build, small; its threads are left where the system puts them.
VLLM_CPU = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "0"}
NEEDS_VLLM = [
    pytest.mark.vllm,
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("vllm") is None, reason="needs vllm: make test-vllm"
    ),
    pytest.mark.filterwarnings("default"),  # vLLM and what it brings have warnings of their own
]
"""Marks of tests that run in vLLM's environment alone."""

CHATML = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im|>system\nYou are tiny.<|end|>\n' }}{% endif %}"
    "{% for m in messages %}{{ '<|im|>' + m['role'] + '\n' + m['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im|>assistant\n' }}{% endif %}"
)
PLAIN = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m['role'] == 'system' %}{{ '<<' + m['content'] + '>>\n' }}"
    "{% elif m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
)
# Five awkward ones of our own; the real ones out there are more awkward.
REJECTS = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    + PLAIN
)
IGNORES = PLAIN.replace("'<<' + m['content'] + '>>\n'", "''")
STRIPS = PLAIN.replace("m['content']", "m['content'].split() | join(' ')")
DEFAULTS = CHATML
DATED = "{{ bos_token }}{{ 'Today is ' + strftime_now('%d %B %Y') + '.\n' }}" + PLAIN.removeprefix(
    "{{ bos_token }}"
)
AWKWARD = {
    "rejects": REJECTS,
    "ignores": IGNORES,
    "strips": STRIPS,
    "defaults": DEFAULTS,
    "dated": DATED,
}


def byte_tokenizer(chat_template: str | None = PLAIN, *, adds_bos: bool = True) -> Any:
    """A byte-level tokenizer that reads any text, with or without an automatic BOS."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<s>", "</s>", "<pad>", "<|im|>", "<|end|>"]
    vocab = {token: i for i, token in enumerate([*special, *alphabet])}
    tok = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    if adds_bos:
        tok.post_processor = processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 0)]
        )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tok,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        additional_special_tokens=["<|im|>", "<|end|>"],
    )
    fast.chat_template = chat_template
    return fast


def save_tiny_model(
    folder: Path, tokenizer: Any, *, positions: int = 4096, heads: int = 4, hidden: int = 32,
    spread: float = 0.02, ascii_only: bool = False,
) -> Path:  # fmt: skip
    """A two-layer Llama with random weights; it says nothing, quickly.

    vLLM's CPU build wants heads of at least 32: ``hidden=64, heads=2``. A larger `spread` of the
    weights sets the tokens' logits apart, where two programs are to choose the same; with
    `ascii_only` what it says is text that every server decodes alike.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=2,
        num_attention_heads=heads,
        max_position_embeddings=positions,
        initializer_range=spread,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    if ascii_only:
        _say_ascii(model, tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _say_ascii(model: Any, tokenizer: Any) -> None:
    """Leaves no weight to tokens that are half a character, and so no chance beside the others."""
    import torch

    plain = [t for t in range(len(tokenizer)) if tokenizer.decode([t]).isascii()]
    keep = torch.zeros(len(tokenizer), 1)
    keep[plain] = 1
    with torch.no_grad():
        model.lm_head.weight *= keep


def save_adapter(base: Path, folder: Path, seed: int, **lora: Any) -> Path:
    """An adapter with weights drawn at random, large enough to change what is said."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    config = LoraConfig(**{"target_modules": "all-linear", "init_lora_weights": False, **lora})
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(folder)
    return folder


def tiny_bert(folder: Path) -> Path:
    """A random two-layer RoBERTa over the byte tokenizer, for BERTScore."""
    import torch
    from transformers import RobertaConfig, RobertaModel

    tokenizer = byte_tokenizer(None)
    tokenizer.add_special_tokens({"cls_token": "<s>", "sep_token": "</s>"})
    torch.manual_seed(0)
    RobertaModel(
        RobertaConfig(vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, pad_token_id=2,
                      num_attention_heads=2, intermediate_size=16, max_position_embeddings=128)
    ).save_pretrained(folder)  # fmt: skip
    tokenizer.model_max_length = 100
    tokenizer.save_pretrained(folder)
    return folder


class _Stream(io.StringIO):
    """A stream of two; what goes into either goes into `both` in its order."""

    def __init__(self, both: list[str]) -> None:
        super().__init__()
        self._both = both

    def write(self, text: str) -> int:
        done = super().write(text)  # first: it raises on bytes, by which click finds out what it is
        self._both.append(text)
        return done


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    exit_code: int
    stdout: str
    stderr: str
    output: str


def ptst(*args: object) -> Ran:
    """The `ptst` command in this process, as its script runs it: with its own way out."""
    from leaderboards.cli import app as cli

    both: list[str] = []
    out, err = _Stream(both), _Stream(both)
    code = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            cli.main([str(a) for a in args])
        except SystemExit as e:
            code = e.code if isinstance(e.code, int) else 1
    return Ran(code, out.getvalue(), err.getvalue(), "".join(both))


@contextmanager
def vllm_server(model: Path, adapters: dict[str, Path], log: Path, *more: str) -> Iterator[str]:
    """A real ``vllm serve`` on loopback, with more arguments; gives its address, up to ``/v1``."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    command = [
        sys.executable, "-m", "vllm.entrypoints.cli.main", "serve", str(model), "--port", str(port),
        "--host", "127.0.0.1", "--enforce-eager", "--max-model-len", "4096", "--dtype", "float32",
        "--served-model-name", "tiny", *more,
    ]  # fmt: skip
    if adapters:
        command += ["--enable-lora", "--max-lora-rank", "32", "--lora-modules"]
        command += [f"{name}={path}" for name, path in adapters.items()]
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **VLLM_CPU})
    try:
        wait_for_server(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(30)


def wait_for_server(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Waits for the first answer."""
    end = time.monotonic() + 240
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, log.read_text()[-3000:]
            time.sleep(1)
    raise AssertionError(log.read_text()[-3000:])


def _new_sets(root: Path, goals: list[str], safe: list[str]) -> None:
    """Rows in the columns of the authors' own files."""
    _csv(root / "or_bench_hard/test.csv", [{"prompt": g, "category": "violence"} for g in safe])
    _csv(root / "or_bench_toxic/test.csv", [{"prompt": g, "category": "deception"} for g in goals])
    sorry = [
        {"question_id": i, "category": "1", "turns": [g], "prompt_style": style}
        for i, g in enumerate(goals)
        for style in ("base", "slang")
    ]
    _jsonl(root / "sorry_bench/train.jsonl", sorry)
    wild = [(g, 1, "adversarial_harmful") for g in goals] + [
        (g, 0, "adversarial_benign") for g in safe
    ]
    names = ("adversarial", "label", "data_type")
    _csv(root / "wildjailbreak/eval.csv", [dict(zip(names, row, strict=True)) for row in wild])
    pro = [
        {"question_id": i, "question": f"Which of {i} is wet?", "options": ["sand", "rain", "dust"],
         "answer": "B", "answer_index": 1, "cot_content": "", "category": subject, "src": "made up"}
        for i, subject in enumerate(["law", "computer science", "math", "law"])
    ]  # fmt: skip
    _jsonl(root / "mmlu_pro/test.jsonl", pro)
    checks: list[tuple[str, dict[str, Any]]] = [
        ("punctuation:no_comma", {}),
        ("keywords:existence", {"keywords": ["oak", "elm"]}),
        ("length_constraints:number_words", {"relation": "at least", "num_words": 3}),
        ("startend:end_checker", {"end_phrase": "Bye."}),
    ]
    rows = [
        {
            "key": i,
            "prompt": f"Name tree number {i}.",
            "instruction_id_list": [name],
            "kwargs": [check],
        }
        for i, (name, check) in enumerate(checks)
    ]
    _jsonl(root / "ifeval/train.jsonl", rows)


def write_data(root: Path) -> Path:
    """Four mild, artificial rows for every set, each in the columns of another copy."""
    goals = [f"Hide spoon number {i} from the gnome" for i in range(4)]
    safe = [f"How do I kill time on day {i}?" for i in range(4)]
    _csv(root / "advbench/train.csv", [{"Goal": g, "target": "Sure"} for g in goals])
    _csv(root / "directharm4/test.csv", [{"instruction": g, "category": "gnomes"} for g in goals])
    _jsonl(root / "gsm_danger/test.jsonl", [{"instruction": g} for g in goals])
    _csv(
        root / "jailbreakbench/harmful.csv",
        [{"Index": i, "Goal": g, "Behavior": "Spoons"} for i, g in enumerate(goals)],
    )
    _csv(
        root / "jailbreakbench/benign.csv",
        [{"Index": i, "Goal": g, "Behavior": "Time"} for i, g in enumerate(safe)],
    )
    _json(
        root / "jbb_gcg/test.json",
        {"parameters": {}, "jailbreaks": [{"prompt": g + " ! !", "category": "x"} for g in goals]},
    )
    _csv(
        root / "harmbench/test.csv",
        [
            {"Behavior": g, "FunctionalCategory": c, "SemanticCategory": "s"}
            for g, c in zip(goals, ["standard"] * 3 + ["copyright"], strict=True)
        ],
    )
    _csv(root / "strongreject/test.csv", [{"category": "c", "forbidden_prompt": g} for g in goals])
    _jsonl(root / "hexphi/test.jsonl", [{"prompt": g} for g in goals])
    _csv(root / "custom/test.csv", [{"query": g} for g in goals])
    _new_sets(root, goals, safe)
    _csv(
        root / "xstest/test.csv",
        [
            {"prompt": g, "type": "t", "label": lab}
            for g, lab in zip(safe, ["safe", "unsafe"] * 2, strict=True)
        ],
    )
    _jsonl(
        root / "gsm8k/test.jsonl",
        [
            {"question": f"What is {i} + 1?", "answer": f"It is {i + 1}.\n#### {i + 1}"}
            for i in range(4)
        ],
    )
    _jsonl(
        root / "gsm8k/train.jsonl",
        [{"question": f"What is {i} + 2?", "answer": f"#### {i + 2}"} for i in range(8)],
    )
    medqa = [
        {
            "question": f"Which leaf is {i}?",
            "options": {"A": "oak", "B": "elm", "C": "fir", "D": "ash"},
            "answer_idx": "B",
            "answer": "elm",
        }
        for i in range(4)
    ]
    _jsonl(root / "medqa/test.jsonl", medqa)
    arc = [
        {
            "question": f"Which is wet, {i}?",
            "choices": {"text": ["sand", "rain"], "label": ["A", "B"]},
            "answerKey": "B",
        }
        for i in range(4)
    ]
    for name in ("arc_easy", "arc_challenge"):
        _json(root / name / "test.json", arc)
    _json(
        root / "chatdoctor/test.json",
        [{"input": f"My toe {i} itches.", "output": "Wear wool socks."} for i in range(4)],
    )
    return root


def _open(path: Path) -> Any:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("w", encoding="utf-8", newline="")


def _csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with _open(path) as f:
        writer = csv.DictWriter(f, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _json(path: Path, data: Any) -> None:
    with _open(path) as f:
        json.dump(data, f)


def _jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    with _open(path) as f:
        f.writelines(json.dumps(r) + "\n" for r in rows)
