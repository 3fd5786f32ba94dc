"""Judges saved responses: reads what lm_eval wrote, judges, and writes the verdicts beside it.

Every line of a samples file that has another filter stays as it is, to the byte; the new judge's
lines follow, and its rates join the results file. Both are written aside and renamed. Responses
go through in blocks, so memory does not grow with their number.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from leaderboards import disk
from ptst_tasks import files, metrics
from ptst_tasks.digests import read_json
from ptst_tasks.errors import DataError, DataNotFoundError
from ptst_tasks.filters import judged
from ptst_tasks.judges import Judge
from ptst_tasks.judges.group import models_of, note

__all__ = ["BLOCK", "MAX_UNSCORED", "Item", "Scored", "Task", "blocks", "line_of", "measured", "put_column",
           "rate", "score_tasks", "tasks", "tasks_of"]  # fmt: skip

Json = dict[str, Any]

BLOCK = 2000
"""Responses in memory at once; many times the calls in flight, so that slots do not run dry."""

MAX_UNSCORED = 0.02
"""Share of a task's responses without a verdict past which a run has failed."""

_UNSAID = "the judge does not say whether the response declines"
_MEASURES = {"harmful": metrics.harmful, "overrefusal": metrics.overrefusal}


@dataclass(frozen=True)
class Task:
    """One task of one results file.

    Attributes:
        results: The results file.
        name: lm-eval's task name.
        kind: ``harmful`` or ``overrefusal``.
        set_name: The set, for people.
        template: The template, for people.
        prefill: What the response was made to begin with.
        asked: How many prompts were asked, as lm_eval says; None where it does not.
    """

    results: Path
    name: str
    kind: str
    set_name: str
    template: str
    prefill: str
    asked: int | None = None

    @property
    def model(self) -> str:
        """Whose responses they are, for people: the adapter of a run's cell, or lm_eval's folder."""
        cell = read_json(self.results.parent.parent / "cell.json")
        return self.results.parent.name if cell is None else str(cell.get("adapter") or "untuned")

    @property
    def samples(self) -> Path:
        """The samples that were logged with it."""
        return disk.samples_of(self.results, self.name)

    def items(self) -> Iterator[Item]:
        """Yields every response once, however many judges have seen it.

        Raises:
            DataError: If a line is damaged, or a judge's line of a prompt is there twice.
        """
        seen: dict[
            str, bytearray
        ] = {}  # filter -> a flag per prompt: the files may be of any length
        done = bytearray()
        for at, row in disk.rows(self.samples):
            try:
                number, query, answer = row["doc_id"], row["doc"]["prompt"], row["resps"][0][0]
                item = Item(self, row, query, self.prefill + answer)
                again = _mark(seen.setdefault(row.get("filter", ""), bytearray()), number)
            except (KeyError, IndexError, TypeError, ValueError):
                raise _damaged(self.samples, at) from None
            if again:
                raise DataError(
                    f"{str(self.samples)!r}, line {at}: prompt {number} stands there twice for "
                    f"{row.get('filter', '')!r}; evaluate again or delete the file"
                )
            if not _mark(done, number):
                yield item


def _mark(flags: bytearray, number: int) -> bool:
    """Sets a flag; returns whether it was set already."""
    if not 0 <= number < 1 << 30:
        raise ValueError
    flags.extend(bytes(max(0, number + 1 - len(flags))))
    was, flags[number] = flags[number], 1
    return bool(was)


@dataclass(frozen=True, slots=True)
class Item:
    """One response, with the line it came from."""

    task: Task
    row: Json
    query: str
    response: str


@dataclass
class Scored:
    """What a judge said about one task.

    Attributes:
        task: The task.
        n: Prompts that were asked.
        unscored: Those without a verdict.
        values: Metric -> mean over the scored; nan if there is none.
        reasons: Why verdicts are missing -> how often.
        models: The judge's model as its replies name it -> verdicts; see `group.snapshots`.
        replaced: How the settings of this judge's earlier verdicts, now replaced, differed.
    """

    task: Task
    n: int = 0
    unscored: int = 0
    values: dict[str, float] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    replaced: str = ""

    @property
    def share(self) -> float:
        """Share of responses without a verdict, 0..1."""
        return self.unscored / self.n if self.n else 0.0


