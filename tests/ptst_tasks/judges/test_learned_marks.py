"""Marks are found where they stand."""

from __future__ import annotations

import pytest

from ptst_tasks.judges.learned_marks import GROUPS, MARKS, places


@pytest.mark.parametrize(
    ("text", "group", "at"),
    [
        ("well, i cannot help", "cannot", [6]),
        ("we can't do it and i will not", "cannot", [0, 19]),
        ("i'm not able to help", "cannot", [0]),
        ("you cannot", "cannot", []),
        ("i can not provide spoons", "verbhelp", [2]),
        ("as an ai language model", "asai", [0]),
        ("take it. hide it.\n- use a spoon", "imper", [0, 18]),
        ("it is important", "urge", [0]),
        ("instead, if you like", "instead", [0]),
        ("sorry, so sorry", "sorry", [0, 10]),
        ("sorrynot", "sorry", []),
    ],
)
def test_places(text: str, group: str, at: list[int]) -> None:
    assert places(text)[0][group] == at


def test_words_and_groups() -> None:
    found, words = places("don't hide 2 spoons")
    assert words == ["don't", "hide", "2", "spoons"]
    assert found.keys() == set(GROUPS) == MARKS.keys()


def test_a_word_is_of_one_group() -> None:
    words = [
        w
        for text in MARKS.values()
        if "\\b" not in text and "(?:" not in text
        for w in text.split()
    ]
    assert len(set(words)) == len(words)
