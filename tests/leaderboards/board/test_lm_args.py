"""Arguments as lm_eval writes them, and those that may change an answer."""

from __future__ import annotations

import json

from leaderboards.board.lm_args import deciding_args, gen_kwargs, model_args


def test_arguments_are_read_as_text_and_as_a_mapping() -> None:
    assert model_args(" a=1, b=x=y,") == {"a": "1", "b": "x=y"}
    assert model_args({"a": 1}) == {"a": 1}
    assert model_args(None) == {}
    assert gen_kwargs("do_sample=true,top_k=5,until=None") == {"do_sample": True, "top_k": 5,
                                                              "until": None}  # fmt: skip


def test_layout_names_and_keys_decide_nothing_but_a_length_does_where_prompts_are_cut() -> None:
    given = {"pretrained": "m", "batch_size": "8", "api_key": "sk", "max_length": "512"}
    assert json.loads(deciding_args("hf", given)) == {"max_length": 512}
    assert deciding_args("ptst-hf", given) == ""
    assert "sk" not in deciding_args("hf", {**given, "load_in_4bit": "True"})
    assert deciding_args("ptst-openai", {"temperature": 1}) == ""