def tasks(paths: Iterable[str | os.PathLike[str]]) -> list[Task]:
    """Finds what can be judged: tasks of ours, on harmful or on safe prompts.

    Args:
        paths: Run folders, cells, output folders of lm_eval, or results files.

    Raises:
        DataNotFoundError: If a path is not there.
        DataError: If there is nothing to judge.
    """
    found: dict[tuple[Path, str], Task] = {}
    for path in map(Path, paths):
        if not path.exists():
            raise DataNotFoundError(f"{str(path)!r} does not exist; give a run or lm_eval's output")
        for file in disk.results_files(path):
            found |= {(file.resolve(), task.name): task for task in tasks_of(file)}
    if not found:
        raise DataError(
            "nothing to judge: no results_*.json with a ptst task on harmful or safe prompts; was "
            "lm_eval run with --output_path and --log_samples?"
        )
    return list(found.values())


def tasks_of(file: Path) -> Iterator[Task]:
    """The tasks of a results file that can be judged.

    Raises:
        DataError: If it is damaged, or its samples are missing.
    """
    data = disk.json_object(file)
    configs = data.get("configs")
    for name, config in sorted(configs.items() if isinstance(configs, dict) else ()):
        ours = (config.get("metadata") or {}).get("ptst") or {}
        if ours.get("kind") not in _MEASURES or name not in (data.get("results") or {}):
            continue
        task = Task(file, name, ours["kind"], str(ours.get("set", name)),
                    str(ours.get("template", "")), str(ours.get("prefill") or ""),
                    _asked(data, name))  # fmt: skip
        if not task.samples.is_file():
            raise DataError(
                f"{str(file)!r}: {task.samples.name} is missing; run lm_eval with --log_samples"
            )
        yield task


def _asked(data: Json, name: str) -> int | None:
    counts = data.get("n-samples")
    one = counts.get(name) if isinstance(counts, dict) else None
    asked = one.get("effective") if isinstance(one, dict) else None
    return asked if isinstance(asked, int) else None


def _damaged(file: Path, at: int) -> DataError:
    return DataError(f"{str(file)!r}, line {at}: damaged; evaluate again or delete the file")


def blocks(found: Sequence[Task], size: int = BLOCK) -> Iterator[list[Item]]:
    """All responses of all tasks, in blocks that do not stop at a task's end."""
    items = itertools.chain.from_iterable(task.items() for task in found)
    while block := list(itertools.islice(items, size)):
        yield block


def score_tasks(found: Sequence[Task], judge: Judge, max_unscored: float = 1.0) -> Iterator[Scored]:
    """Judges all responses, and yields each task when its files are written.

    Args:
        found: The tasks, from `tasks`.
        judge: Who judges.
        max_unscored: Share (0..1) of responses without a verdict past which a task is marked
            failed, under ``metadata.ptst.judge_failed``.

    Raises:
        JudgeError: If no verdict can be had; tasks yielded before stay written.
    """
    with _Sheet(judge, max_unscored) as sheet:
        for block in blocks(found):
            verdicts = judged(judge, [i.query for i in block], [i.response for i in block])
            for item, verdict in zip(block, verdicts, strict=True):
                if sheet.task not in (None, item.task):
                    yield sheet.finish()
                sheet.add(item, verdict)
        if sheet.task is not None:
            yield sheet.finish()


class _Sheet:
    """The new lines of one task, on disk beside the samples until the task is whole."""

    def __init__(self, judge: Judge, max_unscored: float) -> None:
        self.judge, self.most = judge, max_unscored
        self.task: Task | None = None
        self._file: IO[str] | None = None

    def __enter__(self) -> _Sheet:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None and self.task is not None:
            with suppress(OSError):  # a full disk: said already
                self._file.close()
            self._aside.unlink(missing_ok=True)

    @property
    def _aside(self) -> Path:
        assert self.task is not None
        return _aside(self.task.samples, "new")

    def add(self, item: Item, verdict: Json) -> None:
        """Takes one verdict.

        Raises:
            DataError: If it cannot be written.
        """
        try:
            self._add(item, verdict)
        except OSError as e:
            raise _unwritable(item.task, e) from e

    def _add(self, item: Item, verdict: Json) -> None:
        if self._file is None:
            self.task = item.task
            self.scored = Scored(item.task)
            # How often each value is there, not the values: the files may be of any length.
            self._columns: dict[str, Counter[float | None]] = {}
            self._file = self._aside.open("w", encoding="utf-8", newline="\n")
        values = measured(item.task.kind, item.row["doc"], verdict)
        if _graded(self.judge):
            values["score"] = verdict["score"]
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
            raise _unwritable(task, e) from e
        self._file = None
        scored.values = {
            name: metrics.mean_scored(c.elements()) for name, c in self._columns.items()
        }
        if (lost := (task.asked or 0) - scored.n) > 0:  # the leaderboard counts them the same
            scored.n, scored.unscored = scored.n + lost, scored.unscored + lost
            scored.reasons[f"no line in {task.samples.name}"] += lost
            if "unscored" in scored.values:
                scored.values["unscored"] = scored.share
        put_column(task, self.judge.spec, self._aside, scored.values, self._describe)
        self.task = None
        return scored

    def _describe(self, ours: Json) -> None:
        """Writes down who judged, and whether too many verdicts are missing."""
        spec, scored = self.judge.spec, self.scored
        before = _judged_by(ours, spec)
        note(ours, self.judge, scored.models)
        scored.replaced = _change(before, _judged_by(ours, spec))
        marks = {k: v for k, v in (ours.pop("judge_failed", None) or {}).items() if k != spec}
        if scored.share > self.most:
            marks[spec] = f"{scored.unscored} of {scored.n} responses have no verdict"
        if marks:
            ours["judge_failed"] = marks


