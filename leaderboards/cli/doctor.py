"""``ptst doctor``: what is installed, and what works here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ptst_tasks.command import JsonFile, Quiet, put_json, screen
from ptst_tasks.files import check_outputs

if TYPE_CHECKING:
    from rich.console import Console

    from leaderboards.doctor.finding import Finding

__all__ = ["doctor"]

_MARKS = {"ok": "green", "absent": "yellow", "broken": "red"}


def doctor(
    study: Annotated[
        str, typer.Argument(help="A study's YAML or the name of a ready one: what it needs, too.")
    ] = "",
    sets: Annotated[bool, typer.Option("--sets", help="A line for each set, too.")] = False,
    quiet: Quiet = False,
    json: JsonFile = None,
) -> None:
    """Say what is installed, and which engines, judges and sets work here; what mends what does not.

    A line each: ok, absent (it can be added) or broken. Nothing is fetched, and no key is shown; with a
    study its sets are loaded, as by ptst run --dry-run. Exit code 1 if something is broken. As JSON: a
    list of {part, what, state, told, mend}.
    """
    check_outputs(json=json)
    lines = [*_here(sets=sets), *(_of_study(study) if study else ())]
    put_json(json, [asdict(line) for line in lines])
    shown = screen(quiet=quiet, json=json)
    for line in lines:
        _print(shown, line)
    if any(line.state == "broken" for line in lines):
        raise typer.Exit(1)


def _here(*, sets: bool) -> Iterator[Finding]:
    from leaderboards.doctor.finding import Finding
    from leaderboards.doctor.machine import machine_lines
    from leaderboards.doctor.packages import package_lines
    from leaderboards.doctor.works import engine_lines, judge_lines, set_lines

    for part in (package_lines, machine_lines, engine_lines, judge_lines):
        yield from part()
    found = list(set_lines())
    if sets:
        yield from found
        return
    yield from (line for line in found if line.state == "broken")
    count = Counter(line.state for line in found)
    broken = f", {count['broken']} are broken" * bool(count["broken"])
    told = (f"{count['ok']} of {len(found)} are here{broken}, the others are fetched when asked: "
            "ptst doctor --sets")  # fmt: skip
    yield Finding("set", "all", "ok", told)


def _of_study(which: str) -> Iterable[Finding]:
    """What a dry run of the study says, in lines."""
    from leaderboards.cli.dry_run import look
    from leaderboards.doctor.finding import Finding
    from ptst_tasks.memory import gigabytes

    found = look(which)
    name = found.study.name
    for fault in found.faults:
        yield Finding(
            "study", name, "broken", " ".join(fault.split()), f"ptst run {which} --dry-run"
        )
    if found.plan is not None:
        yield Finding("study", name, "ok", found.plan.summary())
    for need in found.needs:
        yield Finding("study", name, "ok", f"memory: {need.words()}")
    sure, most = found.disk
    if most:
        yield Finding(
            "study", name, "ok", f"disk: {gigabytes(sure)}, at most about {gigabytes(most)}"
        )
    for note in found.notes:
        yield Finding("study", name, "ok", " ".join(note.split()))


def _print(shown: Console, line: Finding) -> None:
    from rich.text import Text

    from leaderboards.board.rendering import shown as clean

    text = Text(f"{line.state:<8}", style=_MARKS[line.state])
    text.append(clean(f"{line.part} {line.what}: {line.told}"), style="default")
    if line.mend:
        text.append(clean(f" -> {line.mend}"), style="bold")
    shown.print(text, soft_wrap=True, highlight=False)
