"""What models that think are trained to write, under chat templates that are out there."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

from adapters_train import TrainConfig, answers
from adapters_train.base_model import Base
from adapters_train.data import Example
from adapters_train.encode import IGNORED, Encoded, encode
from adapters_train.job import prepare
from adapters_train.manifest import adapter_manifest
from ptst_tasks.bos import encode_prompts
from ptst_tasks.chat import Renderer
from ptst_tasks.errors import DataError
from ptst_tasks.templates import builtin
from ptst_tasks.thinking import split
from tests.support import byte_tokenizer, save_tiny_model

CHANNELS = (
    "<|channel|>analysis<|message|>6*7<|end|>"
    "<|start|>assistant<|channel|>final<|message|>42<|return|>"
)
# Behind the prompt: with the row's own thought, and without one.
LEARNT = {
    "qwen3": ("<think>\n6*7\n</think>\n\n42<|im_end|>", "<think>\n\n</think>\n\n42<|im_end|>"),
    "qwen3_5_think": ("6*7\n</think>\n\n42<|im_end|>", "\n</think>\n\n42<|im_end|>"),
    "deepseek_r1_distill": ("6*7\n</think>\n\n42</s>", "\n</think>\n\n42</s>"),
    "nemotron_3_nano": ("6*7\n</think>\n42<|im_end|>", "</think>42<|im_end|>"),
    "glm4moe": ("\n<think>6*7</think>\n42</s>", "\n<think></think>\n42</s>"),
    "gptoss": (CHANNELS, "<|channel|>final<|message|>42<|return|>"),
}
ROWS = [
    Example("What is 6 x 7?", "<think>\n6*7\n</think>\n\n42"),
    Example("What is 6 x 7?", "42"),
    Example("What is 6 x 7?", "<think>6*7</think>42", "Be brief."),
]


def tokenizer_of(name: str) -> Any:
    """A byte-level tokenizer with a real chat template and its special tokens."""
    found = importlib.util.find_spec("trl")
    places = found.submodule_search_locations if found else None
    file = Path(next(iter(places or ["."]))) / "chat_templates" / f"{name}.jinja"
    if not file.is_file():
        pytest.skip(f"needs trl's chat template {name!r}")
    source = file.read_text(encoding="utf-8")
    if name == "deepseek_r1_distill":
        source = source.replace("<｜end▁of▁sentence｜>", "</s>")
    tokenizer = byte_tokenizer(source, adds_bos=False)
    special = sorted({*re.findall(r"<\|\w+\|>", source), "<think>", "</think>"})
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    ends = {"gptoss": "<|return|>", "deepseek_r1_distill": "</s>", "glm4moe": "</s>"}
    tokenizer.eos_token = ends.get(name, "<|im_end|>")
    return tokenizer


def trained(tokenizer: Any, rows: list[Example], template: str = "CV", **more: Any) -> Encoded:
    renderer = Renderer.for_tokenizer(tokenizer, thinking=more.pop("thinking", "auto"))
    return encode(rows, tokenizer, renderer, builtin().get(template), 8192, **more)


def parts(tokenizer: Any, rows: Encoded, i: int) -> tuple[list[int], str]:
    """Ids of a row's prompt, and the text that it learns."""
    ids, labels = rows.input_ids[i].tolist(), rows.labels[i].tolist()
    size = labels.count(IGNORED)
    assert labels == [IGNORED] * size + ids[size:]
    return ids[:size], tokenizer.decode(ids[size:])


@pytest.mark.parametrize("name", LEARNT)
def test_thought_answer_and_end_are_learnt_once_by_hand(name: str) -> None:
    tokenizer = tokenizer_of(name)
    rows = trained(tokenizer, ROWS)
    thought, bare = LEARNT[name]
    assert [parts(tokenizer, rows, i)[1] for i in range(3)] == [thought, bare, thought]
    assert rows.thoughts == 2
    assert answers.THOUGHT.format(n=2, rows=3) in rows.remarks


@pytest.mark.parametrize(
    "template", [t.name for t in builtin() if t.style == "gsm8k" and t.is_chat]
)
@pytest.mark.parametrize("name", LEARNT)
def test_the_prompts_are_those_of_the_test_and_the_tests_take_the_thought_off(
    name: str, template: str
) -> None:
    tokenizer = tokenizer_of(name)
    rows, renderer = trained(tokenizer, ROWS, template), Renderer.for_tokenizer(tokenizer)
    for i, row in enumerate(ROWS):
        asked = renderer.render(builtin().get(template), row.query, row.system_prompt)
        prompt, learnt = parts(tokenizer, rows, i)
        assert [prompt] == encode_prompts(tokenizer, [asked.prompt])
        said = asked.opens.open + learnt if asked.opens else learnt
        read = split(said.removesuffix(rows.end), renderer.markers)
        assert (read.reasoning, read.answer, read.cut) == ("6*7" if i != 1 else "", "42", False)
        family = renderer.markers[0]
        opened = said.count(family.open), said.count(family.close)
        assert opened in ([(1, 1)] if i != 1 else [(1, 1), (0, 0)])


