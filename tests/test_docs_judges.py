"""The judges' record in docs/judges.md is what judges are measured to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs_evidence import filled
from tests.docs_judges import NAME, PAGE, RECORDS, table
from tests.support import SHARED, ptst


def test_the_table_is_made_from_the_file() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert table() in text
    assert filled(text, {NAME: table()}) == text, "python -m tests.docs_judges makes it anew"


def test_the_file_is_what_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (SHARED / "data/judged").is_dir():
        pytest.skip("needs the sets that people labelled beside the checkout")
    monkeypatch.setenv("PTST_DATA_DIR", str(SHARED / "data"))
    assert ptst("judges", "-o", tmp_path / "now.csv").exit_code == 0
    assert (tmp_path / "now.csv").read_bytes() == RECORDS.read_bytes()
