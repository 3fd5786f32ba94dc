"""What ``ptst score`` prints: rates, what is missing, which models judged, how far judges agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from leaderboards.board.row import PEOPLES
from ptst_tasks.files import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from leaderboards.judging.saved import Task
    from leaderboards.judging.score import Scored
    from ptst_tasks.judges.looks import Watched

__all__ = [
    "add_line",
    "agreement",
    "as_json",
    "models",
    "new_table",
    "people",
    "rates",
    "replaced",
    "say",
    "say_unscored",
    "scored",
    "texts",
    "two_digits",
]

Judged = Sequence[tuple[str, "Scored"]]
"""Judge's spec, and what it said about one task."""


def say(console: Console, text: str) -> None:
    """Prints a line as it is: no mark-up, not folded, no control characters."""
    from rich.text import Text

    console.print(Text(printable(text)), soft_wrap=True)


def new_table(*names: str) -> Table:
    """A table with these columns, which folds what is too wide."""
    from rich.table import Table

    table = Table()
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def add_line(table: Table, *cells: str) -> None:
    """Names are data: an adapter called ``[/b]`` is no mark-up."""
    from rich.text import Text

    table.add_row(*(Text(printable(cell)) for cell in cells))


def rates(console: Console, scored: Judged) -> None:
    """Prints one line per judge and task."""
    from rich.table import Table

    from leaderboards.judging.score import rate

    thought = [name for name in ("misaligned", "aligned", "coherent", "code", "reasoning_asr", "truncated")
               if any(name in one.values for _, one in scored)]  # fmt: skip
    table = Table("model", "set", "template", "judge", "n", "asr", "refused", "incoherent", *thought,
                  "score", "unscored")  # fmt: skip
    for spec, one in scored:
        value = one.values.get
        mean = value("score")
        add_line(
            table, one.task.model, one.task.set_name, one.task.template, spec, str(one.n - one.unscored),
            *(_of_some(one, name) for name in ("asr", "refused", "incoherent", *thought)),
            "-" if mean is None or mean != mean else f"{mean:.2f}",
            f"{one.unscored} ({rate(one.share)})",
        )  # fmt: skip
    console.print(table, soft_wrap=True)


def _of_some(one: Scored, name: str) -> str:
    """A rate, with how many responses it is of where that is fewer than have a verdict."""
    from leaderboards.judging.score import rate

    value, known = one.values.get(name), one.counts.get(name, 0)
    fewer = (
        name in ("refused", "misaligned", "aligned")
        and value is not None
        and known < one.n - one.unscored
    )
    return f"{rate(value)} of {known:,}" if fewer else rate(value)


def say_unscored(scored: Judged, most: float, console: Console) -> bool:
    """Says why verdicts are missing; returns whether too many are."""
    failed = False
    for spec in dict.fromkeys(spec for spec, _ in scored):
        mine = [one for name, one in scored if name == spec]
        reasons = sum((one.reasons for one in mine), Counter[str]())
        for why, times in reasons.most_common(10):
            say(console, f"{spec}: {times} unscored: {why}")
        for one in mine:
            if one.share > most:
                failed = True
                _to_stderr(
                    f"FAILED: {spec}: {one.unscored} of {one.n} responses of {one.task.set_name} "
                    f"{one.task.template} have no verdict ({one.share:.1%}, at most {most:.1%})",
                )
    return failed


def models(scored: Judged) -> None:
    """Says on stderr where a judge's verdicts are of several models, as its replies name them."""
    from ptst_tasks.judges.group import snapshots

    for spec in dict.fromkeys(spec for spec, _ in scored):
        mine = [one for name, one in scored if name == spec]
        all_of_it: Counter[str] = sum((one.models for one in mine), Counter())
        if len(snapshots(all_of_it)) < 2:
            continue
        mixed = [one for one in mine if len(snapshots(one.models)) > 1]
        for one in mixed:
            _several(spec, f"{one.task.model} {one.task.set_name} {one.task.template}", one.models)
        if not mixed:  # each table cell is of one model, and they differ
            _several(spec, f"{len(mine)} tasks", all_of_it)


def _several(spec: str, where: str, found: Counter[str]) -> None:
    from ptst_tasks.judges.group import UNNAMED, snapshots

    named = snapshots(found)
    said = ", ".join(f"{name} ({n})" for name, n in named.items())
    old = " (cached by a version that did not note it)" if UNNAMED in named else ""
    _to_stderr(
        f"warning: {spec}: the verdicts of {where} are of {len(named)} models: {said}{old}; they "
        "stand as one judge, ask all anew with --cache NEWFILE",
    )


def replaced(scored: Judged) -> None:
    """Says on stderr where a judge's earlier verdicts had other settings, and where they stay."""
    for spec, times in Counter(spec for spec, one in scored if one.kept).items():
        _to_stderr(
            f"note: {spec}: the earlier verdicts of {times} tasks stay, of which fewer are missing"
        )
    changes = Counter((spec, one.replaced) for spec, one in scored if one.replaced)
    for (spec, what), times in changes.items():
        _to_stderr(f"note: {spec}: replaces earlier verdicts of {times} tasks: {what}")


