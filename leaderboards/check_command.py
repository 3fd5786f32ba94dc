"""``ptst check``: the gate as a command."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ptst_tasks.errors import ConfigError, PTSTError

if TYPE_CHECKING:
    from leaderboards.gate_policy import Policy
    from leaderboards.outcomes import Side
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
    try:
        failed = _run(baseline, current, _policy(policy, strict), allow_mismatch, update_baseline,
                      baseline_only or [], current_only or [],
                      {"junit": junit, "json": json, "markdown": markdown})  # fmt: skip
    except PTSTError as e:
        typer.echo(f"error: {e}", err=True)
        raise typer.Exit(2) from e
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
    from leaderboards.outcomes import read_side, select
    from leaderboards.regress import check_sides

    if update and baseline.suffix != ".csv":
        raise ConfigError(f"--update-baseline writes a CSV; BASELINE is {str(baseline)!r}")
    new = select(read_side(current), new_only)
    if update and not baseline.exists():
        return _accept(new, baseline, policy)
    old = select(read_side(baseline), old_only)
    report = check_sides(old, new, policy, allow_mismatch=allow or update)
    _publish(report, files)
    return _accept(new, baseline, policy) if update else report.failed


def _accept(new: Side, baseline: Path, policy: Policy) -> bool:
    """Writes the baseline, unless nothing could ever pass against it; returns whether it failed."""
    from leaderboards.gate_match import Lookup
    from leaderboards.outcomes import write_baseline
    from leaderboards.regress import gaps

    limits = Lookup(policy)
    for number in new.numbers:
        if not number.row.error and limits(number.row) and (problem := gaps(number, limits)):
            typer.echo(f"baseline not written: {number.row.task} {number.row.metric}: "
                       + problem.format(repr(new.where)), err=True)  # fmt: skip
            return True
    _make(baseline.parent)
    write_baseline(new, baseline)
    failed = sum(bool(number.row.error) for number in new.numbers)
    without = f", {failed} of them failed cells without a value" if failed else ""
    typer.echo(f"wrote {baseline}: {len(new.numbers)} numbers{without}")
    return False


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
