"""Makes the judges' record, and its tables in docs/judges.md: ``python -m tests.docs_judges``.

``... measure`` trains the judge `learned` and measures the judges that need no model of others anew, on
the sets in $PTST_DATA_DIR, into records.csv and learned_card.json of ptst_tasks/judges; the tables are made
from these files alone. tests/test_docs_judges.py checks both.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from tests.docs_evidence import filled
from tests.support import ptst

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/judges.md"
RECORDS = ROOT / "ptst_tasks/judges/records.csv"
CARD = RECORDS.with_name("learned_card.json")
NAME, LEARNED = "judges' record", "the learned judge's card"


def table(file: Path = RECORDS) -> str:
    """The table of the page."""
    rows = pd.read_csv(file)
    head = ["judge", "set", "of", "responses (prompts)", "unscored", "kappa (95 %)", "TPR (95 %)",
            "TNR (95 %)", "accuracy", "F1"]  # fmt: skip
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for r in rows.itertuples():
        spans = " | ".join(_span(r, name) for name in ("kappa", "tpr", "tnr"))
        lines.append(
            f"| `{r.judge}` | {r.set_name} | {r.about} | {r.n + r.unscored:,} ({r.prompts}) | "
            f"{r.unscored / (r.n + r.unscored):.0%} | {spans} | "
            f"{r.accuracy:.2f} ({r.floor_accuracy:.2f}) | {r.f1:.2f} ({r.floor_f1:.2f}) |"
        )
    return "\n".join(lines)


def _span(row: object, name: str) -> str:
    value, low, high = (getattr(row, name + end) for end in ("", "_low", "_high"))
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def learned(file: Path = CARD) -> str:
    """The learned judge beside the best keyword list, on all responses and where it says something."""
    head = [
        "set",
        "of",
        "unsure",
        "`learned`",
        "best list, all responses",
        "best list, where `learned` says",
    ]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for r in json.loads(file.read_text(encoding="utf-8"))["record"]:
        lists = " | ".join(_list(r, where) for where in ("on all", "where scored"))
        lines.append(f"| {r['set']} | {r['of']} | {r['unsure']:.0%} | {r['kappa']:.2f} | {lists} |")
    return "\n".join(lines)


def _list(row: dict[str, Any], where: str) -> str:
    return f"{row[f'its kappa {where}']:.2f} (`{row[f'best list {where}']}`)"


def measure(records: Path, card: Path) -> None:
    """Trains, and measures: the same files from the same sets."""
    with tempfile.TemporaryDirectory() as cache:
        before = os.environ.get("XDG_CACHE_HOME")
        os.environ["XDG_CACHE_HOME"] = cache
        try:
            for args in (["--train"], ["-o", records]):
                ran = ptst("judges", "--quiet", *args)
                if ran.exit_code:
                    sys.exit(ran.stderr)
            shutil.copy(Path(cache, "ptst/learned.json"), card)
        finally:
            os.environ.pop("XDG_CACHE_HOME")
            if before is not None:
                os.environ["XDG_CACHE_HOME"] = before


def main(*said: str) -> None:
    """Measures, where asked to, and makes the table anew."""
    if said == ("measure",):
        measure(RECORDS, CARD)
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(filled(text, {NAME: table(), LEARNED: learned()}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