def as_json(spec: str, one: Scored) -> dict[str, Any]:
    """The same for a program."""
    values = {name: None if v != v else v for name, v in one.values.items()}
    return {**values, "judge": spec, "set": one.task.set_name, "template": one.task.template,
            "n": one.n, "unscored": one.unscored, "reasons": dict(one.reasons),
            "models": dict(one.models)}  # fmt: skip


def agreement(
    found: Sequence[Task], human: Path | None, show: bool, console: Console
) -> list[dict[str, Any]]:
    """Prints how far judges agree, and on what least."""
    from dataclasses import asdict

    from leaderboards.judging.agreement import agreements, disputed, human_labels, labels

    items = labels(found, texts=show)
    if human:
        used, unused = human_labels(human, items)
        say(console, f"{used} labels of people")
        if unused:
            _to_stderr(
                f"warning: {len(unused)} labels of {str(human)!r} match no response of these runs: "
                f"{', '.join(unused[:5])}{' ...' if len(unused) > 5 else ''}",
            )
    table = new_table("set", "template", "judges", "n", "same", "kappa (95 %)", "alpha")
    rows = agreements(items)
    for row in rows:
        ends = "" if row.low is None else f" ({row.low:.2f} to {row.high:.2f})"
        add_line(table, *row.where, f"{row.first} / {row.second}", str(row.n),
                      "-" if row.same is None else f"{100 * row.same:.1f} %",
                      two_digits(row.kappa) + ends, two_digits(row.alpha))  # fmt: skip
    console.print(table, soft_wrap=True)
    worst = disputed(items)
    if worst:
        say(console, "Judges differ most on:")
    for item in worst:
        said = ", ".join(f"{j}: {_word(v)}" for j, v in sorted(item.by.items()))
        say(console, f"  {item.set_name} {item.template} {item.id}: {said}")
        if show:
            say(console, f"    {item.text!r}")
    return [asdict(row) for row in rows]


def people(
    runs: Sequence[Path], sheets: Sequence[Path], method: str, console: Console
) -> list[dict[str, Any]]:
    """Prints, beside every judge's rate, the rate that people would give."""
    from leaderboards.board.people import read_people
    from leaderboards.board.sides import read_side

    given = read_people(sheets, method)
    found = [one for run in runs for one in given.correct(read_side(run).numbers)]
    for note in given.remarks():
        _to_stderr(f"note: {note}")
    table = new_table("model", "set", "template", "judge", "metric", "judge's (95 %)",
                   "people's (95 %)", "labels")  # fmt: skip
    rows = [one.row for one in found]
    for row in rows:
        add_line(table, row.adapter or row.base, row.task, row.test_template, row.judge, row.metric,
             _interval(row.value, row.ci_low, row.ci_high),
             _interval(row.people, row.people_low, row.people_high), str(row.labelled))  # fmt: skip
    console.print(table, soft_wrap=True)
    columns = ("base", "adapter", "task", "test_template", "judge", "metric", "value", "ci_low",
               "ci_high", "n", "unscored", *PEOPLES, "judge_kappa")  # fmt: skip
    return [{name: getattr(row, name) for name in columns} for row in rows]


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return "-"
    return f"{100 * value:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def scored(found: Judged, console: Console) -> dict[str, Any]:
    """Prints what came of judging; returns it for JSON."""
    from ptst_tasks.judges.stands import Stands

    stands = Stands()
    for _, one in found:
        stands.add(one.stands)
    if found:
        rates(console, found)
        models(found)
        replaced(found)
    _canaries(stands.worst(), console)
    looks = {spec: look for spec, look in stands.told().items() if look}
    told: dict[str, Any] = {"scored": [as_json(spec, one) for spec, one in found]}
    return told | ({"canaries": looks} if looks else {})


def _canaries(looks: Mapping[str, Watched], console: Console) -> None:
    """Says which judges are what they were; of others it was said when that was seen."""
    for spec, look in looks.items():
        if look.before and not look.remark:
            say(console, f"{spec}: the canaries are called what they were on {look.before.when}")


def texts(found: Sequence[Task], console: Console) -> None:
    """Prints every response with what each judge calls it."""
    from leaderboards.judging.agreement import labels

    for item in labels(found, texts=True):
        said = ", ".join(f"{j}: {_word(v)}" for j, v in sorted(item.by.items()))
        say(console, f"{item.set_name} {item.template} {item.id}: {said}\n    {item.text!r}")


def _to_stderr(line: str) -> None:
    typer.echo(printable(line), err=True)


def two_digits(value: float | None) -> str:
    """A figure, or a dash for none."""
    return "-" if value is None else f"{value:.2f}"


def _word(value: bool | None) -> str:
    return "?" if value is None else "yes" if value else "no"
