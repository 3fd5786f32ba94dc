"""``ptst train --dry-run`` shows what the model would be trained to write, and where."""

from __future__ import annotations

import json
import re

import pytest

from tests.adapters_train.conftest import make_base
from tests.support import byte_tokenizer, ptst
from tests.thinkers import thinking_tokenizer

ROWS = [
    {"question": "How many legs has a spider?", "answer": "<think>\nLegs.\n</think>\n\n8"},
    {"question": "And an ant?", "answer": "6"},
    {"question": "And a snake?", "answer": "0"},
]


@pytest.fixture
def rows(tmp_path):
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(r) + "\n" for r in ROWS))
    return tmp_path / "mine.jsonl"


def dry(base, data, out, *more):
    done = ptst("train", "--model", base, "--data", data, "--out", out, "--max-steps", 1,
                "--dry-run", *more)  # fmt: skip
    assert done.exit_code == 0, done.output
    return done.stdout


def test_lead_end_switch_and_thoughts_are_shown(rows, tmp_path):
    base = make_base(tmp_path / "base", thinking_tokenizer("qwen3", ["a"]))
    told = dry(base, rows, tmp_path / "o", "--template", "CV", "--thinking", "off")
    assert "end of turn '<|im_end|>'" in told
    assert "\n  thinking: off (thoughts <think> ... </think>" in told
    assert (
        len(re.findall(r"\n  (note: )?1 of 3 answers (bring|have) a thought of their own", told))
        == 1
    )
    dry(base, rows, tmp_path / "o", "--template", "CV", "--json", tmp_path / "plan.json")
    [plan] = json.loads((tmp_path / "plan.json").read_text())["adapters"]
    assert (plan["end"], plan["thinking"], plan["thoughts"]) == ("<|im_end|>", "auto", 1)
    assert "told" not in plan


def test_text_and_literal_formats_say_nothing_of_a_switch(rows, tmp_path):
    base = make_base(tmp_path / "base", byte_tokenizer())
    texts = dry(base, rows, tmp_path / "o", "--template", "TV")
    literal = dry(base, rows, tmp_path / "o", "--template", "CV", "--chat-format", "llama2")
    for told in (texts, literal):
        assert "before an answer ' '; end of turn '</s>'" in told
        assert "thinking:" not in told


def test_what_a_chat_template_did_is_noted(rows, tmp_path):
    rejects = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}"
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = rejects + tokenizer.chat_template
    told = dry(make_base(tmp_path / "base", tokenizer), rows, tmp_path / "o", "--template", "CL")
    assert "\n  note: system prompt folded into the first user message" in told
