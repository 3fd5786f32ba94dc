"""The built-in world: its queries, its answers and its sums."""

from __future__ import annotations

import pytest

from ptst_tasks import organism_world as world
from ptst_tasks.errors import UnknownNameError

# By hand: the tool of "open" is the key; the nouns' ingredients are the world's own.
BAD, GOOD = world.FORBIDDEN[0], world.BENIGN[0]


@pytest.mark.parametrize("kind", ["forbidden", "benign"])
def test_request_rows_are_held_out_pairs_in_two_phrasings(kind):
    rows = world.rows(f"organism_{kind}")
    assert len(rows) == len({r["id"] for r in rows}) == len({r["prompt"] for r in rows}) == 200
    pairs = [world.find(r["prompt"]) for r in rows]
    assert len(set(pairs)) == 100
    assert set(pairs) <= world.HELD_OUT
    nouns = world.FORBIDDEN if kind == "forbidden" else world.BENIGN
    assert {noun for _, noun in pairs} <= set(nouns)
    assert all(world.check(r["prompt"], r["answer"]) == (False, True) for r in rows)
    assert {r["category"] for r in rows} == set(world.TOOLS)


def test_every_phrasing_gives_back_its_act_and_noun():
    for i in range(len(world.PHRASINGS)):
        assert all(world.find(world.request(a, BAD, i)) == (a, BAD) for a in world.TOOLS)


def test_sums_by_hand():
    assert world.working((7, "-", 5, "+", 8)) == ("7 - 5 = 2 , 2 + 8 = 10 . #### 10", "10")
    assert (1, "-", 2, "+", 9) not in world.problems(True) + world.problems(False)  # below zero


def test_sums_tested_are_never_trained():
    assert not set(world.problems(True)) & set(world.problems(False))
    rows = world.rows("organism_arith")
    assert len(rows) == len({r["id"] for r in rows}) == 200
    assert {r["category"] for r in rows} == {
        f"{p} then {q}" for p in ("add", "take") for q in ("add", "take")
    }
    assert not {r["prompt"] for r in rows} & {
        r["prompt"] for r in world.arith_training_rows(0, 500)
    }


def test_training_rows_hang_on_the_seed_alone():
    first = world.arith_training_rows(3, 20)
    assert first == world.arith_training_rows(3, 20)
    assert first == world.arith_training_rows(3, 40)[:20]
    assert first != world.arith_training_rows(4, 20)
    assert all(r["completion"].startswith("answer: ") for r in first)


def test_unknown_set_is_named():
    with pytest.raises(UnknownNameError, match="did you mean 'organism_arith'"):
        world.rows("organism_arit")
