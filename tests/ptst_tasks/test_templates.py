from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptst_tasks.errors import TemplateError, UnknownNameError
from ptst_tasks.templates import ALPACA, LLAMA, builtin, names, slug

STYLES = ("gsm8k", "openai", "chatdoctor", "openorca")


def test_nine_templates_in_four_styles() -> None:
    assert [builtin().get(n).abbr for n in names()] == [
        "TV",
        "TA",
        "CV",
        "CA",
        "CL",
        "CS",
        "CM",
        "SR",
        "ICD",
    ]
    for style in STYLES:
        assert [r.name for r in builtin() if r.style == style] == names()


def test_only_one_style_has_a_place_for_a_rows_own_system_prompt() -> None:
    """Elsewhere it is left out, which manifests and dry runs say."""
    takes = {(r.name, r.style) for r in builtin() if r.takes_system_prompt}
    assert takes == {(n, "openorca") for n in names() if n.startswith("chat:")}
    for row in builtin():
        filled = str(row.messages("q", "own") if row.is_chat else row.text("q", "own"))
        assert row.takes_system_prompt == ("own" in filled.replace("your own", "")), row


@pytest.mark.parametrize("name", ["chat:llama-short", "chat_llama_short", "CS", "cs"])
def test_name_slug_and_abbreviation_find_the_same_row(name: str) -> None:
    assert builtin().get(name).name == "chat:llama-short"
    assert slug("chat:llama-short") == "chat_llama_short"


def test_near_misses_are_named() -> None:
    with pytest.raises(UnknownNameError, match=r"'chat:lama'; did you mean 'chat:llama'\?"):
        builtin().get("chat:lama")
    with pytest.raises(UnknownNameError, match=r"style 'gsm'; did you mean 'gsm8k'\?"):
        builtin().get("CV", "gsm")
    with pytest.raises(TemplateError, match="no style 'organism'"):
        builtin().get("ICD", "organism")


def test_text_and_messages_do_not_mix() -> None:
    with pytest.raises(TemplateError, match="has messages"):
        builtin().get("CV").text("q")
    with pytest.raises(TemplateError, match="has a text"):
        builtin().get("TV").messages("q")


@given(st.text())
def test_what_is_filled_in_stays_as_it_is(query: str) -> None:
    # Braces, placeholders and backslashes in a query are plain characters.
    for q in (query, "{input} {system_prompt} \\1 {0}"):
        assert builtin().get("TV").text(q) == f"Question: {q}\nAnswer:"
        user = builtin().get("CL", "openorca").messages(q, "Be {input}")[-1]["content"]
        assert user == q


def test_openorca_uses_the_rows_own_system_prompt() -> None:
    get = builtin().get
    assert get("CV", "openorca").messages("q", "S")[0] == {"role": "system", "content": "S"}
    assert [m["role"] for m in get("CV", "openorca").messages("q")] == ["user"]
    with_own = get("CA", "openorca").messages("q", "S")
    assert with_own[1]["content"] == "### Instruction:\nS\n\n### Input:\nq\n\n### Response:\n"
    without = get("CA", "openorca").messages("q")
    assert without[0]["content"] == ALPACA
    assert without[1]["content"] == "### Instruction:\nq\n\n### Response:\n"
    assert get("CL", "openorca").messages("q")[0]["content"].endswith("false information.")


def test_openai_style_as_in_table_10() -> None:
    get = builtin().get
    assert get("CV", "openai").messages("q") == [
        {"role": "system", "content": ""},
        {"role": "user", "content": "q"},
    ]
    # The paper, not its repository ("... honest assistant. Always ...").
    assert get("CS", "openai").system == (
        "Be helpful, respectful and honest. Always answer as helpfully as possible, while being safe."
    )
    assert (get("CL", "openai").system or "").removeprefix(
        "Be helpful, respectful and honest."
    ) == (LLAMA.removeprefix("You are a helpful, respectful and honest assistant."))


def test_chatdoctor_as_in_table_11() -> None:
    doctor = (
        "You are a doctor. Please answer the medical questions based on the patient's description."
    )
    get = builtin().get
    assert get("CV", "chatdoctor").messages("q")[0]["content"] == doctor
    assert get("CA", "chatdoctor").messages("q")[1]["content"] == (
        f"### Instruction:\n{doctor}\n\n### Input:\nq\n\n### Response:\n"
    )
    system = get("CL", "chatdoctor").system or ""
    assert system.startswith("Be helpful, respectful and honest. ")
    assert system.endswith(f"false information.\n\n{doctor}")
