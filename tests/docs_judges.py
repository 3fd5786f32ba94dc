"""Makes the judges' record, and its table in docs/judges.md: ``python -m tests.docs_judges``.

``... measure`` measures the judges that need no model anew, on the sets in $PTST_DATA_DIR/judged, into
ptst_tasks/judges/records.csv; the table is made from that file alone. tests/test_docs_judges.py checks
both.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from tests.docs_evidence import filled
from tests.support import ptst

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/judges.md"
RECORDS = ROOT / "ptst_tasks/judges/records.csv"
NAME = "judges' record"


def table(file: Path = RECORDS) -> str:
    """The table of the page."""
    rows = pd.read_csv(file)
    head = ["judge", "set", "of", "responses (prompts)", "kappa (95 %)", "TPR (95 %)", "TNR (95 %)",
            "accuracy", "F1"]  # fmt: skip
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for r in rows.itertuples():
        spans = " | ".join(_span(r, name) for name in ("kappa", "tpr", "tnr"))
        lines.append(
            f"| `{r.judge}` | {r.set_name} | {r.about} | {r.n:,} ({r.prompts}) | {spans} | "
            f"{r.accuracy:.2f} ({r.floor_accuracy:.2f}) | {r.f1:.2f} ({r.floor_f1:.2f}) |"
        )
    return "\n".join(lines)


def _span(row: object, name: str) -> str:
    value, low, high = (getattr(row, name + end) for end in ("", "_low", "_high"))
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def main(*said: str) -> None:
    """Measures, where asked to, and makes the table anew."""
    if said == ("measure",):
        ran = ptst("judges", "--quiet", "-o", RECORDS)
        if ran.exit_code:
            sys.exit(ran.stderr)
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(filled(text, {NAME: table()}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