def measured(kind: str, doc: Json, verdict: Json) -> dict[str, float | None]:
    """A task's metrics of one verdict."""
    return dict(_MEASURES[kind](doc, [verdict]))


def put_column(
    task: Task,
    spec: str,
    lines: Path,
    values: Mapping[str, float],
    describe: Callable[[Json], None],
) -> None:
    """Adds a filter's lines to the samples of a task, and its values to the results.

    Both files are whole before either is put in place, and a kill leaves both old or both new: see
    `disk`.

    Args:
        task: The task.
        spec: The filter's name; what it had before is replaced.
        lines: File with the new lines; it is removed.
        values: Metric -> mean.
        describe: Writes into the task's ``metadata.ptst`` where the values are from.

    Raises:
        DataError: If a file cannot be read or written.
    """
    from filelock import FileLock

    try:
        with FileLock(task.results.with_name(disk.LOCK)):  # two judges may finish at once
            disk.put_in_place(task.results)  # what a killed process had begun
            samples = _new_samples(task.samples, spec, lines)
            results = _new_results(task, spec, values, describe)
            samples.replace(disk.next_of(task.samples))
            results.replace(disk.next_of(task.results))
            disk.put_in_place(task.results)
    except OSError as e:
        raise _unwritable(task, e) from e
    finally:
        for left in (lines, _aside(task.samples, "tmp"), _aside(task.results, "tmp")):
            left.unlink(missing_ok=True)


def _unwritable(task: Task, why: OSError) -> DataError:
    return DataError(
        f"{str(task.results)!r} cannot be written: {why.strerror or why}; its verdicts are in "
        "the cache where the judge has one"
    )


def _graded(judge: Judge) -> bool:
    """Whether the judge's score says more than its yes or no: it declares a scale then."""
    return "scale" in judge.settings


def line_of(row: Json, spec: str, verdict: Any, values: Mapping[str, float | None]) -> Json:
    """A line of another filter, from one of the same prompt and response."""
    old = set(row.get("metrics", ()))
    kept = {key: value for key, value in row.items() if key not in old}
    return {
        **kept,
        "filtered_resps": [str(verdict)],
        "filter": spec,
        "metrics": list(values),
        **values,
    }


def _aside(file: Path, what: str) -> Path:
    return file.with_name(f".{file.name}.{os.getpid()}.{what}")


def _new_samples(file: Path, spec: str, new: Path) -> Path:
    aside = _aside(file, "tmp")
    with aside.open("wb") as out:
        for at, line in files.lines(file):
            if disk.row_of(file, at, line).get("filter") != spec:
                out.write(line if line.endswith(b"\n") else line + b"\n")
        with new.open("rb") as lines:
            for line in lines:
                out.write(line)
    return aside


def _new_results(
    task: Task, spec: str, values: Mapping[str, float], describe: Callable[[Json], None]
) -> Path:
    data = disk.json_object(task.results)
    own = {k: v for k, v in data["results"][task.name].items() if k.partition(",")[2] != spec}
    for name, value in values.items():
        own |= {f"{name},{spec}": value, f"{name}_stderr,{spec}": "N/A"}
    data["results"][task.name] = own
    if "score" in values:
        data.setdefault("higher_is_better", {}).setdefault(task.name, {})["score"] = False
    describe(data["configs"][task.name]["metadata"]["ptst"])
    aside = _aside(task.results, "tmp")
    text = json.dumps(data, indent=2, ensure_ascii=False, default=str)
    aside.write_text(text, encoding="utf-8", newline="\n")
    return aside


def _judged_by(ours: Json, spec: str) -> Json:
    """Settings and weights of the verdicts that are there, as JSON reads them; empty for none."""
    settings = (ours.get("judge_settings") or {}).get(spec) or {}
    found = {**settings, "weights": (ours.get("judge_weights") or {}).get(spec)}
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
