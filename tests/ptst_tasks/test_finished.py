from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from adapters_train.data import Example
from adapters_train.encode import encode
from ptst_tasks.bos import encode_prompts
from ptst_tasks.chat import Rendered, Renderer
from ptst_tasks.errors import ChatFormatError
from ptst_tasks.frames import PARTS as IN_PARTS
from ptst_tasks.templates import builtin
from ptst_tasks.thinking import split
from tests.ptst_tasks.thinkers import NEXT, OPENS, PARTS, SAYS, SWITCHED
from tests.support import PLAIN
from tests.support import byte_tokenizer as any_tokenizer


def byte_tokenizer(template: str) -> Any:
    """One that puts no BOS before what these templates write without."""
    return any_tokenizer(template, adds_bos=template == PLAIN)


TWICE = (
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}"
    "{% if m.role == 'assistant' %}{{ m.content }}{% endif %}[end]{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
CV, CL, ICD = (builtin().get(name) for name in ("CV", "CL", "ICD"))


def render(template: str, thinking: str = "auto", **args: object) -> Rendered:
    renderer = Renderer.for_tokenizer(byte_tokenizer(template), args=args, thinking=thinking)
    return renderer.render(CL, "Hi", training=True)


def test_an_answer_never_stands_in_an_open_thought() -> None:
    r = render(OPENS)
    assert r.opens is not None
    assert (r.lead, r.end) == ("\n</think>\n\n", "[end]")
    assert "closed before the answer" in r.notes[0]
    whole = r.prompt.rpartition("[bot]")[2] + r.lead + "Tea."
    assert split(whole, [r.opens]).answer == "Tea."


def test_a_template_that_writes_the_answer_twice_is_refused() -> None:
    with pytest.raises(ChatFormatError, match="writes an answer more than once"):
        render(TWICE)


def test_an_open_thought_is_closed_as_the_template_closes_its_own() -> None:
    r = render(SWITCHED.replace("\n</think>\n\n{% endif %}{{", "</think>{% endif %}{{"))
    assert (r.lead, r.thought) == ("</think>", ("", "</think>"))


def test_an_empty_thought_of_the_prompts_own_stays() -> None:
    r = render(SWITCHED, "off")
    assert (r.opens, r.lead, r.thought) == (None, "", None)
    assert "empty thought" in r.notes[0]


def test_an_answer_inside_the_thought_of_a_finished_conversation() -> None:
    inside = SAYS.replace("[bot]{{ m.content.split", "[bot]<think>\n{{ m.content.split")
    r = render(inside)
    assert r.lead == "\n</think>\n\n"
    assert "inside the thought" in r.notes[0]


def test_answers_behind_an_empty_thought_are_the_templates_and_said() -> None:
    shut = OPENS.replace("[bot]{{", "[bot]<think></think>{{").replace("[bot]<think>\n", "[bot]")
    r = render(shut)
    assert (r.lead, r.opens) == ("<think></think>", None)
    assert any("as the chat template writes them" in note for note in r.notes)


@pytest.mark.parametrize("template", [OPENS, SWITCHED])
def test_a_thought_of_a_rows_own_is_there_once(template: str) -> None:
    r = render(template)
    assert r.thought is not None
    whole = f"{r.prompt}{r.thought[0]}Hm.{r.thought[1]}Tea.{r.end}"
    assert whole.endswith("[bot]<think>\nHm.\n</think>\n\nTea.[end]")
    assert any("row's own" in note for note in r.notes) == (template == OPENS)


def test_no_thought_where_the_template_knows_none() -> None:
    assert render(PLAIN).thought is None


def test_no_faithful_rendering_is_an_error_that_says_what_to_do() -> None:
    other = OPENS.replace("assistant' %}[bot]", "assistant' %}[other]")
    with pytest.raises(
        ChatFormatError, match=r"no faithful rendering.*'chat:llama'.*thinking: off"
    ):
        render(other)


