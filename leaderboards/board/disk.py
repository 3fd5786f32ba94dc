"""What lies on disk, and whether it can be believed: the one reader of runs, cells and samples.

    RUN/cells/DIGEST/cell.json                    labels and the record of what was measured
    RUN/cells/DIGEST/*/results_DATE.json          as lm-eval writes it
    RUN/cells/DIGEST/*/samples_TASK_DATE.jsonl    a line per prompt and filter
    RUN/attic/DIGEST                              cells that the study no longer asks for

A name that begins with a dot is being written, or was when its process died: it is nobody's. A
cell is *whole* if its record, its results and every line of its samples can be read and no prompt
is missing; whatever is not whole counts as not there for a run, and as damage for a board.

Samples and results change together, or not at all: see `in_place`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaderboards.board import inspect_logs
from leaderboards.board.in_place import LOCK, settle
from ptst_tasks.errors import DataError
from ptst_tasks.files import lines
from ptst_tasks.provenance import Generation
from ptst_tasks.record import KEY, misfits

__all__ = ["CellFiles", "cell_folders", "damage", "holds_answers", "home_of", "is_run", "is_whole",
           "json_object", "read_cell_files", "results_files", "row_of", "rows", "samples_of"]  # fmt: skip

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CellFiles:
    """One cell, looked through.

    Attributes:
        folder: Where it is.
        record: ``cell.json``.
        results: The newest results file; None for a cell that failed.
    """

    folder: Path
    record: Json
    results: Path | None

    @property
    def error(self) -> str:
        """Why it failed; empty if it did not."""
        return "" if self.results else str(self.record.get("error") or "no results")


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's."""
    return (folder / "study.json").exists() or bool(cell_folders(folder))


def cell_folders(run: Path) -> list[Path]:
    """The folders of a run's cells, by digest; none that is being written."""
    found = (file.parent for file in run.glob("cells/*/cell.json"))
    return sorted(folder for folder in found if not folder.name.startswith("."))


def results_files(path: Path) -> list[Path]:
    """Every results file below a path, by name and so by date; of a cell the newest alone.

    Raises:
        DataError: If new verdicts were being written when a process was killed, and cannot be now.
    """
    found = _results_files(path)
    for file in found:
        settle(file)
    return found


def _results_files(path: Path) -> list[Path]:
    if inspect_logs.is_log(path):
        path = inspect_logs.unpack(path)
    elif path.is_file():
        return [path]
    elif not any((path / name).exists() for name in ("study.json", "cell.json")):
        inspect_logs.unpack_below(path)
    below = [f for f in path.rglob("results_*.json") if not _hidden(f.relative_to(path))]
    if (path / "study.json").is_file():  # what it no longer asks for is no part of a run
        below = [f for f in below if path / "attic" not in f.parents]
    files = sorted(below, key=lambda file: file.name)
    newest = {file.parent: file for file in files}
    return [f for f in files if not _in_cell(f) or newest[f.parent] == f]


def samples_of(results: Path, task: str) -> Path:
    """The samples that were logged with a results file."""
    date = results.stem.rpartition("_")[2]  # of results_DATE, or of NAME_DATE
    return results.with_name(f"samples_{task}_{date}.jsonl")


def home_of(results: Path, task: str) -> str:
    """How people's labels name where responses are: the cell, or results file and task without one."""
    return results.parent.parent.name if _in_cell(results) else f"{results.stem} {task}"


def read_cell_files(folder: Path) -> CellFiles:
    """Looks through a cell.

    Raises:
        DataError: If it is damaged, with the file and the line.
    """
    record = json_object(folder / "cell.json")
    _check_record(folder / "cell.json", record)
    files = results_files(folder)
    if not files:
        return CellFiles(folder, record, None)
    task = record.get("harness_task")
    results = json_object(files[-1])
    for part in ("results", "configs"):
        if not isinstance(found := results.get(part), dict) or (task and task not in found):
            raise DataError(f"{str(files[-1])!r} holds no {part} of {task!r}: damaged")
    for name in [task] if task else results["configs"]:
        _check_results(files[-1], results, name)
        _check_samples(samples_of(files[-1], name), results, name)
    return CellFiles(folder, record, files[-1])


def is_whole(folder: Path) -> bool:
    """Whether a cell was measured and can be read to its last line."""
    try:
        return read_cell_files(folder).results is not None
    except DataError:
        return False


def damage(folder: Path) -> str:
    """What is wrong with something that stands where a cell should; empty for a failed try."""
    try:
        if read_cell_files(folder).results is None and holds_answers(folder):
            return f"{str(folder)!r} holds no results"
    except DataError as e:
        return str(e)
    return ""


