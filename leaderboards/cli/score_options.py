"""The options of `ptst score`: what they mean together, and what of them makes no sense."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ptst_tasks import files
from ptst_tasks.errors import ConfigError, require

if TYPE_CHECKING:
    from leaderboards.judging.saved import Task
    from ptst_tasks.judges import Judge

__all__ = ["ScoreOptions"]

_ENDPOINTS = ("rubric", "strongreject", "misalignment")
"""Judges that have a model at an endpoint."""


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """The command's options."""

    judge: Sequence[str]
    model: str
    base_url: str
    rubric_file: str
    judge_reasoning: bool
    max_calls: int | None
    max_cost: float | None
    price: str
    max_unscored: float
    dry_run: bool
    batch: bool
    resubmit: bool
    batch_ids: tuple[str, ...]
    cache: Path | None
    record: Path | None
    canaries: bool
    compare: bool
    human: tuple[Path, ...]
    correct_by: str
    show: bool
    json: Path | None
    quiet: bool

    @property
    def sheets(self) -> tuple[Path, ...]:
        """People's labels of `ptst label`; those of another hand are for --compare."""
        from leaderboards.people.sheet import is_sheet

        return tuple(file for file in self.human if is_sheet(file))

    @property
    def others(self) -> Path | None:
        """Labels of another hand, by prompt id alone; `check` sees to it that they are in one file."""
        return None if self.sheets or not self.human else self.human[0]

    @property
    def compares(self) -> bool:
        """Whether judges are compared: with each other, or with labels of another hand."""
        return self.compare or self.others is not None

    def specs(self) -> list[str]:
        """The judges, with the options that are short for settings of theirs.

        Raises:
            ConfigError: If one of those options would be nobody's.
        """
        mine = [spec.partition(":")[0] for spec in self.judge]
        for option, value, takers in (
            ("--model", self.model, _ENDPOINTS),
            ("--base-url", self.base_url, _ENDPOINTS),
            ("--rubric-file", self.rubric_file, ("rubric",)),
        ):
            if value and not set(takers) & set(mine):
                raise ConfigError(
                    f"{option} is for --judge {' and '.join(takers)}, and the judges are "
                    f"{', '.join(self.judge) or 'none'}; a panel's members say it themselves"
                )
        return [self._with_options(spec) for spec in self.judge]

    def _with_options(self, spec: str) -> str:
        name, _, settings = spec.partition(":")
        rubric = self.rubric_file if name == "rubric" else ""
        more = {"model": self.model, "base_url": self.base_url, "rubric": rubric}
        if name not in _ENDPOINTS or not any(more.values()):
            return spec
        parts = [settings, *(f"{key}={value}" for key, value in more.items() if value)]
        return f"{name}:{','.join(part for part in parts if part)}"

    def check(self) -> None:
        """Refuses options that would do nothing beside others.

        Raises:
            ConfigError: If there are such.
        """
        if not self.judge and not self.compare and not self.human:
            raise ConfigError("give --judge NAME, --compare or --human LABELS")
        if self.correct_by and not self.sheets:
            raise ConfigError("--correct-by is for --human with labels of ptst label; leave it out")
        if len(self.human) > 1 and len(self.sheets) < len(self.human):
            strange = next(file for file in self.human if file not in self.sheets)
            raise ConfigError(
                f"--human {str(strange)!r} is no sheet of ptst label (its header has no cell), and several "
                "files are taken of these alone; give one file"
            )
        if self.judge_reasoning and not self.judge:
            raise ConfigError("--judge-reasoning does nothing without --judge; leave it out")
        if self.batch and self.batch_ids:
            raise ConfigError("--batch sends and --batch-id collects; give one of them")
        if self.resubmit and not self.batch:
            raise ConfigError("--resubmit does nothing without --batch; leave it out")
        ends = "--dry-run" if self.dry_run else "--batch" if self.batch else ""
        idle = {"--batch-id": self.batch_ids, "--record": self.record, "--compare": self.compare,
                "--human": self.human, "--show": self.show, "--json": self.json}  # fmt: skip
        if ends and (given := [name for name, value in idle.items() if value]):
            raise ConfigError(
                f"{ends} judges nothing, so {given[0]} would do nothing; leave it out"
            )
        if self.record and len(self.judge) != 1:
            raise ConfigError(
                f"--record keeps the verdicts of one judge, not of {len(self.judge)}; run it for each"
            )
        if self.max_cost is not None and not math.isfinite(self.max_cost):
            raise ConfigError(
                f"--max-cost {self.max_cost}: expected USD, a number from 0 on; leave it out for no limit"
            )
        from ptst_tasks.judges.batch import ID

        for one in self.batch_ids:
            if not ID.fullmatch(one):
                raise ConfigError(f"--batch-id {one!r} is no id of a batch; --batch printed it")
        self._check_outputs()

    def check_batch(self, judges: Sequence[Judge]) -> None:
        """Refuses judges whose calls cannot go as a batch, of which every request is a verdict.

        Raises:
            ConfigError: If there is one.
        """
        from ptst_tasks.judges.group import endpoints

        for judge in judges if self.batch or self.batch_ids else ():
            if (calls := [*endpoints(judge)]) != [judge]:
                why = "makes several calls an answer" if calls else "is not behind an endpoint"
                raise ConfigError(f"--batch: judge {judge.spec!r} {why}")

    def _check_outputs(self) -> None:
        for option, file in (("--json", self.json), ("--record", self.record)):
            if file and str(file) != "-" and not file.absolute().parent.is_dir():
                raise ConfigError(f"{option} {str(file)!r}: there is no such folder")
        if str(self.record) == "-":
            raise ConfigError("--record - : expected a file, which --judge replay:FILE can read")
        reads = [*self.human, Path(self.rubric_file) if self.rubric_file else None]
        files.check_outputs(filter(None, reads), json=self.json, record=self.record)
        for option, file in (*(("--human", file) for file in self.human), ("--cache", self.cache)):
            for out, target in (("--json", self.json), ("--record", self.record)):
                if file and target and file.absolute() == target.absolute():
                    raise ConfigError(f"{out} and {option} are the same file, {str(file)!r}")

    def check_inputs(self, found: Sequence[Task], judges: Sequence[Judge]) -> None:
        """Reads all that is to be read, and tries all that is to be written, before any work.

        Raises:
            PTSTError: If one of them cannot be.
        """
        from leaderboards.judging.saved import check_readable, check_writable
        from ptst_tasks.judges.replay import check_record

        if self.judge_reasoning and not any(task.reasoning and task.thinks for task in found):
            raise ConfigError(
                "--judge-reasoning: no response to a harmful query here is recorded with a thought; "
                "leave it out"
            )
        mine = {file.resolve() for task in found for file in (task.results, task.samples)}
        for out, target in (("--json", self.json), ("--record", self.record)):
            if target and target.resolve() in mine:
                raise ConfigError(f"{out} {str(target)!r} is a file of the run; give another")
        check_readable(found)
        if judges and not self.dry_run and not self.batch:
            check_writable(found)
        if self.record:
            check_record(self.record)
        if self.sheets:
            from leaderboards.board.people import read_people

            read_people(self.sheets, self.correct_by)
        if self.compares:
            _check_comparison(found, judges, self.others)


def _check_comparison(found: Sequence[Task], judges: Sequence[Judge], human: Path | None) -> None:
    """Refuses what could not be compared once all is judged."""
    from leaderboards.judging.agreement import check_two, human_labels, labels

    require("judge", "krippendorff", who="--compare")
    items = labels(found)
    if human:
        human_labels(human, items)
    check_two({name for item in items for name in item.by} | {judge.spec for judge in judges})
