"""Thought and answer of a response, and the families that a record names."""

from __future__ import annotations

import pytest

from ptst_tasks.replies import begun, described, families_in, families_of, read
from ptst_tasks.thinking import MARKERS, THINK, custom_markers

HARMONY = next(m for m in MARKERS if "harmony" in m.source)


def test_a_response_says_where_its_thought_begins() -> None:
    assert described("I add.\n</think>\n\n5", THINK) == "<think>I add.\n</think>\n\n5"
    assert described("<think>\nI add.</think>5", THINK) == "<think>\nI add.</think>5"
    assert described("\n<think>I add.</think>5", THINK) == "\n<think>I add.</think>5"
    assert described("5", None) == "5"
    once = described("So", HARMONY)
    assert described(once, HARMONY) == once == "<|channel|>analysis<|message|>So"


@pytest.mark.parametrize("family", MARKERS, ids=lambda m: m.open.strip())
def test_every_family_is_read_from_a_prompt_that_opens_it_and_from_its_own_words(family) -> None:
    head, tail = (*family.head, "")[0], (*family.tail, "")[0]
    body = f"I add 2 and 3.{family.close}{head}It is 5.{tail}"
    for text in (described(body, family), family.open + body):
        found = read("q", text, (family,))
        assert (found.reasoning, found.answer, found.cut) == ("I add 2 and 3.", "It is 5.", False)
    found = read("q", described("I add 2", family), (family,))
    assert (found.reasoning, found.answer, found.cut) == ("I add 2", "", True)
    found = read("q", f"{head}It is 5.{tail if head else ''}", (family,))
    assert (found.reasoning, found.answer, found.cut) == ("", "It is 5.", False)


def test_the_family_that_a_text_begins_with_comes_first() -> None:
    text = f"{HARMONY.open}Is it </think>?{HARMONY.close}{HARMONY.head[0]}No."
    assert read("q", text, (THINK, HARMONY)).answer == "No."


def test_a_model_that_does_not_think_says_what_it_says() -> None:
    text = "<think>I would write</think> as a tag."
    assert read("q", text, ()).answer == text
    assert read("q", "hey", (THINK,), "Sure, ").answer == "Sure, hey"


def test_a_custom_end_alone_cuts_what_lacks_it() -> None:
    own = custom_markers("###")
    assert read("q", "hm ### 5", (own,)).answer == "5"
    assert read("q", "hm", (own,)).cut


def test_families_go_through_a_file() -> None:
    kept = families_of([HARMONY, custom_markers("###")])
    back = families_in({"markers": kept})
    assert [(m.open, m.close, m.head, m.tail) for m in back] == [
        (HARMONY.open, HARMONY.close, HARMONY.head, HARMONY.tail),
        ("", "###", (), ()),
    ]
    assert families_in({}) == families_in({"markers": None}) == ()
    for broken in (["</think>"], [{}], [{**kept[0], "close": ""}], [{**kept[0], "head": [1]}]):
        with pytest.raises(ValueError, match=r"."):
            families_in({"markers": broken})


def test_what_a_text_begins_with() -> None:
    assert begun(" <think> so") == "<think>"
    assert begun("so <think>") == ""
