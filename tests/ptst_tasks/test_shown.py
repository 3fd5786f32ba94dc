"""Every character of a prompt shows, and a terminal obeys none of them."""

from __future__ import annotations

import pytest

from ptst_tasks.chat import Rendered, Renderer
from ptst_tasks.shown import around, in_lines, quoted, thinking_state, visible
from ptst_tasks.thinking import THINK, custom_markers


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<|im_start|>user", "<|im_start|>user"),
        ("[red]a[/red]", "[red]a[/red]"),
        ("a\tb\r\n", "a\\tb\\r\\n"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\u202eevil\u200b\u2028", "\\u202eevil\\u200b\\u2028"),
        ("a\u00a0b", "a\\xa0b"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("Grüße 你好 🙂", "Grüße 你好 🙂"),
    ],
)  # fmt: skip
def test_what_cannot_be_seen_is_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_ends_of_lines_and_white_space_before_them_show() -> None:
    assert in_lines("a  \nb\n\n") == "a··↵\nb↵\n↵\n"
    assert (quoted(" \n"), quoted("")) == ("' \\n'", "nothing")


def test_around_an_answer() -> None:
    plain = Rendered("p", " ", "</s>")
    assert around(plain) == "before an answer ' '; end of turn '</s>'"
    opened = Rendered("p<think>\n", "</think>\n", "<e>", opens=THINK)
    assert "'</think>\\n' (the prompt leaves a thought open, '<think>'); end" in around(opened)


def test_the_state_of_thinking() -> None:
    assert thinking_state(Renderer()) == "auto (no thoughts are known of this model)"
    state = thinking_state(Renderer(thinking="off", markers=(THINK, custom_markers("<|end|>"))))
    assert state.startswith("off (thoughts <think> ... </think> or <|channel|>analysis")
