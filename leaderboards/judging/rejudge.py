"""The second step of a run: judges and scores that a study asks for and its cells do not have.

New cells are judged as they are made. One that was there already, or was taken from a run beside
it, may have been judged by others, or by the same judge with other settings. Verdicts that are
missing are asked for again where an answer may come this time. Nothing is generated again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from leaderboards.board import disk
from leaderboards.judging import columns, saved, score
from leaderboards.judging.saved import Task
from ptst_tasks.digests import digest_json
from ptst_tasks.files import working
from ptst_tasks.filters import bertscores, judge_replies, pairs
from ptst_tasks.judges.base import judging
from ptst_tasks.judges.group import endpoints, settings_of
from ptst_tasks.judges.watching import current
from ptst_tasks.metrics import mean_scored
from ptst_tasks.record import TaskRecord, record_in, set_settings, weights_of
from ptst_tasks.replies import RAISE, families_in

__all__ = ["Unscored", "judge_missing", "unscored"]

T = TypeVar("T")

_BERTSCORE = "bertscore"


def judge_missing(
    cells: Iterable[Path], tasks: Mapping[str, Any], failed: Callable[[str, Exception], None],
    fresh: Collection[Path] = (), most: float = score.MAX_UNSCORED,
) -> int:  # fmt: skip
    """Runs the judges, and BERTScore, that cells lack.

    Args:
        cells: Folders of whole cells.
        tasks: The study's tasks by name, with their judges.
        failed: Hears of who cannot judge, and why; the others go on.
        fresh: Those judged a moment ago: what they miss is not asked for again at once.
        most: Share of a cell's responses, 0..1, that may lack a verdict.

    Returns:
        How many columns of verdicts were added.
    """
    lacking: dict[str, tuple[Any, list[Task]]] = {}
    done = 0
    for folder in cells:
        look = partial(_look, folder, tasks, failed, lacking, again=folder not in fresh)
        done += _attempt(f"of cell {folder.name}", failed, look, 0)
    for spec, (judge, some) in lacking.items():
        done += _attempt(spec, failed, partial(_score, some, judge, most), 0)
    return done


def _look(
    folder: Path, tasks: Mapping[str, Any], failed: Callable[[str, Exception], None],
    lacking: dict[str, tuple[Any, list[Task]]], *, again: bool,
) -> int:  # fmt: skip
    """Adds what a cell lacks to `lacking`; returns how many columns were added at once."""
    found = disk.read_cell_files(folder)
    task = tasks.get(str(found.record.get("harness_task")))
    if found.results is None or task is None:
        return 0
    ours = _ours(found.results, task.config.task)
    for judge in task.judges:
        every = saved.tasks_of(found.results, judge_reasoning=task.judges_reasoning)
        mine = [t for t in every if t.name == task.config.task]
        if not _judged(ours, judge, reasoning=task.judges_reasoning):
            lacking.setdefault(judge.spec, (judge, []))[1].extend(mine)
        elif again:
            had = partial(_to_be_had, mine, judge)
            if more := _attempt(judge.spec, failed, had, list[Task]()):
                lacking.setdefault(judge.spec, (judge, []))[1].extend(more)
    if task.bertscore and not _same(ours, _BERTSCORE, task.bertscore):
        return _attempt(_BERTSCORE, failed, partial(_add_bertscore, found.results, task), 0)
    return 0


@dataclass(frozen=True, slots=True)
class Unscored:
    """Verdicts of one judge that a cell lacks.

    Attributes:
        spec: The judge.
        task: What was judged.
        lost: Responses without a verdict.
        asked: All responses.
        cut: Those of the lost whose thought was cut off.
        most: Share of all, 0..1, that may lack one.
    """

    spec: str
    task: Task
    lost: int
    asked: int
    cut: int = 0
    most: float = score.MAX_UNSCORED

    @property
    def too_many(self) -> bool:
        """Whether `ptst score` would fail."""
        return self.lost > self.most * self.asked

    def __str__(self) -> str:
        t, most = self.task, score.rate(self.most)
        return (
            f"{self.lost} of {self.asked} responses of {t.model} {t.set_name} {t.template} have no "
            f"verdict ({score.rate(self.lost / self.asked)}, at most {most})"
            + (f"; {self.cut} are thoughts that were cut off: {RAISE}" if self.cut else "")
        )


def unscored(
    cells: Iterable[Path], tasks: Mapping[str, Any], failed: Callable[[str, Exception], None],
    most: float = score.MAX_UNSCORED,
) -> Iterator[Unscored]:  # fmt: skip
    """What the judges of a study have left without a verdict, by judge and cell.

    Args:
        cells: Folders of whole cells.
        tasks: The study's tasks by name, with their judges.
        failed: Hears of a cell that cannot be read, and why.
        most: As in `judge_missing`.
    """
    for folder in cells:
        look = partial(_unscored, folder, tasks, most)
        yield from _attempt(f"of cell {folder.name}", failed, look, list[Unscored]())


def _unscored(folder: Path, tasks: Mapping[str, Any], most: float) -> list[Unscored]:
    found = disk.read_cell_files(folder)
    task = tasks.get(str(found.record.get("harness_task")))
    if found.results is None or task is None:
        return []
    values, out = disk.json_object(found.results)["results"].get(task.config.task) or {}, []
    for one in saved.tasks_of(found.results):
        for judge in task.judges if one.name == task.config.task else ():
            share = values.get(f"unscored,{judge.spec}")
            if isinstance(share, int | float) and 0 < share <= 1 and one.asked:
                cut = values.get(f"truncated,{judge.spec}")
                cut = round(cut * one.asked) if isinstance(cut, int | float) else 0
                out.append(
                    Unscored(judge.spec, one, round(share * one.asked), one.asked, cut, most)
                )
    return out


def _to_be_had(tasks: Iterable[Task], judge: Any) -> list[Task]:
    """The tasks whose missing verdicts of a judge may be had now.

    Whoever judges on this machine would say the same again; an endpoint may answer this time, and
    what it has answered meanwhile is in the cache.
    """
    paid = list(endpoints(judge))
    return [task for task in tasks if paid and _may_answer(task, judge, paid)]


def _may_answer(task: Task, judge: Any, paid: list[Any]) -> bool:
    missing = ("unscored", "reasoning_unscored")
    rows = [row for _, row in task.rows()
            if row.get("filter") == judge.spec and any(map(row.get, missing))]  # fmt: skip
    replies = [task.reply(row) for row in rows]
    queries, responses = pairs(replies)
    if not queries or any(one.pending(queries, responses) for one in paid):
        return bool(queries)
    if paid != [judge]:  # a panel: its other members may have weights to load
        return False
    verdicts = judge_replies(judge, replies)  # all of them in the cache: no call is made
    return any(
        score.measured(task.kind, row["doc"], verdict).get(name) == 0 and row.get(name)
        for row, verdict in zip(rows, verdicts, strict=True)
        for name in missing
    )


def _score(tasks: list[Task], judge: Any, most: float) -> int:
    return sum(1 for _ in score.score_tasks(tasks, judge, most, current()))


def _attempt(
    who: str, failed: Callable[[str, Exception], None], work: Callable[[], T], otherwise: T
) -> T:
    try:
        return work()
    except Exception as e:  # of a guard's libraries, too: the other judges and cells go on
        failed(who, e)
        return otherwise


def _ours(results: Path, task: str) -> TaskRecord:
    return record_in(disk.json_object(results)["configs"][task])


def _judged(ours: TaskRecord, judge: Any, *, reasoning: bool) -> bool:
    """Whether there are this judge's verdicts, with the settings and weights that it has now."""
    weights = weights_of(ours, judge.spec) or ""
    here = judge.spec in (ours.get("judges") or ()) and weights == judging(judge).weights
    return here and _same(ours, judge.spec, settings_of(judge, reasoning=reasoning))


