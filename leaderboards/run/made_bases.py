"""Bases that are made here when they are asked for: ``organism:SEED``, ``aligned:RECIPE[:SEED]``.

The built-in model (`adapters_train.organism`) and models that a ready recipe gave refusals
(`adapters_train.alignment`), both kept in the user's cache folder.
"""

from __future__ import annotations

from pathlib import Path

from ptst_tasks import packaged
from ptst_tasks.errors import ConfigError

__all__ = ["alike", "check", "is_built_in", "is_made", "make", "note"]

_BUILT_IN = ("organism", "organism-control", "organism-unaligned")
_ALIGNED = "aligned"


def is_built_in(base: str) -> bool:
    """Whether this is the built-in model."""
    kind, colon, _ = base.partition(":")
    return bool(colon) and kind in _BUILT_IN


def is_made(base: str) -> bool:
    """Whether this base is made rather than found."""
    return is_built_in(base) or base.partition(":")[:2] == (_ALIGNED, ":")


def check(base: str) -> None:
    """Reads the name.

    Raises:
        ConfigError: If ``organism:`` is not followed by a seed, or the recipe's seed is none.
        UnknownNameError: If there is no such recipe.
    """
    if is_built_in(base):
        _seed(base, base.partition(":")[2], f"{base.partition(':')[0]}:0")
    elif is_made(base):
        _recipe(base)
    elif packaged.is_packaged(base):
        packaged.find(base)


def make(base: str) -> Path:
    """The folder of a base that is made; makes it if it is not there.

    Raises:
        PTSTError: As `check`, and if it cannot be made.
    """
    check(base)
    kind, _, rest = base.partition(":")
    if is_built_in(base):
        from adapters_train import organism

        recipe = organism.OrganismRecipe().unaligned() if kind.endswith("unaligned") else None
        with organism.show_progress() as progress:
            return organism.cached(
                int(rest), kind.endswith("control"), recipe=recipe, progress=progress
            )
    from adapters_train import alignment

    name, seed = _recipe(base)
    return alignment.cached(name, seed, progress=True)


def alike(base: str) -> Path | None:
    """A folder that is here of a model of an aligned one's shape: itself, or what it is made of."""
    if is_built_in(base) or not is_made(base):
        return None
    from adapters_train.alignment.making import kept_place
    from adapters_train.alignment.recipe import read_recipe
    from ptst_tasks.base_names import present_base

    name, seed = _recipe(base)
    recipe = read_recipe(name)
    if (made := kept_place(recipe, seed)).is_dir():
        return made
    origin = present_base(recipe.base)
    return Path(origin) if origin and Path(origin).is_dir() else None


def note(base: str) -> str:
    """What a dry run says of it."""
    what = "the built-in model" if is_built_in(base) else "the aligned model"
    return f"{what} {base!r} is made first where it is not there yet"


def _recipe(base: str) -> tuple[str, int]:
    from adapters_train.alignment.recipe import recipe_names
    from ptst_tasks.errors import UnknownNameError

    name, colon, seed = base.partition(":")[2].partition(":")
    if name not in recipe_names():
        raise UnknownNameError("alignment recipe", name, recipe_names())
    return name, _seed(base, seed, f"{_ALIGNED}:{name}:0") if colon else 0


def _seed(base: str, seed: str, example: str) -> int:
    if not (seed.isascii() and seed.isdigit()):
        raise ConfigError(f"base {base!r}: expected a seed, as in {example!r}")
    return int(seed)
