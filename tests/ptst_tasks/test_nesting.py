"""Which of several closing markers ends a thought."""

from __future__ import annotations

import pytest

from ptst_tasks.nesting import at_edge, end_of

# What stands behind the marker that began the thought; | is where the end is expected.
BODIES = {
    "plain": "a\n|</think>\n\nb",
    "none": "a and b",
    "quoted in the answer": "a\n|</think>\n\nWrite <think></think> or </think> to end.",
    "a pair on a line": "The tags <think></think> are used. #### 7\n|</think>\n\n#### 18",
    "a pair that ends a line": "The format:\n<think> reasons </think>\nSo #### 7\n|</think>\n\n#### 18",
    "a block": "As in\n<think>\nreasons\n</think>\nso #### 7\n|</think>\n\n#### 18",
    "a block in a block": "As in\n<think>\n<think>\nx\n</think>\n</think>\nso\n|</think>\n\n#### 18",
    "a mention": "I begin with <think> and go on\n|</think>\n\nWrite </think> to end.",
    "a mention in the last line": "I begin with <think> here.|</think>\n\n#### 18",
    "between marks of quotation": "I write `</think>` at its end. So 7.\n|</think>\nAnswer 5",
    "between marks, and no end": 'I end with "</think>" then',
    "begun twice": "\n<think>\na\n|</think>\n\nb",
    # Cut off behind a quotation: no end.
    "a pair and no end": "The tags <think></think> are used. It is",
    "a pair, a line, no end": "The tags are <think></think>\nIt is",
    "a block and no end": "As in\n<think>\nreasons\n</think>\nso it is",
}


@pytest.mark.parametrize("case", BODIES)
def test_the_end_of_a_thought_is_its_own(case: str) -> None:
    body = BODIES[case].replace("|", "")
    assert end_of(body, "<think>", "</think>") == BODIES[case].find("|")


def test_a_thought_without_a_beginning_ends_at_the_first_end() -> None:
    assert end_of("a ### b ###", "", "###") == 2


@pytest.mark.parametrize(
    ("text", "so"), [("a\n#\nb", True), ("a #", True), ("# a", True), ("a # b", False)]
)
def test_edges_of_lines(text: str, so: bool) -> None:
    at = text.index("#")
    assert at_edge(text, at, at + 1) is so
