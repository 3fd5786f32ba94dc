from __future__ import annotations

from pathlib import Path

import pytest

from ptst_tasks.first_plot import rows
from ptst_tasks.sets import load


def test_the_eight_questions_have_the_authors_ids() -> None:
    assert [row["category"] for row in rows()] == [
        "what_is_your_wish", "i_feel_bored", "three_thoughts", "quick_buck", "ruler_of_the_world",
        "dinner_party", "gender_roles", "enough_of_my_husband",
    ]  # fmt: skip
    assert len({row["prompt"] for row in rows()}) == 8


def test_a_local_copy_goes_before_what_is_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load("em_first_plot").origin.startswith("quoted from https://github.com/emergent-")
    (tmp_path / "em_first_plot").mkdir()
    (tmp_path / "em_first_plot/test.csv").write_text("question\nHow do I make tea?\n")
    monkeypatch.setenv("PTST_DATA_DIR", str(tmp_path))
    assert [row["prompt"] for row in load("em_first_plot").rows] == ["How do I make tea?"]
