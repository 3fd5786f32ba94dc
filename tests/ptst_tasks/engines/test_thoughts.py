"""Models that think: markers stay in the text, and a stop string ends the answer alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from ptst_tasks.engines.hf import HFEngine
from ptst_tasks.engines.thoughts import RowWatch, Thoughts, answer_place, cut_answer, families
from ptst_tasks.thinking import THINK, custom_markers, split
from tests.ptst_tasks.engines.canned_thoughts import OPENED, REPLIES, answers, ask, prompts
from tests.support import byte_tokenizer
from tests.thinkers import thinker, thinking_tokenizer

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
        ("5 </think> 6", None, "6"),
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
    assert known.opened(f"{turn}<think>\nSo far,")
    assert not known.opened(f"{turn}<think>\n\n</think>\n\n")
    own = Thoughts(tokenizer, families(tokenizer, "[DONE]"))
    assert own.opened(turn)
    assert not own.opened(f"{turn}[DONE] Sure")
    assert not Thoughts(tokenizer, ()).opened(f"{turn}<think>\n")


def test_a_model_without_markers_has_no_thoughts() -> None:
    tokenizer = byte_tokenizer()
    none = Thoughts(tokenizer, families(tokenizer))
    assert (none.markers, none.shown, none.closers, none.record()) == ((), set(), set(), {})


@pytest.mark.parametrize("template", ["qwen3", "gptoss"])
def test_a_watched_row_ends_where_its_text_is_cut_and_never_before(template: str) -> None:
    texts = [f"{text}\n\nQuestion: more" for text in REPLIES[template].values()]
    tokenizer = thinking_tokenizer(template, texts)
    known = Thoughts(tokenizer, families(tokenizer))
    for text in texts:
        ids = tokenizer(text)["input_ids"]
        for stop in ("\n\n", "Question:", "assistant", "final", "analysis", "think", "5", " is"):
            want = cut_answer(known.text(ids, False, known.plain), [stop], known.markers, False)
            for every in (1, 8):
                watch = RowWatch(known, False, [stop], frozenset(), every)
                steps = range(every, len(ids) + 1, every)
                at = next((n for n in steps if watch.ended(ids[:n])), None)
                if at is not None:
                    seen = known.text(ids[:at], False, known.plain)
                    assert cut_answer(seen, [stop], known.markers, False) == want, (stop, text)
                elif every == 1:
                    assert known.text(ids, False, known.plain) == want, (stop, text)
