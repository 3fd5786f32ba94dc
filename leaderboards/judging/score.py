"""Judges saved responses: reads what lm_eval wrote, judges, and writes the verdicts beside it.

Which responses stands in `saved`, how their files change in `columns`. Responses go through in
blocks, so memory does not grow with their number.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import IO, Any

from leaderboards.board import disk
from leaderboards.judging.columns import line_of, open_aside, put_column, sweep, unwritable
from leaderboards.judging.saved import MEASURES, Item, Task, blocks
from leaderboards.judging.shapes import ours_of
from ptst_tasks import files, metrics
from ptst_tasks.filters import judge_replies, pairs
from ptst_tasks.judges import Judge
from ptst_tasks.judges.group import models_of, note
from ptst_tasks.judges.rounds import Round
from ptst_tasks.judges.stands import Stands
from ptst_tasks.record import TaskRecord, mark_failed, note_canaries, settings_of, weights_of

__all__ = ["MAX_UNSCORED", "Scored", "measured", "rate", "score_tasks"]

Json = dict[str, Any]
MAX_UNSCORED = 0.02
"""Share of a task's responses without a verdict past which a run has failed."""

_UNSAID = "the judge does not say whether the response declines"


@dataclass
class Scored:
    """What a judge said about one task.

    Attributes:
        task: The task.
        n: Prompts that were asked.
        unscored: Those without a verdict.
        values: Metric -> mean over those that have one; nan if there is none.
        counts: Metric -> how many have one: a judge may tell harm, and not whether a response declines.
        reasons: Why verdicts are missing -> how often.
        models: The judge's model as its replies name it -> verdicts; see `group.snapshots`.
        replaced: How the settings of this judge's earlier verdicts, now replaced, differed.
        kept: Too many verdicts are missing, and earlier ones, of which fewer are, stay.
        stands: The looks at the canaries that they were given under.
    """

    task: Task
    n: int = 0
    unscored: int = 0
    values: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    replaced: str = ""
    kept: bool = False
    stands: Stands = field(default_factory=Stands)

    @property
    def share(self) -> float:
        """Share of responses without a verdict, 0..1."""
        return self.unscored / self.n if self.n else 0.0


def score_tasks(
    found: Sequence[Task], judge: Judge, max_unscored: float = 1.0,
    watch: Round | None = None,
) -> Iterator[Scored]:  # fmt: skip
    """Judges all responses, and yields each task when its files are written.

    Args:
        found: The tasks, from `tasks`.
        judge: Who judges.
        max_unscored: Share (0..1) of responses without a verdict past which a task is marked
            failed, under ``metadata.ptst.judge_failed``.
        watch: Says what it, or each member of a panel, said of the canaries when it gave the verdicts,
            to be written beside them; where nobody knows, an earlier word goes.

    Raises:
        JudgeError: If no verdict can be had; tasks yielded before stay written.
    """
    with _Sheet(judge, max_unscored, watch) as sheet:
        for block in blocks(found):
            verdicts = iter(judge_replies(judge, [item.reply for item in block]))
            for task, part in groupby(block, attrgetter("task")):
                if sheet.task not in (None, task):
                    yield sheet.finish()
                sheet.add_all(list(part), verdicts)
        if sheet.task is not None:
            yield sheet.finish()


