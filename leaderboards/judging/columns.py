"""Puts a judge's verdicts into a task's files: a filter's lines and its rates, in both or in none.

Every line of a samples file that has another filter stays as it is, to the byte; the new judge's
lines follow, and its rates join the results file. Both are written aside and renamed.
"""

from __future__ import annotations

import glob
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from leaderboards.board import disk, in_place
from leaderboards.judging.saved import Task
from leaderboards.judging.shapes import damaged, expect, ours_of
from ptst_tasks import files
from ptst_tasks.errors import DataError
from ptst_tasks.locks import locked
from ptst_tasks.record import KEY, TaskRecord

__all__ = ["line_of", "open_aside", "put_column", "sweep", "unwritable"]

Json = dict[str, Any]
_YOUNG = 600.0  # seconds
_UNDECLARED = (
    "score",
    "partial",
    "truncated",
    "reasoning_asr",
    "reasoning_unscored",
)  # higher is worse


def put_column(
    task: Task,
    spec: str,
    lines: Path,
    values: Mapping[str, float],
    describe: Callable[[TaskRecord], None],
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
        with locked(task.results.with_name(in_place.LOCK)):  # two judges may finish at once
            in_place.put_in_place(task.results)  # what a killed process had begun
            _write_samples(samples, task.samples, spec, lines)
            _write_results(results, task, spec, values, describe)
            samples.replace(in_place.next_of(task.samples))
            results.replace(in_place.next_of(task.results))
            in_place.put_in_place(task.results)
    except OSError as e:
        raise unwritable(task, e) from e
    finally:
        for left in (lines, samples, results):
            with suppress(OSError):
                left.unlink(missing_ok=True)


def unwritable(task: Task, why: OSError) -> DataError:
    """What to say of files that verdicts cannot be written to."""
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
    describe: Callable[[TaskRecord], None],
) -> None:
    data = disk.json_object(task.results)
    for part in ("results", "configs"):  # hours may have passed since it was read
        if task.name not in expect(data.get(part), dict, task.results, part):
            raise damaged(task.results, part, "", f"an object that holds {task.name}")
    ours_of(task.results, data, task.name)
    own = {k: v for k, v in data["results"][task.name].items() if k.partition(",")[2] != spec}
    for name, value in values.items():
        own |= {f"{name},{spec}": value, f"{name}_stderr,{spec}": "N/A"}
    data["results"][task.name] = own
    if worse := dict.fromkeys((name for name in _UNDECLARED if name in values), False):
        higher = data.setdefault("higher_is_better", {})
        higher[task.name] = {**(higher.get(task.name) or {}), **worse}
    describe(data["configs"][task.name]["metadata"][KEY])
    text = json.dumps(data, indent=2, ensure_ascii=False, default=str)
    aside.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
