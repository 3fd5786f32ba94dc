from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ptst_tasks import chat
from ptst_tasks.bos import UNWRITTEN
from ptst_tasks.chat import CHAT_FORMATS, FOLDED, Renderer
from ptst_tasks.errors import ChatFormatError, UnknownNameError
from ptst_tasks.templates import builtin, names
from tests.support import AWKWARD, CHATML, PLAIN, byte_tokenizer

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/llama2_gsm8k.json").read_text())
CL = builtin().get("CL")
REAL = ["llama2_spm_32k", "qwen2_5_vl", "minimind", "gpt2"]


@pytest.mark.parametrize("name", names())
def test_llama2_prompts_are_the_papers_byte_for_byte(name: str, llama2: Any) -> None:
    want = GOLDEN["prompts"][name]
    rendered = Renderer.for_tokenizer(llama2, "llama2").render(
        builtin().get(name), GOLDEN["query"], training=True
    )
    ids = llama2.encode(rendered.prompt)
    assert rendered.prompt == want["text"]
    assert ids == want["ids"]
    # One BOS at the start; In-context Defense quotes a second turn, which has the paper's own <s>.
    assert ids[0] == llama2.bos_token_id
    assert ids.count(llama2.bos_token_id) == (2 if name == "chat:icd" else 1)
    assert (rendered.lead, rendered.end) == ("" if name == "text:alpaca" else " ", "</s>")


def test_mistral_puts_the_system_text_before_the_user_message() -> None:
    prompt = Renderer("mistral").render(builtin().get("CS"), "Hi").prompt
    assert prompt == f"[INST] {builtin().get('CS').system}\n\nQuestion: Hi [/INST]"


@pytest.mark.parametrize("name", sorted(AWKWARD))
@pytest.mark.parametrize("template", names())
def test_no_awkward_template_loses_a_message(name: str, template: str) -> None:
    row = builtin().get(template)
    tokenizer = byte_tokenizer(AWKWARD[name])
    rendered = Renderer.for_tokenizer(tokenizer).render(row, "Why  is\n tea hot?", training=True)
    flat = " ".join(rendered.prompt.split())
    assert "Why is tea hot?" in flat
    for message in row.messages("x") if row.is_chat else []:
        if message["role"] == "system":
            assert " ".join(message["content"].split()) in flat
    lost_role = name in ("rejects", "ignores")
    changed = tuple(n for n in rendered.notes if "white space" in n)
    assert bool(changed) == (name == "strips" and row.is_chat)
    noted = set(rendered.notes) - {*changed, UNWRITTEN}  # of BOS: tests of `bos`
    assert noted == ({FOLDED} if lost_role and row.system else set())
    ids = tokenizer.encode(rendered.prompt)
    assert ids.count(tokenizer.bos_token_id) == 1


def test_folding_puts_a_blank_line_between() -> None:
    tokenizer = byte_tokenizer(AWKWARD["rejects"])
    prompt = Renderer.for_tokenizer(tokenizer).render(builtin().get("CS"), "Hi").prompt
    assert prompt == f"[INST] {builtin().get('CS').system}\n\nQuestion: Hi [/INST]"


def test_dates_are_pinned() -> None:
    prompt = Renderer.for_tokenizer(byte_tokenizer(AWKWARD["dated"])).render(CL, "Hi").prompt
    assert prompt.startswith("Today is 26 July 2024.")


def test_a_default_system_prompt_and_a_date_are_recorded() -> None:
    described = {
        name: Renderer.for_tokenizer(byte_tokenizer(template)).describe()
        for name, template in {**AWKWARD, "plain": PLAIN}.items()
    }
    assert described["plain"] == {
        "system_role": True,
        "default_system": "",
        "dated": False,
        "parts": False,
        "thinking": {"switch": "", "state": "none"},
        "markers": [],
    }
    assert described["defaults"]["default_system"] == "You are tiny."
    assert described["dated"]["dated"] is True
    assert described["rejects"]["system_role"] is False
    assert described["ignores"]["system_role"] is False


def test_a_template_that_loses_the_user_message_is_an_error() -> None:
    broken = byte_tokenizer("{{ messages[-1]['content'][:5] }}")
    with pytest.raises(
        ChatFormatError, match=r"loses the user message of 'chat:vanilla'.*chat_format"
    ):
        Renderer.for_tokenizer(broken).render(builtin().get("CV"), "Why is tea hot?")


def test_no_chat_template_is_an_error_that_says_what_to_do() -> None:
    bare = Renderer.for_tokenizer(byte_tokenizer(None))
    with pytest.raises(ChatFormatError, match=r"has no chat template.*--apply_chat_template"):
        bare.render(CL, "Hi")
    assert bare.render(builtin().get("TV"), "Hi").prompt == "Question: Hi\nAnswer:"


def test_unknown_chat_format() -> None:
    with pytest.raises(UnknownNameError, match=r"'lama2'; did you mean 'llama2'\?"):
        Renderer("lama2")


@pytest.mark.parametrize("adds_bos", [True, False])
@pytest.mark.parametrize("template", names())
def test_one_bos_as_the_tokenizers_own_chat_rendering(template: str, adds_bos: bool) -> None:
    tokenizer = byte_tokenizer(PLAIN, adds_bos=adds_bos)
    row = builtin().get(template)
    ids = tokenizer.encode(Renderer.for_tokenizer(tokenizer).render(row, "Hi").prompt)
    if row.is_chat:
        own = tokenizer.apply_chat_template(
            row.messages("Hi"), add_generation_prompt=True, return_dict=False
        )
        assert ids == own
    else:
        assert ids == tokenizer.encode(row.text("Hi"))


def test_an_engine_that_suppresses_bos_gets_it_in_the_text() -> None:
    tokenizer = byte_tokenizer(PLAIN)
    renderer = Renderer.for_tokenizer(tokenizer)
    renderer.keep_bos = True
    for name in names():
        text = renderer.render(builtin().get(name), "Hi").prompt
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert ids.count(tokenizer.bos_token_id) == 1
        assert ids[0] == tokenizer.bos_token_id


@pytest.mark.parametrize("tok", REAL)
@pytest.mark.parametrize("fmt", CHAT_FORMATS)
def test_real_tokenizers_end_a_turn_once(tok: str, fmt: str, shared: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(shared / "tokenizers" / tok)
    renderer = Renderer.for_tokenizer(tokenizer, fmt)
    for row in builtin():
        if row.is_chat and fmt == "auto" and not tokenizer.chat_template:
            continue
        r = renderer.render(row, "Why is tea hot?", "Be brief.", training=True)
        assert r.end
        assert r.end.strip() == r.end.lstrip()
        end_ids = tokenizer.encode(r.end, add_special_tokens=False)
        assert len([i for i in end_ids if i in tokenizer.all_special_ids]) == 1


def test_chatml_end_and_lead() -> None:
    r = Renderer.for_tokenizer(byte_tokenizer(CHATML)).render(CL, "Hi", training=True)
    assert (r.lead, r.end) == ("", "<|end|>")
    plain = Renderer.for_tokenizer(byte_tokenizer(PLAIN)).render(CL, "Hi", training=True)
    assert (plain.lead, plain.end) == (" ", "</s>")


def test_pinned_day_is_the_one_documented() -> None:
    assert chat.PINNED.isoformat() == "2024-07-26"