def _same(ours: TaskRecord, spec: str, settings: Mapping[str, Any]) -> bool:
    there = ours.get("judge_settings") or {}
    now = json.loads(json.dumps(dict(settings), default=str))
    return spec in there and digest_json(there[spec]) == digest_json(now)


def _add_bertscore(results: Path, task: Any) -> int:
    """Computes BERTScore of the answers of one cell; returns 1."""
    name = task.config.task
    families = families_in(_ours(results, name))
    mine = Task(results, name, task.source.kind, task.set_name, task.template.name, "",
                families=families)  # fmt: skip
    rows = [row for _, row in disk.rows(mine.samples) if row.get("filter") == "none"]
    values = bertscores(
        [mine.reply(r) for r in rows], [r["doc"]["answer"] for r in rows], **task.bertscore
    )
    lines = working(mine.samples, "new")
    try:
        with lines.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as out:
            for row, value in zip(rows, values, strict=True):
                line = columns.line_of(row, _BERTSCORE, value, {_BERTSCORE: value})
                out.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")
    except BaseException:
        lines.unlink(missing_ok=True)
        raise

    def describe(ours: TaskRecord) -> None:
        set_settings(ours, _BERTSCORE, task.bertscore)

    columns.put_column(mine, _BERTSCORE, lines, {_BERTSCORE: mean_scored(values)}, describe)
    return 1
