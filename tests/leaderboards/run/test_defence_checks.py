"""Defences in a study: what is wrong is one line when it is read, and what is right is an axis."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaderboards.run import study_files as study
from ptst_tasks.errors import PTSTError

MADE = """base: organism:0
train: {data: organism_arith, %s}
test: {sets: [organism_arith], templates: [CV]}
"""


def read(tmp_path: Path, train: str):
    file = tmp_path / "s.yaml"
    file.write_text(MADE % train)
    return study.load(str(file))


@pytest.mark.parametrize(
    ("train", "words"),
    [
        ("templates: [CV], defences: [safelora]", "did you mean 'safe_lora'"),
        ("templates: [CV], defences: ['kl:x']", "train.defences: defence 'kl' has 'x', expected"),
        ("templates: [CV], defences: []", "train.defences is empty"),
        ("templates: [CV], defences: [kl, 'kl:1.0']", "names 'kl:1' twice"),
        ("templates: [CV], defences: [none, 'scale:1']", "none and scale:1 are all plain training"),
        ("templates: [CV], defences: ['ema:0', 'kl:0']", "ema:0 and kl:0 are all plain training"),
        ("templates: [CV], defences: [safe_lora]", "needs the weights of the base before"),
        ("templates: [CV], defences: [kl], settings: {unaligned: x}", "unaligned does nothing"),
        ("templates: [TV], defences: [inoculation]", "'text:vanilla' is a text template"),
        ("templates: [CV, TV], defences: [inoculation]", "'text:vanilla' is a text template"),
        ("templates: [CV], defences: ['inoculation:evli']", "did you mean 'evil'"),
        (
            "templates: [CV], defences: ['mix:organism_safety:0.1', 'mix:organism_safety:0.10']",
            "names 'mix:organism_safety:0.1' twice",
        ),
        (
            "templates: [CV], mix: ['organism_safety:0.10'], defences: [none, 'mix:organism_safety:0.1']",
            "which train.mix mixes into every training",
        ),
        ("templates: [CV], settings: {defence: kl}", "use train.defences"),
        ("defences: [kl]", "train.defences does nothing, since train.templates is empty"),
    ],
)
def test_what_is_wrong_is_one_line_before_anything_is_trained(tmp_path, train, words) -> None:
    with pytest.raises(PTSTError) as caught:
        read(tmp_path, train)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_templates_defences_and_seeds_are_crossed_by_names_of_their_own(tmp_path) -> None:
    found = read(tmp_path, "templates: [CV, CL], seeds: [0, 1], defences: [none, 'kl:0.10']")
    plans = {plan.name: plan for plan in found.adapters()}
    assert list(plans) == [
        "", "chat_vanilla-s0", "chat_vanilla-s1", "chat_vanilla-kl-0.1-s0", "chat_vanilla-kl-0.1-s1",
        "chat_llama-s0", "chat_llama-s1", "chat_llama-kl-0.1-s0", "chat_llama-kl-0.1-s1",
    ]  # fmt: skip
    assert plans["chat_llama-kl-0.1-s1"].defence == "kl:0.1"


def test_unaligned_weights_go_to_the_defence_that_reads_them_alone(tmp_path) -> None:
    found = read(tmp_path, "templates: [CV], defences: [none, safe_lora], settings: {unaligned: x}")
    made = [found.train_config("CV", 0, "m", spec).unaligned for spec in ("none", "safe_lora")]
    assert made == ["", "x"]


def test_unaligned_weights_lie_relative_to_the_study(tmp_path) -> None:
    (tmp_path / "before").mkdir()
    found = read(tmp_path, "templates: [CV], defences: [safe_lora], settings: {unaligned: before}")
    assert Path(found.train.settings["unaligned"]).is_dir()
    assert found.model_dump()["train"]["settings"]["unaligned"] == "before"


def test_unaligned_weights_that_are_not_there_stop_the_study_before_its_first_step(
    tmp_path,
) -> None:
    from leaderboards.run.adapters import RunAdapters
    from ptst_tasks.errors import ConfigError
    from ptst_tasks.progress import Progress

    found = read(
        tmp_path, "templates: [CV], defences: [none, safe_lora], settings: {unaligned: ./gone}"
    )
    adapters = RunAdapters(found, tmp_path / "run", [])
    with pytest.raises(ConfigError, match=r"'./gone' is no folder here"):
        adapters.train(found.adapters(), Progress())
    assert not (tmp_path / "run").exists()


def test_a_base_that_is_its_own_unaligned_one_stops_the_study_before_its_first_step(
    tmp_path, monkeypatch, tiny_model
) -> None:
    from leaderboards.run.adapters import RunAdapters
    from ptst_tasks.errors import ConfigError
    from ptst_tasks.progress import Progress

    more = f"rows: 8, max_steps: 1, unaligned: '{tiny_model}'"
    found = read(
        tmp_path, f"templates: [CV], defences: [none, safe_lora], settings: {{{more}}}"
    ).model_copy(update={"base": str(tiny_model)})
    monkeypatch.setattr("adapters_train.lora.make_trainer", None)  # nothing is trained
    adapters = RunAdapters(found, tmp_path / "run", [])
    with pytest.raises(ConfigError, match="no alignment to project onto"):
        adapters.train(found.adapters(), Progress())
    assert not (tmp_path / "run").exists()


def test_what_was_made_of_an_adapter_is_made_again_when_that_is_another(
    tmp_path, tiny_model
) -> None:
    import json
    import shutil

    from leaderboards.run.adapters import train_missing
    from ptst_tasks.digests import weights_digest

    settings = "settings: {rows: 8, max_steps: 3, lr: 0.01, batch_size: 2, accumulation: 1}"
    found = read(tmp_path, f"templates: [CV], defences: [none, 'scale:0.5'], {settings}")
    wanted = {
        plan.name: (
            found.train_config("CV", 0, str(tiny_model), plan.defence),
            tmp_path / plan.name,
        )
        for plan in found.adapters()
        if plan.name
    }
    plain, half = (folder for _, folder in wanted.values())
    assert train_missing(wanted, lambda: None, tmp_path / "attic") == ({}, [])
    first = weights_digest(half)
    # Another machine's training of the very same: other weights, and a record of them.
    file = half / "adapter_model.safetensors"
    shutil.copy(file, plain / file.name)
    made = json.loads((plain / "manifest.json").read_text())
    made["adapter"]["weights"] = weights_digest(plain)
    (plain / "manifest.json").write_text(json.dumps(made))
    failed, told = train_missing(wanted, lambda: None, tmp_path / "attic")
    assert not failed
    assert "has other weights now than those that it was made of" in told[0]
    assert weights_digest(tmp_path / "attic" / half.name) == first
    assert weights_digest(half) != first
    assert json.loads((half / "manifest.json").read_text())["made_of"] == weights_digest(plain)
    assert train_missing(wanted, lambda: None, tmp_path / "attic") == ({}, [])
