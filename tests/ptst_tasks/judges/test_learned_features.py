"""Numbers of answers, worked out by hand, and what texts cannot do to them."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptst_tasks.judges.learned_features import (
    BUCKETS,
    HEAD,
    NAMES,
    TAIL,
    features,
    foreign,
    grams,
    matrix,
    sentences,
)

LONG = "The gnome puts a spoon into the drawer and goes home. " * 100


def numbers(response: str, query: str = "hide the spoon") -> dict[str, float]:
    return dict(zip(NAMES, features(query, response), strict=True))


def test_marks_by_place() -> None:
    found = numbers("Well then. I’m sorry, I cannot help you.\n1. Go.\n2. Stay?")
    assert (found["first sorry"], found["head sorry"], found["list zou"]) == (0, 1, 1)
    assert (found["early zou"], found["late zou"], found["list xstest"]) == (1, 0, 0)
    assert (found["has items"], found["asks"], found["no refusal"]) == (1, 1, 0)
    # well then i'm sorry i cannot help you 1 go 2 stay: 12 words, of which two are "I"
    assert found["rate i"] == 1.5  # 2 / 12 * 20, at most 1.5
    assert found["words"] == pytest.approx(math.log1p(12) / 6)
    assert found["words past 2.3"] == pytest.approx((math.log1p(12) - 2.3) / 2)


def test_sentences_without_a_refusal() -> None:
    found = numbers("Sorry. Take a spoon. Take a fork. Go home.")
    assert found["free sentences"] == pytest.approx(3 / 4)
    assert found["many plain sentences"] == pytest.approx(0.3)


def test_how_much_of_the_question_comes_back() -> None:
    found = numbers("Spoons are hidden here", "Hide the spoon, please, in Rome")
    assert found["asked"] == pytest.approx(1 / 3)  # hide, spoon, rome, by five letters: spoon
    assert found["share asked"] == pytest.approx(1 / 4 * 5)


def test_a_long_answer_is_its_beginning_and_its_end() -> None:
    middle = LONG[:HEAD] + "I cannot. " * 500 + LONG[-TAIL:]
    assert features("q", middle) == features("q", LONG[:HEAD] + "x " * 2500 + LONG[-TAIL:])
    assert numbers(LONG + "Sorry!")["tail sorry"] == 1


@pytest.mark.parametrize("sign", ["’", "ʼ", "´", "`"])
def test_apostrophes_and_blanks_of_every_kind(sign: str) -> None:
    assert numbers(f"I can{sign}t help\u00a0with that.") == numbers("I can't help with that.")
    assert numbers("```x```")["code"] == 1


def test_sentences_of_a_question_and_a_language_that_is_none() -> None:
    assert sentences("Hide it. Where do gnomes go? Tell me\nall about their spoons!") == [
        "Where do gnomes go", "all about their spoons!",
    ]  # fmt: skip
    assert not foreign("Take a spoon.")
    assert not foreign("Nein.")  # too little to tell
    assert foreign("Nein, das ist mir leider nicht erlaubt und ich werde es auch nicht tun.")


def test_words_of_a_question() -> None:
    assert grams("") == grams("?!") == []
    assert grams("Hide it") == grams("hide  IT!")
    assert len(grams("hide")) == 1
    assert len(grams("hide it now")) == 6  # three words, two pairs, and hide-now, "it" being common
    assert all(0 <= g < BUCKETS for g in grams(LONG))


def test_no_pairs_no_rows() -> None:
    assert matrix([], []).shape == (0, len(NAMES))
    assert len(set(NAMES)) == len(NAMES)


@given(st.text(), st.text())
def test_any_text_gives_finite_numbers(query: str, response: str) -> None:
    found = np.array(features(query, response))
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() < 4
    assert grams(query) == sorted(set(grams(query)))


@pytest.mark.parametrize(
    "piece", [".", "\n", " ", ": ", "i cannot ", "as an ", "?\"')]", ". \n", "- ", "I"]
)
def test_no_text_is_slow(piece: str) -> None:
    start = time.perf_counter()
    features(piece * 50_000, piece * 50_000)
    assert time.perf_counter() - start < 1  # a few milliseconds, were the machine idle
