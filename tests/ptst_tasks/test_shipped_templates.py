"""Every chat template that others ship, under every prompt template and every state of thinking.

What is expected is asked of transformers' own rendering, not of ours: the prompt is the template's, the
finished conversation is prompt + lead + answer + end or a note names the deviation, and no answer
stands inside an open thought.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

from ptst_tasks.bos import encode_prompts
from ptst_tasks.chat import FOLDED, Rendered, Renderer
from ptst_tasks.errors import ChatFormatError
from ptst_tasks.templates import PromptTemplate, builtin
from ptst_tasks.thinking import is_open, split
from tests import chat_templates
from tests.own_rendering import (
    PINNED,
    QUERY,
    STATES,
    SWITCHED,
    Messages,
    Own,
    in_parts,
    prepared,
    told,
)
from tests.real_models import NotToBeHadError

ANSWER, THOUGHT = "Since it was boiled.", "Boiled water is hot."
ROWS = [row for row in builtin() if row.style == "gsm8k"]
DEVIATIONS = (
    "closed before the answer", "inside the thought", "stays before the answer",
    "in a finished conversation", "ends no answer", "is not trained",
)  # fmt: skip
FOUND = chat_templates.found()


@pytest.mark.parametrize("name", FOUND)
def test_prompts_answers_and_thoughts(name: str) -> None:
    check(FOUND[name])


def test_there_are_enough_of_them() -> None:
    trl = [name for name in FOUND if name.startswith("trl/")]
    assert len(trl) >= 60 or "trl" not in {n.partition("/")[0] for n in FOUND}, trl
    assert all(FOUND[name].strip() for name in FOUND)


# Worked out by hand from the templates: state, what the prompt ends with, lead, end.
BY_HAND = {
    "llama.cpp/CohereForAI-c4ai-command-r7b-12-2024-tool_use": (
        "auto",
        "<|CHATBOT_TOKEN|><|START_THINKING|><|END_THINKING|>",
        "<|START_RESPONSE|>",
        "<|END_RESPONSE|><|END_OF_TURN_TOKEN|>",
    ),
    "llama.cpp/NVIDIA-Nemotron-Nano-v2": (
        "auto",
        "Assistant\n<think>\n",
        "\n</think>\n\n",
        "\n<SPECIAL_12>",
    ),
    "trl/deepseek_r1_distill": ("auto", "<think>\n", "\n</think>\n\n", "<｜end▁of▁sentence｜>"),
    "trl/gemma4": ("on", "<|turn>model\n", "", "<turn|>"),
    "trl/glm4moe_training": ("off", "<|assistant|>\n<think></think>", "\n", "<|user|>"),
    "trl/gptoss": ("auto", "<|start|>assistant", "<|channel|>final<|message|>", "<|return|>"),
    "trl/idefics3": ("auto", "\nAssistant:", " ", "<end_of_utterance>"),
    "trl/muse_glimmer": ("auto", "<|start|>assistant", " to=user<|message|>", "<|eot|>"),
    "trl/nemotron_3_super": ("on", "assistant\n<think>\n", "</think>", "<|im_end|>"),
    "trl/phi3": ("auto", "<|assistant|>\n", "", "<|end|>"),
    "trl/qwen3": ("auto", "assistant\n", "<think>\n\n</think>\n\n", "<|im_end|>"),
    "trl/qwen3_5_think": ("auto", "assistant\n<think>\n", "\n</think>\n\n", "<|im_end|>"),
    "trl/qwen3_8": ("off", "assistant\n<think>\n\n</think>\n\n", "", "<|im_end|>"),
}


@pytest.mark.parametrize("name", sorted(BY_HAND.keys() & FOUND.keys()))
def test_rows_worked_out_by_hand(name: str) -> None:
    own, (thinking, tail, lead, end) = Own(FOUND[name]), BY_HAND[name]
    renderer = Renderer.for_tokenizer(own.tokenizer, thinking=thinking)
    r = renderer.render(builtin().get("CL"), QUERY, training=True)
    assert r.prompt.endswith(tail)
    assert (r.lead, r.end) == (lead, end)


@pytest.mark.parametrize("name", FOUND)
def test_earlier_turns(name: str) -> None:
    own = Own(FOUND[name])
    renderer, turns = (
        Renderer.for_tokenizer(own.tokenizer),
        [("First?", "One."), ("Second?", "Two.")],
    )
    r = attempt(renderer, builtin().get("CV"), "Third?", turns)
    if isinstance(r, str):
        assert "loses" in r or own([{"role": "user", "content": QUERY}], True) is None
        return
    said = ["Question: First?", "One.", "Question: Second?", "Two.", "Question: Third?"]
    assert all(r.prompt.count(text) == 1 for text in said)
    assert sorted(said, key=r.prompt.index) == said


@pytest.mark.parametrize("name", FOUND)
def test_earlier_turns_with_thoughts(name: str) -> None:
    """They go where the same turns without thoughts go, with no word of an answer lost."""
    own = Own(FOUND[name])
    for thinking in STATES:
        renderer = Renderer.for_tokenizer(own.tokenizer, thinking=thinking)
        plain = [("First?", "One."), ("Second?", "Two.")]
        if not renderer.markers or isinstance(attempt(renderer, ROWS[0], "Third?", plain), str):
            continue
        family = renderer.markers[0]
        frame, tail = (*family.head, "")[0], (*family.tail, "")[0]
        for around in (family.around(THOUGHT), f"{family.open}{THOUGHT}{family.close}"):
            turns = [(asked, around + frame + answer + tail) for asked, answer in plain]
            r = attempt(renderer, builtin().get("CV"), "Third?", turns)
            assert isinstance(r, Rendered), f"thinking {thinking}: {r}"
            assert all(r.prompt.count(answer) == 1 for _, answer in plain), thinking
            said = [n for n in r.notes if "thoughts" in n and "earlier" in n]
            assert len(said) <= 1, r.notes
            assert not any("white space in" in n for n in r.notes), r.notes
            assert said or r.prompt.count(THOUGHT) == len(plain), thinking


@pytest.mark.real
def test_llama_cpps_templates() -> None:
    try:
        found = chat_templates.read(chat_templates.fetched(), "llama.cpp")
    except NotToBeHadError as e:
        pytest.skip(str(e))
    assert len(found) >= 60
    wrong = {}
    for name, source in found.items():
        try:
            check(source)
        except AssertionError as e:
            wrong[name] = str(e)
    assert not wrong
    print(f"{len(found)} chat templates of llama.cpp")


def check(source: str) -> None:
    own = Own(source)
    for thinking in STATES:
        renderer = Renderer.for_tokenizer(own.tokenizer, thinking=thinking)
        for row in ROWS:
            where = f"{row.name}, thinking {thinking}"
            rendered = attempt(renderer, row)
            if isinstance(rendered, str):
                assert "\n" not in rendered, where
                assert refusal_holds(own, row, thinking), f"{where}: {rendered}"
                continue
            if row.is_chat:
                check_chat(own, row, thinking, renderer, rendered, where)
            else:
                assert rendered.prompt == row.text(QUERY), where
                assert rendered.end == own.tokenizer.eos_token, where


def attempt(
    renderer: Renderer,
    row: PromptTemplate,
    query: str = QUERY,
    turns: Sequence[tuple[str, str]] = (),
) -> Rendered | str:
    """The row, or what the error says."""
    try:
        return renderer.render(row, query, history=turns, training=True)
    except ChatFormatError as e:
        return str(e)


def refusal_holds(own: Own, row: PromptTemplate, thinking: str) -> bool:
    """Whether the template does fail, or is deaf to the switch."""
    plain = prepared(row, ())
    texts = (
        [own(plain, True), own(prepared(row, (FOLDED,)), True)]
        if row.system
        else [own(plain, True)]
    )
    if not any(text and QUERY.strip() in text for text in texts):
        return True
    if thinking == "auto":
        return False
    source = own.tokenizer.chat_template
    quoted = [isinstance(off, bool | int) or f"'{off}'" in source or f'"{off}"' in source
              for _, _, off in SWITCHED]  # fmt: skip
    pairs = zip(STATES["on"], STATES["off"], quoted, strict=True)
    return all(
        own(plain, True, **on) == own(plain, True, **off) for on, off, known in pairs if known
    )


def check_chat(
    own: Own, row: PromptTemplate, thinking: str, renderer: Renderer, r: Rendered, where: str
) -> None:
    bos = renderer.bos.text
    messages = prepared(row, r.notes)
    ways = [(m, a) for m, a in told(messages, thinking) if own(m, True, **a) == bos + r.prompt
            or (own(m, True, **a) == r.prompt and not r.prompt.startswith(bos or "\0"))]  # fmt: skip
    assert ways, f"{where}: the prompt is not the template's"
    told_messages, args = ways[0]
    own_prompt = own(told_messages, True, **args) or ""
    check_ids(own, told_messages, args, r, where)
    check_texts(own, row, r, own_prompt, where)
    tail = r.prompt.rpartition(QUERY.strip())[2]
    assert is_open(tail + r.lead, renderer.markers) is None, f"{where}: the answer is in a thought"
    assert is_open(tail, renderer.markers) == r.opens, where
    answered = {"role": "assistant", "content": ANSWER}
    if any("list of parts" in note for note in r.notes):
        answered["content"] = in_parts(ANSWER)  # type: ignore[assignment]
    full = own([*told_messages, answered], False, **args) or ""
    ours = own_prompt + r.lead + ANSWER + r.end
    faithful = full.startswith(ours) and not full[len(ours) :].strip()
    said = [note for note in r.notes if any(what in note for what in DEVIATIONS)]
    assert faithful != bool(said), f"{where}: {said} but {full[-120:]!r}, ours {ours[-120:]!r}"
    check_end(own, told_messages, args, answered, r, where)
    check_thought(own, [*told_messages, answered], args, thinking, renderer, r, where)


def check_ids(own: Own, messages: Messages, args: dict[str, Any], r: Rendered, where: str) -> None:
    """A training prompt's ids are a test prompt's, and the tokenizer's own; one BOS at most."""
    ids = own.tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_dict=False, **PINNED, **args
    )
    tested = own.tokenizer.encode(r.prompt)
    assert tested == encode_prompts(own.tokenizer, [r.prompt])[0] == ids, where
    assert tested[: tested.count(own.tokenizer.bos_token_id)] in (
        [],
        [own.tokenizer.bos_token_id],
    ), where


