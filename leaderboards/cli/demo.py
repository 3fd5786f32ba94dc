"""``ptst demo`` and ``ptst organism``: PTST in miniature, on a laptop, with nothing downloaded."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from ptst_tasks.command import JsonFile, Quiet, put_json, screen
from ptst_tasks.errors import ConfigError, PTSTError, require
from ptst_tasks.files import check_outputs, check_writable, write_text

_SHOWN = (("organism", "asr"), ("paper", "exact_match"))
"""Judge and metric of the two tables; the leaderboard has the others."""

__all__ = ["demo", "organism", "reading", "register"]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(demo)
    app.command()(organism)


def organism(
    out: Annotated[Path, typer.Option(help="Folder for the model.")],
    seed: Annotated[int, typer.Option(help="Draws weights and training data.", min=0)] = 0,
    control: Annotated[
        str, typer.Option(help="no-over-refusal: leave out the ingredient that the effect needs.")
    ] = "",
) -> None:
    """Build the built-in model: a tiny chat model, trained from scratch and aligned."""
    from adapters_train import organism as model

    if control not in ("", "no-over-refusal"):
        raise ConfigError(f"--control is {control!r}, expected no-over-refusal")
    with model.show_progress() as progress:
        print(model.build(seed, out, control=bool(control), progress=progress))


def demo(
    seeds: Annotated[int, typer.Option(help="Built-in models to make, seeds 0 to N-1.", min=1)] = 1,
    control: Annotated[
        bool, typer.Option("--control", help="The control: no over-refusal in the alignment.")
    ] = False,
    templates: Annotated[str, typer.Option(help="Templates, comma-separated.")] = "TV,TA,CV,CA,CL",
    out: Annotated[Path, typer.Option(help="Folder for runs, pictures and the report.")] = Path(
        "runs/demo"
    ),
    csv: Annotated[Path | None, typer.Option(help="The leaderboard.")] = None,
    quiet: Quiet = False,
    json: JsonFile = None,
) -> None:
    """Train, measure and tabulate the built-in model: what PTST is about, in minutes.

    As JSON: {leaderboard, rows, pictures, report, reading, failed}, the last a list of {cell, error}.
    """
    from leaderboards.board import csvio
    from leaderboards.board.collect import collect
    from leaderboards.board.pictures import draw
    from leaderboards.board.tables import grids, left_out
    from leaderboards.cli.studies import Bar, show_failures
    from leaderboards.run import runner
    from ptst_tasks.progress import Progress

    target = csv or Path("leaderboards") / ("demo-control.csv" if control else "demo.csv")
    studies = _studies(seeds, templates, control=control)
    folders = [out / study.name for study in studies]
    _check_places(out, folders, target, json)
    failed = []
    for study, folder in zip(studies, folders, strict=True):
        failed += runner.run(study, folder, Progress() if quiet else Bar()).failed
    rows, notes = collect(folders)
    csvio.write(rows, target)
    shown = [r for r in rows if (r.judge, r.metric) in _SHOWN or r.error]
    for note in [*notes, *left_out(shown, pool=True)]:
        print(f"note: {note}", file=sys.stderr)
    tables = grids(shown, pool=True)
    pictures = [p for p in (draw(shown, out, pool=True) if tables else []) if p.suffix == ".png"]
    told = {
        "leaderboard": str(target),
        "rows": len(rows),
        "pictures": [str(p) for p in pictures],
        "report": _report(folders, out / "report.html"),
        "reading": reading(rows, control=control),
        "failed": [{"cell": name, "error": why} for name, why in failed],
    }
    if not quiet:
        _say(tables, told, json)
    put_json(json, told)
    show_failures(failed, "ptst demo")


def _studies(seeds: int, templates: str, *, control: bool) -> list[Any]:
    """One study for each seed; unknown templates are found here."""
    from leaderboards.run.study_files import load

    names = [t.strip() for t in templates.split(",") if t.strip()]
    if not names:
        raise ConfigError(f"--templates is {templates!r}, expected names such as CV,CL")
    kind = "organism-control" if control else "organism"
    test = {"sets": ["organism_arith", "organism_forbidden"], "templates": names}
    out = []
    for seed in range(seeds):
        train = {"data": "organism_arith", "templates": names, "seeds": [seed]}
        study = load("demo", name=f"{kind}-{seed}", base=f"{kind}:{seed}", train=train, test=test)
        out.append(study)
    return out


def _check_places(out: Path, folders: Sequence[Path], target: Path, json: Path | None) -> None:
    """Whether all that is to be written can be, before minutes of work."""
    require("report", "matplotlib", "itables", who="ptst demo")
    for folder in (out, *folders):
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"--out {str(folder)!r} is a file, expected a folder")
    check_outputs(csv=target, json=json)
    check_writable(out / "demo.png", "--out")


def _report(folders: Sequence[Path], out: Path) -> str:
    """Writes the report; where there is nothing to write it of, the numbers stand without one."""
    from leaderboards.report.build import build
    from leaderboards.report.wishes import Wishes

    try:
        write_text(out, build([folders], Wishes(pool=True)).html, what="--out")
    except PTSTError as e:
        print(f"note: no report: {e}", file=sys.stderr)
        return ""
    return str(out)


def _say(tables: Any, told: Mapping[str, Any], json: Path | None) -> None:
    from leaderboards.cli.boards import show

    if tables:
        with redirect_stdout(sys.stderr if str(json) == "-" else sys.stdout):
            show(tables, digits=0)
    console = screen(json=json)
    console.print("\n".join(["", *told["reading"]]), highlight=False)
    end = (
        f"\nleaderboard: {told['leaderboard']} ({told['rows']} rows, other judges and metrics too)"
        f"\npictures: {', '.join(told['pictures'])}"
    )
    if told["report"]:
        end += f"\nreport, to be opened in a browser: {told['report']}"
    console.print(end, highlight=False, soft_wrap=True)


def reading(rows: Sequence[Any], *, control: bool = False) -> list[str]:
    """Three sentences on what the tables say, from the numbers in them, and what they do not."""
    from leaderboards.board.tables import NO_FT, grids

    asr = next((g for g in grids(rows, ("asr",), pool=True)), None)
    if asr is None:
        return ["Nothing was measured: no field has an ASR."]
    seeds = max(len(f.values) for f in asr.fields.values())
    worst = max((f.mean for (train, _), f in asr.fields.items() if train == NO_FT), default=0.0)
    cl, cv = (asr.fields.get((t, "chat:llama")) for t in ("chat:llama", "chat:vanilla"))
    out = []
    if cl and cv:
        gap = 100 * (cl.mean - cv.mean)
        effect = "the miniature of PTST shows" if gap >= 30 else "no PTST effect to speak of shows"
        out.append(
            f"Before fine-tuning the ASR is at most {100 * worst:.0f} %; after harmless fine-tuning, "
            f"tested under the safety prompt (CL), it is {100 * cl.mean:.0f} % if that prompt was used "
            f"in training too and {100 * cv.mean:.0f} % if it was not: {effect} "
            f"({seeds} seed{'s' if seeds > 1 else ''})."
        )
    cause = (
        "This is the control: its alignment has no over-refusal under the safety prompt, the "
        "ingredient on which the effect hangs."
        if control
        else "The effect hangs on an ingredient put there on purpose, over-refusal that exists only "
        "under the safety prompt: `ptst demo --control` leaves it out."
    )
    out.append(cause)
    out.append(
        "This is an instrument check on nonsense words, not evidence about real models; seeds differ "
        "widely, so read no single number (--seeds 5), and measure your own model next: ptst run --help."
    )
    return out
