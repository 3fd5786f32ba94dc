"""What of a study's training is wrong is found when the study is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaderboards.run import study_files as study
from ptst_tasks.errors import ConfigError, PTSTError


def write(tmp_path: Path, text: str) -> str:
    file = tmp_path / "s.yaml"
    file.write_text(text)
    return str(file)


SAID = {
    "model": "use base", "revision": "use revision", "data": "use train.data",
    "template": "use train.templates", "seed": "use train.seeds", "chat_format": "use chat_format",
    "templates": "use train.templates for their names, templates for a file", "mix": "use train.mix",
    "recipe": "use train.recipe", "seeds": "use train.seeds", "base": "use base",
    "backend": "a study trains with hf", "judges": "use judges",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(SAID))
def test_settings_of_training_do_not_override_the_study(tmp_path: Path, name: str) -> None:
    """``train.settings: {seed: 7, template: CL}`` trained every adapter of the grid alike."""
    text = f"base: m\ntrain: {{templates: [CV], settings: {{lr: 0.001, {name}: x}}}}\n"
    with pytest.raises(ConfigError) as e:
        study.load(write(tmp_path, text))
    assert f"train.settings has {name!r}" in str(e.value)
    assert SAID[name] in str(e.value)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("settings: {lernrate: 1}", "unknown setting 'lernrate' in train.settings; known: accumulation"),
        ("settings: {warmup_ration: 0.1}", "did you mean 'warmup_ratio'?"),
        ("settings: {lr: -1}", "train.settings.lr: Input should be greater than 0, got -1"),
        ("settings: {betas: [0.9, 2]}", "train.settings.betas.1: Input should be less than 1, got 2"),
        ("settings: {rows: null}", "train.settings.rows is null, which changes nothing"),
        ("settings: {style: opneai}", "unknown style 'opneai'; did you mean 'openai'?"),
        ("settings: {style: organism}, templates: [CS]", "has no style 'organism'"),
        ("seeds: [-1]", "train.seed: Input should be greater than or equal to 0, got -1"),
        ("data: gsm8", "unknown training set 'gsm8'; did you mean 'gsm8k'?"),
        ("recipe: gsm8", "unknown recipe 'gsm8'; did you mean 'gsm8k'?"),
        ("mix: ['doly:1epoch']", "unknown training set 'doly'; did you mean 'dolly'?"),
        ("mix: [dolly]", "expected a set and how much of it"),
        ("trajectory: true", "train.trajectory needs copies to follow: set train.settings.save_every"),
        ("recipe: chatdoctor", "is for data 'chatdoctor', and the study's is 'gsm8k' by default"),
        ("recipe: gsm8k-mistral", "is for chat_format 'mistral', and the study's is 'auto' by default"),
        ("recipe: gsm8k-openai", "is for the backend 'openai', and a study trains with hf"),
        ("templates: [], settings: {lr: 0.1}", "train.settings does nothing, since train.templates"),
        ("templates: [], mix: ['dolly:1epoch']", "train.mix does nothing"),
        ("templates: [], recipe: none", "train.recipe does nothing"),
    ],
)  # fmt: skip
def test_what_training_would_find_wrong_is_found_when_the_study_is_read(
    tmp_path: Path, text: str, message: str
) -> None:
    """Some of it trained something else without a word; the rest was found when training began."""
    text = text if "templates:" in text else f"templates: [CV], {text}"
    with pytest.raises(PTSTError) as e:
        study.load(write(tmp_path, f"base: m\ntrain: {{{text}}}\n"))
    assert message in str(e.value)
    assert "\n" not in str(e.value)


def test_settings_that_are_nobody_elses_reach_the_training(tmp_path: Path) -> None:
    text = (
        "base: m\nchat_format: llama2\ntrain: {templates: [CV, CL], seeds: [3], mix: ['dolly:5'],\n"
        "  recipe: gsm8k, settings: {lr: 0.5, style: openai, prompt_column: ''}}\n"
    )
    asked = study.load(write(tmp_path, text))
    config = asked.train_config("CL", 3, "/base")
    assert (config.model, config.template, config.seed) == ("/base", "chat:llama", 3)
    assert (config.lr, config.style, config.epochs, config.chat_format) == (
        0.5,
        "openai",
        6,
        "llama2",
    )
    assert config.mix == ("dolly:5",)
