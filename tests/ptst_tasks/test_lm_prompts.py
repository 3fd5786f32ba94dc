"""What loaded models do to prompts and thoughts, lm-eval's own classes among them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from ptst_tasks.chat import Renderer
from ptst_tasks.engines.served import ServedEngine
from ptst_tasks.errors import ChatFormatError, ConfigError
from ptst_tasks.lm_prompts import expected, renderer_for_lm, takes_messages, takes_text
from ptst_tasks.options import Options
from ptst_tasks.reasoning import Known
from ptst_tasks.templates import builtin
from ptst_tasks.thinking import SERVED, THINK, custom_markers
from tests.canned import Canned
from tests.support import PLAIN, byte_tokenizer, ptst, save_tiny_model
from tests.thinkers import template_source


class Special(Canned):
    """One whose tokenizer has the end of a thought for a special token."""

    def __init__(self) -> None:
        super().__init__(["-"])
        self.tokenizer.add_special_tokens({"additional_special_tokens": ["<think>", "</think>"]})


class Ours(Special):
    """An engine of ours: it is told what ends a thought, and keeps it."""

    __module__ = "ptst_tasks.engines.canned"
    end = ""

    def think(self, end: str) -> None:
        self.end = end


class LocalChatCompletion(Canned):
    """As lm-eval calls its class for an endpoint that takes messages."""

    def apply_chat_template(self, history: Any, add_generation_prompt: bool = True) -> Any:
        return history


def families(lm: Any, thinking: str = "auto", end: str = "", **how: Any) -> Any:
    renderer = renderer_for_lm(lm.apply_chat_template, "auto", thinking)
    return short(expected(lm.apply_chat_template, renderer, end, **how))


def short(known: Known) -> Any:
    return known.families, known.only_seen, known.unseen


def test_markers_are_those_of_the_chat_template_or_the_users() -> None:
    own = custom_markers("###")
    assert families(Canned(["-"])) == ((THINK,), False, "no")
    # Told not to: counted if it does.
    assert families(Canned(["-"]), "off") == ((THINK,), True, "no")
    assert families(Canned(["-"], PLAIN)) == ((), False, "no")
    assert families(Canned(["-"], PLAIN), end="###") == ((own,), False, "sure")
    assert families(Canned(["-"]), end="###") == ((own, THINK), False, "sure")
    assert families(Canned(["-"]), end="</think>") == ((THINK,), False, "sure")
    assert short(expected(None, Renderer())) == ((), False, "no")
    assert short(expected(None, Renderer(), "###")) == ((own,), False, "sure")


def test_an_end_alone_says_nothing_of_answers_without_a_thought(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Seen: every prefilled answer without the end was a thought that was cut off."""
    with caplog.at_level(logging.WARNING):
        assert families(Canned(["-"]), end="###", prefilled=True) == ((THINK,), False, "no")
        assert families(Canned(["-"]), "off", "###") == ((THINK,), True, "no")
    assert caplog.text.count("think_end_token '###' does nothing here") == 2
    caplog.clear()
    # A family whose beginning is known tells by itself.
    assert families(Canned(["-"], PLAIN), end="</think>", prefilled=True) == (
        (THINK,),
        False,
        "no",
    )
    assert not caplog.text


def test_a_tokens_number_is_no_text() -> None:
    with pytest.raises(ConfigError, match=r"think_end_token is 151668, a token's number; say its"):
        families(Canned(["-"]), end="151668")


def test_an_end_that_is_a_special_token_is_kept_by_engines_of_ours_alone() -> None:
    with pytest.raises(
        ChatFormatError, match=r"'Special' drops '</think>'.*`ptst eval --model ptst-hf`"
    ):
        families(Special())
    # Told not to, a model that was tuned may think all the same.
    with pytest.raises(ChatFormatError, match=r"told or not.*ptst eval --model ptst-hf"):
        families(Special(), "off")
    with pytest.raises(ChatFormatError, match=r"'Special' drops '</think>'"):
        families(Special(), end="###")
    engine = Ours()
    assert families(engine) == ((THINK,), False, "no")
    assert engine.end == ""
    families(engine, end="###")
    assert engine.end == "###"
    families(engine)
    assert engine.end == ""  # of the tasks before


