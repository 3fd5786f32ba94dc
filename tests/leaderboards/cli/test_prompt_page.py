"""``ptst templates``: the table, and with ``--model`` each prompt as one tokenizer sends it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from leaderboards.cli.prompt_page import QUESTION, page
from ptst_tasks.templates import builtin, names
from tests.support import DATED, DEFAULTS, REJECTS, STRIPS, byte_tokenizer, ptst
from tests.thinkers import thinking_tokenizer


def told(folder: Path, tokenizer: Any, *args: str) -> dict[str, Any]:
    """What the command says of a tokenizer, as JSON."""
    tokenizer.save_pretrained(folder / "tok")
    done = ptst("templates", "--model", folder / "tok", "--json", "-", *args)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def by_name(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {p["name"]: p for p in found["prompts"]}


def test_every_template_is_there_as_it_is_sent(tmp_path: Path) -> None:
    tokenizer = byte_tokenizer()
    found = told(tmp_path, tokenizer)
    assert list(by_name(found)) == names()
    for prompt in found["prompts"]:
        assert QUESTION in prompt["text"]
        assert (prompt["bos"], prompt["end"]) == (True, "</s>")
        assert tokenizer.decode(prompt["ids"]) == "<s>" + prompt["text"]
    vanilla = by_name(found)["chat:vanilla"]
    assert (vanilla["text"], vanilla["lead"]) == (f"[INST] Question: {QUESTION} [/INST]", " ")


@pytest.mark.parametrize("thinking", ["auto", "on", "off"])
def test_a_model_that_thinks(tmp_path: Path, thinking: str) -> None:
    """Qwen3's own template: told "off" it closes an empty thought, which stands before the answer."""
    found = told(tmp_path, thinking_tokenizer("qwen3", [QUESTION]), "--thinking", thinking)
    assert found["thinking"] == thinking
    assert "<think> ... </think>" in found["state"]
    vanilla = by_name(found)["chat:vanilla"]
    closed = "<think>\n\n</think>\n\n"
    assert (closed in vanilla["text"]) == (thinking == "off")
    assert (vanilla["text"] + vanilla["lead"]).endswith(closed) or thinking != "off"
    assert vanilla["end"] == "<|im_end|>"


def test_what_a_chat_template_does_by_itself(tmp_path: Path) -> None:
    does = {
        name: told(tmp_path / name, byte_tokenizer(source))
        for name, source in {"defaults": DEFAULTS, "dated": DATED, "rejects": REJECTS,
                             "strips": STRIPS}.items()
    }  # fmt: skip
    assert does["defaults"]["chat_template"]["default_system"] == "You are tiny."
    prompts = by_name(does["defaults"])
    assert prompts["chat:vanilla"]["added"] == "You are tiny."
    assert prompts["chat:llama"]["added"] == prompts["text:vanilla"]["added"] == ""
    assert by_name(does["dated"])["chat:vanilla"]["added"].startswith("Today is 26 July 2024.")
    assert does["dated"]["chat_template"]["dated"]
    assert "26 July 2024" in by_name(does["dated"])["chat:vanilla"]["text"]
    assert not does["rejects"]["chat_template"]["system_role"]
    assert by_name(does["rejects"])["chat:llama"]["notes"]
    assert not by_name(does["rejects"])["chat:vanilla"]["notes"]
    assert does["strips"]["alters"]
    assert not does["rejects"]["alters"]


def test_an_earlier_answer_without_its_thought_is_no_text_of_the_chat_templates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.yaml"
    shot = ["One and two?", "<think>\nI add these two.\n</think>\n\nThe sum of them is three."]
    own.write_text(
        json.dumps([{"name": "chat:shot", "user": "Question: {input}", "turns": [shot]}])
    )
    monkeypatch.setenv("PTST_TEMPLATES", str(own))
    shown = by_name(told(tmp_path, thinking_tokenizer("qwen3", [QUESTION])))["chat:shot"]
    assert "three." in shown["text"]
    assert ("I add" in shown["text"], shown["added"]) == (False, "")


def test_a_chat_template_that_never_ends_is_one_line(tmp_path: Path) -> None:
    endless = byte_tokenizer("{{ 'x' * 10 ** 18 }}")
    shown = by_name(told(tmp_path, endless))["chat:vanilla"]
    assert shown["error"].startswith(
        "the chat template fails on 'chat:vanilla': it writes more than"
    )


def test_a_tokenizer_without_a_chat_template(tmp_path: Path) -> None:
    prompts = by_name(told(tmp_path, byte_tokenizer(None)))
    for name, prompt in prompts.items():
        assert ("error" in prompt) == name.startswith("chat:")
    assert prompts["chat:llama"]["error"].endswith(
        "has no chat template; --chat-format llama2 or mistral needs none"
    )
    literal = by_name(told(tmp_path, byte_tokenizer(None), "--chat-format", "llama2"))
    assert literal["chat:llama"]["text"].startswith("[INST] <<SYS>>\nYou are a helpful")
    assert literal["chat:llama"]["end"] == "</s>"