def check_texts(own: Own, row: PromptTemplate, r: Rendered, prompt: str, where: str) -> None:
    """System and user text are there once, and a change of their white space is said."""
    flat = " ".join(prompt.split())
    for message in row.messages(QUERY):
        text = " ".join(message["content"].split())
        assert flat.count(text) == 1, f"{where}: {message['role']} text {flat.count(text)} times"
    said = any("trims the user text" in n or "white space in the user text" in n for n in r.notes)
    system = " ".join(note for note in r.notes if "system text" in note and "white space" in note)
    assert not system, where
    last = row.messages(QUERY)[-1]["content"]
    if last not in prompt:
        assert said, f"{where}: the user text is changed"
    ends = any(
        m["content"] != m["content"].strip() for m in row.messages(QUERY) if m["role"] == "user"
    )
    trims = own(prepared(row, r.notes, strip="user"), True) == own(prepared(row, r.notes), True)
    assert said == (ends and trims), f"{where}: {r.notes}"


def check_end(
    own: Own, messages: Messages, args: dict[str, Any], answered: dict[str, Any],
    r: Rendered, where: str,
) -> None:  # fmt: skip
    """The end of turn is what stands behind an answer, and opens no next turn."""
    assert r.end, where
    assert r.end == r.end.rstrip(), where
    if any("ends no answer" in note for note in r.notes):
        assert r.end == own.tokenizer.eos_token, where
        return
    content = in_parts("Next?") if isinstance(answered["content"], list) else "Next?"
    going = own([*messages, answered, {"role": "user", "content": content}], True, **args) or ""
    between = going.rpartition(ANSWER)[2].partition("Next?")[0]
    if between.startswith(r.end):
        opening = between[len(r.end) :].strip()
        assert opening or r.end in ("</s>", "<|user|>"), f"{where}: {r.end!r} opens the user's turn"
    begins = re.match(r"(<[^<>\s]+>)+", r.prompt)
    opens = re.findall(r"<[^<>\s]+>", begins[0]) if begins else []
    assert not any(token in r.end for token in opens), f"{where}: {r.end!r} opens a turn"
    asked = going.rpartition("Next?")[2].strip()
    assert not r.end.endswith(asked), f"{where}: {r.end!r} opens the assistant's turn"


