"""What a study says of thinking reaches its prompts, and prompts of training and test are of one kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from leaderboards.run.manifests import training_digest
from leaderboards.run.prompt_checks import check_switch, differences
from leaderboards.run.study import Study
from leaderboards.run.study_files import load, load_with_faults
from ptst_tasks.errors import ChatFormatError, ConfigError, PTSTError
from ptst_tasks.model_files import tokenizer_digest
from tests.support import byte_tokenizer, ptst, save_adapter, save_tiny_model
from tests.thinkers import thinking_tokenizer


def write(folder: Path, text: str) -> str:
    (folder / "s.yaml").write_text(text)
    return str(folder / "s.yaml")


@pytest.mark.parametrize(
    ("said", "read"), [("on", "on"), ("off", "off"), ("'on'", "on"), ("auto", "auto"),
                       ("true", "on"), ("no", "off")],
)  # fmt: skip
def test_on_and_off_need_no_quotes(tmp_path: Path, said: str, read: str) -> None:
    """YAML 1.1 reads an unquoted ``off`` as false."""
    study = load(write(tmp_path, f"base: m\nthinking: {said}\ntrain: {{templates: [CV]}}\n"))
    assert study.thinking == read
    assert study.train_config("CV", 0, "m").thinking == read
    assert study.options("gsm8k")["thinking"] == read
    assert study.model_dump(mode="json")["thinking"] == read


CHATS = "test: {templates: [CV], sets: [gsm8k]}\n"
FAULTS: dict[str, tuple[str, str]] = {
    "neither": ("thinking: maybe\n" + CHATS,
                "thinking: Input should be 'auto', 'on' or 'off', got 'maybe'"),
    "a number": ("thinking: 1\n" + CHATS, "thinking: Input should be 'auto', 'on' or 'off', got 1"),
    "literal": ("thinking: on\nchat_format: llama2\n" + CHATS,
                "thinking is 'on', which does nothing with chat_format 'llama2'"),
    "text": ("thinking: off\ntest: {templates: [TV, TA], sets: [gsm8k]}\n",
             "thinking is 'off', which does nothing, since text:* templates"),
    "built-in": ("thinking: off\nbase: organism:0\n" + CHATS,
                 "thinking is 'off', which does nothing, since the built-in model does not think"),
    "options": ("test: {options: {thinking: off}, templates: [CV], sets: [gsm8k]}\n",
                "test.options has 'thinking' (False), which the study says itself; use thinking"),
    "settings": ("train: {templates: [CV], settings: {thinking: 'on'}}\n",
                 "train.settings has 'thinking' ('on'), which would override what the study says "
                 "itself; use thinking"),
    "args": ("engine_args: {chat_template_args: {enable_thinking: false}}\n" + CHATS,
             "engine_args.chat_template_args has 'enable_thinking', which would be told at test alone; "
             "say thinking: off"),
    "other args": ("engine_args: {chat_template_args: {tone: dry}}\ntrain: {templates: [CV]}\n" + CHATS,
                   "engine_args has 'chat_template_args' ({'tone': 'dry'}), which changes the prompts of "
                   "the test and not those of training"),
    "effort": ("engine_args: {chat_template_args: {reasoning_effort: low}}\ntrain: {templates: [CV]}\n"
               + CHATS, "engine_args has 'chat_template_args' ({'reasoning_effort': 'low'}), which changes "
               "the prompts of the test and not those of training"),
    "number": ("test: {options: {think_end_token: 151668}, templates: [CV], sets: [gsm8k]}\n",
               "test.options: think_end_token is 151668, a token's number; say its text"),
    "bos": ("engine_args: {add_bos_token: true}\ntrain: {templates: [CV]}\n",
            "engine_args has 'add_bos_token' (True), which changes the prompts"),
    "turns": ("train: {templates: [CV], settings: {turns: first}}\n",
              "train.settings.turns: Input should be 'all' or 'last', got 'first'"),
    "medqa": ("test: {options: {think_end_token: '</x>'}, templates: [CV], sets: [medqa]}\n",
              "test.options has 'think_end_token', which does nothing for the sets medqa"),
    "reasons": ("test: {options: {judge_reasoning: true}, templates: [CV], sets: [gsm8k]}\n",
                "test.options has 'judge_reasoning', which does nothing for the sets gsm8k"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_what_would_do_nothing_or_half_is_refused(tmp_path: Path, case: str) -> None:
    text, told = FAULTS[case]
    base = "" if "base:" in text else "base: m\n"
    _, found = load_with_faults(write(tmp_path, base + text))
    said = [str(fault) for fault in found.faults]
    assert len(said) == 1, said
    assert told in said[0]


@pytest.mark.parametrize(
    "text",
    [
        "thinking: off\ntest: {templates: [TV, CV], sets: [gsm8k]}\n",
        "thinking: off\ntrain: {templates: [CV]}\ntest: {templates: [TV], sets: [gsm8k]}\n",
        "engine_args: {chat_template_args: {tone: dry}, add_bos_token: true}\n" + CHATS,
        "engine_args: {tokenizer: m}\ntrain: {templates: [CV]}\n",
        "engine_args: {chat_template_args: {reasoning_effort: low}}\n" + CHATS,
        "test: {options: {judge_reasoning: true, think_end_token: x}, templates: [CV], sets: [advbench]}\n",
        "train: {templates: [CV], settings: {turns: last}}\n",
    ],
)
def test_what_does_something_is_not(tmp_path: Path, text: str) -> None:
    load(write(tmp_path, "base: m\n" + text))


def test_a_tokenizer_of_the_test_alone_is_refused_where_the_study_trains(tmp_path: Path) -> None:
    args = f"base: m\nengine_args: {{tokenizer: {tmp_path}}}\n"
    with pytest.raises(ConfigError, match="engine_args has 'tokenizer'"):
        load(write(tmp_path, args + "train: {templates: [CV]}\n"))
    load(write(tmp_path, args))


@pytest.fixture(scope="module")
def thinker_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("thinks"), thinking_tokenizer("qwen3", ["a"]))


EFFORT = "{% if reasoning_effort == 'no_think' %}.{% endif %}"


def test_a_templates_own_switch_is_said_by_thinking_and_nothing_else_is(
    thinker_base: Path, data_dir: Path, tmp_path: Path
) -> None:
    """gpt-oss has no switch, and how long it thinks is no business of `thinking`."""
    hunyuan, oss = tmp_path / "hunyuan", tmp_path / "oss"
    chat = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    for folder, more in ((hunyuan, EFFORT), (oss, "{{ reasoning_effort }}")):
        save_tiny_model(folder, byte_tokenizer(chat + more, adds_bos=False))

    def check(base: Path, **told: Any) -> None:
        study = Study(base=str(base), test={"templates": ("CV",), "sets": ("gsm8k",)},
                      engine_args={"chat_template_args": told})  # fmt: skip
        check_switch(study, base)

    check(oss, reasoning_effort="low")
    check(oss, reasoning_effort="high")  # another model's "on"
    check(hunyuan, reasoning_effort="low")
    for effort, state in (("no_think", "off"), ("high", "on")):
        with pytest.raises(ConfigError, match=f"'reasoning_effort', .* say thinking: {state} in"):
            check(hunyuan, reasoning_effort=effort)
    check(thinker_base, tone="dry")
    text = (
        f"base: {hunyuan}\nengine_args: {{chat_template_args: {{reasoning_effort: high}}}}\n"
        + CHATS
    )
    done = ptst("run", write(tmp_path, text), "--dry-run")
    assert done.exit_code == 2, done.output
    assert "say thinking: on in its place" in done.stderr


def test_a_base_without_a_switch_is_found_before_anything_is_trained(
    tiny_model: Path, thinker_base: Path, data_dir: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The dry run and the run say the same; neither trains, and nothing is left."""
    monkeypatch.chdir(tmp_path)
    fields: dict[str, Any] = {
        "train": {"templates": ("CV",)}, "test": {"templates": ("TV", "CV"), "sets": ("gsm8k",)}
    }  # fmt: skip
    for state in ("on", "off"):
        good = Study(base=str(thinker_base), thinking=state, **fields)
        check_switch(good, thinker_base)
        with pytest.raises(ChatFormatError, match="thinking"):
            check_switch(Study(base=str(tiny_model), thinking=state, **fields), tiny_model)
    text = f"base: {tiny_model}\nthinking: on\ntrain: {{templates: [CV], recipe: none}}\n" + CHATS
    dry = ptst("run", write(tmp_path, text), "--dry-run")
    run = ptst("run", write(tmp_path, text), "--out", "run")
    for done in (dry, run):
        assert done.exit_code == 2, done.output
        assert "thinking" in done.stderr
        assert done.stderr.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir() if p.name != "verdicts.sqlite"] == ["s.yaml"]


