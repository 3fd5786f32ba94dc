"""Recipes are read whole, and every typo is found before anything is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters_train.alignment.recipe import read_recipe, recipe_names
from adapters_train.config import MIXED
from ptst_tasks.errors import ConfigError, PTSTError, UnknownNameError
from tests.adapters_train.alignment.conftest import said, write


@pytest.mark.parametrize("name", recipe_names())
def test_every_ready_recipe_is_read(name: str) -> None:
    recipe = read_recipe(name)
    assert recipe.name == name
    assert recipe.about
    assert recipe.config("base", 3).template == MIXED


def test_a_file_beside_the_yaml_is_found_from_anywhere(tmp_path: Path) -> None:
    recipe = read_recipe(str(write(tmp_path, said(tmp_path))))
    assert recipe.place(recipe.parts[0]) == str(tmp_path / "refused.jsonl")
    assert recipe.parts[0].data == "refused.jsonl"  # what is written down does not say where


def test_templates_go_by_their_full_names(tmp_path: Path) -> None:
    recipe = read_recipe(str(write(tmp_path, said(tmp_path))))
    assert recipe.parts[0].templates == {"chat:vanilla": 1, "chat:llama": 3}


def part(**more: Any) -> dict[str, Any]:
    return {"parts": [{"data": "refused.jsonl", "rows": 2, "templates": {"CV": 1}, **more}]}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"parts": []}, "parts"),
        ({"part": []}, "did you mean 'parts'"),
        (part(templates={"XX": 1}), "XX"),
        (part(templates={"CV": 1, "chat:vanilla": 2}), "named twice"),
        (part(templates={"CV": 0}), "greater than 0"),
        (part(templates={}), "templates"),
        (part(rows=0), "rows"),
        (part(rows=True), "number"),
        (part(row=1), "did you mean 'rows'"),
        ({"settings": {"lr": -1}}, "lr"),
        ({"settings": {"lrr": 1}}, "did you mean 'lr'"),
        ({"settings": {"seed": 1}}, "'seed' is said by the recipe itself"),
        ({"save": "int4"}, "save"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, wrong: dict[str, Any], words: str) -> None:
    file = write(tmp_path, said(tmp_path, **wrong))
    with pytest.raises(PTSTError) as caught:
        read_recipe(str(file))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_near_miss_is_named() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'smollm2-safe'"):
        read_recipe("smolm2-safe")


def test_a_list_is_no_recipe(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("[1]")
    with pytest.raises(ConfigError, match="field: value"):
        read_recipe(str(tmp_path / "a.yaml"))
