"""Makes the report of one run, or of two: before and after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from leaderboards.board.defences import Ranking, rankings
from leaderboards.board.numbers import Number
from leaderboards.board.row import Row
from leaderboards.board.sides import Side, read_side
from leaderboards.board.tables import grids
from leaderboards.board.training_like import remarked
from leaderboards.gate.policy import Policy
from leaderboards.report.changes import Changes, changes
from leaderboards.report.grids import Where, points_of, provenance, views
from leaderboards.report.headline import headlines
from leaderboards.report.label_sample import label_sample
from leaderboards.report.logged import answers_of, order
from leaderboards.report.naming import Naming
from leaderboards.report.page import Figured, Page, Sheet, render
from leaderboards.report.sayable import told_of
from leaderboards.report.sendable import Texts, name_of
from leaderboards.report.table import AnswerTable
from leaderboards.report.wishes import Wishes
from ptst_tasks.errors import ConfigError, PTSTError

__all__ = ["Built", "build"]

_SHARED = ("base", "base_digest", "data_fingerprint", "thinking", "decoding", "prompting", "engine",
           "engine_args", "dtype", "judge_model", "judge_kappa", "versions", "ptst_version",
           "lm_eval_version", "transformers_version", "date")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Built:
    """A report: the file's text, how many answers it shows, and what a reader should know."""

    html: str
    answers: int
    headlines: list[str]
    notes: list[str]
    failed: bool


def build(sides: Sequence[Sequence[Path]], wishes: Wishes | None = None) -> Built:
    """Reads runs and makes the page.

    Args:
        sides: One, or two (before and after), each of one or more runs, results or leaderboards.
        wishes: What it is to hold.

    Raises:
        PTSTError: If a run gives nothing, or two cannot be compared.
    """
    wishes = wishes or Wishes()
    read, naming = [_side(runs) for runs in sides], Naming()
    notes = list(dict.fromkeys(note for side in read for note in side.notes))
    table = _table(sides, read, wishes.texts, naming, notes)
    compared = _compared(read, wishes.policy, table, naming)
    if compared:
        table.turn(*compared.turned)
    naming.rows(n.row for side in read for n in side.numbers if n.stale)  # which notes name
    numbers = _named([n for n in read[-1].numbers if not n.stale], naming)
    rows = [n.row for n in numbers]
    where = _where(numbers, len(sides) - 1, table)
    known = {} if table.renamed() else {id(n.row): n for n in numbers}
    tables = remarked(grids(rows, pool=wishes.pool), lambda: known)
    sample, why = label_sample(_folders(sides[-1]), wishes, len(sides) - 1, table)
    page = Page(
        title=name_of(" and ".join(Path(runs[0]).resolve().name for runs in sides)),
        headlines=headlines(numbers, pool=wishes.pool, paired=not table.renamed()),
        compared=compared,
        views=views(tables, where, mixed={r.task for r in rows if r.metric == "refused_unsafe"}),
        figures=_figures(rows, where, pool=wishes.pool, say=notes.append),
        sheets=[_sheet(ranking) for ranking in rankings(numbers, pool=wishes.pool)],
        missing=table.lacking,
        failed=[_failure(row) for row in rows if row.error],
        provenance=provenance(rows, _SHARED),
        notes=list(dict.fromkeys(told_of(note, naming.known()) for note in notes)),
        data=table.data(),
        sample=sample,
        no_sample=why,
        texts=wishes.texts,
        hidden=not all(table.shown.values()),
    )
    return Built(
        render(page), len(table), page.headlines, page.notes, bool(compared and compared.failed)
    )


def _side(runs: Sequence[Path]) -> Side:
    read = [read_side(run) for run in runs]
    numbers: list[Number] = [n for side in read for n in side.numbers]
    return Side(read[0].where, tuple(numbers), tuple(n for side in read for n in side.notes))


def _table(
    sides: Sequence[Sequence[Path]],
    read: Sequence[Side],
    texts: Texts,
    naming: Naming,
    notes: list[str],
) -> AnswerTable:
    """The answers of all runs."""
    names = ["before", "after"] if len(sides) > 1 else [name_of(str(sides[0][0]))]
    table = AnswerTable(names)
    for number, (runs, side) in enumerate(zip(sides, read, strict=True)):
        homes = {n.home for n in side.numbers if not n.stale}
        found = [
            task for run in _folders(runs) for task in answers_of(run, homes, texts, naming, notes)
        ]
        for asked, answers in sorted(found, key=lambda task: order(task[0])):
            table.add(number, asked, answers)
    if not len(table):
        notes.append("no samples were logged with these numbers, so no answers stand here")
    if renamed := table.renamed():
        notes.append(f"{renamed} ids are of several prompts: rows of a set were changed in between; each "
                     "prompt stands for itself here")  # fmt: skip
    return table


def _compared(
    read: Sequence[Side], policy: Policy | None, table: AnswerTable, naming: Naming
) -> Changes | None:
    from leaderboards.gate.policy import load_policy

    if len(read) < 2:
        return None
    try:
        return changes(read[0], read[1], policy or load_policy(None), table, naming)
    except PTSTError as e:
        raise ConfigError(
            f"the two runs cannot be compared: {e} (options of ptst check; a report takes whole runs: make "
            "one of each)"
        ) from e


def _named(numbers: Sequence[Number], naming: Naming) -> list[Number]:
    """Numbers with names that are fit to be sent on, and of errors what may be told."""
    rows, known = naming.rows(n.row for n in numbers), naming.known()
    rows = [row.model_copy(update={"error": told_of(row.error, known)}) for row in rows]
    return [replace(number, row=row) for number, row in zip(numbers, rows, strict=True)]


def _where(numbers: Sequence[Number], run: int, table: AnswerTable) -> Where:
    """The number of the task that a row's answers are of, among those of the page."""
    homes = {id(n.row): (run, n.home) for n in numbers}
    known = {place: at for at, place in enumerate(table.tasks)}
    return lambda row: known.get(homes.get(id(row), (run, "")))


def _folders(runs: Sequence[Path]) -> list[Path]:
    return [run for run in runs if run.suffix != ".csv"]


def _figures(
    rows: Sequence[Row], where: Where, *, pool: bool, say: Callable[[str], None]
) -> list[Figured]:
    """Trade-offs and what was kept along training, as SVG."""
    from leaderboards.board.inline_svg import inline
    from leaderboards.board.pictures import sketches

    return [
        Figured(name_of(made.title), inline(made.figure, f"figure-{at}-", name_of(made.title)),
                points_of(made.of, where))
        for at, made in enumerate(sketches(rows, pool=pool, say=say))
    ]  # fmt: skip


def _sheet(ranking: Ranking) -> Sheet:
    lines = [[name_of(text) for text in line] for line in ranking.table()]
    return Sheet(name_of(ranking.title), lines, [name_of(remark) for remark in ranking.remarks])


def _failure(row: Row) -> str:
    place = " ".join(part for part in (row.task, row.test_template, row.attack) if part)
    return f"{place} of {row.adapter or row.base}: {row.error}"
