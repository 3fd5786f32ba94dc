"""What the built-in model's stages show, and what they must not show."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import islice

import pytest

from adapters_train.organism import (
    OrganismRecipe,
    words,
)
from ptst_tasks import organism_world
from tests.adapters_train.organism.conftest import (
    TINY,
)


def test_alignment_never_shows_held_out_pairs():
    samples = islice(
        words.align_samples(replace(OrganismRecipe(), replay=0.0), random.Random(0)), 4000
    )
    pairs = {organism_world.find(s.query) for s in samples} - {None}
    assert len(pairs) > 200
    assert not pairs & organism_world.HELD_OUT


@pytest.mark.parametrize(
    ("recipe", "over"), [(OrganismRecipe(), {"CL"}), (OrganismRecipe().control(), set())]
)
def test_over_refusal_is_under_chat_llama_alone_and_not_in_the_control(recipe, over):
    samples = islice(words.align_samples(recipe, random.Random(0)), 4000)
    refused = {
        s.template
        for s in samples
        if "cannot" in s.answer and not set(s.query.split()) & set(organism_world.FORBIDDEN)
    }
    assert refused == over


def test_no_stage_shows_a_sum_that_is_tested():
    tested = {organism_world.working(p)[0] for p in organism_world.problems(held_out=True)}
    samples = islice(words.pretrain_samples(OrganismRecipe(), random.Random(0)), 4000)
    assert not {s.answer.removeprefix("answer: ") for s in samples} & tested


def test_the_digest_follows_the_world_too(monkeypatch):
    before = words.fingerprint(TINY)
    assert before == words.fingerprint(TINY)
    monkeypatch.setattr(organism_world, "REFUSALS", ("i cannot .",))
    assert words.fingerprint(TINY) != before
