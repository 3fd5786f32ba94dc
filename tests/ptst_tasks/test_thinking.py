from __future__ import annotations

import pytest

from ptst_tasks.thinking import (
    MARKERS,
    SERVED,
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
        ("An example:\n<think>\na\n</think>\nb", False),
        ("Write <think></think>\nand b", False),
        ("b", False),
    ],
)
def test_an_end_without_a_beginning_counts_at_the_edge_of_a_line(text: str, ends: bool) -> None:
    assert (unopened(text, [THINK]) is THINK) is ends
    assert unopened("Write </think> to end.", [THINK], sure=True) is THINK
    assert split(text, [THINK]).answer == ("b" if text.startswith("<think>") else text)


def test_several_thoughts_in_a_row_are_one() -> None:
    empty = "<think>\n\n</think>\n\n"
    assert split(f"{empty}<think>\nhm #### 5", [THINK]) == Split("hm #### 5", "", cut=True)
    assert split(f"{empty}<think>\nhm\n</think>\n\n5", [THINK]) == Split("hm", "5")
    # A server's own, and one in the content.
    assert split("<think>\na\n</think>\n\n<think>b</think>c", [THINK]) == Split("a\n\nb", "c")
    harmony = next(m for m in MARKERS if "harmony" in m.source)
    again = f"{harmony.open}a{harmony.close}<|start|>assistant{harmony.open}b{harmony.close}"
    assert split(f"{again}{harmony.head[0]}c", [harmony]) == Split("a\n\nb", "c")
    # Another family's beginning is the answer's own.
    assert split(f"{empty}[THINK]a", MARKERS).answer == "[THINK]a"


def test_a_thought_may_speak_of_its_markers() -> None:
    inner = "I cannot. The tags <think></think> are used. It is #### 7"
    assert split(f"<think>{inner}\n</think>\n\n#### 18", [THINK]) == Split(inner, "#### 18")
    assert split(f"<think>{inner}", [THINK]) == Split(inner, "", cut=True)


def test_what_serves_unseen_models_begins_no_answer() -> None:
    assert SERVED[0] is THINK
    plain = "Here are my reasoning steps:\nOne and two.\nIt is 3."
    for text in (plain, "<response>It is 3.</response>"):
        assert split(text, SERVED) == Split("", text)
    left_out = {m.source for m in MARKERS} - {m.source for m in SERVED}
    assert left_out == {"Granite 3.2, 3.3", "Apriel"}


def test_a_family_that_is_told_by_its_end() -> None:
    assert custom_markers("</think>") is THINK  # and not Granite's, whose answers are framed
    own = custom_markers("###")
    assert split("So: 3 ### 3", [own]) == Split("So: 3", "3")
    assert split("So: 3", [own]) == Split("So: 3", "", cut=True)


def test_markers_of_a_template_that_shares_some_with_another() -> None:
    granite = "Write your thoughts between <think></think>, your response in <response></response>."
    assert [m.source for m in find_markers(granite)] == ["Granite 3.2, 3.3"]
    assert find_markers("<think></think> and <response> of a tool") == (THINK,)
    # The end of a turn is no thought's where nothing begins one.
    assert find_markers("<|user|>{{ content }}<|end|>") == ()
    # A template that begins a thought, and leaves its end to the model.
    assert find_markers("{% if add_generation_prompt %}<think>\n{% endif %}") == (THINK,)
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
