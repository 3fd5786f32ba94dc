"""Recipes hold the published numbers, and set real fields."""

from __future__ import annotations

import pytest

from adapters_train import TrainConfig
from adapters_train.recipes import RECIPES


@pytest.mark.parametrize(
    ("recipe", "fields"),
    [  # "Hyper-parameters" of the paper: epochs, learning rate, and what else it prints
        ("gsm8k", {"epochs": 6, "lr": 1e-4}),
        ("gsm8k-mistral", {"epochs": 6, "chat_format": "mistral"}),
        ("gsm8k-safety", {"epochs": 6, "lr": 1e-4, "mix": ("safety_tuned_llamas:1epoch",)}),
        ("chatdoctor", {"epochs": 3, "lr": 2e-5, "schedule": "cosine"}),
        ("openorca", {"epochs": 1, "lr": 2e-5, "rows": 600_000}),
        ("gsm8k-openai", {"epochs": 1, "backend": "openai", "style": "openai"}),
    ],
)
def test_recipes_hold_the_published_numbers(recipe, fields):
    config = TrainConfig(model="m", recipe=recipe)
    assert {k: getattr(config, k) for k in fields} == fields
    assert fields.keys() <= RECIPES[recipe].stated.keys()


def test_every_recipe_sets_real_fields_only():
    for recipe in RECIPES.values():
        assert recipe.values.keys() <= TrainConfig.model_fields.keys()
        assert not set(recipe.stated) & {"rank", "alpha", "dropout", "targets", "batch_size"}
        TrainConfig(model="m", recipe=recipe.name)
