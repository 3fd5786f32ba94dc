"""Models that think: markers stay in the text, and a stop string ends the answer alone."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken
from transformers import AutoTokenizer

from ptst_tasks.chat import Renderer
from ptst_tasks.engines.ends import Ends
from ptst_tasks.engines.hf import HFEngine
from ptst_tasks.engines.row_watch import RowWatch
from ptst_tasks.engines.thoughts import Thoughts, answer_place, cut_answer, families
from ptst_tasks.templates import builtin
from ptst_tasks.thinking import THINK, custom_markers, is_closed, split
from tests.ptst_tasks.engines.canned_thoughts import (
    OPENED,
    REPLIES,
    STOPS,
    answers,
    ask,
    prompts,
)
from tests.support import byte_tokenizer
from tests.thinkers import template_source, thinker, thinking_tokenizer

CPU = {"device": "cpu", "dtype": "float32"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: thinker(tmp_path_factory.mktemp(name), name, replies)
            for name, replies in REPLIES.items()}  # fmt: skip


def test_a_stop_string_ends_the_answer_and_never_the_thought(models: dict[str, Path]) -> None:
    said = {name: answers(HFEngine(str(folder), **CPU, batch_size=4), folder, REPLIES[name])
            for name, folder in models.items()}  # fmt: skip
    thought = "I add two and three.\n\nQuestion: is it 6? No.\n</think>\n\n"
    assert said["qwen3_5_think"]["stop in the thought"] == f"{thought}It is 5."
    assert said["qwen3"] == {
        "stop in the thought": f"<think>\n{thought}It is 5.", "no thought": "It is 5."
    }  # fmt: skip
    harmony = "<|channel|>analysis<|message|>I add.\n\nQuestion: is it 6?<|end|>"
    final = "<|start|>assistant<|channel|>final<|message|>"
    assert said["gptoss"]["stop in the thought"] == f"{harmony}{final}It is 5."
    assert said["gptoss"]["no thought"] == "It is 5."
    assert said["nemotron_3_nano"] == REPLIES["nemotron_3_nano"]
    for name, about in (("qwen3_5_think", "<think>\n"), ("gptoss", "")):
        parts = split(about + said[name]["cut off"], families_of(models[name]))
        assert (parts.cut, parts.answer) == (True, "")
        assert parts.reasoning.startswith("and on and on")
    quoted = "<think>\n" + said["qwen3_5_think"]["marker in the answer"]
    assert split(quoted, [THINK]).answer == "Write  like this."  # special tokens are no text


def families_of(folder: Path) -> Any:
    return families(AutoTokenizer.from_pretrained(folder))


def test_nothing_is_generated_behind_an_answer_that_has_ended(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    lm = HFEngine(str(models["qwen3"]), **CPU)
    made: list[int] = []
    whole = lm.model.generate
    monkeypatch.setattr(
        lm.model, "generate", lambda **kw: (out := whole(**kw), made.append(out.shape[1]))[0]
    )
    [prompt] = prompts(models["qwen3"], ["stop in the thought"])
    room = len(lm.tok_encode(prompt))
    lm.generate_until([ask(prompt, ["five", "5"], 400)])
    reply = lm.tokenizer(REPLIES["qwen3"]["stop in the thought"])["input_ids"]
    end = len(lm.tokenizer(f"<think>\n{OPENED.partition('It is 5')[0]}It is 5")["input_ids"])
    assert end <= made[0] - room <= min(end + 8, len(reply) + 1)


def test_rows_of_one_batch_are_what_they_are_alone(models: dict[str, Path]) -> None:
    folder = models["gptoss"]
    together = answers(HFEngine(str(folder), **CPU, batch_size=8), folder, REPLIES["gptoss"])
    alone = answers(HFEngine(str(folder), **CPU, batch_size=1), folder, REPLIES["gptoss"])
    assert together == alone


def test_an_end_that_closes_the_thought_too_ends_the_answer_alone(
    models: dict[str, Path], tmp_path: Path
) -> None:
    end = "<|end|>"
    thought = "<|channel|>analysis<|message|>I add.<|end|><|start|>assistant"
    reply = f"{thought}<|channel|>final<|message|>It is 5.{end}<|start|>user<|message|>And 6?{end}"
    folder = thinker(tmp_path, "gptoss", {"twice": reply})
    for more in ({"eos_token_id": [5]}, {"eos_token_id": [5, 6]}, {"until": [end]}):
        lm = HFEngine(str(folder), **CPU)
        assert lm.tokenizer.convert_tokens_to_ids([end, "<|return|>"]) == [5, 6]
        said = answers(lm, folder, ["twice"], **{"until": [], "limit": 80, **more})["twice"]
        assert said == f"{thought}<|channel|>final<|message|>It is 5.", more
        record = lm.decoding({"max_gen_toks": 80, **more})
        assert record["eos_token_ids_of_answers"] == [5]
        assert 5 not in record["eos_token_ids"]


def test_the_identity_says_that_thoughts_are_told_apart(
    models: dict[str, Path], tiny_model: Path
) -> None:
    given = {"max_gen_toks": 9, "until": ["\n"]}
    lm = HFEngine(str(models["qwen3"]), **CPU)
    assert lm.decoding(given)["thoughts"] == ["<think>...</think>"]
    lm.think("[/END]")
    assert lm.decoding(given)["thoughts"] == ["...[/END]", "<think>...</think>"]
    plain = HFEngine(str(tiny_model), **CPU)
    before = plain.decoding(given)
    assert "thoughts" not in before
    plain.think("[/END]")
    assert plain.decoding(given) == {**before, "thoughts": ["...[/END]"]}


def test_an_end_of_a_thought_that_somebody_says(tmp_path: Path) -> None:
    """lm-eval's own advice for gpt-oss: what stands before the answer ends the thought."""
    reply = REPLIES["gptoss"]["stop in the thought"]
    folder = thinker(tmp_path, "gptoss", {"a": reply, "b": "Hm, Question: not yet"})
    final = "<|channel|>final<|message|>"
    lm = HFEngine(str(folder), **CPU)
    lm.think(final)
    said = answers(lm, folder, ["a", "b"])
    parts = split(said["a"], [custom_markers(final)])
    assert parts.answer == "It is 5."
    assert "Question: is it 6?" in parts.reasoning
    assert said["b"] == "Hm, Question: not yet"  # a thought without an end


