"""A model that thinks behind a real ``vllm serve``: the switch, and the thought beside the answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.instance import Instance

from ptst_tasks.engines import open_engine
from ptst_tasks.errors import EngineError
from ptst_tasks.thinking import THINK, split
from tests.ptst_tasks.engines.canned_thoughts import OPENED, STOPS
from tests.support import NEEDS_VLLM, byte_tokenizer, save_tiny_model, vllm_server
from tests.thinkers import canned_model, thinking_tokenizer

pytestmark = NEEDS_VLLM
TURN = [{"role": "user", "content": "What is 2 + 3?"}]
BRIEF = "Five.\n\nQuestion: and 3 + 4?"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thinks where it is told to, and answers at once where it is told not to."""
    folder = tmp_path_factory.mktemp("thinks")
    tokenizer = thinking_tokenizer("qwen3_5_think", [TURN[0]["content"], OPENED, BRIEF])
    replies = {
        tokenizer.apply_chat_template(
            TURN, tokenize=False, add_generation_prompt=True, enable_thinking=thinks
        ): reply
        for thinks, reply in ((True, OPENED), (False, BRIEF))
    }
    return canned_model(folder, tokenizer, replies)


@pytest.fixture(scope="module")
def url(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("server") / "log"
    with vllm_server(model, {}, log, "--reasoning-parser", "qwen3") as address:
        yield address


def ask(lm: Any, thinking: str, limit: int = 60) -> str:
    prompt = lm.apply_chat_template(TURN, thinking=thinking)
    options = {"until": STOPS, "max_gen_toks": limit, "do_sample": False}
    return str(
        lm.generate_until([Instance("generate_until", {}, (prompt, options), 0, ("t", 0, 1))])[0]
    )


def test_the_switch_and_the_thought(url: str) -> None:
    lm = open_engine("openai", "tiny", base_url=url)
    on = split(ask(lm, "on"), [THINK])
    assert on.answer == "It is 5."
    assert on.reasoning == OPENED.partition("</think>")[0].strip()
    assert ask(lm, "off") == "Five."
    cut = split(ask(lm, "on", 5), [THINK])
    assert cut.cut
    assert OPENED.startswith(cut.reasoning)
    # Said by nobody, the stop strings are sent, and one ends the thought.
    with pytest.raises(EngineError, match="say thinking: on"):
        ask(lm, "auto")


def test_a_switch_that_the_template_does_not_have(tmp_path: Path) -> None:
    plain = save_tiny_model(tmp_path / "plain", byte_tokenizer(), hidden=64, heads=2)
    with vllm_server(plain, {}, tmp_path / "log") as url:
        lm = open_engine("openai", "tiny", base_url=url)
        with pytest.raises(EngineError, match="the switch does nothing"):
            ask(lm, "on")
        assert isinstance(ask(lm, "auto", 2), str)
