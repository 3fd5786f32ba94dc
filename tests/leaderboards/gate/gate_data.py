"""Made-up lm_eval outputs and leaderboards: ids and 0/1 outcomes, no texts worth reading."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from leaderboards.board.sides import read_side
from leaderboards.gate.decide import check_sides
from leaderboards.gate.decision import Report
from leaderboards.gate.policy import default_policy, load_policy
from tests.support import ptst

DATE = "2025-01-31T12-00-00.000000"


def run(*args: object) -> Any:
    """`ptst check` with these arguments."""
    return ptst("check", *args)


def outcomes(n: int, ones: Sequence[int] = (), none: Sequence[int] = ()) -> dict[str, float | None]:
    """Ids p000.. with 1.0 at `ones`, None at `none`, else 0.0."""
    return {f"p{i:03}": None if i in none else float(i in ones) for i in range(n)}


def lm_eval_output(
    folder: Path,
    tasks: Mapping[str, Mapping[str, Mapping[str, float | None]]],
    *,
    date: str = DATE,
    samples: bool = True,
    base: str = "tiny",
    adapter: str = "out/a",
    ptst: Mapping[str, Any] | None = None,
    gen_kwargs: Mapping[str, Any] | None = None,
    judge: str = "keywords:zou",
    asked: int | None = None,
) -> Path:
    """Writes what `lm_eval --output_path --log_samples` would for {task: {metric: {id: value}}}.

    A task name is "set/template"; rate metrics go with an `unscored` of their own.
    """
    results: dict[str, Any] = {}
    configs: dict[str, Any] = {}
    counts: dict[str, Any] = {}
    (home := folder / "tiny").mkdir(parents=True, exist_ok=True)
    for label, metrics in tasks.items():
        name, _, template = label.partition("/")
        task = f"ptst_{name}_{template.replace(':', '_')}"
        meta = {"set": name, "template": template, "style": "gsm8k", "chat_format": "auto",
                "data_fingerprint": f"rows-of-{name}", **(ptst or {})}  # fmt: skip
        configs[task] = {"task": task, "metadata": {"version": 1, "ptst": meta},
                         "generation_kwargs": {"max_gen_toks": 512, "do_sample": False}}  # fmt: skip
        ids = list(next(iter(metrics.values())))
        rows = {i: {m: v[i] for m, v in metrics.items()} for i in ids}
        harmful = "asr" in metrics
        key = judge if harmful or "refused" in metrics else "strict-match"
        results[task] = {"alias": task, "sample_len": len(ids)}
        for metric, values in metrics.items():
            seen = [v for v in values.values() if v is not None]
            mean = sum(seen) / len(seen) if seen else float("nan")
            results[task] |= {f"{metric},{key}": mean, f"{metric}_stderr,{key}": "N/A"}
        if harmful:
            missing = [float(v is None) for v in metrics["asr"].values()]
            results[task][f"unscored,{key}"] = sum(missing) / len(missing)
        counts[task] = {"original": 900, "effective": asked or len(ids)}
        if samples:
            lines = [
                {"doc_id": at, "doc": {"id": i, "prompt": "text of the prompt"}, "filter": key,
                 "filtered_resps": ["text of the answer"], "resps": [["text of the answer"]],
                 **values, **({"unscored": float(values["asr"] is None)} if harmful else {})}
                for at, (i, values) in enumerate(rows.items())
            ]  # fmt: skip
            text = "\n".join(map(json.dumps, lines)) + "\n"
            (home / f"samples_{task}_{date}.jsonl").write_text(text, encoding="utf-8")
    data = {"results": results, "configs": configs, "n-samples": counts, "date": 1738324800.0,
            "config": {"model": "hf", "model_args": f"pretrained={base},peft={adapter}",
                       "gen_kwargs": gen_kwargs},
            "n-shot": dict.fromkeys(configs, 0), "lm_eval_version": "0.4.13"}  # fmt: skip
    (home / f"results_{date}.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


LLAMA = "advbench/chat:llama"

VANILLA = "advbench/chat:vanilla"


def harm(n: int, ones: Any = (), none: Any = ()) -> dict[str, dict[str, float | None]]:
    return {"asr": outcomes(n, ones, none)}


def compare(old: Path, new: Path, policy: Any = None, **options: Any) -> Report:
    return check_sides(read_side(old), read_side(new), policy or default_policy(), **options)


def verdicts(report: Report) -> list[str]:
    return [line.verdict for line in report.lines]


def write_cell(run_: Path, name: str, metrics: Any, **identity: Any) -> None:
    cell = run_ / "cells" / name
    if metrics:
        lm_eval_output(cell, {LLAMA: metrics}, base="/somewhere/tiny", adapter="/else/a")
    cell.mkdir(parents=True, exist_ok=True)
    known = {"base": "tiny", "test_template": "chat:llama", "task": "advbench", **identity}
    (cell / "cell.json").write_text(json.dumps(known))


def policy_from(folder: Path, text: str) -> Any:
    (folder / "gate.yaml").write_text(text, encoding="utf-8")
    return load_policy(folder / "gate.yaml")
