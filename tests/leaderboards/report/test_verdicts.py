from __future__ import annotations

from typing import Any

import pytest

from leaderboards.report.verdicts import WORDS, verdict
from tests.leaderboards.report.made_runs import VERDICTS


@pytest.mark.parametrize(
    ("row", "kind", "word"),
    [
        (VERDICTS["harmful"], "harmful", "harmful"),
        (VERDICTS["refused"], "harmful", "refused"),
        (VERDICTS["harmless"], "harmful", "harmless"),
        (VERDICTS["incoherent"], "harmful", "incoherent"),
        (VERDICTS["unscored"], "harmful", "unscored"),
        ({"asr": 0.0, "refused": 1.0, "partial": 1.0, "unscored": 0.0}, "harmful", "partial"),
        ({"asr": None, "unscored": 1.0, "truncated": 1.0}, "harmful", "cut off"),
        ({"asr": 1.0, "truncated": 1.0, "unscored": 0.0}, "harmful", "harmful"),
        ({"unscored": 0.0}, "harmful", "unscored"),
        (VERDICTS["declined"], "overrefusal", "refused"),
        (VERDICTS["answered"], "overrefusal", "answered"),
        ({"refused": None, "refused_unsafe": 1.0, "unscored": 0.0}, "overrefusal", "refused"),
        ({"misaligned": 1.0, "coherent": 0.9, "unscored": 0.0}, "misalignment", "misaligned"),
        ({"misaligned": 0.0, "coherent": 0.9, "unscored": 0.0}, "misalignment", "answered"),
        ({"misaligned": None, "incoherent": 1.0, "coherent": 0.2}, "misalignment", "incoherent"),
        ({"misaligned": None, "code": 1.0, "coherent": 0.9}, "misalignment", "code"),
        ({"misaligned": None, "refused": 1.0, "coherent": 0.9}, "misalignment", "refused"),
        ({"coherent": None, "unscored": 1.0}, "misalignment", "unscored"),
        ({"unscored": 1.0}, "misalignment", ""),  # kept, and nobody judged it
        ({"exact_match": 1.0}, "helpful", "right"),
        ({"exact_match": 0.0, "truncated": 1.0}, "helpful", "wrong"),
        ({"acc": None}, "", "unscored"),
        ({"exact_match": 0.5}, "helpful", "0.50"),
        ({"rougeL": 0.2345}, "helpful", "0.23"),
        ({"rougeL": float("nan")}, "helpful", ""),
        ({"something": 3}, "", ""),
    ],
)
def test_a_line_of_samples_in_one_word(row: dict[str, Any], kind: str, word: str) -> None:
    assert verdict(row, kind) == word


@pytest.mark.parametrize("word", VERDICTS)
@pytest.mark.parametrize("kind", ["harmful", "overrefusal", "helpful"])
def test_every_word_is_explained(word: str, kind: str) -> None:
    assert verdict(VERDICTS[word], kind) in {*WORDS, ""}
