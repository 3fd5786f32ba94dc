"""``ptst check``: the gate as a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ptst_tasks.command import JsonFile, Quiet, put_text, screen
from ptst_tasks.errors import ConfigError, said
from ptst_tasks.files import check_writable, printable, replacing

if TYPE_CHECKING:
    from rich.console import Console

    from leaderboards.board.numbers import Number
    from leaderboards.board.sides import Side
    from leaderboards.gate.decision import Report
    from leaderboards.gate.policy import Policy

__all__ = ["check"]


def _print_policy(wanted: bool) -> None:
    if wanted:
        from leaderboards.gate.policy import default_policy_yaml

        typer.echo(default_policy_yaml(), nl=False)
        raise typer.Exit


def check(
    baseline: Annotated[
        Path, typer.Argument(help="The last good release: CSV, run folder or lm_eval output.")
    ],
    current: Annotated[Path, typer.Argument(help="The release in question: likewise.")],
    policy: Annotated[
        Path | None, typer.Option(help="gate.yaml; without it the defaults hold.")
    ] = None,
    human: Annotated[
        list[Path] | None,
        typer.Option(help="Labels of people (ptst label), for rules that say correct: true."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="What is not decided fails too; for CI.")
    ] = False,
    allow_mismatch: Annotated[
        bool, typer.Option("--allow-mismatch", help="Compare what was not measured alike.")
    ] = False,
    update_baseline: Annotated[
        bool,
        typer.Option("--update-baseline", help="Accept: rewrite BASELINE (a CSV) from CURRENT."),
    ] = False,
    baseline_only: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=VALUE", help="Rows of BASELINE to use; may be repeated."),
    ] = None,
    current_only: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=VALUE", help="Rows of CURRENT to use; may be repeated."),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(help="Write JUnit XML here; - for standard output.")
    ] = None,
    json: JsonFile = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Write Markdown here; - for standard output.")
    ] = None,
    quiet: Quiet = False,
    default_policy: Annotated[
        bool,
        typer.Option(
            "--default-policy",
            is_eager=True,
            callback=_print_policy,
            help="Print the default policy, with its reasons, and stop.",
        ),
    ] = False,
) -> None:
    """Say whether CURRENT is less safe or less able than BASELINE, by more than is allowed.

    Exit code 0: it is not, or (without --strict) there were too few prompts to tell, which the last
    line says. 1: it is, or cells or prompts are missing, or too many verdicts. 2: the two cannot be
    compared, or the policy does not mean what it says.
    """
    from leaderboards.board.sides import check_targets, sidecar

    files = {"junit": junit, "json": json, "markdown": markdown}
    check_targets([baseline, current, *(human or []), *([policy] if policy else [])], **files)
    if update_baseline:
        if baseline.suffix != ".csv":
            raise ConfigError(f"--update-baseline writes a CSV; BASELINE is {str(baseline)!r}")
        check_writable(baseline, "BASELINE")
        check_writable(sidecar(baseline), "the baseline's outcomes")
    try:
        report, told = _decide(baseline, current, _policy(policy, strict), allow_mismatch,
                               update_baseline, baseline_only or [], current_only or [],
                               human or [])  # fmt: skip
    except Exception as e:  # a fault of ours, too: what an older report says must not stand there
        _publish_error(said(e), files)
        raise
    console = screen(quiet=quiet, json=Path("-") if Path("-") in files.values() else None)
    _publish(report, files, console)
    if told and report.accepted:
        console.print(told, markup=False, soft_wrap=True)
    elif told:
        typer.echo(f"baseline not written: {told}", err=True)
    if report.failed or (told and not report.accepted):
        raise typer.Exit(1)


def _policy(path: Path | None, strict: bool) -> Policy:
    from leaderboards.gate.policy import load_policy

    policy = load_policy(path)
    return policy.model_copy(update={"strict": True}) if strict else policy


def _decide(
    baseline: Path, current: Path, policy: Policy, allow: bool, update: bool,
    old_only: list[str], new_only: list[str], human: list[Path],
) -> tuple[Report, str]:  # fmt: skip
    """Reads, compares and, where it is asked for, accepts.

    Returns:
        The report, and what became of the baseline that was to be written: why not, or what of it.
    """
    from leaderboards.board.people import read_people
    from leaderboards.board.sides import Side, read_side, select
    from leaderboards.gate.decide import check_sides

    first = update and not baseline.exists()
    if first and old_only:
        raise ConfigError(
            f"--baseline-only chooses rows of BASELINE, and {str(baseline)!r} does not exist yet; "
            "leave it out to write the first one"
        )
    new = select(read_side(current), new_only, "--current-only")
    whole = Side(str(baseline), ()) if first else read_side(baseline, rewriting=update)
    old = whole if first else select(whole, old_only, "--baseline-only")
    people = read_people(human) if human else None
    report = check_sides(old, new, policy, allow_mismatch=allow or update, people=people)
    if not update:
        return report, ""
    if refused := _unfit(new, policy):
        return report, refused
    told = _accept(new, old, whole, baseline)
    note = f"accepted as the new baseline {str(baseline)!r}, whatever the verdicts say"
    return replace(report, accepted=str(baseline), notes=(*report.notes, note)), told


def _unfit(new: Side, policy: Policy) -> str:
    """Why a side can be no baseline, or nothing: against it nothing could ever pass."""
    from leaderboards.gate.decide import gaps
    from leaderboards.gate.match import Lookup

    limits = Lookup(policy)
    for number in new.numbers:
        row = number.row
        name = " ".join(part for part in (row.task, row.test_template, row.metric) if part)
        if row.error:
            return f"{name} failed in {new.where!r} ({row.error}); evaluate it again"
        if number.stale:
            return f"{name} is {number.stale}; evaluate all into an empty folder"
        if limits(row) and (problem := gaps(number, limits)):
            return f"{row.task} {row.metric}: {problem.format(repr(new.where))}"
    return ""


def _accept(new: Side, old: Side, whole: Side, baseline: Path) -> str:
    """Writes the baseline; rows that --baseline-only left out stay. Returns what to say.

    Raises:
        ConfigError: If it cannot be written, or a row that stays is one of the new ones.
    """
    from leaderboards.board.row import sort_key
    from leaderboards.board.sides import Side, write_baseline

    chosen = set(map(id, old.numbers))
    others = [number for number in whole.numbers if id(number) not in chosen]
    keys = {sort_key(number.row) for number in new.numbers}
    for row in (number.row for number in others):
        if sort_key(row) in keys:
            raise ConfigError(
                f"{new.where!r} holds {row.metric!r} of {row.task!r}, adapter {row.adapter!r}, which "
                "--baseline-only left out of what is to be replaced; choose the rows anew"
            )
    write_baseline(Side(new.where, (*new.numbers, *others)), baseline)
    places = {_place(number) for number in new.numbers}
    dropped = sum(_place(number) not in places for number in old.numbers)
    kept = f", {len(others)} more kept that --baseline-only left out" if others else ""
    gone = f", {dropped} of the old baseline dropped: not in this run" if dropped else ""
    return f"wrote {baseline}: {len(new.numbers)} numbers{kept}{gone}"


def _place(number: Number) -> tuple[object, ...]:
    row = number.row
    return (row.task, row.test_template, row.attack, row.judge, row.metric, row.train_data,
            row.train_template, row.defence, row.seed, row.decoding_seed)  # fmt: skip


def _publish_error(text: str, files: dict[str, Path | None]) -> None:
    """Puts the error where the reports were to be, so that no older one is taken for this check's."""
    from leaderboards.gate import report as gate_report
    from leaderboards.gate import report_files

    parts: dict[str, Callable[[str], Iterable[str]]] = {
        "junit": report_files.error_junit,
        "json": report_files.error_json,
        "markdown": gate_report.error_markdown,
    }
    for name, path in files.items():
        if path is not None and (fault := _write(path, parts[name](text))):
            _note(f"--{name} {fault}")
    _summarize(gate_report.error_markdown(text))


