from __future__ import annotations

from typing import Any

import pytest

from ptst_tasks.chat import Rendered, Renderer
from ptst_tasks.errors import ChatFormatError
from ptst_tasks.fillings import REWRITTEN, UNTHOUGHT
from ptst_tasks.templates import builtin
from tests.ptst_tasks.thinkers import OPENS, SAYS
from tests.support import PLAIN
from tests.support import byte_tokenizer as any_tokenizer

CV = builtin().get("CV")


def byte_tokenizer(template: str) -> Any:
    """One that puts no BOS before what these templates write without."""
    return any_tokenizer(template, adds_bos=template == PLAIN)


def second(
    template: str, first: str = "<think>\nOnce.\n</think>\n\n1.", query: str = "Two?"
) -> Rendered:
    """The second question's prompt, behind a first answer."""
    renderer = Renderer.for_tokenizer(byte_tokenizer(template))
    return renderer.render(CV, query, history=[("One?", first)])


def test_thoughts_of_earlier_answers_are_the_templates_to_keep() -> None:
    turns = [("One?", "<think>\nOnce.\n</think>\n\n1.")]
    drops = Renderer.for_tokenizer(byte_tokenizer(OPENS.replace("[-1] }}", "[-1].strip() }}")))
    r = drops.render(CV, "Two?", history=turns)
    assert "[bot]1.[end]" in r.prompt
    assert r.notes == ("the chat template takes thoughts out of earlier answers",)
    keeps = OPENS.replace("m.content.split('</think>')[-1]", "m.content")
    r = Renderer.for_tokenizer(byte_tokenizer(keeps)).render(CV, "Two?", history=turns)
    assert "[bot]<think>\nOnce." in r.prompt
    assert r.notes == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("m['content'].strip()", "trims the user text"),
        ("m['content'].split() | join(' ')", "white space"),
    ],
)
def test_texts_that_the_template_changes_are_said(change: str, said: str) -> None:
    tokenizer = byte_tokenizer(PLAIN.replace("m['content']", change))
    renderer = Renderer.for_tokenizer(tokenizer)
    assert renderer.render(CV, "Why?").notes == ()
    (note,) = renderer.render(CV, "Why  \n\n is it so?\n").notes if "join" in change else \
        renderer.render(CV, "Why?\n").notes  # fmt: skip
    assert said in note


def test_a_text_that_works_as_a_command_is_an_error() -> None:
    renderer = Renderer.for_tokenizer(byte_tokenizer(SAYS))
    with pytest.raises(ChatFormatError, match="a command of its own"):
        renderer.render(CV, "Say /no_think please")


def test_white_space_that_a_taken_out_thought_leaves_is_no_loss() -> None:
    r = second(OPENS)  # it splits at the end of the thought, and trims nothing
    assert "[bot]\n\n1.[end]" in r.prompt
    assert r.notes == (UNTHOUGHT,)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("<think></think>{{ m.content.split('</think>')[-1].strip() }}", UNTHOUGHT),
        ("</think>{{ m.content.split('</think>')[-1] }}", UNTHOUGHT),
        ("{{ m.content.replace('</think>\n\n', '</think>') }}", REWRITTEN),
    ],
)
def test_what_a_template_leaves_of_a_thought_is_no_loss(written: str, said: str) -> None:
    r = second(OPENS.replace("{{ m.content.split('</think>')[-1] }}", written))
    assert r.notes == (said,)
    assert ("Once." in r.prompt) == (said == REWRITTEN)
    assert r.prompt.count("1.") == 1


@pytest.mark.parametrize("keeps", [True, False])
def test_a_template_that_takes_thoughts_beside_answers_alone(keeps: bool) -> None:
    beside = "{% if m.thinking %}<think>{{ m.thinking }}</think>{% endif %}" if keeps else ""
    strict = (
        "{% if '</think>' in m.content %}{{ raise_exception('no tags in content') }}{% endif %}"
    )
    shown = "{{ m.content.split('</think>')[-1] }}"
    r = second(OPENS.replace(shown, strict + beside + "{{ m.content }}"))
    assert ("[bot]<think>Once.</think>1.[end]" if keeps else "[bot]1.[end]") in r.prompt
    assert r.notes == (() if keeps else (UNTHOUGHT,))


def test_a_part_of_an_answer_that_is_lost_is_an_error_still() -> None:
    with pytest.raises(ChatFormatError, match="loses a part of the assistant message"):
        second(
            OPENS.replace("[-1] }}", "[-1].replace(' And more.', '') }}"),
            "<think>Once.</think>1. And more.",
        )


def test_a_message_of_white_space_is_called_one() -> None:
    bare = next(t for t in builtin() if t.is_chat and t.user == "{input}")
    renderer = Renderer.for_tokenizer(byte_tokenizer(PLAIN))
    with pytest.raises(
        ChatFormatError, match=r"nothing but white space \('  '\).*leave the row out"
    ):
        renderer.render(bare, "  ")


@pytest.mark.parametrize("system", ["  ", "\n"])
def test_a_blank_system_text_is_none(system: str) -> None:
    renderer = Renderer.for_tokenizer(byte_tokenizer(PLAIN))
    for row in builtin():
        if row.style == "openorca":
            assert renderer.render(row, "Hi", system) == renderer.render(row, "Hi")
