"""What looks like a key is found by its place, and what only sounds like one is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from ptst_tasks.errors import ConfigError
from ptst_tasks.keys import check_no_keys, find_keys, hidden

LONG = "a1B2c3D4e5F6g7H8i9J0"


@pytest.mark.parametrize(
    "value",
    [
        {"api_key": "abc"}, {"apikey": "abc"}, {"API-KEY": "abc"}, {"token": "abc"}, {"hf_token": "abc"},
        {"authorization": "abc"}, {"x": {"Authorization": ["Bearer abc"]}}, {"password": "abc"},
        {"aws_secret_access_key": "abc"}, {"client_secret": "x"}, {"proxy_authorization": "x"},
        {"x": f"sk-{LONG}"}, {"x": f"sk-proj-{LONG}"}, {"x": [f"hf_{LONG}"]}, {"x": f"Bearer {LONG}"},
        {"x": {"y": {"z": f"sk-ant-{LONG}"}}}, {"x": f"ghp_{LONG}"}, {"x": "https://me:pw@host/v1"},
        {f"sk-{LONG}": 1}, {"x": f"rubric:model=m,api_key={LONG}"}, {"x": f"token={LONG}"},
        {"headers": {"X-Api-Key": "abc"}},
    ],
)  # fmt: skip
def test_found(value: Any) -> None:
    assert list(find_keys(value))
    with pytest.raises(ConfigError) as e:
        check_no_keys(value, "engine_args")
    assert "engine_args" in str(e.value)
    assert LONG not in str(e.value)
    assert "pw@" not in str(e.value)


@pytest.mark.parametrize(
    "value",
    [
        {"api_key_env": "OPENAI_API_KEY"}, {"token": True}, {"token": None}, {"token": ""},
        {"max_tokens": 5}, {"token_field": "max_tokens"}, {"add_bos_token": True}, {"prefix_token_id": 3},
        {"think_end_token": "</think>"}, {"tokenizer": "a/b"}, {"base": "meta-llama/Llama-2-7b-chat-hf"},
        {"base": "org/sk-model-with-a-long-name"}, {"base_url": "http://localhost:8000/v1"},
        {"judges": ["rubric:model=gpt-4,api_key_env=MY_KEY,max_tokens=9"]}, {"x": "hf_hub"},
        {"stop_token_ids": [1]}, {"name": "task-1-of-many-things"}, {"x": "Basic English"},
    ],
)  # fmt: skip
def test_left_alone(value: Any) -> None:
    assert list(find_keys(value)) == []


def test_free_text_may_speak_of_passwords() -> None:
    asked = {"test": {"options": {"prefill": "Sure, the password=hunter2 is"}}}
    assert list(find_keys(asked, free=("test.options.prefill",))) == []
    assert list(find_keys(asked)) == ["test.options.prefill"]
    asked["test"]["options"]["prefill"] = f"sk-{LONG}"
    assert list(find_keys(asked, free=("test.options.prefill",))) == ["test.options.prefill"]


def test_a_message_that_quotes_hides() -> None:
    assert LONG not in hidden(f"while scanning: api_key: {LONG} and sk-{LONG}")
    assert hidden("expected a colon") == "expected a colon"
