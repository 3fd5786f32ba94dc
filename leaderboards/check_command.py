"""``ptst check``: the gate as a command."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ptst_tasks.command import fail
from ptst_tasks.errors import ConfigError, said

if TYPE_CHECKING:
    from leaderboards.gate_policy import Policy
    from leaderboards.outcomes import Number, Side
    from leaderboards.regress import Report

__all__ = ["check"]


def _print_policy(wanted: bool) -> None:
    if wanted:
        from leaderboards.gate_policy import default_policy_yaml

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
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML here.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write JSON here.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write Markdown here.")] = None,
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
    files = {"junit": junit, "json": json, "markdown": markdown}
    try:
        failed = _run(baseline, current, _policy(policy, strict), allow_mismatch, update_baseline,
                      baseline_only or [], current_only or [], files)  # fmt: skip
    except Exception as e:  # a fault of ours, too: what an older report says must not stand there
        _publish_error(said(e), files)
        raise
    if failed:
        raise typer.Exit(1)


def _policy(path: Path | None, strict: bool) -> Policy:
    from leaderboards.gate_policy import load_policy

    policy = load_policy(path)
    return policy.model_copy(update={"strict": True}) if strict else policy


def _run(
    baseline: Path, current: Path, policy: Policy, allow: bool, update: bool,
    old_only: list[str], new_only: list[str], files: dict[str, Path | None],
) -> bool:  # fmt: skip
    from leaderboards.outcomes import Side, read_side, select
    from leaderboards.regress import check_sides

    if update and baseline.suffix != ".csv":
        raise ConfigError(f"--update-baseline writes a CSV; BASELINE is {str(baseline)!r}")
    first = update and not baseline.exists()
    if first and old_only:
        raise ConfigError(
            f"--baseline-only chooses rows of BASELINE, and {str(baseline)!r} does not exist yet; "
            "leave it out to write the first one"
        )
    new = select(read_side(current), new_only)
    whole = Side(str(baseline), ()) if first else read_side(baseline, rewriting=update)
    old = whole if first else select(whole, old_only)
    report = check_sides(old, new, policy, allow_mismatch=allow or update)
    refused = _unfit(new, policy) if update else ""
    if not update or refused:
        _publish(report, files)
        if refused:
            typer.echo(f"baseline not written: {refused}", err=True)
        return bool(refused) or report.failed
    said = _accept(new, old, whole, baseline)
    note = f"accepted as the new baseline {str(baseline)!r}, whatever the verdicts say"
    _publish(replace(report, accepted=str(baseline), notes=(*report.notes, note)), files)
    typer.echo(said)
    return False


def _unfit(new: Side, policy: Policy) -> str:
    """Why a side can be no baseline, or nothing: against it nothing could ever pass."""
    from leaderboards.gate_match import Lookup
    from leaderboards.regress import gaps

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
    from leaderboards.csvio import sort_key
    from leaderboards.outcomes import Side, write_baseline

    chosen = set(map(id, old.numbers))
    others = [number for number in whole.numbers if id(number) not in chosen]
    keys = {sort_key(number.row) for number in new.numbers}
    for row in (number.row for number in others):
        if sort_key(row) in keys:
            raise ConfigError(
                f"{new.where!r} holds {row.metric!r} of {row.task!r}, adapter {row.adapter!r}, which "
                "--baseline-only left out of what is to be replaced; choose the rows anew"
            )
    _make(baseline.parent)
    write_baseline(Side(new.where, (*new.numbers, *others)), baseline)
    places = {_place(number) for number in new.numbers}
    dropped = sum(_place(number) not in places for number in old.numbers)
    kept = f", {len(others)} more kept that --baseline-only left out" if others else ""
    gone = f", {dropped} of the old baseline dropped: not in this run" if dropped else ""
    return f"wrote {baseline}: {len(new.numbers)} numbers{kept}{gone}"


def _place(number: Number) -> tuple[object, ...]:
    row = number.row
    return (row.task, row.test_template, row.judge, row.metric, row.train_data, row.train_template,
            row.seed, row.decoding_seed)  # fmt: skip


def _publish_error(text: str, files: dict[str, Path | None]) -> None:
    """Puts the error where the reports were to be, so that no older one is taken for this check's."""
    from leaderboards import gate_report

    parts: dict[str, Callable[[str], Iterable[str]]] = {
        "junit": gate_report.error_junit,
        "json": gate_report.error_json,
        "markdown": gate_report.error_markdown,
    }
    todo = [(path, parts[name], "w") for name, path in files.items() if path is not None]
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        todo.append((Path(summary), gate_report.error_markdown, "a"))
    for path, write, mode in todo:
        try:
            _make(path.parent)
            _write(path, write(text), mode)
        except ConfigError as e:
            fail(str(e))


def _publish(report: Report, files: dict[str, Path | None]) -> None:
    from rich.console import Console

    from leaderboards import gate_report

    console = Console(highlight=False)
    if not console.is_terminal:  # in a log nothing is gained by folding at 80 columns
        console = Console(highlight=False, width=160)
    console.print(gate_report.to_terminal(report))
    text: dict[str, Callable[[Report], Iterable[str]]] = {
        "junit": gate_report.junit_parts,
        "json": gate_report.json_parts,
        "markdown": lambda report: [gate_report.to_markdown(report)],
    }
    for name, path in files.items():
        if path is not None:
            _make(path.parent)
            _write(path, text[name](report))
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        _write(Path(summary), [gate_report.to_markdown(report)], "a")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise ConfigError(f"cannot make the folder {str(folder)!r}: {e.strerror}") from e


def _write(path: Path, parts: Iterable[str], mode: str = "w") -> None:
    try:
        with path.open(mode, encoding="utf-8", newline="\n") as out:
            out.writelines(parts)
    except OSError as e:
        raise ConfigError(f"cannot write {str(path)!r}: {e.strerror}") from e
