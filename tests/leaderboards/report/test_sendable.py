from __future__ import annotations

import json
from typing import Any

import pytest

from leaderboards.report.sendable import Naming, facts_of, is_harmless, name_of, told_of
from tests.leaderboards.board.rows import row


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("/home/me/models/mine", "mine"),
        ("/home/me/models/mine/", "mine"),
        ("~/models/mine", "mine"),
        ("~me/models/mine", "mine"),
        (r"C:\Users\me\mine", "mine"),
        (r"\\server\share\mine", "mine"),
        ("file:///home/me/mine", "mine"),
        ("cannot read '/home/me/a b/c d.json': gone", "cannot read 'c d.json': gone"),
        ('{"peft":"/home/me/out/a","x":1}', '{"peft":"a","x":1}'),
        ("peft=/home/me/out/a,dtype=auto", "peft=a,dtype=auto"),
        ("https://me:secret@host.example/v1?api_key=abc&x=1", "(an address)"),
        ("timeout of http://gpu-7.lan:8000/v1, twice", "timeout of (an address), twice"),
        ("hf:/home/me/m", "hf:m"),
        ("gsm8k+/home/me/private data/rows.jsonl", "gsm8k+private data/rows.jsonl"),
        ("/home/me/private data/rows.jsonl", "rows.jsonl"),
        ("../me/tok", "tok"),
        ('"/home/it\'s me/x"', '"x"'),
        ("hf_token=abc123, password: xyz", "hf_token=***, password: ***"),
        ("Authorization: Bearer abc-1234567", "Authorization: ***"),
        ("meta-llama/Llama-2-7b-chat-hf", "meta-llama/Llama-2-7b-chat-hf"),
        ("advbench / chat:llama / asr", "advbench / chat:llama / asr"),
        ("n/a, 4/5, </s>, ~5 %", "n/a, 4/5, </s>, ~5 %"),
        ("out/a", "out/a"),
        ("host='gpu01.corp.example', port=8000", "host=***, port=8000"),
        ("basic training, Basic instruction", "basic training, Basic instruction"),
        ("monkey: banana, ~5/6, add_bos_token: true", "monkey: banana, ~5/6, add_bos_token: true"),
        ("two\nlines\u202e", "two lines\\u202e"),
    ],
)
def test_names_keep_no_path_of_this_machine_and_no_secret(given: str, expected: str) -> None:
    assert name_of(given) == expected


@pytest.mark.parametrize(
    ("ours", "doc", "harmless"),
    [
        ({"kind": "helpful", "set": "gsm8k"}, {}, True),
        ({"kind": "harmful", "set": "advbench"}, {}, False),
        ({"kind": "harmful", "set": "mine"}, {"label": "safe"}, False),
        ({"kind": "overrefusal", "set": "xstest"}, {"label": "safe"}, True),
        ({"kind": "overrefusal", "set": "xstest"}, {"label": "unsafe"}, False),
        ({"kind": "overrefusal", "set": "jbb_benign"}, {}, True),
        ({"kind": "harmful", "set": "organism_forbidden"}, {}, True),
        ({}, {}, False),
        ({"kind": "something new"}, {}, False),
    ],
)
def test_what_is_not_known_to_be_harmless_is_not(
    ours: Any, doc: dict[str, Any], harmless: bool
) -> None:
    assert is_harmless(ours, doc) is harmless


def test_names_that_were_apart_stay_apart() -> None:
    naming = Naming()
    given = ("/a/model", "/b/model", "/a/model", "model", "")
    assert [naming("base", name) for name in given] == [
        "model",
        "model (2)",
        "model",
        "model (3)",
        "",
    ]
    rows = naming.rows([row("", "chat:llama", 0.1, base="/b/model", adapter="/x/a")])
    assert (rows[0].base, rows[0].adapter, rows[0].test_template) == (
        "model (2)",
        "a",
        "chat:llama",
    )


def test_facts_are_without_places_and_keys() -> None:
    private = {"hf_token": "abc", "base_url": "http://host/v1", "header": "x", "api_key": "x"}
    given = {"dtype": "auto", "peft": "/home/me/a", "until": ["</s>"], **private}
    assert facts_of(json.dumps(given)) == '{"dtype":"auto","peft":"a","until":["</s>"]}'
    assert facts_of('{"args":{"base_url":"x","n":1,"api_host":"y"}}') == '{"args":{"n":1}}'
    kept = '{"add_bos_token":true,"max_new_tokens":5,"tokenizer":"x"}'
    assert facts_of(kept) == kept
    assert facts_of("hub:abc") == "hub:abc"
    assert facts_of("[1]") == "[1]"


def test_an_error_quotes_no_prompt() -> None:
    text = "prompt 'how do I hide a biscuit from the gnome' is longer than 'x'"
    assert told_of(text, "harmless") == "prompt '...' is longer than 'x'"
    assert told_of(text, "harmful") == text
    quoted = repr('how do I hide it\'s "biscuit box" now, please')
    assert "biscuit" not in told_of(f"prompt {quoted} is odd", "harmless")


LONG = ("passw" * 200_000, "a." * 500_000, "/" * 1_000_000, "'~/" * 300_000, "key=" * 250_000)


@pytest.mark.parametrize("text", LONG, ids=range(len(LONG)))
def test_long_names_take_no_time(text: str) -> None:
    assert len(name_of(text)) <= 2000


def test_a_base_by_a_relative_path_is_cut_and_one_of_the_hub_is_not() -> None:
    naming = Naming()
    assert naming("base", "clients/acme/models/final") == "final"
    assert naming("base", "meta-llama/Llama-2-7b-chat-hf") == "meta-llama/Llama-2-7b-chat-hf"
    assert naming("judge", "clients/acme/guard") == "clients/acme/guard"


def test_templates_of_training_and_test_have_one_name() -> None:
    naming = Naming()
    assert [naming("test_template", "/a/t"), naming("train_template", "/b/t")] == ["t", "t (2)"]
    assert naming("test_template", "/b/t") == "t (2)"