def test_several_thoughts_in_a_row_are_one() -> None:
    """gpt-oss may write several analysis messages; the second is no answer."""
    message = "<|channel|>analysis<|message|>"
    text = (
        f"{message}First, Question: 6?<|end|><|start|>assistant{message}No, is it 5?<|end|>"
        "<|start|>assistant<|channel|>final<|message|>It is 5.\n\nQuestion: and 3 + 4?<|return|>"
    )
    tokenizer = thinking_tokenizer("gptoss", [text])
    known = Thoughts(tokenizer, families(tokenizer))
    ids = tokenizer(text)["input_ids"]
    said = cut_answer(known.text(ids, False, known.plain), ["Question:"], known.markers, False)
    parts = split(said, known.markers)
    assert parts.answer == "It is 5.\n\n"
    assert parts.reasoning == "First, Question: 6?\n\nNo, is it 5?"
    watch = RowWatch(known, False, ["Question:", "assistant"], frozenset(), 1)
    ended = next(n for n in range(1, len(ids)) if watch.ended(ids[:n]))
    assert tokenizer.decode(ids[:ended]).endswith("Question:")
    end = next(n for n, token in enumerate(ids) if token in known.closers) + 1
    for n in range(end + 1, len(ids)):  # cut off in the second, or between two messages
        cut = split(known.text(ids[:n], False, known.plain), known.markers)
        _, found, answer = tokenizer.decode(ids[:n]).partition("final<|message|>")
        assert cut.answer == answer
        assert found or cut.cut or ids[n - 1] in known.closers


@pytest.mark.parametrize(
    ("text", "opened", "answer"),
    [
        ("5", False, "5"),
        ("a</think> 5", True, "5"),
        ("<think>a</think>\n\n5", False, "5"),
        ("\n<think>a</think>5", False, "5"),
        ("a", True, None),
        ("<think>a", False, None),
        ("5 </think> 6", False, "5 </think> 6"),  # a stop string would have come first
        ("5 </think> 6", None, "5 </think> 6"),  # a quotation
        ("5\n</think>\n6", None, "6"),
        ("5", None, "5"),
    ],
)
def test_where_an_answer_begins(text: str, opened: bool | None, answer: str | None) -> None:
    place = answer_place(text, [THINK], opened)
    assert (None if place is None else text[place:]) == answer