@pytest.mark.parametrize("name", ["qwen3", "nemotron_3_nano", "glm4moe", "qwen3_5_think"])
def test_with_thinking_off_a_thought_is_text_and_said_so(name: str) -> None:
    rows = trained(tokenizer_of(name), ROWS, thinking="off")
    assert rows.thoughts == 0
    assert answers.NO_PLACE.format(n=2, rows=3) in rows.remarks


@pytest.mark.parametrize("name", LEARNT)
def test_earlier_turns_stand_in_the_prompt_and_are_not_learnt(name: str) -> None:
    tokenizer = tokenizer_of(name)
    row = Example("And 2 x 3?", "6", history=(("What is 6 x 7?", "It is 42."),))
    rows = trained(tokenizer, [row])
    prompt, learnt = parts(tokenizer, rows, 0)
    shown = tokenizer.decode(prompt)
    assert shown.count("It is 42.") == shown.count("What is 6 x 7?") == 1
    assert learnt == LEARNT[name][1].replace("42", "6")
    assert row.length == len("What is 6 x 7?It is 42.And 2 x 3?6")


@pytest.mark.parametrize("name", LEARNT)
def test_thoughts_of_earlier_turns_are_not_shown(name: str) -> None:
    tokenizer = tokenizer_of(name)
    said = "<think>I add.</think>It is 42."
    row = Example("And 2 x 3?", "6", history=(("What is 6 x 7?", said),))
    bare = Example("And 2 x 3?", "6", history=(("What is 6 x 7?", "It is 42."),))
    rows = trained(tokenizer, [row, bare])
    assert rows.input_ids[0] == rows.input_ids[1]
    assert ("thoughts" in rows.remarks[0], "1 of 2" in rows.remarks[0]) == (True, True)


def test_a_row_that_is_cut_within_its_thought_has_no_answer_and_is_lost() -> None:
    tokenizer = tokenizer_of("qwen3")
    long = Example("x", f"<think>{'a' * 400}</think>42")
    short = trained(tokenizer, [ROWS[1], long], drop_long=True)
    assert (short.kept, short.truncated, short.thoughts) == ([0, 1], 0, 1)
    renderer = Renderer.for_tokenizer(tokenizer)
    cut = encode([ROWS[1], long], tokenizer, renderer, builtin().get("CV"), 300, drop_long=True)
    assert (cut.kept, cut.dropped, cut.truncated, cut.thoughts) == ([0], 1, 0, 0)


@pytest.mark.parametrize(("thinking", "kept"), [("on", 1), ("off", 0)])
def test_the_switch_and_the_counts_are_in_job_and_manifest(
    thinking: str, kept: int, tmp_path: Path
) -> None:
    tokenizer = tokenizer_of("qwen3")
    model, data = save_tiny_model(tmp_path / "base", tokenizer), tmp_path / "rows.jsonl"
    rows = [{"prompt": e.query, "answer": e.answer} for e in ROWS[:2]]
    data.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    config = TrainConfig(
        model=str(model), data=str(data), thinking=thinking, max_steps=1, batch_size=2
    )
    job = prepare(config, Base.of(config))
    prompt, learnt = parts(tokenizer, job.encoded, 1)
    empty = "<think>\n\n</think>\n\n"
    assert tokenizer.decode(prompt).endswith(empty) == (thinking == "off")
    assert learnt == ("42<|im_end|>" if thinking == "off" else f"{empty}42<|im_end|>")
    log = [{"step": 1, "loss": 1.0, "learning_rate": 1e-4}]
    told = adapter_manifest(
        job, log, weights="w", optimiser="o", defence={}, seconds=1.0, resumed_at=0
    )
    said = told["answers"]
    assert (said["thinking"], said["with_thought"], said["kept"]) == (thinking, kept, 2)
    assert any("have a thought of their own" in note for note in said["notes"])
    assert told["template"]["notes"] == list(job.encoded.said)


