from __future__ import annotations

from typing import Any

import pytest

from leaderboards.report.sendable import is_harmless, name_of


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
        ("gsm8k+/home/me/private data/rows.jsonl", "gsm8k+rows.jsonl"),
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
        ("can't open '/home/me/secret/fi", "can't open 'fi"),
        ("cannot read /home/me smith/private proj/x.json: no", "cannot read x.json: no"),
        ('open("/home/me/x', 'open("x'),
        ("“/home/me/x y/z”", "“z”"),
        ("</home/me/x> and </s>", "<x> and </s>"),
        ("é/home/me/x", "x"),
        ("C:\\Users\\me s\\x.json: bad", "x.json: bad"),
        (r"\\srv\share\x y\z", "z"),
        ("FILE:///home/me smith/x", "x"),
        ("/home/me/a'b/c d/x", "x"),
        ("/home/me", "(a path)"),
        ("see /Users/me smith/", "see (a path)"),
        ("data/private/me/x", "x"),
        ("mine/rows.jsonl", "rows.jsonl"),
        ("me@gpu17:/home/me/x", "(an address)"),
        ("git@github.example:me/private", "(an address)"),
        ("gpu17:8000/v1", "(an address)"),
        ("served:gpu17:8000/mine", "(an address)"),
        ("at gpu-17.example.org:8000 now", "at (an address) now"),
        ("10.1.2.3:8000", "(an address)"),
        ("[fe80::1%eth0]:80 and 2001:db8::7", "(an address) and (an address)"),
        ("localhost:8000", "(an address)"),
        ("at 09:20:00, torch 2.13.0, organism:42", "at 09:20:00, torch 2.13.0, organism:42"),
        ("llm:gpt-4o?base_url=https://u:p@h.lan/v1&key=abc", "llm:gpt-4o?(cut)"),
        ("Authorization: Token 0123456789abcdef", "Authorization: ***"),
        ("api-key: abc def", "api-key: ***"),
        ("--token abcdef123456", "--token ***"),
        ("password=a,b", "password=***"),
        ("'password': 'a b, c: d', x=1", "'password': ***, x=1"),
        ("apikey abc123def", "***"),
        ("c:/users/me", "(a path)"),
        ("me/x.JSONL", "x.JSONL"),
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


LONG = ("passw" * 200_000, "a." * 500_000, "/" * 1_000_000, "'~/" * 300_000, "key=" * 250_000)


@pytest.mark.parametrize("text", LONG, ids=range(len(LONG)))
def test_long_names_take_no_time(text: str) -> None:
    assert len(name_of(text)) <= 2000


def test_a_long_name_ends_with_no_folder() -> None:
    assert "private" not in name_of("x" * 1980 + " '/home/me/private/abcdef'")
