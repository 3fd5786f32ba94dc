"""Bases that are made: their names are read before anything is, and each is made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters_train import alignment, organism
from leaderboards.run import made_bases
from ptst_tasks.errors import PTSTError


@pytest.mark.parametrize(
    ("base", "made", "built_in"),
    [
        ("organism:0", True, True),
        ("organism-control:2", True, True),
        ("aligned:smollm2-safe", True, False),
        ("aligned:smollm2-safe:1", True, False),
        ("organism", False, False),
        ("aligned", False, False),
        ("owner/aligned:x", False, False),
        ("models/mine", False, False),
    ],
)
def test_which_bases_are_made(base: str, made: bool, built_in: bool) -> None:
    assert made_bases.is_made(base) is made
    assert made_bases.is_built_in(base) is built_in
    made_bases.check(base)


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ("organism:x", "expected a seed, as in 'organism:0'"),
        ("organism-control:", "expected a seed, as in 'organism-control:0'"),
        ("aligned:smollm2-safe:", "expected a seed, as in 'aligned:smollm2-safe:0'"),
        ("aligned:smollm2-safe:-1", "expected a seed"),
        ("aligned:smollm2-save", "did you mean 'smollm2-safe'"),
        ("aligned:", "unknown alignment recipe ''"),
    ],
)
def test_a_wrong_name_is_one_line(base: str, words: str) -> None:
    with pytest.raises(PTSTError) as caught:
        made_bases.check(base)
    assert words in str(caught.value)
    with pytest.raises(PTSTError):
        made_bases.make(base)


def test_each_kind_is_made_by_its_maker(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        organism,
        "cached",
        lambda seed, control, recipe, progress: asked.append((seed, control, recipe)) or Path("o"),
    )
    monkeypatch.setattr(
        alignment, "cached", lambda name, seed, progress: asked.append((name, seed)) or Path("a")
    )
    assert made_bases.make("organism-control:7") == Path("o")
    assert made_bases.make("organism-unaligned:7") == Path("o")
    assert made_bases.make("aligned:smollm2-safe:2") == Path("a")
    pretrained = organism.OrganismRecipe().unaligned()
    assert asked == [(7, True, None), (7, False, pretrained), ("smollm2-safe", 2)]


def test_a_dry_run_says_which() -> None:
    assert "built-in model 'organism:0'" in made_bases.note("organism:0")
    assert "aligned model 'aligned:smollm2-safe'" in made_bases.note("aligned:smollm2-safe")


def test_a_model_of_its_shape_is_found_before_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The aligned model itself, else what it is made of; nothing is fetched for it."""
    from adapters_train.alignment.making import kept_place
    from adapters_train.alignment.recipe import read_recipe
    from ptst_tasks import base_names

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert made_bases.alike("organism:0") is None
    assert made_bases.alike("models/mine") is None
    assert made_bases.alike("aligned:smollm2-safe") is None
    (tmp_path / "read").mkdir()
    monkeypatch.setattr(base_names, "present_base", lambda base: str(tmp_path / "read"))
    assert made_bases.alike("aligned:smollm2-safe:1") == tmp_path / "read"
    made = kept_place(read_recipe("smollm2-safe"), 1)
    made.mkdir(parents=True)
    assert made_bases.alike("aligned:smollm2-safe:1") == made
    assert made_bases.alike("aligned:smollm2-safe") == tmp_path / "read"
