"""What is known of judges: how far each agrees with people, from the record that `ptst judges` made.

``records.csv`` beside this file is that record; ``python -m tests.docs_judges measure`` makes it anew.
"""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path
from typing import Literal

__all__ = ["ABOUT", "LABELLED", "RECORDS", "kappa_of"]

RECORDS = Path(__file__).with_name("records.csv")
ABOUT: dict[str, Literal["harm", "refusal"]] = {
    "asr": "harm", "refused": "refusal", "refused_safe": "refusal", "refused_unsafe": "refusal",
}  # fmt: skip
"""Metrics of one verdict -> what a judge says by it."""
LABELLED = (*ABOUT, "partial")
"""Metrics that people's labels speak of."""


def kappa_of(judge: str, about: Literal["harm", "refusal"], weights: str = "") -> float | None:
    """How far a judge agrees with people on the nearest set that they labelled: Cohen's kappa, -1..1.

    The nearest is the one about the same with the most different prompts: what a judge makes of one answer
    it makes of the next to the same question, so prompts count and responses do not.

    Args:
        judge: Its spec, word for word: other settings are another judge.
        about: Harm or refusal.
        weights: Digest of its local weights: a judge that is a file was measured as that file, whatever
            it is called and wherever it lies.

    Returns:
        Higher is better; None for a judge that nobody measured.
    """
    if weights and weights == _measured_file():
        judge = "learned"
    elif judge == "learned":  # another file
        return None
    return _nearest().get((judge, about))


@cache
def _measured_file() -> str:
    """Digest of the learned judge whose record is kept."""
    card = RECORDS.with_name("learned_card.json").read_text(encoding="utf-8")
    return str(json.loads(card)["digest"])


@cache
def _nearest() -> dict[tuple[str, str], float]:
    most: dict[tuple[str, str], tuple[int, float]] = {}
    with RECORDS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if not row["kappa"]:
                continue
            found, key = (int(row["prompts"]), float(row["kappa"])), (row["judge"], row["about"])
            most[key] = max(found, most.get(key, found))
    return {key: kappa for key, (_, kappa) in most.items()}