def adapter(base: Path, folder: Path, **config: Any) -> dict[str, Any]:
    save_adapter(base, folder, 1, r=2)
    record = {"config": {"template": "chat:vanilla", "data": "gsm8k", **config},
              "inputs": {"base_tokenizer": tokenizer_digest(base)}}  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(record))
    return {"name": folder.name, "path": str(folder)}


def test_adapters_that_were_trained_otherwise_are_told_of(
    thinker_base: Path, tmp_path: Path
) -> None:
    adapters = (
        adapter(thinker_base, tmp_path / "same", thinking="off"),
        adapter(thinker_base, tmp_path / "old"),  # of before there was a switch
        adapter(thinker_base, tmp_path / "text", template="text:vanilla"),
        adapter(thinker_base, tmp_path / "literal", thinking="off", chat_format="llama2"),
    )
    study = Study(base=str(thinker_base), thinking="off", train={"adapters": adapters})
    assert list(differences(study, thinker_base)) == [
        "adapter 'old' was trained with thinking 'auto', and is tested with 'off'",
        "adapter 'literal' was trained with chat_format 'llama2', and is tested with 'auto'",
    ]
    args = {"chat_template_args": {"tone": "dry"}, "add_bos_token": True}
    study = Study(base=str(thinker_base), thinking="off", train={"adapters": adapters[:1]},
                  engine_args=args)  # fmt: skip
    assert list(differences(study, thinker_base)) == [
        "adapter 'same' was trained without engine_args.chat_template_args, and is tested with "
        "{'tone': 'dry'}",
        "adapter 'same' was trained without engine_args.add_bos_token, and is tested with True",
    ]
    other = tmp_path / "other"
    byte_tokenizer().save_pretrained(other)
    study = Study(base=str(thinker_base), thinking="off", train={"adapters": adapters[:1]},
                  engine_args={"tokenizer": str(other)})  # fmt: skip
    [told] = differences(study, thinker_base)
    assert told.startswith("adapter 'same' was trained with another tokenizer or chat template (")