def holds_answers(folder: Path) -> bool:
    """Whether there is anything in a cell's folder but the record of a failed try."""
    if not folder.is_dir():
        return True  # nobody knows what it is
    found = (file for file in folder.rglob("*") if not file.is_dir())
    return any(file != folder / "cell.json" and file.name != LOCK for file in found)


def rows(file: Path) -> Iterator[tuple[int, Json]]:
    """The lines of a samples file with their numbers, from 1.

    Raises:
        DataError: If the file or a line cannot be read.
    """
    return ((at, row_of(file, at, line)) for at, line in lines(file))


def row_of(file: Path, at: int, line: bytes) -> Json:
    """Reads one line.

    Raises:
        DataError: If it is no JSON object.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise DataError(f"{str(file)!r}, line {at}: damaged; evaluate again or delete the file")
    return row


def json_object(file: Path) -> Json:
    """Reads a JSON object.

    Raises:
        DataError: If there is none.
    """
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as e:
        why = " ".join(str(e).split()) or type(e).__name__
        raise DataError(f"{str(file)!r} cannot be read as JSON: {why}") from e
    if not isinstance(data, dict):
        raise DataError(f"{str(file)!r} holds no JSON object")
    return data


_TEXTS = ("base", "adapter", "train_data", "train_template", "test_template", "task",
          "harness_task", "training", "defence", "attack", "digest", "error", "worker")  # fmt: skip


def _check_record(file: Path, record: Json) -> None:
    """A cell's record must have the types that it was written with.

    Raises:
        DataError: Otherwise, with the field.
    """
    if not {"base", "task"} <= record.keys():  # an object, and of something else
        raise DataError(f"{str(file)!r} does not say base and task: damaged")
    for name, kinds in _fields():
        value = record.get(name)
        if value is not None and not (isinstance(value, kinds) and not isinstance(value, bool)):
            raise _odd(file, name, value)
    if "/" in str(record.get("harness_task")):  # it is part of a file's name
        raise _odd(file, "harness_task", record["harness_task"])
    made = record.get("provenance")
    if made is None:  # 0.1.0 wrote none, and a cell that nobody could name has none
        return
    try:
        Generation.from_dict(made)
    except TypeError as e:
        raise DataError(f"{str(file)!r}: provenance: {e}: damaged") from e


def _fields() -> Iterator[tuple[str, tuple[type, ...]]]:
    yield from ((name, (str,)) for name in _TEXTS)
    yield from ((name, (dict,)) for name in ("requested", "form", "decoding", "digests"))
    yield from (("seed", (int,)), ("seconds", (int, float)))


def _check_results(file: Path, results: Json, task: str) -> None:
    """What is read of a task's results must have the shape that lm-eval and we give it.

    Raises:
        DataError: Otherwise, with the field.
    """
    if not isinstance(values := results["results"].get(task), dict):
        raise _odd(file, f"results.{task}", values)
    config = results["configs"][task]
    if not isinstance(config, dict) or len(results["configs"]) > 1:  # a cell is one task
        raise _odd(file, "configs", results["configs"])
    ours: Any = config.get("metadata") or {}
    counts: Any = results.get("n-samples", {})
    for name, holder, key in (("metadata", ours, KEY), ("n-samples", counts, task)):
        if not isinstance(holder, dict) or not isinstance(holder.get(key, {}), dict):
            raise _odd(file, f"{name}.{key}", holder)
    for name, value, _ in misfits(ours.get(KEY, {})):
        raise _odd(file, f"metadata.{KEY}.{name}", value)


def _odd(file: Path, name: str, value: Any) -> DataError:
    return DataError(f"{str(file)!r}: {name} is {repr(value)[:80]}: damaged")


def _check_row(file: Path, at: int, row: Json) -> str:
    """A line must have a prompt and an answer; returns its filter.

    Raises:
        DataError: Otherwise.
    """
    answers = row.get("resps")
    good = isinstance(answers, list) and answers and isinstance(answers[0], list) and answers[0]
    if not good or not isinstance(row.get("doc"), dict):
        raise DataError(f"{str(file)!r}, line {at}: no prompt or no answer in it: damaged")
    return str(row.get("filter", "none"))


def _check_samples(file: Path, results: Json, task: str) -> None:
    """Every filter must have a line for every prompt that was asked."""
    counts = Counter(_check_row(file, at, row) for at, row in rows(file))
    asked = ((results.get("n-samples") or {}).get(task) or {}).get("effective")
    short = [name for name, n in counts.items() if isinstance(asked, int) and n != asked]
    if short or not counts:
        found = f"{counts[short[0]]} lines of {short[0]!r}" if short else "no lines"
        raise DataError(
            f"{str(file)!r} holds {found} for {asked} prompts: damaged; evaluate again or delete it"
        )


def _hidden(file: Path) -> bool:
    return any(part.startswith(".") for part in file.parts)


def _in_cell(file: Path) -> bool:
    return (file.parent.parent / "cell.json").is_file()
