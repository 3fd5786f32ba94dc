"""What pictures share: colours that can be read, names that cannot break them."""

from __future__ import annotations

from itertools import combinations

import pytest

from leaderboards.board.drawing import (
    MUTED,
    SERIES,
    contrast,
    counts,
    cut,
    each_point,
    entry,
    ink_on,
    series,
    wrapped,
)
from leaderboards.board.fields import Field


def test_contrast_by_hand() -> None:
    # WCAG 2.2: (1 + 0.05) / (0 + 0.05) = 21; #777777 has the luminance 0.1845: 1.05 / 0.2345.
    assert contrast("#000000", "#ffffff") == contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)


@pytest.mark.parametrize("paper", ["#ffffff", "#15181c"])
def test_series_are_seen_on_light_and_on_dark_pages(paper: str) -> None:
    assert min(contrast(colour, paper) for colour in SERIES) >= 3


def test_grey_words_are_read_on_white() -> None:
    assert contrast(MUTED, "#ffffff") >= 4.5


def test_ink_is_read_on_any_colour() -> None:
    steps = [f"{v:02x}" for v in range(0, 256, 15)]
    colours = [f"#{r}{g}{b}" for r in steps for g in steps for b in steps]
    assert min(contrast(ink_on(colour), colour) for colour in colours) >= 4.5


def test_no_two_of_sixty_six_series_look_alike() -> None:
    looks = [series(at) for at in range(66)]
    assert all(a != b for a, b in combinations(looks, 2))
    assert len({marker for _, marker in looks[:11]}) == 11  # nor without colour


def test_names_are_cut_shown_and_kept_in_the_legend() -> None:
    assert cut("a\x07b") == r"a\x07b"
    assert cut("x" * 50 + "end of it", 30) == "x" * 17 + "..." + "xend of it"
    assert entry("_hidden") == " _hidden"
    assert wrapped(["a\u202eb"], 40) == [r"a\u202eb"]


def test_prompts_are_counted() -> None:
    fields = [Field((0.1,), n=n) for n in (80, 78, 0)]
    assert counts(fields) == "n = 78 to 80"
    assert counts(fields[:1]) == "n = 80"
    assert counts(fields[2:]) == ""
    assert each_point({"asr": fields[:1], "exact_match": fields, "acc": []}) == (
        "asr: n = 80 prompts a point; exact match: n = 78 to 80 prompts a point"
    )
