"""The second step of a run: judges and scores that a study asks for and its cells do not have.

New cells are judged as they are made. One that was there already, or was taken from a run beside
it, may have been judged by others, or by the same judge with other settings. Nothing is generated
again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from leaderboards import disk, score
from leaderboards.score import Task
from ptst_tasks.digests import digest_json
from ptst_tasks.errors import PTSTError
from ptst_tasks.filters import bertscores
from ptst_tasks.judges.base import judging
from ptst_tasks.judges.cache import CachedJudge
from ptst_tasks.metrics import mean_scored

__all__ = ["judge_missing", "missing_share"]

_BERTSCORE = "bertscore"


def judge_missing(
    cells: Iterable[Path], tasks: Mapping[str, Any], failed: Callable[[str, Exception], None]
) -> int:
    """Runs the judges, and BERTScore, that cells lack.

    Args:
        cells: Folders of whole cells.
        tasks: The study's tasks by name, with their judges.
        failed: Hears of who cannot judge, and why; the others go on.

    Returns:
        How many columns of verdicts were added.
    """
    lacking: dict[str, tuple[Any, list[Task]]] = {}
    done = 0
    for folder in cells:
        found = disk.read_cell_files(folder)
        task = tasks.get(str(found.record.get("harness_task")))
        if found.results is None or task is None:
            continue
        ours = _ours(found.results, task.config.task)
        for judge in task.judges:
            # What is missing may be had by now (an outage, a limit); the cache holds the rest.
            again = isinstance(judge, CachedJudge) and missing_share(found.results, judge.spec)
            if again or not _judged(ours, judge):
                mine = (t for t in score.tasks_of(found.results) if t.name == task.config.task)
                lacking.setdefault(judge.spec, (judge, []))[1].extend(mine)
        if task.bertscore and not _same(ours, _BERTSCORE, task.bertscore):
            done += _attempt(_BERTSCORE, failed, partial(_add_bertscore, found.results, task))
    for spec, (judge, some) in lacking.items():
        done += _attempt(spec, failed, partial(_score, some, judge))
    return done


def missing_share(results: Path, spec: str) -> float:
    """Share (0..1) of a cell's responses that have no verdict of a judge."""
    data = disk.json_object(results)
    values: dict[str, Any] = next(iter(data["results"].values()), {})
    found = values.get(f"unscored,{spec}")
    return float(found) if isinstance(found, int | float) else 0.0


def _score(tasks: list[Task], judge: Any) -> int:
    return sum(1 for _ in score.score_tasks(tasks, judge))


def _attempt(who: str, failed: Callable[[str, Exception], None], work: Callable[[], int]) -> int:
    try:
        return work()
    except (PTSTError, OSError, RuntimeError, ValueError) as e:  # of a guard's libraries, too
        failed(who, e)
        return 0


def _ours(results: Path, task: str) -> dict[str, Any]:
    config = disk.json_object(results)["configs"][task]
    return dict((config.get("metadata") or {}).get("ptst") or {})


def _judged(ours: Mapping[str, Any], judge: Any) -> bool:
    """Whether there are this judge's verdicts, with the settings and weights that it has now."""
    weights = (ours.get("judge_weights") or {}).get(judge.spec) or ""
    here = judge.spec in (ours.get("judges") or ()) and weights == judging(judge).weights
    return here and _same(ours, judge.spec, judge.settings)


def _same(ours: Mapping[str, Any], spec: str, settings: Mapping[str, Any]) -> bool:
    there = ours.get("judge_settings") or {}
    now = json.loads(json.dumps(dict(settings), default=str))
    return spec in there and digest_json(there[spec]) == digest_json(now)


def _add_bertscore(results: Path, task: Any) -> int:
    """Computes BERTScore of the answers of one cell; returns 1."""
    name = task.config.task
    mine = Task(results, name, task.source.kind, task.set_name, task.template.name, "")
    rows = [row for _, row in disk.rows(mine.samples) if row.get("filter") == "none"]
    values = bertscores(
        [r["resps"][0][0] for r in rows], [r["doc"]["answer"] for r in rows], **task.bertscore
    )
    lines = mine.samples.with_name(f".{mine.samples.name}.{os.getpid()}.new")
    with lines.open("w", encoding="utf-8", newline="\n") as out:
        for row, value in zip(rows, values, strict=True):
            line = score.line_of(row, _BERTSCORE, value, {_BERTSCORE: value})
            out.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")

    def describe(ours: dict[str, Any]) -> None:
        ours["judge_settings"] = {**(ours.get("judge_settings") or {}), _BERTSCORE: task.bertscore}

    score.put_column(mine, _BERTSCORE, lines, {_BERTSCORE: mean_scored(values)}, describe)
    return 1