def check_thought(
    own: Own, messages: Messages, args: dict[str, Any], thinking: str,
    renderer: Renderer, r: Rendered, where: str,
) -> None:  # fmt: skip
    """A row's own thought stands between the model's markers once, as the template has it."""
    if not renderer.markers or thinking == "off":
        assert r.thought is None, where
        return
    if r.thought is None:  # only behind a prompt that says the thought is over
        tail = r.prompt.rpartition(QUERY.strip())[2].rstrip()
        ends = [mark for m in renderer.markers for mark in (m.close, *m.head)]
        assert any(mark in tail for mark in ends), f"{where}: no place for a thought"
        return
    text = f"{r.prompt}{r.thought[0]}{THOUGHT}{r.thought[1]}{ANSWER}{r.end}"
    region = text.rpartition(QUERY.strip())[2]
    (family,) = [m for m in renderer.markers if m.close in region][:1]
    assert region.count(family.open.strip()) == 1, f"{where}: {region!r}"
    assert r.thought[1].count(family.close) == 1, f"{where}: {region!r}"
    at = region.index(family.open.strip())
    parts = split(region[at:].removesuffix(r.end), renderer.markers)
    assert (parts.reasoning, parts.answer.strip()) == (THOUGHT, ANSWER), f"{where}: {region!r}"
    if any("row's own" in note for note in r.notes):
        return
    keys = ("reasoning_content", "reasoning", "thinking", "thought")
    thoughtful = [
        own([*messages[:-1], {**messages[-1], key: THOUGHT}], False, **args) for key in keys
    ]
    thoughtful += [
        own(
            [*messages[:-1], {**messages[-1], "content": m.around(THOUGHT) + ANSWER}], False, **args
        )
        for m in renderer.markers
    ]
    if not any("is not trained" in note or "ends no" in note for note in r.notes):
        whole = (renderer.bos.text + text, text)
        assert any(t and t.startswith(whole) for t in thoughtful), f"{where}: {region!r}"