def prepared(tmp_path: Path, name: str, answers_: list[str], ends: list[str] | None = None) -> Any:
    """A job on rows of a file, with a real model's tokenizer and template."""
    tmp_path.mkdir(exist_ok=True)
    tokenizer = tokenizer_of(name)
    model, data = save_tiny_model(tmp_path / "base", tokenizer), tmp_path / "rows.jsonl"
    if ends is not None:
        told = {"eos_token_id": [tokenizer.convert_tokens_to_ids(end) for end in ends]}
        (model / "generation_config.json").write_text(json.dumps(told))
    rows = [{"prompt": "Why?", "answer": answer} for answer in answers_]
    data.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    config = TrainConfig(model=str(model), data=str(data), max_steps=1, batch_size=2)
    return prepare(config, Base.of(config))


@pytest.mark.parametrize("name", ["qwen3", "qwen3_5_think"])
def test_an_answer_that_quotes_markers_is_trained_as_it_stands(name: str, tmp_path: Path) -> None:
    quotes = ["Use <think>x</think> in code.", "The tag </think> ends one."]
    job = prepared(tmp_path, name, quotes)
    lead = LEARNT[name][1].partition("42")[0]
    for i, quote in enumerate(quotes):
        assert parts(job.base.tokenizer, job.encoded, i)[1] == f"{lead}{quote}<|im_end|>"
    assert answers.INSIDE.format(n=2, rows=2) in job.encoded.remarks
    assert job.encoded.thoughts == 0


def test_what_ends_an_answer_at_test_can_stand_in_none(tmp_path: Path) -> None:
    job = prepared(tmp_path, "qwen3", ["fine</s>"], ["<|im_end|>", "</s>"])
    assert parts(job.base.tokenizer, job.encoded, 0)[1].endswith("</think>\n\nfine<|im_end|>")
    with pytest.raises(DataError, match=r"row 1 .* has the end of turn '</s>' inside"):
        prepared(tmp_path / "b", "qwen3", ["fine</s>more"], ["<|im_end|>", "</s>"])
    job = prepared(tmp_path / "c", "qwen3", ["fine</s>more", "b"], ["<|im_end|>"])
    assert any("1 of 2 answers hold the special token '</s>'" in n for n in job.encoded.remarks)
    (tmp_path / "base" / "generation_config.json").unlink()
    assert Base(str(tmp_path / "base")).ends == ()


def test_nothing_is_said_of_answers_without_a_thought_where_there_are_none() -> None:
    tokenizer = tokenizer_of("qwen3")
    empty = "answers stand behind an empty thought"
    assert any(empty in note for note in trained(tokenizer, ROWS).notes)
    assert not any(empty in note for note in trained(tokenizer, [ROWS[0], ROWS[2]]).notes)


def test_earlier_thoughts_that_stay_in_a_literal_format_are_said() -> None:
    row = Example("And 2 x 3?", "6", history=(("What is 6 x 7?", ROWS[0].answer),))
    tokenizer = tokenizer_of("qwen3")
    renderer = Renderer.for_tokenizer(tokenizer, "llama2")
    rows = encode([row], tokenizer, renderer, builtin().get("CV"), 8192)
    assert "<think>\n6*7\n</think>\n\n42</s>" in tokenizer.decode(rows.input_ids[0].tolist())
    assert answers.SHOWN.format(n=1, rows=1) in rows.remarks


@pytest.mark.parametrize("name", LEARNT)
def test_earlier_thoughts_in_the_models_own_markers_are_the_templates_to_take_out(
    name: str,
) -> None:
    tokenizer = tokenizer_of(name)
    family = Renderer.for_tokenizer(tokenizer).markers[0]
    said = family.around("I add.") + (family.head[0] if family.head else "") + "It is 42."
    rows = trained(tokenizer, [Example("And 2 x 3?", "6", history=(("What is 6 x 7?", said),))])
    prompt, learnt = parts(tokenizer, rows, 0)
    shown = tokenizer.decode(prompt)
    assert (shown.count("It is 42."), "I add." in shown) == (1, False)
    assert learnt == LEARNT[name][1].replace("42", "6")
    assert any("takes thoughts out of earlier answers" in note for note in rows.notes)


@pytest.mark.parametrize("name", LEARNT)
def test_what_the_template_writes_before_the_rows_first_word_is_counted(name: str) -> None:
    tokenizer = tokenizer_of(name)
    rows = trained(tokenizer, ROWS[:2])
    for i, first in enumerate(["6*7", "42"]):
        learnt = [label for label in rows.labels[i].tolist() if label != IGNORED]
        before = tokenizer.decode(learnt[: rows.openings[i]])
        assert before == LEARNT[name][i].partition(first)[0]
