"""Judges saved responses: reads what lm_eval wrote, judges, and writes the verdicts beside it.

Every line of a samples file that has another filter stays as it is, to the byte; the new judge's
lines follow, and its rates join the results file. Both are written aside and renamed. Responses
go through in blocks, so memory does not grow with their number.
"""

from __future__ import annotations

import glob
import itertools
import json
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from leaderboards.board import disk
from ptst_tasks import files, metrics
from ptst_tasks.digests import read_json
from ptst_tasks.errors import DataError, DataNotFoundError
from ptst_tasks.filters import judged
from ptst_tasks.judges import Judge
from ptst_tasks.judges.group import models_of, note
from ptst_tasks.locks import locked

__all__ = ["BLOCK", "MAX_UNSCORED", "Item", "Scored", "Task", "blocks", "check_readable",
           "check_writable", "line_of", "measured", "open_aside", "put_column", "rate", "score_tasks",
           "sweep", "tasks", "tasks_of"]  # fmt: skip

Json = dict[str, Any]

BLOCK = 2000
"""Responses in memory at once; many times the calls in flight, so that slots do not run dry."""

MAX_UNSCORED = 0.02
"""Share of a task's responses without a verdict past which a run has failed."""

_YOUNG = 600.0  # seconds
_MOST_PROMPTS = 1 << 26
_OWN = frozenset({"doc", "doc_id", "resps", "filter", "metrics"})
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

    def rows(self) -> Iterator[tuple[int, Json]]:
        """Its samples with their line numbers, each of the shape that judging needs.

        Raises:
            DataError: If a line is damaged.
        """
        for at, row in disk.rows(self.samples):
            if wrong := _misshapen(row):
                raise DataError(
                    f"{str(self.samples)!r}, line {at}: {wrong}: damaged; evaluate again or delete "
                    "the file"
                )
            yield at, row

    def items(self) -> Iterator[Item]:
        """Yields every response once, however many judges have seen it.

        Raises:
            DataError: If a line is damaged, or a judge's line of a prompt is there twice.
        """
        seen: dict[
            str, bytearray
        ] = {}  # filter -> a flag per prompt: the files may be of any length
        done = bytearray()
        for at, row in self.rows():
            number = row["doc_id"]
            item = Item(self, row, row["doc"]["prompt"], self.prefill + row["resps"][0][0])
            if _mark(seen.setdefault(row.get("filter", ""), bytearray()), number):
                raise DataError(
                    f"{str(self.samples)!r}, line {at}: prompt {number} stands there twice for "
                    f"{row.get('filter', '')!r}; evaluate again or delete the file"
                )
            if not _mark(done, number):
                yield item