def test_what_opens_the_next_turn_is_not_trained() -> None:
    r = render(NEXT)
    assert (r.lead, r.end) == ("", "<|over|>")
    assert r.notes == (
        "what the chat template writes behind the end of a turn ('<|turn|><|assistant|>') is not trained",
    )
    behind = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|over|>\n{% endfor %}" \
        "{% if add_generation_prompt %}<|assistant|>{% else %}{{ eos_token }}{% endif %}"  # fmt: skip
    assert render(behind).end == "<|over|>"


@pytest.mark.parametrize("template", [OPENS, SWITCHED])
@pytest.mark.parametrize("name", ["qwen2_5_vl", "llama2_spm_32k"])
def test_real_tokenizers_train_what_they_are_tested_with(
    name: str, template: str, shared: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(shared / "tokenizers" / name)
    tokenizer.add_special_tokens({"additional_special_tokens": ["[end]", "[bot]"]})
    tokenizer.chat_template = template
    renderer = Renderer.for_tokenizer(tokenizer)
    for row in builtin():
        if row.is_chat:
            rows = encode([Example("Why?", "Tea.")], tokenizer, renderer, row, 4096)
            r = renderer.render(row, "Why?", training=True)
            tested, (ids,) = encode_prompts(tokenizer, [r.prompt])[0], rows.input_ids
            assert list(ids[: len(tested)]) == tested
            assert tokenizer.decode(ids[len(tested) :]) == f"{r.lead}Tea.[end]"


def test_a_template_without_an_end_of_turn_is_said() -> None:
    r = render(PLAIN.replace("+ eos_token", ""))
    assert r.end == "</s>"
    assert any("ends no answer" in note for note in r.notes)


def test_a_turn_that_ends_with_the_next_ones_beginning() -> None:
    glm = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}" \
        "{% if add_generation_prompt %}<|assistant|>{% else %}<|user|>{% endif %}"  # fmt: skip
    assert render(glm).end == "<|user|>"


def test_a_system_text_that_is_lost_in_what_is_finished() -> None:
    nemo = "{% for m in messages if m.role != 'system' %}[{{ m.role }}]{% if loop.last and m.role == " \
        "'user' and messages[0].role == 'system' %}{{ messages[0].content }} {% endif %}{{ m.content }}" \
        "[end]{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"  # fmt: skip
    assert "leaves out the system text" in render(nemo).notes[0]


def test_content_in_parts_where_the_template_wants_it() -> None:
    renderer = Renderer.for_tokenizer(byte_tokenizer(PARTS))
    r = renderer.render(ICD, "Hi", training=True)
    assert r.prompt.endswith("[end]\nuser: Question: Hi[end]\nassistant:")
    assert (r.lead, r.end, r.notes) == (" ", "[end]", (IN_PARTS,))
    assert renderer.describe()["parts"] is True


def test_earlier_turns_are_filled_in_as_the_question_is() -> None:
    renderer = Renderer.for_tokenizer(byte_tokenizer(PLAIN))
    turns = [("One?", "1."), ("Two?", "2.")]
    r = renderer.render(ICD, "Three?", history=turns, training=True)
    asked = ["Question: One?", "Question: Two?", "Question: Three?"]
    places = [r.prompt.index(text) for text in (ICD.turns[0][1], *asked)]
    assert places == sorted(places)
    assert r.prompt.endswith(
        "1.</s>[INST] Question: Two? [/INST] 2.</s>[INST] Question: Three? [/INST]"
    )
    literal = Renderer("llama2").render(CV, "Three?", history=turns).prompt
    assert literal.endswith("Question: Two? [/INST] 2.</s> <s>[INST] Question: Three? [/INST]")
    with pytest.raises(ChatFormatError, match="'text:vanilla' has no place for earlier turns"):
        renderer.render(builtin().get("TV"), "Three?", history=turns)
    single = byte_tokenizer("[INST] {{ messages[-1].content }} [/INST]")
    with pytest.raises(ChatFormatError, match="loses the user message"):
        Renderer.for_tokenizer(single).render(CV, "Three?", history=turns)


def test_a_text_that_is_written_twice_is_said() -> None:
    twice = PLAIN.replace("' [/INST]' }}", "' [/INST] ' + m['content'] }}")
    r = Renderer.for_tokenizer(byte_tokenizer(twice)).render(CV, "Why?")
    assert r.notes == ("the chat template writes the user text 2 times",)
