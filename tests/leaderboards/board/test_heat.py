"""Heat maps: what is dark, what stands in a field, what a frame means."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from matplotlib.figure import Figure
from matplotlib.text import Text

from leaderboards.board.drawing import contrast, ink_on
from leaderboards.board.heat import colour, heat_map
from leaderboards.board.tables import grids
from tests.leaderboards.board.rows import CL, CV, ROWS, row

SHARES = [i / 1000 for i in range(1001)]


def _texts(figure: Figure) -> set[str]:
    return {t.get_text() for t in figure.findobj(Text) if isinstance(t, Text)}


def _drawn(*rows: object) -> set[str]:
    (grid,) = grids(rows)  # type: ignore[arg-type]
    return _texts(heat_map(grid))


def test_darker_is_higher_everywhere() -> None:
    against_white = [contrast(colour(share), "#ffffff") for share in SHARES]
    assert all(a <= b for a, b in pairwise(against_white))
    assert against_white[-1] > 5 * against_white[0]


def test_every_field_can_be_read() -> None:
    assert min(contrast(ink_on(colour(share)), colour(share)) for share in SHARES) >= 4.5


def test_the_number_of_prompts_stands_below_once_where_it_is_one() -> None:
    texts = _drawn(row(CV, CV, 0.2), row(CV, CL, 0.1))
    assert any("n = 100 prompts in each field" in text for text in texts)
    assert "n = 100" not in texts


def test_the_number_of_prompts_stands_in_the_fields_where_it_differs() -> None:
    texts = _drawn(row(CV, CV, 0.2), row(CV, CL, 0.1, n=98))
    assert {"n = 100", "n = 98"} <= texts
    assert not any("in each field" in text for text in texts)


def test_a_number_that_nobody_knows_is_not_said() -> None:
    (grid,) = grids([row(CV, CV, 0.2)])
    fields = {place: replace(field, n=0) for place, field in grid.fields.items()}
    assert not any("n = " in text for text in _texts(heat_map(replace(grid, fields=fields))))


def test_unit_axes_direction_and_frames_are_said() -> None:
    texts = _texts(heat_map(grids(ROWS)[0]))
    assert {"tested under", "trained under", "asr, % (higher is worse)"} <= texts
    assert {
        "trained and tested under one template",
        "PTST: a safety prompt in the test alone",
    } <= texts
    assert "±9.0" in texts  # 0.19, 0.19, 0.38: sqrt(2 / 9) * 0.19


def test_help_is_better_higher_and_frames_that_are_not_there_are_not_explained() -> None:
    texts = _drawn(row("", CV, 0.2, metric="exact_match", task="gsm8k"))
    assert "exact match, % (higher is better)" in texts
    assert not any("template" in text or "PTST" in text for text in texts)


def test_a_metric_without_a_known_direction_claims_none() -> None:
    assert "refused, %" in _drawn(row("", CV, 0.2, metric="refused"))
