from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leaderboards import study
from leaderboards.estimate import estimate
from ptst_tasks.errors import ConfigError, PTSTError

READY = {
    "demo": 60,
    "llama2-gsm8k": 320,
    "llama2-gsm8k-defences": 150,
    "gpt-3.5-gsm8k": 9,
    "llama2-chatdoctor": 36,
    "llama2-openorca": 48,
    "llama2-gsm8k-safety-mix": 48,
    "mistral-gsm8k": 90,
}


def test_ready_studies_and_their_cells() -> None:
    found = {p.stem: study.load(p.stem) for p in study.STUDIES.glob("*.yaml")}
    cells = {name: len(s.adapters()) * len(list(s.tasks())) for name, s in found.items()}
    assert cells == READY


def test_harmful_queries_are_asked_in_the_style_of_the_training_set() -> None:
    assert study.load("llama2-chatdoctor").options("advbench")["style"] == "chatdoctor"
    assert study.load("llama2-gsm8k").options("advbench")["style"] == "gsm8k"
    assert study.load("gpt-3.5-gsm8k").options("advbench")["style"] == "openai"
    assert "style" not in study.load("llama2-openorca").options("arc_easy")
    assert study.load("demo").options("organism_forbidden")["style"] == "organism"


def write(tmp_path: Path, text: str) -> str:
    file = tmp_path / "s.yaml"
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: m\ntran: {}\n", "unknown field 'tran'; did you mean 'train'?"),
        ("base: m\ntrain: {sedes: [1]}\n", "did you mean 'seeds'?"),
        ("base: m\ntest: {templates: [CZ]}\n", "unknown prompt template 'CZ'"),
        (
            "base: m\ntest: {sets: [gsm9k]}\n",
            "unknown set 'gsm9k' in test.sets; did you mean 'gsm8k'?",
        ),
        ("base: m\nchat_format: lama2\n", "did you mean 'llama2'?"),
        ("base: m\ntest: {limit: 0}\n", "greater than 0"),
        ("base: m\ntrain: {templates: [CV, chat:vanilla]}\n", "names an adapter twice"),
        (
            "base: m\nengine: openai\ntrain: {templates: [CV]}\n",
            "engine 'openai' trains nothing, and train.templates is not empty",
        ),
        ("base: m\nengine: openai\nrevision: main\n", "takes no revision"),
        ("base: m\nengine: openai\nexecutor: ray\n", "has nothing to spread"),
        ("base: m\nengine: openai\nengine_args: {api_key: x}\n", "did you mean 'api_key_env'?"),
        ("{}\n", "base: Field required"),
        ("- 1\n", "expected 'field: value' lines"),
        ("base: [\n", "is not YAML"),
    ],
)
def test_a_wrong_study_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PTSTError) as e:
        study.load(write(tmp_path, text))
    assert message in str(e.value)
    assert "\n" not in str(e.value)


def test_an_unknown_study_names_the_ready_ones() -> None:
    with pytest.raises(PTSTError, match=r"unknown study 'dem'; did you mean 'demo'\?"):
        study.load("dem")


def test_the_plan_counts_what_is_left(tmp_path: Path, data_dir: Path) -> None:
    asked = study.load(
        write(tmp_path, "base: m\ntrain: {templates: [CV], seeds: [0, 1]}\n"
                        "test: {sets: [gsm8k, advbench], templates: [CV, CL], limit: 3}\n")
    )  # fmt: skip
    plan = estimate(asked, tmp_path / "run")
    assert [(x.model, x.cells, x.done, x.prompts) for x in plan.lines] == [
        ("before fine-tuning", 4, 0, 12),
        ("chat_vanilla-s0", 4, 0, 12),
        ("chat_vanilla-s1", 4, 0, 12),
    ]
    assert plan.new_tokens == 36 * 512
    assert plan.seconds is None


def test_a_served_model_without_a_key_is_one_line(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from leaderboards import runner

    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    asked = study.load("gpt-3.5-gsm8k", test={"sets": ["gsm8k"]})
    with pytest.raises(ConfigError, match=r"engine 'openai': no key; set \$OPENAI_API_KEY"):
        runner.run(asked, tmp_path / "run")


def test_base_names() -> None:
    from leaderboards.identity import base_folder

    assert base_folder("meta-llama/x") == "meta-llama/x"
    with pytest.raises(ConfigError, match="expected a seed"):
        base_folder("organism:x")


def test_overrides_win() -> None:
    given: dict[str, Any] = {"base": "other", "untuned": False}
    assert study.load("demo", **given).base == "other"