def test_an_answer_is_cut_behind_the_white_space_of_its_thought() -> None:
    text = "a\n\nb</think>\n\nc\n\nd"
    assert cut_answer(text, ["\n\n"], [THINK], True) == "a\n\nb</think>\n\nc"
    assert cut_answer(text, ["\n\n"], [], True) == "a"
    assert cut_answer(text, ["\n\n"], [THINK], False) == "a"
    own = [custom_markers("[DONE]")]
    assert cut_answer("a\n\nb", ["\n\n"], own, None) == "a\n\nb"
    assert cut_answer("a\n\nb[DONE]c\n\nd", ["\n\n"], own, None) == "a\n\nb[DONE]c"


def test_whether_a_prompt_leaves_a_thought_open() -> None:
    tokenizer = thinking_tokenizer("qwen3_5_think", ["a question"])
    known = Thoughts(tokenizer, families(tokenizer))
    turn = "<|im_start|>user\nWhat is <think>?<|im_end|>\n<|im_start|>assistant\n"
    assert not known.opened(turn)  # a question that quotes a marker opens nothing
    assert known.opened(f"{turn}<think>\n")
    asked = "Question: What does <think> mean?\nAnswer:"
    assert not known.opened(asked)  # nor does one of a text without turns
    assert known.opened(f"{asked} <think>\n")
    assert not known.opened(f"{turn}<think>\n\n</think>\n\n")
    own = Thoughts(tokenizer, families(tokenizer, "[DONE]"))
    assert own.opened(turn)
    assert not own.opened(f"{turn}[DONE] Sure")
    assert own.opened(asked)
    assert own.opened(f"{turn}<think>\n")
    assert not own.opened(f"{turn}<think>\n\n</think>\n\n")  # told not to think
    assert not own.opened(f"{turn}<think>\n\n</think>\n\nSure, here")
    plain = thinking_tokenizer("qwen3", ["a question"])
    assert not Thoughts(plain, families(plain, "[DONE]")).opened(f"{turn}Sure, here")
    assert not Thoughts(tokenizer, ()).opened(f"{turn}<think>\n")


def test_a_model_without_markers_has_no_thoughts() -> None:
    tokenizer = byte_tokenizer()
    none = Thoughts(tokenizer, families(tokenizer))
    assert (none.markers, none.shown, none.closers, none.record()) == ((), set(), set(), {})


def special(texts: list[str], template: str, tokens: list[str]) -> Any:
    """A tokenizer with another chat template and more special tokens."""
    tokenizer = thinking_tokenizer("gptoss", texts)
    tokenizer.add_special_tokens({"additional_special_tokens": tokens})
    tokenizer.chat_template = template
    return tokenizer


def said_by(tokenizer: Any, reply: str, stops: list[str] = STOPS) -> tuple[str, Any]:
    """What an engine makes of a reply, and its parts."""
    known = Thoughts(tokenizer, families(tokenizer))
    ids = tokenizer(reply, add_special_tokens=False)["input_ids"]
    text = cut_answer(known.text(ids, False, known.plain), stops, known.markers, False)
    return text, split(text, known.markers)


def test_a_marker_that_begins_with_a_space() -> None:
    answer = "It is 5.\n\nQuestion: and 3 + 4?"
    thought = " to=self<|message|>I add.\n\nQuestion: is it 6?<|eom|>"
    for between in ("<|start|>assistant to=user<|message|>", " to=user<|message|>"):
        reply = f"{thought}{between}{answer}"
        source = template_source("muse_glimmer")
        _, parts = said_by(special([reply], source, ["<|eom|>"]), reply)
        assert (parts.reasoning, parts.answer) == ("I add.\n\nQuestion: is it 6?", "It is 5.")
        place = answer_place(reply, families(special([reply], source, [])), False)
        assert place is not None
        assert reply[place:] == answer


BUILT = (  # markers of parts, as Kimi-K3's and Hy3's
    "{%- macro mark(kind, name) -%}{{ '<|' + kind + '|>' + name + '<|sep|>' }}{%- endmacro -%}"
    "{%- for m in messages -%}{{ m.role + ': ' }}"
    "{%- if m.role == 'assistant' -%}{{ mark('open', 'think') + m.get('reasoning', '') }}"
    "{{ mark('close', 'think') + mark('open', 'response') + m.content + mark('close', 'response') }}"
    "{%- else -%}{{ m.content }}{%- endif -%}{{ '\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ 'assistant: ' }}{%- endif -%}"
)


