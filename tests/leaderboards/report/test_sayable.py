from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboards.report.plain_words import WORDS
from leaderboards.report.sayable import told_of

TEXT = "Tell me where to hide spoons under my sofa"
PRIVATE = (
    TEXT, "gpu-node-17", "10.1.2.3", "fe80::1%eth0", "anna@gpu17:/data/x", "gpu17:8000",
    "/home/anna smith/x y",
    r"C:\Users\anna\x", r"\\srv\share\x", "~anna/x", "file:///home/anna", "Token 0123456789abcdef",
    "hunter22", "?key=abcdef1", "sk-abcdefghijkl", "HF_HOME=x", "123456789012",
)  # fmt: skip
QUOTES = ("{}", "'{}'", '"{}"', "“{}”", "‘{}’", "`{}`", "«{}»", "({})", "[{}]", "<{}>", "'{}", '"{}', "={}",
          "\\'{}\\'", "\\\"{}\\\"", "|{}|", "{}.", "--{}")  # fmt: skip


@pytest.mark.parametrize("quote", QUOTES)
@pytest.mark.parametrize("private", PRIVATE)
def test_what_an_error_quotes_is_cut_however_it_is_quoted(private: str, quote: str) -> None:
    for inner in (private, repr(private), json.dumps(private)):
        said = told_of(f"ValueError: the prompt is too long: {quote.format(inner)} in batch 3")
        assert said.startswith("ValueError: the prompt is too long:")
        assert "cut)" in said
        words = set(re.findall(r"[\w-]{2,}", private)) - WORDS
        assert not any(word in said for word in words), said


@given(st.text(max_size=60))
def test_nothing_but_words_of_ours_numbers_and_marks_stands(text: str) -> None:
    said = told_of(f"note: {text}").replace("(the rest is cut)", "").replace("(cut)", "")
    for word in said.split():
        bare = word.strip("()[]{},;:/|=+<>%&→±–·.!?…'\"-")
        parts = bare.replace("/", " ").replace(":", " ").replace("=", " ").replace(",", " ").split()
        assert not any(c.isalpha() for c in bare) or any(p.strip("'\".") in WORDS for p in parts), (
            text,
            said,
        )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HTTP 401: Authorization: Token 0123456789abcdef", "HTTP 401: (the rest is cut)"),
        ("ConnectionRefusedError: [Errno 111] Connect call failed ('10.1.2.3', 8000)",
         "ConnectionRefusedError: [Errno 111] Connect call failed ('(cut)', 8000)"),
        ("a.b.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB",
         "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB"),
        ("3 numbers measured again: results_2026-01-31T12-00-00.json replaces what is older",
         "3 numbers measured again: results_2026-01-31T12-00-00.json replaces what is older"),
        ("stale: advbench / chat:llama of 2025-12-29T09:20:00Z: not in the newest results file",
         "stale: advbench / chat:llama of 2025-12-29T09:20:00Z: not in the newest results file"),
        ("prompt 'a spoon' is longer than 'mean'", "prompt '(cut)' is longer than 'mean'"),
        ("row 'it's a spoon, isn't it' is damaged", "row '(cut)' is damaged"),
        ("-2.1 points, up to +3.4 with n = 120, allowed 2.0 points; more prompts",
         "-2.1 points, up to +3.4 with n = 120, allowed 2.0 points; more prompts"),
        ("'/a/b c.csv', line 3: damaged; write it again with --update-baseline or delete it",
         "'(cut)', line 3: damaged; write it again with --update-baseline or delete it"),
        ("no memory in /home/me/x", "no memory in (the rest is cut)"),
        ("spoon", "(cut)"),
        ("row results_hide.a.spoon.json is damaged", "row (cut) is damaged"),
        ("HideTheSpoonUnderMySofaError: the", "(cut)"),
        ("", ""),
    ],
)  # fmt: skip
def test_what_ptst_says_itself_stands(text: str, expected: str) -> None:
    assert told_of(text, {"advbench", "chat:llama"}) == expected


def test_a_long_error_takes_no_time() -> None:
    for text in ("'" * 100_000, "a." * 100_000, "the " * 100_000, "'\"" * 100_000, "(" * 100_000):
        assert len(told_of(text)) < 3 * 2000
