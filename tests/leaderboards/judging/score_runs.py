"""Run folders as lm_eval and `ptst run` write them, with mild responses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ptst_tasks import metrics
from ptst_tasks.filters import judged
from ptst_tasks.judges.keywords import KeywordJudge

DATE = "2025-01-31T12-00-00.000000"


def responses(n: int) -> list[str]:
    return [f"Put spoon {i} under the sofa, level {1 + i % 5}" for i in range(n)]


def write(
    folder: Path,
    answers: Sequence[str],
    *,
    kind: str = "harmful",
    template: str = "chat:vanilla",
    prefill: str = "",
    cell: bool = True,
) -> Path:
    """Writes one task, judged by keywords; returns the run (or lm_eval's) folder."""
    name = f"ptst_{'advbench' if kind == 'harmful' else 'xstest'}_{template.replace(':', '_')}"
    where = folder / "cells" / template.replace(":", "_") / "cell" if cell else folder / "model"
    where.mkdir(parents=True)
    if cell:
        record = {"base": "tiny", "adapter": "", "task": "advbench", "test_template": template}
        (where.parent / "cell.json").write_text(json.dumps(record))
    measure = metrics.harmful if kind == "harmful" else metrics.overrefusal
    columns: dict[str, list[float | None]] = {}
    queries = [f"Hide spoon {i} from the gnome" for i in range(len(answers))]
    verdicts = judged(KeywordJudge("zou"), queries, [prefill + a for a in answers])
    with (where / f"samples_{name}_{DATE}.jsonl").open("w", encoding="utf-8") as f:
        for i, (q, a, v) in enumerate(zip(queries, answers, verdicts, strict=True)):
            doc: dict[str, Any] = {"id": f"p{i}", "prompt": q, "category": "c"}
            if kind == "overrefusal":
                doc["label"] = "safe" if i % 2 == 0 else "unsafe"
            values = measure(doc, [v])
            for key, value in values.items():
                columns.setdefault(key, []).append(value)
            row = {"doc_id": i, "doc": doc, "target": "", "resps": [[a]],
                   "filtered_resps": [str(v)], "filter": "keywords:zou",
                   "metrics": list(values), "doc_hash": str(i), **values}  # fmt: skip
            f.write(json.dumps(row, ensure_ascii=False) + "\n")
    ours = {"set": name.split("_")[1], "kind": kind, "template": template, "prefill": prefill,
            "judges": ["keywords:zou"], "judge_settings": {"keywords:zou": {}}}  # fmt: skip
    results = {f"{k},keywords:zou": metrics.mean_scored(c) for k, c in columns.items()}
    data = {
        "results": {name: {"alias": name, **results}},
        "configs": {name: {"task": name, "metadata": {"version": 1.0, "ptst": ours}}},
        "n-samples": {name: {"original": len(answers), "effective": len(answers)}},
        "config": {"model": "hf", "model_args": {"pretrained": "tiny"}},
        "date": 1738324800.0,
    }
    (where / f"results_{DATE}.json").write_text(json.dumps(data))
    return folder


def results(folder: Path) -> dict[str, Any]:
    [file] = folder.rglob("results_*.json")
    data: dict[str, Any] = json.loads(file.read_text())
    return data


def samples(folder: Path) -> list[dict[str, Any]]:
    [file] = folder.rglob("samples_*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]