def test_markers_that_a_template_builds_from_parts_and_words_of_what_closes_an_answer() -> None:
    thought = "<|open|>think<|sep|>I add.\n\nNo.<|close|>think<|sep|>"
    answer = "<|open|>response<|sep|>It is 5.<|close|>response<|sep|>"
    tokens = ["<|open|>", "<|close|>", "<|sep|>"]
    for end in ("", "<|close|>message<|sep|>"):
        tokenizer = special([thought, answer], BUILT, tokens)
        _, parts = said_by(tokenizer, f"{thought}{answer}{end}", [])
        assert (parts.reasoning, parts.answer) == ("I add.\n\nNo.", "It is 5.")
        assert said_by(tokenizer, f"{answer}{end}", [])[0] == "It is 5."


def test_engine_and_prompts_know_the_same_markers_and_where_a_turn_begins() -> None:
    template_source("qwen3")  # skips without trl
    folder = Path(str(importlib.util.find_spec("trl").submodule_search_locations[0]))
    sources = [BUILT, *(f.read_text() for f in sorted((folder / "chat_templates").glob("*.jinja")))]
    assert len(sources) > 40
    tokenizer, thinks = byte_tokenizer(), 0
    for tokenizer.chat_template in sources:
        renderer = Renderer.for_tokenizer(tokenizer)
        assert families(tokenizer) == renderer.markers
        thinks += bool(families(tokenizer))
        prompt = renderer.render(builtin().get("chat:vanilla"), "What is <think>?").prompt
        own = Thoughts(tokenizer, families(tokenizer, "[DONE]"))
        assert own.opened(prompt) == (is_closed(prompt[-40:], own.markers) is None)
        assert not own.opened(f"{prompt}Sure, here")
    assert thinks > 20


def test_a_commentary_is_no_answer() -> None:
    said = "<|channel|>commentary<|message|>I will look at it.<|end|><|start|>assistant"
    thought = "<|channel|>analysis<|message|>I add.<|end|><|start|>assistant"
    final = "<|channel|>final<|message|>It is 5."
    for before, reasoning in (
        (said, "I will look at it."),
        (f"{thought}{said}", "I add.\n\nI will look at it."),
        (f"{said}{thought}", "I will look at it.\n\nI add."),
    ):
        tokenizer = thinking_tokenizer("gptoss", [before + final])
        _, parts = said_by(tokenizer, before + final)
        assert (parts.reasoning, parts.answer) == (reasoning, "It is 5.")
        assert said_by(tokenizer, before.partition("<|end|>")[0])[1].cut


def test_stop_strings_behind_a_quoted_pair_are_the_thoughts_own() -> None:
    thought = "<think>The tags <think></think> are used. Question: which?\n</think>\n\n"
    text = f"{thought}It is 5.\n\nQuestion: and 6?"
    assert cut_answer(text, ["Question:"], [THINK], False) == f"{thought}It is 5.\n\n"


@pytest.mark.parametrize("opened", [True, False])
def test_a_stop_string_in_the_second_of_two_thoughts_ends_nothing(opened: bool) -> None:
    first = "Hm.\n</think>\n\n" if opened else "<think>\n\n</think>\n\n"
    text = f"{first}<think>\nQuestion: is it 6?\n</think>\n\nIt is 5."
    assert cut_answer(f"{text}\n\nQuestion: no", ["Question:"], (THINK,), opened) == f"{text}\n\n"
    cut = f"{first}<think>\nQuestion: and on"
    assert cut_answer(cut, ["Question:"], (THINK,), opened) == cut


def test_two_thoughts_in_a_row_whose_markers_are_special_tokens() -> None:
    tokenizer = byte_tokenizer(None)
    marks = [AddedToken(mark, special=True, normalized=False) for mark in ("<think>", "</think>")]
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    ends = Ends(tokenizer, ["STOP"], [tokenizer.eos_token_id], Thoughts(tokenizer, (THINK,)))
    said = "<think>\n\n</think>\n\n<think>\nI cannot. #### 7\n</think>\n\nSure: #### 1"
    ids = tokenizer.encode(said, add_special_tokens=False)
    found = split(ends.response(ids, False, ends.thoughts.plain), (THINK,))
    assert (found.answer, found.cut) == ("Sure: #### 1", False)
