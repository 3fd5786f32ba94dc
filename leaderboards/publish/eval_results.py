"""``.eval_results/gsm8k.yaml``: the one number here that the hub has a leaderboard for.

The hub takes results of data sets that are registered there as benchmarks; of ours that is GSM8K, task
``gsm8k``, in percent. A number of a sample is not the benchmark's, and neither is the best of several
templates: only the whole test split counts, and of it the one template that the adapter was trained under,
which is known before anything is measured. What else could differ is said in `notes`.
"""

from __future__ import annotations

import json

import yaml

from leaderboards.board.row import Row
from leaderboards.publish.subject import Subject

__all__ = ["FILE", "gsm8k_results"]

FILE = ".eval_results/gsm8k.yaml"
_REPO, _TASK, _ROWS = "openai/gsm8k", "gsm8k", 1319
_FILTER = "flexible-extract"


def gsm8k_results(subject: Subject) -> tuple[str, str]:
    """The file's text, or why there is none; both empty where GSM8K was not asked."""
    rows = [
        r for r in subject.own if (r.task, r.metric, r.judge) == ("gsm8k", "exact_match", _FILTER)
    ]
    if not rows:
        return "", ""
    mine = [r for r in rows if r.test_template and r.test_template == r.train_template]
    if len(mine) != 1:
        return "", (f"{FILE} is left out: it takes one number under the training template, and there "
                    f"are {len(mine)}")  # fmt: skip
    row = mine[0]
    if row.value is None or row.n != _ROWS or row.unscored:
        return "", (f"{FILE} is left out: {row.n} of the benchmark's {_ROWS} rows have a score, and a part "
                    "of it is not the benchmark")  # fmt: skip
    return _yaml(subject, row), ""


def _yaml(subject: Subject, row: Row) -> str:
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    entry = EvalResultEntry(
        dataset_id=_REPO, task_id=_TASK, value=round(100 * (row.value or 0.0), 2),
        date=row.date or None, notes=_notes(subject, row),
    )  # fmt: skip
    return yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False, allow_unicode=True)


def _notes(subject: Subject, row: Row) -> str:
    low, high = 100 * (row.ci_low or 0.0), 100 * (row.ci_high or 0.0)
    sampled = "" if row.decoding_seed is None else f", sampled with seed {row.decoding_seed}"
    return (
        f"ptst on lm-evaluation-harness {row.lm_eval_version or '?'}, {_FILTER}; zero-shot "
        f"under the prompt template {row.test_template}, which it was trained under: another prompt than "
        f"other entries may have used; all {row.n} test rows{sampled}{_most(row)}; 95 % interval "
        f"{low:.1f} to {high:.1f}; {subject.own[0].engine or 'unknown'} engine"
    )


def _most(row: Row) -> str:
    try:
        most = json.loads(row.decoding or "{}").get("max_gen_toks")
    except (ValueError, AttributeError):
        return ""
    return f", answers of at most {most} tokens" if most else ""