def test_the_dry_run_and_the_run_tell_of_them(
    thinker_base: Path, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one = adapter(thinker_base, tmp_path / "one", thinking="on")
    text = (
        f"base: {thinker_base}\nthinking: off\ntrain: {{adapters: [{json.dumps(one)}]}}\n"
        "test: {templates: [CV], sets: [advbench], limit: 1, gen_kwargs: {max_gen_toks: 2}}\n"
        "engine_args: {device: cpu}\n"
    )
    told = "note: adapter 'one' was trained with thinking 'on', and is tested with 'off'"
    assert told in ptst("run", write(tmp_path, text), "--dry-run").stderr
    done = ptst("run", write(tmp_path, text), "--out", "run", "--quiet")
    assert done.exit_code == 0, done.output
    assert told in done.stderr


def test_an_endpoint_of_openais_takes_no_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    fields: dict[str, Any] = {
        "base": "gpt-4o-mini", "engine": "openai", "test": {"templates": ("CV",), "sets": ("gsm8k",)}
    }  # fmt: skip
    check_switch(Study(**fields), "gpt-4o-mini")
    with pytest.raises(PTSTError, match="thinking"):
        check_switch(Study(thinking="off", **fields), "gpt-4o-mini")
    own = {"base_url": "http://localhost:1/v1"}
    check_switch(Study(thinking="off", engine_args=own, **fields), "gpt-4o-mini")


def test_seeds_of_one_training_are_that_across_versions() -> None:
    """A manifest of before the switch lacks it: the same training as one of now that says auto."""
    config = {"template": "chat:vanilla", "data": "gsm8k", "seed": 0, "lr": 0.1}
    old: dict[str, Any] = {"config": config, "inputs": {"base_weights": "w"}}
    new = {**old, "config": {**config, "seed": 1, "thinking": "auto", "turns": "all"}}
    assert training_digest(new) == training_digest(old)
    for other in ({"thinking": "off"}, {"turns": "last"}):
        assert training_digest({**new, "config": {**new["config"], **other}}) != training_digest(
            old
        )


def test_one_option_for_train_test_study_and_gate(
    thinker_base: Path, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the study says once is in the adapter's manifest, the cells, the board, and the gate."""
    monkeypatch.chdir(tmp_path)
    text = (
        f"base: {thinker_base}\nname: one\nuntuned: false\nengine_args: {{device: cpu}}\n"
        "train: {recipe: none, templates: [CV], settings: {max_steps: 3, batch_size: 2, "
        "accumulation: 1, lr: 0.05, rank: 2}}\n"
        "test: {templates: [CV], sets: [advbench], limit: 2, gen_kwargs: {max_gen_toks: 2}}\n"
    )
    prompts = {}
    for state in ("on", "off"):
        done = ptst("run", write(tmp_path, f"thinking: {state}\n{text}"), "--out", state, "-q")
        assert done.exit_code == 0, done.output
        made = json.loads((tmp_path / state / "adapters/chat_vanilla-s0/manifest.json").read_text())
        assert made["config"]["thinking"] == state
        [cell] = (tmp_path / state / "cells").glob("*/cell.json")
        asked = json.loads(cell.read_text())["provenance"]["data"]
        assert asked["thinking"] == state
        prompts[state] = asked["prompts"]
        assert ptst("board", state, "-o", f"{state}.csv", "-q").exit_code == 0
    assert prompts["on"] != prompts["off"]
    told = ptst("check", "on.csv", "off.csv")
    assert told.exit_code == 2
    assert "thinking 'on' became 'off'" in told.stderr
    told = ptst("check", "on.csv", "off.csv", "--allow-mismatch")
    assert told.exit_code in (0, 1)
    # The other state in the same folder: the adapter is another one, and the old goes aside.
    text = write(tmp_path, f"thinking: off\n{text}")
    done = ptst("run", text, "--out", "on")
    assert done.exit_code == 0, done.output
    assert "holds another run (thinking was 'on', now 'off'" in done.stderr
