from __future__ import annotations

import pytest

from ptst_tasks.chat import Renderer
from ptst_tasks.chat_template import find_switches, source_of
from ptst_tasks.errors import ChatFormatError
from ptst_tasks.templates import builtin
from ptst_tasks.thinking import Switch
from tests.ptst_tasks.thinkers import DEAF, OPENS, SAYS, SWITCHED
from tests.support import PLAIN, byte_tokenizer

CV, CL, TV = (builtin().get(name) for name in ("CV", "CL", "TV"))


def names(source: str) -> list[str]:
    return [str(s) for s in find_switches(source)]


def test_a_switch_is_a_variable_that_the_template_reads_from_outside() -> None:
    assert names("{% if enable_thinking %}a{% endif %}") == ["enable_thinking"]
    assert names("{% generation %}{{ thinking }}{% endgeneration %}") == ["thinking"]
    assert names("{% for m in messages %}{% if thinking %}{% break %}{% endif %}{% endfor %}")
    assert names("{# enable_thinking #}{{ 'thinking' }}{{ m.thinking }}") == []
    assert names("{% set thinking = true %}{{ thinking }}") == []
    assert names("{% if") == []


def test_words_count_where_the_template_has_them() -> None:
    assert names("{{ reasoning_effort }}") == []
    (found,) = find_switches("{% if reasoning_effort == 'no_think' %}a{% endif %}")
    assert (found.name, found.off) == ("reasoning_effort", "no_think")
    assert names("{{ messages[0].content.replace('/think', '').replace('/no_think', '') }}")


def test_the_template_of_a_plain_conversation() -> None:
    several = byte_tokenizer(None)
    several.chat_template = {"default": PLAIN, "tool_use": "{{ tools }}"}
    assert source_of(several) == PLAIN
    assert source_of(byte_tokenizer(None)) == ""


@pytest.mark.parametrize(
    ("thinking", "tail"), [("on", "<think>\n"), ("off", "<think>\n</think>\n\n")]
)
def test_the_switch_reaches_the_template(thinking: str, tail: str) -> None:
    renderer = Renderer.for_tokenizer(byte_tokenizer(SWITCHED), thinking=thinking)
    assert renderer.render(CL, "Hi").prompt.endswith("[bot]" + tail)
    told = renderer.describe()["thinking"]
    assert told == {"switch": "enable_thinking", "state": "opens" if thinking == "on" else "closed"}


def test_a_word_in_the_system_message_is_a_switch_and_no_text() -> None:
    off = Renderer.for_tokenizer(byte_tokenizer(SAYS), thinking="off")
    for row in (CV, CL):
        prompt = off.render(row, "Hi").prompt
        assert prompt.endswith("<think></think>")
        assert "no_think" not in prompt
        assert row.system is None or row.system in prompt
    assert (
        Renderer.for_tokenizer(byte_tokenizer(SAYS)).render(CV, "Hi").prompt.endswith("<think>\n")
    )


@pytest.mark.parametrize("thinking", ["on", "off"])
def test_a_switch_that_does_nothing_is_refused(thinking: str) -> None:
    said = (
        rf"thinking: {thinking} does nothing to 'chat:vanilla': .* no switch .*chat_template_args"
    )
    with pytest.raises(ChatFormatError, match=said):
        Renderer.for_tokenizer(byte_tokenizer(PLAIN), thinking=thinking).render(CV, "Hi")
    deaf = Renderer.for_tokenizer(byte_tokenizer(DEAF), thinking=thinking)
    with pytest.raises(ChatFormatError, match="same prompt with enable_thinking on and off"):
        deaf.render(CL, "Hi")
    # It has no place in a text, and a study may have both.
    assert deaf.render(TV, "Hi").prompt == "Question: Hi\nAnswer:"
    assert not deaf.asks_chat_template(TV)
    assert deaf.asks_chat_template(CL)
    assert not Renderer("llama2", thinking=thinking).asks_chat_template(CL)


def test_what_the_prompt_does_anyway_holds() -> None:
    assert Renderer.for_tokenizer(byte_tokenizer(OPENS), thinking="on").render(CV, "Hi").opens
    with pytest.raises(ChatFormatError, match="no switch"):
        Renderer.for_tokenizer(byte_tokenizer(OPENS), thinking="off").render(CV, "Hi")
    closes = byte_tokenizer(OPENS.replace("<think>\n", "<think></think>"))
    assert Renderer.for_tokenizer(closes, thinking="off").render(CV, "Hi").opens is None


def test_arguments_that_say_the_opposite_are_refused() -> None:
    tokenizer = byte_tokenizer(SWITCHED)
    with pytest.raises(
        ChatFormatError, match=r"thinking: off and .*'enable_thinking': True.*different"
    ):
        Renderer.for_tokenizer(tokenizer, args={"enable_thinking": True}, thinking="off")
    same = Renderer.for_tokenizer(tokenizer, args={"enable_thinking": False}, thinking="off")
    auto = Renderer.for_tokenizer(tokenizer, args={"enable_thinking": False})
    assert same.render(CV, "Hi").prompt == auto.render(CV, "Hi").prompt
    assert isinstance(same.switches[0], Switch)
    effort = byte_tokenizer("{% if reasoning_effort == 'no_think' %}a{% endif %}" + PLAIN)
    with pytest.raises(ChatFormatError, match="'high' would be the same"):  # it would be dropped
        Renderer.for_tokenizer(effort, args={"reasoning_effort": "low"}, thinking="on")