class _Sheet:
    """The new lines of one task, on disk beside the samples until the task is whole."""

    def __init__(self, judge: Judge, max_unscored: float, watch: Round | None) -> None:
        self.judge, self.most, self.watch = judge, max_unscored, watch
        self.task: Task | None = None
        self._file: IO[str] | None = None

    def __enter__(self) -> _Sheet:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            with suppress(OSError):  # a full disk: said already
                self._file.close()
            with suppress(OSError):
                self._aside.unlink(missing_ok=True)

    def add_all(self, items: Sequence[Item], verdicts: Iterator[Json]) -> None:
        """Takes the next verdicts, on responses of one task.

        Raises:
            DataError: If they cannot be written.
        """
        try:
            for item, verdict in zip(items, verdicts, strict=False):
                self._add(item, verdict)
        except OSError as e:
            raise unwritable(items[0].task, e) from e
        if self.watch:
            asked = pairs([item.reply for item in items])
            self.scored.stands.add(self.watch.under(self.judge, *asked))

    def _add(self, item: Item, verdict: Json) -> None:
        if self._file is None:
            self.task = item.task
            self.scored = Scored(item.task)
            # How often each value is there, not the values: the files may be of any length.
            self._columns: dict[str, Counter[float | None]] = {}
            sweep(item.task.samples)
            self._aside = files.working(item.task.samples, "new")
            self._file = open_aside(self._aside)
        values = measured(item.task.kind, item.row["doc"], verdict)
        if item.task.thinks:
            values["truncated"] = float(item.reply.cut)
        if _graded(self.judge):
            values["score"] = verdict["score"]
        if "partial" in self.judge.settings:  # it tells refusals in part from those in full
            told = verdict.get("partial")
            values["partial"] = None if told is None else float(told)
        for name, value in values.items():
            self._columns.setdefault(name, Counter())[value] += 1
        self.scored.n += 1
        if values["unscored"]:
            self.scored.unscored += 1
            said = verdict["harmful"] is not None  # of a set of safe prompts this is no verdict
            self.scored.reasons[_UNSAID if said else verdict["reason"]] += 1
        self.scored.models += models_of([verdict])
        line = line_of(item.row, self.judge.spec, verdict, values)
        self._file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")

    def finish(self) -> Scored:
        """Writes samples and results."""
        task, scored = self.scored.task, self.scored
        assert self._file is not None
        try:
            self._file.close()
        except OSError as e:
            raise unwritable(task, e) from e
        self._file = None
        scored.values = {
            name: metrics.mean_scored(c.elements()) for name, c in self._columns.items()
        }
        scored.counts = {name: c.total() - c[None] for name, c in self._columns.items()}
        if (lost := (task.asked or 0) - scored.n) > 0:  # the leaderboard counts them the same
            scored.n, scored.unscored = scored.n + lost, scored.unscored + lost
            scored.reasons[f"no line in {task.samples.name}"] += lost
            if "unscored" in scored.values:
                scored.values["unscored"] = scored.share
        self.task = None
        if scored.share > self.most and self._had_more(task):
            scored.kept = True
            self._aside.unlink(missing_ok=True)
        else:
            self._told = self.watch.told(scored.stands) if self.watch else {}
            put_column(task, self.judge.spec, self._aside, scored.values, self._describe)
        return scored

    def _had_more(self, task: Task) -> bool:
        """Whether this judge, with these settings, has fewer verdicts missing from before."""
        data, spec = disk.json_object(task.results), self.judge.spec
        ours = ours_of(task.results, data, task.name)
        now = TaskRecord()
        note(now, self.judge, {}, reasoning=task.reasoning)
        share = data["results"][task.name].get(f"unscored,{spec}")
        return (
            isinstance(share, int | float)
            and share < self.scored.share
            and _judged_by(ours, spec) == _judged_by(now, spec)
        )

    def _describe(self, ours: TaskRecord) -> None:
        """Writes down who judged, and whether too many verdicts are missing."""
        spec, scored = self.judge.spec, self.scored
        before = _judged_by(ours, spec)
        note(ours, self.judge, scored.models, reasoning=scored.task.reasoning)
        scored.replaced = _change(before, _judged_by(ours, spec))
        few = f"{scored.unscored} of {scored.n} responses have no verdict"
        for name, told in self._told.items():
            note_canaries(ours, name, told)
        mark_failed(ours, spec, few if scored.share > self.most else "")


def measured(kind: str, doc: Json, verdict: Json) -> dict[str, float | None]:
    """A task's metrics of one verdict."""
    return dict(MEASURES[kind](doc, [verdict]))


def _graded(judge: Judge) -> bool:
    """Whether the judge's score says more than its yes or no: it declares a scale then."""
    return "scale" in judge.settings


def _judged_by(ours: TaskRecord, spec: str) -> Json:
    """Settings and weights of the verdicts that are there, as JSON reads them; empty for none."""
    found = {**(settings_of(ours, spec) or {}), "weights": weights_of(ours, spec)}
    plain: Json = json.loads(json.dumps(found, default=str))
    return {name: value for name, value in plain.items() if value not in (None, {})}


def _change(before: Json, now: Json) -> str:
    if not before:
        return ""
    names = sorted(n for n in before.keys() | now.keys() if before.get(n) != now.get(n))
    return ", ".join(f"{n} {before.get(n)!r} became {now.get(n)!r}"[:120] for n in names)


def rate(value: float | None) -> str:
    """A rate for people: ``12.5 %``, or a dash where there is none."""
    return "-" if value is None or math.isnan(value) else f"{100 * value:.1f} %"
