"""The judges' record in docs/judges.md is what judges are measured to be."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests import docs_judges
from tests.docs_evidence import filled
from tests.docs_judges import CARD, LEARNED, NAME, PAGE, RECORDS, table
from tests.support import SHARED


def test_the_tables_are_made_from_the_files() -> None:
    text = PAGE.read_text(encoding="utf-8")
    tables = {NAME: table(), LEARNED: docs_judges.learned()}
    assert all(one in text for one in tables.values())
    assert filled(text, tables) == text, "python -m tests.docs_judges makes them anew"


def test_the_card_and_the_record_tell_the_same() -> None:
    rows = pd.read_csv(RECORDS).query("judge == 'learned'").set_index("set_name")
    card = json.loads(CARD.read_text(encoding="utf-8"))["record"]
    assert [r["set"] for r in card] == list(rows.index)
    for r in card:
        assert r["kappa"] == rows.kappa[r["set"]]
        assert r["unsure"] == pytest.approx(rows.unscored[r["set"]] / r["responses"], abs=1e-4)


def test_the_learned_judge_leaves_few_out_and_is_better_than_every_list() -> None:
    for r in json.loads(CARD.read_text(encoding="utf-8"))["record"]:
        assert r["unsure"] <= 0.2
        assert r["kappa"] > max(0.45, r["its kappa on all"], r["its kappa where scored"])


@pytest.mark.slow
def test_the_files_are_what_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (SHARED / "data/judged").is_dir():
        pytest.skip("needs the sets that people labelled beside the checkout")
    monkeypatch.setenv("PTST_DATA_DIR", str(SHARED / "data"))
    docs_judges.measure(tmp_path / "now.csv", tmp_path / "card.json")
    now, kept = (
        (f.read_text(encoding="utf-8").splitlines()) for f in (tmp_path / "now.csv", RECORDS)
    )
    assert len(now) == len(kept)
    for one, other in zip(now, kept, strict=True):
        if not one.startswith("learned,"):
            assert one == other
    # Fits differ in their last digits from machine to machine, and an answer at a threshold with them.
    cards = [json.loads(f.read_text(encoding="utf-8")) for f in (tmp_path / "card.json", CARD)]
    assert cards[0]["sets"] == cards[1]["sets"]
    for mine, theirs in zip(*(c["record"] for c in cards), strict=True):
        assert mine["kappa"] == pytest.approx(theirs["kappa"], abs=0.01)
        assert mine["unsure"] == pytest.approx(theirs["unsure"], abs=0.01)
