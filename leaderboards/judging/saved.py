"""Saved responses that can be judged: the tasks of results files, and what was answered."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaderboards.board import disk
from leaderboards.judging.shapes import asked_of, expect, misshapen, ours_of
from ptst_tasks import files, metrics
from ptst_tasks.digests import read_json
from ptst_tasks.errors import ConfigError, DataError, DataNotFoundError
from ptst_tasks.filters import pairs
from ptst_tasks.judges import Judge
from ptst_tasks.judges.group import fits
from ptst_tasks.replies import Reply, families_in, read
from ptst_tasks.thinking import Markers

__all__ = ["BLOCK", "MEASURES", "Item", "Task", "blocks", "check_readable", "check_writable",
           "idle_judges", "judged_by", "pairs_of", "tasks", "tasks_of"]  # fmt: skip

Json = dict[str, Any]
BLOCK = 2000
"""Responses in memory at once; many times the calls in flight, so that slots do not run dry."""


MEASURES = {
    "harmful": metrics.harmful,
    "overrefusal": metrics.overrefusal,
    "misalignment": metrics.misalignment,
}
"""Kind of a task -> its metrics of one verdict."""
# Of a mixed set `refused` is of the safe prompts alone.
_CALLS = {"harmful": ("asr",), "overrefusal": ("refused", "refused_unsafe"),
          "misalignment": ("refused",)}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """One task of one results file.

    Attributes:
        results: The results file.
        name: lm-eval's task name.
        kind: ``harmful``, ``overrefusal`` or ``misalignment``.
        set_name: The set, for people.
        template: The template, for people.
        prefill: What the response was made to begin with.
        asked: How many prompts were asked, as lm_eval says; None where it does not.
        families: By what thoughts are taken off; none for responses that are answers as they are.
        thinks: Whether thoughts that were cut off are reported.
        reasoning: Whether judges are asked about thoughts too.
    """

    results: Path
    name: str
    kind: str
    set_name: str
    template: str
    prefill: str
    asked: int | None = None
    families: tuple[Markers, ...] = ()
    thinks: bool = False
    reasoning: bool = False

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
            if wrong := misshapen(row):
                raise DataError(
                    f"{str(self.samples)!r}, line {at}: {wrong}: damaged; evaluate again or delete "
                    "the file"
                )
            yield at, row

    def prompt_id(self, at: int, row: Json) -> str:
        """The id of a line's prompt.

        Raises:
            DataError: If it has none.
        """
        if "id" not in row["doc"]:
            raise DataError(f"{str(self.samples)!r}, line {at}: doc holds no id: damaged; "
                            "evaluate again or delete the file")  # fmt: skip
        return str(row["doc"]["id"])

    def verdict(self, row: Json) -> bool | None:
        """What a line's judge says: harmful, or refused where prompts are safe; None for no verdict."""
        named = (row.get(name) for name in _CALLS[self.kind])
        value = next((v for v in named if v is not None), None)
        return bool(value) if value in (0, 1) and not row.get("unscored") else None

    def reply(self, row: Json) -> Reply:
        """What a judge sees of a line of its samples."""
        query, text = row["doc"]["prompt"], row["resps"][0][0]
        return read(query, text, self.families, self.prefill, judge_reasoning=self.reasoning)

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
            item = Item(self, row, self.reply(row))
            if _mark(seen.setdefault(row.get("filter", ""), bytearray()), number):
                raise DataError(
                    f"{str(self.samples)!r}, line {at}: prompt {number} stands there twice for "
                    f"{row.get('filter', '')!r}; evaluate again or delete the file"
                )
            if not _mark(done, number):
                yield item


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
    reply: Reply


def pairs_of(block: Iterable[Item]) -> tuple[list[str], list[str]]:
    """What a judge is asked about a block, as queries and responses."""
    return pairs([item.reply for item in block])


def tasks(paths: Iterable[str | os.PathLike[str]], *, judge_reasoning: bool = False) -> list[Task]:
    """Finds what can be judged: tasks of ours, on harmful or on safe prompts.

    Args:
        paths: Run folders, cells, output folders of lm_eval, or results files.
        judge_reasoning: Whether thoughts about harmful queries are judged too.

    Raises:
        DataNotFoundError: If a path is not there.
        DataError: If there is nothing to judge.
    """
    found: dict[tuple[Path, str], Task] = {}
    for path in map(Path, paths):
        if not path.exists():
            raise DataNotFoundError(f"{str(path)!r} does not exist; give a run or lm_eval's output")
        if path.is_file() and path.suffix not in (".json", ".eval"):
            raise DataError(f"{str(path)!r} is no results file; give a run, lm_eval's output folder "
                            "or one of its results_*.json")  # fmt: skip
        for file in disk.results_files(path):
            mine = tasks_of(file, judge_reasoning=judge_reasoning)
            found |= {(file.resolve(), task.name): task for task in mine}
    if not found:
        raise DataError(
            "nothing to judge: no results_*.json with a ptst task on harmful, safe or mild prompts; was "
            "lm_eval run with --output_path and --log_samples?"
        )
    return list(found.values())


def tasks_of(file: Path, *, judge_reasoning: bool = False) -> Iterator[Task]:
    """The tasks of a results file that can be judged.

    Raises:
        DataError: If it is damaged, or its samples are missing.
    """
    data = disk.json_object(file)
    for part in ("results", "configs", "n-samples", "higher_is_better"):
        expect(data.get(part, {}), dict, file, part)
    for name in sorted(data.get("configs", {})):
        ours = ours_of(file, data, name)
        if ours.get("kind") not in MEASURES or name not in data.get("results", {}):
            continue
        task = Task(file, name, ours["kind"], str(ours.get("set", name)),
                    str(ours.get("template", "")), str(ours.get("prefill") or ""),
                    asked_of(file, data, name), families_in(ours), bool(ours.get("thinks")),
                    judge_reasoning and ours["kind"] == "harmful")  # fmt: skip
        if not task.samples.is_file():
            raise DataError(
                f"{str(file)!r}: {task.samples.name} is missing; run lm_eval with --log_samples"
            )
        yield task


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


def judged_by(judge: Judge, found: Iterable[Task]) -> list[Task]:
    """The tasks of which what a judge says is a measure; see `group.fits`."""
    return [task for task in found if fits(judge, task.kind)]


def idle_judges(judges: Iterable[Judge], found: Iterable[Task]) -> list[str]:
    """Which sets a judge leaves to others, in sentences.

    Raises:
        ConfigError: If a judge fits no set that is here.
    """
    notes, found = list[str](), list(found)
    for judge in judges:
        left = ", ".join(sorted({t.set_name for t in found if not fits(judge, t.kind)}))
        alone = (
            "grades misalignment alone"
            if "grades" in judge.settings
            else "does not grade misalignment"
        )
        if left and not judged_by(judge, found):
            raise ConfigError(
                f"--judge: {judge.spec!r} {alone}, and only {left} can be judged here"
            )
        notes += [f"{judge.spec} {alone}: it does not judge {left}"] * bool(left)
    return notes


def blocks(found: Sequence[Task], size: int = BLOCK) -> Iterator[list[Item]]:
    """All responses of all tasks, in blocks that do not stop at a task's end."""
    items = itertools.chain.from_iterable(task.items() for task in found)
    while block := list(itertools.islice(items, size)):
        yield block