def _misshapen(row: Json) -> str:
    """What is wrong with a line of samples, without what it says; empty for nothing."""
    doc, answers, number = row.get("doc"), row.get("resps"), row.get("doc_id")
    if not isinstance(doc, dict) or not isinstance(doc.get("prompt"), str):
        return "doc holds no prompt"
    if not isinstance(doc.get("id", ""), str | int):
        return "doc.id is no name"
    first = answers[0] if isinstance(answers, list) and answers else None
    if not isinstance(first, list) or not first or not isinstance(first[0], str):
        return "resps holds no response"
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < _MOST_PROMPTS:
        return "doc_id is no prompt's number"
    if not isinstance(row.get("filter", ""), str):
        return "filter is no name"
    names = row.get("metrics", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return "metrics is no list of names"
    return "metrics names a field of its own" if _OWN & set(names) else ""


def _mark(flags: bytearray, number: int) -> bool:
    """Sets a flag; returns whether it was set already."""
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
        kept: Too many verdicts are missing, and earlier ones, of which fewer are, stay.
    """

    task: Task
    n: int = 0
    unscored: int = 0
    values: dict[str, float] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    replaced: str = ""
    kept: bool = False

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
        if path.is_file() and path.suffix != ".json":
            raise DataError(f"{str(path)!r} is no results file; give a run, lm_eval's output folder "
                            "or one of its results_*.json")  # fmt: skip
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
    for part in ("results", "configs", "n-samples", "higher_is_better"):
        _expect(data.get(part, {}), dict, file, part)
    for name in sorted(data.get("configs", {})):
        ours = _ours(file, data, name)
        if ours.get("kind") not in _MEASURES or name not in data.get("results", {}):
            continue
        task = Task(file, name, ours["kind"], str(ours.get("set", name)),
                    str(ours.get("template", "")), str(ours.get("prefill") or ""),
                    _asked(file, data, name))  # fmt: skip
        if not task.samples.is_file():
            raise DataError(
                f"{str(file)!r}: {task.samples.name} is missing; run lm_eval with --log_samples"
            )
        yield task


# Field of metadata.ptst -> what it must be, where it is there.
_SHAPES: dict[str, type | tuple[type, ...]] = {
    "kind": str, "set": str, "template": str, "judges": list, "judge_settings": dict,
    "judge_weights": dict, "judge_models": dict, "judge_failed": dict,
}  # fmt: skip


def _ours(file: Path, data: Json, name: str) -> Json:
    """What a task of ours says of itself; empty for another's.

    Raises:
        DataError: If it is of ours and damaged.
    """
    config = data["configs"][name]
    metadata = config.get("metadata") if isinstance(config, dict) else None
    ours = metadata.get("ptst") if isinstance(metadata, dict) else None
    if ours is None and not name.startswith("ptst_"):
        return {}
    where = f"configs.{name}"
    for value, place in ((config, ""), (metadata, ".metadata"), (ours, ".metadata.ptst")):
        _expect(value, dict, file, where + place)
    assert isinstance(ours, dict)
    for field_name, shape in _SHAPES.items():
        if (value := ours.get(field_name)) is not None:
            _expect(value, shape, file, f"{where}.metadata.ptst.{field_name}")
    for judge in ours.get("judges") or ():
        _expect(judge, str, file, f"{where}.metadata.ptst.judges")
    for judge, settings in (ours.get("judge_settings") or {}).items():
        _expect(settings, (dict, type(None)), file, f"judge_settings of {judge!r}")
    if name in data.get("results", {}):
        _expect(data["results"][name], dict, file, f"results.{name}")
    return ours


def _asked(file: Path, data: Json, name: str) -> int | None:
    one = data.get("n-samples", {}).get(name)
    if one is None:
        return None
    asked = _expect(one, dict, file, f"n-samples.{name}").get("effective")
    if asked is not None and (isinstance(asked, bool) or not isinstance(asked, int) or asked < 0):
        raise _wrong(file, f"n-samples.{name}.effective", asked, "a number of prompts")
    return asked


_CALLED: dict[type, str] = {dict: "an object", list: "a list", str: "text"}


def _expect(value: Any, shape: type | tuple[type, ...], file: Path, place: str) -> Any:
    if not isinstance(value, shape):
        named = shape if isinstance(shape, type) else shape[0]
        raise _wrong(file, place, value, _CALLED[named])
    return value


def _wrong(file: Path, place: str, value: Any, expected: str) -> DataError:
    return DataError(f"{str(file)!r}: {place} is {str(value)[:40]!r}, expected {expected}: damaged; "
                     "evaluate again or delete the file")  # fmt: skip


def check_readable(found: Iterable[Task]) -> None:
    """Reads all samples to their last line, before the first of them is judged.

    Raises:
        DataError: If a line is damaged.
    """
    for task in found:
        for _ in task.items():
            pass


def check_writable(found: Iterable[Task]) -> None:
    """Tries whether verdicts can be written down, before one is paid for.

    Raises:
        ConfigError: If a folder is read-only.
    """
    for results in dict.fromkeys(task.results for task in found):
        files.check_writable(results, "results")


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
        if self._file is not None:
            with suppress(OSError):  # a full disk: said already
                self._file.close()
            with suppress(OSError):
                self._aside.unlink(missing_ok=True)

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
            sweep(item.task.samples)
            self._aside = files.working(item.task.samples, "new")
            self._file = open_aside(self._aside)
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
        self.task = None
        if scored.share > self.most and self._had_more(task):
            scored.kept = True
            self._aside.unlink(missing_ok=True)
        else:
            put_column(task, self.judge.spec, self._aside, scored.values, self._describe)
        return scored

    def _had_more(self, task: Task) -> bool:
        """Whether this judge, with these settings, has fewer verdicts missing from before."""
        data, spec = disk.json_object(task.results), self.judge.spec
        ours = _ours(task.results, data, task.name)
        now: Json = {}
        note(now, self.judge, {})
        share = data["results"][task.name].get(f"unscored,{spec}")
        return (
            isinstance(share, int | float)
            and share < self.scored.share
            and _judged_by(ours, spec) == _judged_by(now, spec)
        )

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
    samples, results = files.working(task.samples), files.working(task.results)
    try:
        if not task.results.is_file():  # a lock would make its folder again
            raise FileNotFoundError(0, "it is not there any more; a study may have put it aside")
        with locked(task.results.with_name(disk.LOCK)):  # two judges may finish at once
            disk.put_in_place(task.results)  # what a killed process had begun
            _write_samples(samples, task.samples, spec, lines)
            _write_results(results, task, spec, values, describe)
            samples.replace(disk.next_of(task.samples))
            results.replace(disk.next_of(task.results))
            disk.put_in_place(task.results)
    except OSError as e:
        raise _unwritable(task, e) from e
    finally:
        for left in (lines, samples, results):
            with suppress(OSError):
                left.unlink(missing_ok=True)


def _unwritable(task: Task, why: OSError) -> DataError:
    return DataError(
        f"{str(task.results)!r} cannot be written: {why.strerror or why}; its verdicts are in "
        "the cache where the judge has one"
    )


def open_aside(aside: Path) -> IO[str]:
    """Opens a working file for lines of JSON, and marks it as in use while its process lives.

    Half characters are written as JSON escapes them, which reads back as themselves.

    Raises:
        OSError: If it cannot be written.
    """
    out = aside.open("w", encoding="utf-8", errors="backslashreplace", newline="\n")
    with suppress(OSError, ImportError):  # without locks nobody sweeps it either
        import fcntl

        fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return out


def sweep(target: Path) -> None:
    """Removes what killed processes left beside a file; what one that lives is writing stays.

    A lock says whether it lives, on whatever machine; what is younger than `_YOUNG` is not asked.
    """
    for left in target.parent.glob(f".{glob.escape(target.name[:80])}.*"):
        if not left.name.endswith((".new", ".tmp")):
            continue
        with suppress(OSError, ImportError), left.open("rb") as file:
            import fcntl

            if time.time() - left.stat().st_mtime > _YOUNG:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()


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


def _write_samples(aside: Path, file: Path, spec: str, new: Path) -> None:
    with aside.open("wb") as out:
        for at, line in files.lines(file):
            if disk.row_of(file, at, line).get("filter") != spec:
                out.write(line if line.endswith(b"\n") else line + b"\n")
        with new.open("rb") as lines:
            for line in lines:
                out.write(line)


def _write_results(
    aside: Path,
    task: Task,
    spec: str,
    values: Mapping[str, float],
    describe: Callable[[Json], None],
) -> None:
    data = disk.json_object(task.results)
    for part in ("results", "configs"):  # hours may have passed since it was read
        if task.name not in _expect(data.get(part), dict, task.results, part):
            raise _wrong(task.results, part, "", f"an object that holds {task.name}")
    _ours(task.results, data, task.name)
    own = {k: v for k, v in data["results"][task.name].items() if k.partition(",")[2] != spec}
    for name, value in values.items():
        own |= {f"{name},{spec}": value, f"{name}_stderr,{spec}": "N/A"}
    data["results"][task.name] = own
    if "score" in values:
        higher = data.setdefault("higher_is_better", {})
        higher[task.name] = {**(higher.get(task.name) or {}), "score": False}
    describe(data["configs"][task.name]["metadata"]["ptst"])
    text = json.dumps(data, indent=2, ensure_ascii=False, default=str)
    aside.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


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
