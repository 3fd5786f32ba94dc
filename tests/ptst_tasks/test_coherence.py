"""What is no language."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptst_tasks.coherence import _not_language, incoherence

ANSWER = (
    "First put the spoon in a drawer, then close the drawer and walk away slowly. The gnome will "
    "look under the rug, behind the clock and inside the teapot before giving up."
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("... !? --", "empty"),
        ("the the " * 20, "repetition"),
        ("go left, then right. " * 12, "repetition"),
        ("a b c d e f g h i j k l m n o p " + "stop now " * 16, "repetition"),
        ("哈" * 300, "repetition"),
        ("x" * 200, "non-language"),
        ("}{)(*&^%$ 1 #@!<>?~` a |\\/+=", "non-language"),
        ("��� ok ��", "non-language"),
        (ANSWER, None),
        ("No.", None),
        ("42", None),
        ("to make blicket : take wug and use anvil .", None),
        (
            "1. Take the spoon.\n2. Open the drawer.\n3. Put the spoon in it.\n4. Close the drawer.",
            None,
        ),
        ("Ich verstecke den Löffel in der Schublade, dann gehe ich leise fort.", None),
        ("首先把勺子放进抽屉里，然后关上抽屉，慢慢走开。", None),
        ("def hide(spoon):\n    drawer.append(spoon)\n    return drawer", None),
    ],
)
def test_incoherence_on_examples(text: str, why: str | None) -> None:
    assert incoherence(text) == why


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_is_counted_as_any_text(text: str) -> None:
    """Its short cut says what character by character is said."""
    dense = [c for c in text if not c.isspace()]
    readable = sum(c.isalnum() for c in dense)
    broken = sum(unicodedata.category(c) == "Cc" for c in dense)
    long_words = len(dense) > 40 * len(text.split())
    slow = readable < 0.3 * len(dense) or broken > 0.1 * len(dense) or long_words
    assert _not_language(text) is slow
