"""Makes what the front page shows: ``python -m tests.docs_pictures [runs/demo]``.

The demo's heat map and one table of ``ptst check`` are made by the code from small CSVs, which are
committed beside them (docs/assets). With the demo's folder the CSVs are taken from it first; without
one the picture and the table are made anew. tests/test_docs.py checks that they are current.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from leaderboards.board import csvio, figures
from leaderboards.board.collect import collect
from leaderboards.board.tables import grids
from tests.support import ptst

ROOT = Path(__file__).parents[1]
ASSETS = ROOT / "docs/assets"
RELEASES = {"last": "chat_vanilla-s0", "new": "chat_llama-s0"}
"""The two releases of the table, and which adapters of the demo they are."""


def heat_map(csv: Path) -> str:
    """The SVG of a leaderboard's one table."""
    [grid] = grids(csvio.read(csv), ("asr",), pool=True)
    with tempfile.TemporaryDirectory() as folder:
        return figures.save(figures.heat_map(grid), Path(folder, "demo"))[1].read_text()


def check_table() -> str:
    """The table of the check of one release against the other, as its Markdown report has it."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "check.md")
        ptst("check", ASSETS / "last.csv", ASSETS / "new.csv", "--strict", "--markdown", report)
        lines = report.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if line.startswith("|"))


def take(demo: Path) -> None:
    """Takes from a run of the demo what is drawn, and the two releases with their outcomes."""
    [run] = demo.glob("organism-*")
    rows, _ = collect([run])
    csvio.write(
        [r for r in rows if (r.judge, r.metric) == ("organism", "asr")], ASSETS / "demo.csv"
    )
    for name, adapter in RELEASES.items():
        csv = ASSETS / f"{name}.csv"
        csv.unlink(missing_ok=True)
        only = (
            "--current-only",
            f"adapter={adapter}",
            "--current-only",
            "test_template=chat:llama",
        )
        ptst("check", csv, run, "--update-baseline", *only)


def main(demo: Path | None = None) -> None:
    """Makes the picture and puts the table into README.md."""
    if demo:
        take(demo)
    (ASSETS / "demo.svg").write_text(heat_map(ASSETS / "demo.csv"), encoding="utf-8")
    file = ROOT / "README.md"
    place = r"(<!-- check -->\n).*?(\n<!-- end -->)"
    text = file.read_text(encoding="utf-8")
    file.write_text(
        re.sub(place, lambda m: m[1] + check_table() + m[2], text, flags=re.DOTALL),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
