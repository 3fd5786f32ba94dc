"""``ptst report``: one HTML file of a run, or of two, that works from a mail attachment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from leaderboards.cli.boards import Pool
from ptst_tasks.command import JsonFile, Quiet, put_json, screen
from ptst_tasks.files import check_outputs

if TYPE_CHECKING:
    from leaderboards.report.sendable import Texts

__all__ = ["report"]


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="A run folder, lm_eval output or leaderboard CSV; or two: before and after."
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The file.")] = Path("report.html"),
    texts: Annotated[
        str,
        typer.Option(
            help="Which prompts and answers it holds: harmless, harmful (those too) or none."
        ),
    ] = "harmless",
    label: Annotated[
        int | None,
        typer.Option(
            help="Responses to ask people about in the page.  [100]", min=0, show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws these responses.", min=0)] = 0,
    judge: Annotated[
        str,
        typer.Option(help="Whose verdicts part that sample.  [keywords:zou]", show_default=False),
    ] = "",
    policy: Annotated[
        Path | None, typer.Option(help="gate.yaml, for two runs; without it the defaults hold.")
    ] = None,
    pool: Pool = False,
    quiet: Quiet = False,
    json: JsonFile = None,
) -> None:
    """Write the report: tables, figures, every answer, what changed, and a sample to label.

    Harmful prompts and answers stay out of the file unless --texts harmful is given. As JSON: {out, bytes,
    answers, headlines, failed, notes}; failed is what ptst check would say of two runs.
    """
    from leaderboards.gate.policy import load_policy
    from leaderboards.report.wishes import Wishes
    from leaderboards.report.write import write_page

    if policy:
        check_outputs([policy], out=out, json=json)
    read = load_policy(policy) if policy else None
    made = write_page(
        runs, out, Wishes(cast("Texts", texts), label, seed, judge, pool, read), json=json
    )
    size = len(made.html.encode())
    console = screen(quiet=quiet, json=json)
    for line in made.headlines:
        console.print(line, markup=False, highlight=False)
    console.print(
        f"{out}: {made.answers:,} answers, {size / 1e6:.1f} MB", markup=False, soft_wrap=True
    )
    put_json(json, {"out": str(out), "bytes": size, "answers": made.answers, "headlines": made.headlines,
                    "failed": made.failed, "notes": made.notes})  # fmt: skip