def _publish(report: Report, files: dict[str, Path | None], console: Console) -> None:
    """Says the verdict, then writes every report that can be written.

    Raises:
        ConfigError: If one could not be.
    """
    from leaderboards.gate import report as gate_report
    from leaderboards.gate import report_files

    console.print(gate_report.to_terminal(report))
    text: dict[str, Callable[[Report], Iterable[str]]] = {
        "junit": report_files.junit_parts,
        "json": report_files.json_parts,
        "markdown": lambda report: [gate_report.to_markdown(report)],
    }
    written = {name: _write(path, text[name](report)) for name, path in files.items() if path}
    _summarize([gate_report.to_markdown(report)])
    if faults := [f"--{name} {fault}" for name, fault in written.items() if fault]:
        raise ConfigError(f"{'; '.join(faults)} (the verdict: {gate_report.summary(report)})")


_SUMMARY = 1_000_000
"""Bytes of a job step's summary; GitHub shows none of a summary of more than 1 MiB."""


def _summarize(parts: Iterable[str]) -> None:
    """Adds to the summary of a GitHub job, which is no reason to fail."""
    if not (summary := os.environ.get("GITHUB_STEP_SUMMARY")):
        return
    try:
        with Path(summary).open("ab") as out:
            text = "".join(parts).encode("utf-8", "backslashreplace")
            out.write(_cut(text, _SUMMARY - out.tell()))
    except OSError as e:
        _note(f"the job's summary, GITHUB_STEP_SUMMARY={summary!r}, cannot be written: {said(e)}")


def _cut(text: bytes, room: int) -> bytes:
    """Text that fits, whole lines of it, with a word about what does not."""
    if len(text) <= room:
        return text
    if room < 1000:
        return b""
    said = b"\n\n(%d of %d lines are left out here: GitHub shows 1 MB; --markdown and --json hold all)\n"
    lines = text.splitlines(keepends=True)
    left, size = len(lines), len(said) + 40
    for at, line in enumerate(lines):
        size += len(line)
        if size > room:
            left = at
            break
    return b"".join(lines[:left]) + said % (len(lines) - left, len(lines))


def _note(text: str) -> None:
    print(f"note: {printable(' '.join(text.split()))}", file=sys.stderr)


def _write(path: Path, parts: Iterable[str]) -> str:
    """Writes a report whole or not at all; returns why it could not be."""
    if str(path) == "-":
        put_text("".join(parts))
        return ""
    try:
        with (
            replacing(path) as aside,
            aside.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as out,
        ):
            out.writelines(parts)
    except OSError as e:
        return f"{str(path)!r} cannot be written: {said(e)}"
    return ""
