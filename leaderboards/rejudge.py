"""The second step of a run: judges and scores that a study asks for and its cells do not have.

New cells are judged as they are made. One that was there already, or was taken from a run beside
it, may have been judged by others, or by the same judge with other settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from leaderboards import disk, score
from ptst_tasks.digests import digest_json
from ptst_tasks.errors import PTSTError

__all__ = ["judge_missing"]


def judge_missing(
    cells: Iterable[Path],
    judges: Callable[[str], Sequence[Any]],
    failed: Callable[[str, PTSTError], None],
) -> int:
    """Runs the judges that cells lack.

    Args:
        cells: Folders of whole cells.
        judges: The judges that a study asks for, by set.
        failed: Hears of a judge that cannot judge; the others go on.

    Returns:
        How many verdict columns were added.
    """
    lacking: dict[str, tuple[Any, list[score.Task]]] = {}
    for folder in cells:
        found = disk.read_cell_files(folder)
        if found.results is None:
            continue
        for task in score.tasks_of(found.results):
            for judge in judges(task.set_name):
                if not _has(found.results, task.name, judge):
                    lacking.setdefault(judge.spec, (judge, []))[1].append(task)
    done = 0
    for spec, (judge, tasks) in lacking.items():
        try:
            done += sum(1 for _ in score.score_tasks(tasks, judge))
        except PTSTError as e:
            failed(spec, e)
    return done


def _has(results: Path, task: str, judge: Any) -> bool:
    """Whether these results hold this judge's verdicts, with the settings that it has now."""
    ours = (disk.json_object(results)["configs"][task].get("metadata") or {}).get("ptst") or {}
    settings = (ours.get("judge_settings") or {}).get(judge.spec)
    same = digest_json(settings) == digest_json(dict(judge.settings))
    return judge.spec in (ours.get("judges") or ()) and same
