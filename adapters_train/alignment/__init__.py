"""Giving a small model refusals to lose: safety rows and helpful rows under a mixture of templates.

A base without refusals of its own shows nothing about losing them. `recipe` says which rows, under
which templates, `rows` draws them, `making` trains on them and merges, `told` writes what came of
it. It is the trainer of `adapters_train` all the way: the same resuming, the same records.
"""

from __future__ import annotations

from adapters_train.alignment.making import Aligned, align, cached
from adapters_train.alignment.recipe import AlignRecipe, read_recipe, recipe_names

__all__ = ["AlignRecipe", "Aligned", "align", "cached", "read_recipe", "recipe_names"]
