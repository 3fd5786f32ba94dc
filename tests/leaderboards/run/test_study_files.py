"""A study is found by its name or its path."""

from __future__ import annotations

from typing import Any

import pytest

from leaderboards.run import study_files as study
from ptst_tasks.errors import PTSTError


def test_an_unknown_study_names_the_ready_ones() -> None:
    with pytest.raises(PTSTError, match=r"unknown study 'dem'; did you mean 'demo'\?"):
        study.load("dem")


def test_overrides_win() -> None:
    given: dict[str, Any] = {"base": "other", "untuned": False}
    assert study.load("demo", **given).base == "other"
