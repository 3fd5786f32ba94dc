"""A run with one adapter whose record is full of what must not be sent; and a quiet hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from leaderboards.publish.subject import Subject, subject_of
from tests.leaderboards.board.rows import row
from tests.leaderboards.report.made_runs import CL, two_templates

NAME = "chat:llama-s0"
"""As `made_runs` names it."""
SECRETS = ("/home/somebody", "somebody", "hf_abcdefghijklmn", "gpu7.lan", "biscuit")
"""A path, a user, a key, a host, and a word of every prompt and of no name."""


def adapter_folder(folder: Path) -> Path:
    """An adapter as peft and ptst leave it, with made-up weights."""
    folder.mkdir(parents=True)
    config = {
        "base_model_name_or_path": "/home/somebody/models/stand-in",
        "r": 8,
        "peft_type": "LORA",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "adapter_model.safetensors").write_bytes(b"weights of nothing" * 9)
    trained = {"model": "/home/somebody/models/stand-in", "data": "sums", "template": CL, "seed": 0,
               "chat_format": "auto", "rank": 8, "mix": ["/home/somebody/mix.csv:1epoch"]}  # fmt: skip
    made = {"kind": "adapter", "config": trained, "inputs": {"token_ids": "abc123"}, "rows_trained": 64,
            "steps": 8, "data": [{"origin": "/home/somebody/sums.jsonl"}]}  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(made))
    return folder


def made_run(run: Path, **study: Any) -> Path:
    """A run of a base and an adapter on two sets under two templates: 5 of 20 turned under CL."""
    two_templates(run, turned=5)
    adapter = {"name": NAME, "path": str(adapter_folder(run / "made"))}
    private = {"proxies": {"http": "gpu7.lan:80"}, "cache_dir": "/home/somebody/cache"}
    said = {"base": "stand-in", "train": {"adapters": [adapter]}, "engine_args": private,
            "test": {"sets": ["advbench", "gsm8k"], "templates": ["CV", "CL"]}}  # fmt: skip
    (run / "study.json").write_text(json.dumps({**said, **study}))
    return run


def made_subject(folder: Path, *more: Any) -> Subject:
    """The same, read; `more` are rows in place of what was measured."""
    from dataclasses import replace

    found = subject_of(made_run(folder / "run"))
    return replace(found, rows=tuple(more)) if more else found


def gsm8k(n: int = 1319, **more: Any) -> Any:
    """A row of GSM8K under the template of the training."""
    said = {"task": "gsm8k", "metric": "exact_match", "judge": "flexible-extract", "adapter": NAME,
            "n": n, "ci_low": 0.4, "ci_high": 0.5, "seed": 0, "lm_eval_version": "0.4.13",
            "date": "2026-01-31T12:00:00Z", "decoding": '{"max_gen_toks":400}'}  # fmt: skip
    return row(CL, CL, more.pop("value", 0.45), **{**said, **more})