def test_what_stands_in_a_template_is_shown_and_obeyed_by_nobody(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        '- name: chat:odd\n  abbr: "[red]"\n  system: "[bold]loud[/bold] \\e[31m\\u202e"\n'
        '  user: "{input}\\t \\n"\n'
    )
    byte_tokenizer().save_pretrained(tmp_path / "tok")
    done = ptst("templates", "--model", tmp_path / "tok", "--templates", tmp_path / "own.yaml")
    assert done.exit_code == 0, done.output
    assert "── chat:odd ([red]) ─" in done.stdout
    assert "<<[bold]loud[/bold] \\x1b[31m\\u202e>>↵" in done.stdout
    assert f"[INST] {QUESTION}\\t·↵\n [/INST]▌" in done.stdout
    assert "\x1b" not in done.stdout
    assert len(done.stdout.split("── ")) == len(names()) + 2


def test_wrong_use_is_one_line(tmp_path: Path) -> None:
    byte_tokenizer().save_pretrained(tmp_path / "tok")
    model = ("--model", tmp_path / "tok")
    cases: list[tuple[tuple[object, ...], str]] = [
        (("--thinking", "on"), "--thinking on does nothing without --model"),
        (("--chat-format", "llama2"), "--chat-format llama2 does nothing without --model"),
        ((*model, "--thinking", "of"), "did you mean 'off'?"),
        ((*model, "--chat-format", "lama2"), "did you mean 'llama2'?"),
        ((*model, "--thinking", "on", "--chat-format", "llama2"), "whose strings know no thoughts"),
        ((*model, "--style", "gsm"), "did you mean 'gsm8k'?"),
        (("--model", tmp_path / "tok/tokenizer.json"), "it is a file, expected a folder"),
        ((*model, "--templates", tmp_path / "none.yaml"), "none.yaml"),
    ]
    for args, why in cases:
        done = ptst("templates", *args)
        assert (done.exit_code, done.stdout) == (2, ""), args
        assert why in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_file_of_templates_is_in_the_table_too(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text('- {name: "chat:polite", user: "Please. {input}"}\n')
    done = ptst("templates", "--templates", tmp_path / "own.yaml", "--json", "-")
    rows = json.loads(done.stdout)
    assert rows[-1]["name"] == "chat:polite"
    assert "Please. {input}" in ptst("templates", "--templates", tmp_path / "own.yaml").stdout


@pytest.mark.parametrize("style", builtin().styles())
@pytest.mark.parametrize("name", ["minimind", "qwen2_5_vl"])
def test_real_tokenizers(shared: Path, name: str, style: str) -> None:
    """The chat models beside the checkout: each template once, nothing lost, and a page of it."""
    rows = [row for row in builtin() if row.style == style]
    found = page(str(shared / "tokenizers" / name), rows)
    assert [p["name"] for p in found["prompts"]] == [row.name for row in rows]
    for row, prompt in zip(rows, found["prompts"], strict=True):
        assert "error" not in prompt
        assert prompt["text"].count(QUESTION) == 1
        assert prompt["end"] == "<|im_end|>"
        assert row.is_chat == prompt["text"].startswith("<|im_start|>")
        whole = prompt["text"] + prompt["lead"]
        assert whole.count("<think>") == whole.count("</think>")


def test_the_page_of_a_real_tokenizer(shared: Path) -> None:
    done = ptst("templates", "--model", shared / "tokenizers/qwen2_5_vl")
    assert done.exit_code == 0, done.output
    lines = done.stdout.split("\n")
    assert "  default system  'You are a helpful assistant.', where a template has none" in lines
    at = lines.index("── chat:vanilla (CV) " + "─" * 40)
    assert lines[at + 1 : at + 10] == [
        "<|im_start|>system↵",
        "You are a helpful assistant.<|im_end|>↵",
        "<|im_start|>user↵",
        f"Question: {QUESTION}<|im_end|>↵",
        "<|im_start|>assistant↵",
        "▌",
        "  before an answer: nothing",
        "  end of turn: '<|im_end|>'",
        "  28 tokens, the first [151644, 8948, 198, 2610]",
    ]
    assert lines[at + 10] == (
        "  the chat template adds text of its own: 'You are a helpful assistant.'"
    )


def _of_trl() -> list[Path]:
    """The chat templates that trl ships for models that think."""
    found = importlib.util.find_spec("trl")
    places = found.submodule_search_locations if found else None
    files = sorted((Path(next(iter(places or ["."]))) / "chat_templates").glob("*.jinja"))
    return [
        f for f in files if "think" in f.read_text(encoding="utf-8") and "training" not in f.stem
    ]


@pytest.mark.parametrize("file", _of_trl(), ids=lambda file: file.stem)
def test_models_that_think_by_trls_own_chat_templates(tmp_path: Path, file: Path) -> None:
    """Every prompt is there or says why not; an answer stands behind a thought that is closed."""
    tokenizer = byte_tokenizer(file.read_text(encoding="utf-8"))
    tokenizer.save_pretrained(tmp_path / "tok")
    rows = [row for row in builtin() if row.style == "gsm8k"]
    for thinking in ("auto", "on", "off"):
        found = page(str(tmp_path / "tok"), rows, thinking=thinking)
        switch = found["chat_template"]["switch"]
        for prompt in found["prompts"]:
            if "error" in prompt:
                assert thinking != "auto"
                assert not switch
                assert f"thinking: {thinking} does nothing to" in prompt["error"]
                continue
            assert prompt["text"].count(QUESTION) == 1
            whole = prompt["text"] + prompt["lead"]
            last = whole[whole.rindex(QUESTION) :]
            assert last.count("<think>") <= last.count("</think>")
            assert prompt["end"]
