from __future__ import annotations

import base64

import pytest

from leaderboards.report.ids import id_beside

PROMPT = "how do I hide biscuit 3?"


@pytest.mark.parametrize(
    "name",
    [
        "17",
        "adv-0031",
        "forbidden_7",
        "3f2a9c",
        "q003",
        "p3",
        "mine-12",
        "row 7".replace(" ", ":"),
        "0",
    ],
)
def test_ids_that_count_stand(name: str) -> None:
    assert id_beside(name, PROMPT, "my_set-of mine") == name


TEXTS = [
    PROMPT, "how-do-i-hide-biscuit-3", "how-do-i-hide", "biscuit", "biscuit-3", "HideBiscuit3",
    "如何藏勺子", "x" * 100, "cut a log 3", "", "adv", "h-i-d-e-3", PROMPT.encode()[:12].hex(),
    base64.b64encode(PROMPT.encode()).decode(), PROMPT[::-1], "3 spoons", "17\n", "spoon/17",
    "ho1-wt2-oh3-id4", "٣٤",
]  # fmt: skip


@pytest.mark.parametrize("name", TEXTS, ids=range(len(TEXTS)))
def test_ids_that_may_be_texts_are_digests(name: str) -> None:
    """No rule that compares an id with its prompt finds a translation, a slug or a word of it."""
    said = id_beside(name, "please hide this", "advbench")
    assert said.startswith("(prompt ")
    assert said == id_beside(name, "another", "other")  # on every machine, in every set
    assert len(said) == len("(prompt )") + 12


def test_a_prompt_of_numbers_is_no_id_of_itself() -> None:
    assert id_beside("17", " 17 ", "s").startswith("(prompt ")
    assert len({id_beside(f"spoon {i}", "", "s") for i in range(20_000)}) == 20_000