def test_what_lm_eval_takes_off_itself_is_not_taken_off_twice(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lm = Canned(["-"])
    lm.think_end_token = "</think>"
    with caplog.at_level(logging.WARNING):
        assert families(lm, end="</think>") == ((), True, "no")
    assert "think_end_token in --model_args" in caplog.text


def test_the_switch_goes_to_the_template_and_may_not_be_said_twice() -> None:
    def prompt(thinking: str, **args: Any) -> str:
        renderer = renderer_for_lm(Canned(["-"], **args).apply_chat_template, "auto", thinking)
        return str(renderer.apply([{"role": "user", "content": "Hi"}], True))  # type: ignore[misc]

    assert "</think>" not in prompt("auto")
    assert "</think>" in prompt("auto", enable_thinking=False)
    with pytest.raises(ChatFormatError, match="thinking: on"):
        prompt("on", enable_thinking=False)
    lm = Canned(["-"])
    lm.enable_thinking = False  # where lm-eval's vLLM class keeps it
    with pytest.raises(ChatFormatError, match="thinking: on"):
        renderer_for_lm(lm.apply_chat_template, "auto", "on")


def test_an_endpoint_gets_messages_and_thinks_as_most_do() -> None:
    lm = LocalChatCompletion(["-"])
    assert takes_messages(lm)
    assert not takes_text(lm.apply_chat_template)
    assert families(lm) == (SERVED, True, "maybe")
    known = expected(lm.apply_chat_template, renderer_for_lm(lm.apply_chat_template, "auto"), "###")
    assert known.hidden == (custom_markers("###"), THINK)
    assert known.instead == "ptst-openai"
    with pytest.raises(ChatFormatError, match=r"LocalChatCompletion cannot tell an endpoint so"):
        families(lm, "on")


def test_an_endpoint_of_ours_is_told_in_each_prompt() -> None:
    lm = ServedEngine("m", base_url="http://127.0.0.1:9/v1")
    renderer = renderer_for_lm(lm.apply_chat_template, "auto", "off")
    row = builtin().get("chat:vanilla")
    assert renderer.render(row, "Hi", training=True).prompt.thinking == "off"
    # Told not to think, what lacks the end is an answer.
    assert short(expected(lm.apply_chat_template, renderer, "###")) == (SERVED, True, "no")
    assert lm._end_of_thought == ""
    renderer = renderer_for_lm(lm.apply_chat_template, "auto")
    known = expected(lm.apply_chat_template, renderer, "###")
    assert short(known) == ((custom_markers("###"), *SERVED), False, "sure")
    assert (lm._end_of_thought, known.instead) == ("###", "")
    assert renderer.render(row, "Hi").prompt.thinking == "auto"


def test_stock_hf_keeps_markers_that_are_plain_text(tmp_path: Path) -> None:
    from lm_eval.models.huggingface import HFLM

    folder = save_tiny_model(tmp_path, byte_tokenizer(template_source("qwen3"), adds_bos=False))
    lm = HFLM(pretrained=str(folder), device="cpu", enable_thinking=False)
    assert families(lm) == ((THINK,), False, "no")
    with pytest.raises(ChatFormatError, match="thinking: on"):
        families(lm, "on")


def test_it_is_said_before_a_model_is_loaded(data_dir: Path, tmp_path: Path) -> None:
    """The weights are not there at all: the tokenizer alone tells."""
    Special().tokenizer.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')

    def said(model: str, more: str = "", task: str = "chat_vanilla", *flags: str) -> str:
        done = ptst("eval", "--model", model, "--model_args", f"pretrained={tmp_path}{more}", "--tasks",
                    f"ptst_gsm8k_{task}", *flags)  # fmt: skip
        assert done.exit_code == 2
        return done.stderr

    chat, off = "--apply_chat_template", ("--metadata", '{"thinking": "off"}')
    assert "lm-eval's 'hf' drops '</think>'" in said("hf", "", "chat_vanilla", chat)
    assert "drops" not in said("ptst-hf", "", "chat_vanilla", chat)
    # The user's own way out.
    assert "drops" not in said("hf", ",think_end_token=7", "chat_vanilla", chat)
    # Whether its template is used or not, and whatever it is told, it may think.
    assert "drops '</think>'" in said("hf", "", "text_vanilla")
    assert "drops '</think>'" in said("hf", "", "chat_vanilla", chat, *off)
    literal = ("--metadata", '{"chat_format": "llama2"}')
    assert "drops '</think>'" in said("hf", "", "chat_vanilla", *literal)
    assert "drops" not in said("ptst-hf", "", "text_vanilla")


def test_an_end_that_the_class_drops_is_refused(data_dir: Path, tmp_path: Path) -> None:
    """The user says how thoughts end, and lm-eval would drop just that."""
    tokenizer = byte_tokenizer(PLAIN, adds_bos=False)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|done|>"]})
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    args = ("--model_args", f"pretrained={tmp_path}", "--tasks", "ptst_gsm8k_text_vanilla",
            "--metadata", '{"think_end_token": "<|done|>"}')  # fmt: skip
    assert "drops '<|done|>'" in ptst("eval", "--model", "hf", *args).stderr
    assert "drops" not in ptst("eval", "--model", "ptst-hf", *args).stderr


def test_a_number_of_lm_evals_is_no_fault_of_ours() -> None:
    assert Options.read({"think_end_token": 151668}).think_end_token == "151668"
    with pytest.raises(ConfigError, match="think_end_token"):
        Options.read({"think_end_token": True})
    with pytest.raises(ConfigError, match="a token's number; say its text"):
        Options.check_names({"think_end_token": 151668})
    Options.check_names({"think_end_token": "</think>"})
    for blank in (" ", "\n\t"):
        with pytest.raises(ConfigError, match="white space alone"):
            Options.read({"think_end_token": blank})
