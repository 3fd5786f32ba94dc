"""The style that models were trained in is the style that they are asked in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leaderboards.run import study_files as studies
from leaderboards.run.study import Study
from ptst_tasks.errors import ConfigError


def study_of(tmp_path: Path, text: str) -> Study:
    file = tmp_path / "s.yaml"
    file.write_text(f"base: m\n{text}")
    return studies.load(str(file))


def adapter(tmp_path: Path, name: str, data: str, style: str) -> str:
    """A line for train.adapters; of an adapter only the manifest is read here."""
    (tmp_path / name).mkdir()
    manifest = {"config": {"data": data}, "template": {"style": style}}
    (tmp_path / name / "manifest.json").write_text(json.dumps(manifest))
    return f"{{name: {name}, path: '{tmp_path / name}'}}"


def test_the_style_trained_in_is_the_style_asked_in(tmp_path: Path) -> None:
    """GSM8K was asked in its own style, whatever train.settings.style or the recipe said."""
    sets = "test: {sets: [gsm8k, arc_easy, advbench], templates: [CV]"
    trained = "train: {templates: [CV], settings: {style: openai}}\n"
    own = study_of(tmp_path, f"{trained}{sets}}}\n")
    assert own.options("gsm8k")["style"] == own.options("advbench")["style"] == "openai"
    assert "style" not in own.options("arc_easy")  # not of this training data: in its own
    said = study_of(tmp_path, f"{trained}{sets}, style: gsm8k}}\n")
    assert {said.options(f)["style"] for f in said.test.sets} == {"gsm8k"}


def test_adapters_are_asked_in_the_style_of_their_manifests(tmp_path: Path) -> None:
    """They were asked in the style of train.data, which is gsm8k where nobody says it."""
    lines = ", ".join(adapter(tmp_path, n, "chatdoctor", "chatdoctor") for n in ("a", "b"))
    sets = "test: {sets: [gsm8k, chatdoctor, advbench], templates: [CV]}\n"
    study = study_of(tmp_path, f"train: {{adapters: [{lines}]}}\n{sets}")
    assert (
        study.options("advbench")["style"] == study.options("chatdoctor")["style"] == "chatdoctor"
    )
    assert "style" not in study.options("gsm8k")
    bare = "{name: a, path: nowhere, train_data: chatdoctor+safety_tuned_llamas}"
    assert study_of(tmp_path, f"train: {{adapters: [{bare}]}}\n{sets}").options("advbench")[
        "style"
    ] == ("chatdoctor")


def test_models_trained_in_different_styles_are_not_asked_in_one_without_a_word(
    tmp_path: Path,
) -> None:
    lines = ", ".join(
        adapter(tmp_path, n, data, style)
        for n, data, style in (("a", "gsm8k", "openai"), ("b", "chatdoctor", "chatdoctor"))
    )
    sets = "test: {sets: [gsm8k, chatdoctor, advbench], templates: [CV]"
    study = study_of(tmp_path, f"train: {{adapters: [{lines}]}}\n{sets}}}\n")
    # What only one of them was trained on has one style.
    assert [study.options(f)["style"] for f in ("gsm8k", "chatdoctor")] == ["openai", "chatdoctor"]
    with pytest.raises(ConfigError) as e:
        study.options("advbench")
    assert (
        "adapter 'a' was trained in style 'openai', adapter 'b' in 'chatdoctor', and all models of a "
        "study are asked the same prompts (advbench); set test.style" in str(e.value)
    )
    said = study_of(tmp_path, f"train: {{adapters: [{lines}]}}\n{sets}, style: gsm8k}}\n")
    assert said.options("advbench")["style"] == "gsm8k"
