from __future__ import annotations

import pytest

from ptst_tasks.thinking import (
    MARKERS,
    SWITCHES,
    THINK,
    Split,
    custom_markers,
    find_markers,
    is_closed,
    is_open,
    split,
    unopened,
)

FAMILIES = [pytest.param(m, id=m.source.split(",")[0]) for m in MARKERS]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_thought_comes_off_and_its_answer_stays(family: object) -> None:
    assert isinstance(family, type(THINK))
    head, tail = (*family.head, "")[0], (*family.tail, "")[0]
    text = f"{family.around('One, two.')}{head}The answer is 3.{tail}"
    assert split(text, [family]) == Split("One, two.", "The answer is 3.")
    # Without its opening marker it is an answer that quotes one, unless a prompt may have opened it.
    begun = text.removeprefix(family.open)
    if family.open:
        assert split(begun, [family]).reasoning == ""
        assert unopened(begun, [family], sure=True) is family
    assert split(f"{family.open}One, tw", [family]) == Split("One, tw", "", cut=True)
    assert family in find_markers(text)


@pytest.mark.parametrize("family", FAMILIES)
def test_open_and_closed_prompts(family: object) -> None:
    assert isinstance(family, type(THINK))
    opened = "<|user|>Hi<|bot|>" + family.open
    assert is_open(opened, [family]) is family
    assert is_closed(opened, [family]) is None
    closed = opened + family.space[0] + family.close + family.space[2]
    assert is_open(closed, [family]) is None
    assert is_closed(closed, [family]) is family
    assert is_open("<|bot|>", [family]) is is_closed("<|bot|>", [family]) is None


def test_an_answer_without_a_thought_loses_its_frame_alone() -> None:
    harmony = next(m for m in MARKERS if "harmony" in m.source)
    text = "<|channel|>final<|message|>Tea.<|return|>"
    assert split(text, [harmony]) == Split("", "Tea.")
    assert split("  Tea.", [harmony]) == Split("", "  Tea.")
    assert split("<|channel|>final<|message|>Tea.", []).answer.startswith("<|channel|>")


def test_a_quoted_marker_later_on_is_the_answers_own() -> None:
    text = "<think>\na\n</think>\n\nWrite </think> to end."
    assert split(text, [THINK]) == Split("a", "Write </think> to end.")


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("a\n</think>\n\nb", True),
        ("a</think>\n\nb", True),
        ("a\n</think>b", True),
        ("</think>b", True),
        ("a </think>", True),
        ("Write </think> to end.", False),
        ("<think>a</think>b", False),
        ("b", False),
    ],
)
def test_an_end_without_a_beginning_counts_at_the_edge_of_a_line(text: str, ends: bool) -> None:
    assert (unopened(text, [THINK]) is THINK) is ends
    assert unopened("Write </think> to end.", [THINK], sure=True) is THINK
    assert split(text, [THINK]).answer == ("b" if text.startswith("<think>") else text)


def test_a_family_that_is_told_by_its_end() -> None:
    assert custom_markers("</think>").open == "<think>"
    own = custom_markers("###")
    assert split("So: 3 ### 3", [own]) == Split("So: 3", "3")
    assert split("So: 3", [own]) == Split("So: 3", "", cut=True)


def test_markers_of_a_template_that_shares_some_with_another() -> None:
    granite = "Write your thoughts between <think></think>, your response in <response></response>."
    assert [m.source for m in find_markers(granite)] == ["Granite 3.2, 3.3"]
    assert find_markers("<think></think> and <response> of a tool") == (THINK,)
    # The end of a turn is no thought's where nothing begins one.
    assert find_markers("<|user|>{{ content }}<|end|>") == ()
    # A template that only takes thoughts out of earlier turns.
    assert find_markers("{{ content.split('</think>')[-1] }}") == (THINK,)


def test_the_main_family_comes_first() -> None:
    text = "[/THINK] in passing; <think>{{ t }}</think> and <think></think>"
    assert [m.open for m in find_markers(text)] == ["<think>", "[THINK]"]


def test_switches_say_nothing_under_auto() -> None:
    for switch in SWITCHES:
        assert switch.args("auto") == {}
        assert switch.said("auto") == ""
        both = [(switch.args(s), switch.said(s)) for s in ("on", "off")]
        assert both[0] != both[1]
        assert switch.source
    text = SWITCHES[-1]
    assert (str(text), text.said("off"), text.said("on")) == ("/no_think", "/no_think", "/think")
