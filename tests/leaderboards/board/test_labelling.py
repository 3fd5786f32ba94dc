"""Labels in a picture: it grows until they have room, and what has none is left out."""

from __future__ import annotations

from itertools import combinations

from matplotlib.figure import Figure

from leaderboards.board.labelling import Around, label, together


def test_points_that_cover_one_another_are_one_spot() -> None:
    figure = Figure(figsize=(4, 4))
    axes = figure.add_subplot()
    axes.set(xlim=(0, 100), ylim=(0, 100))
    spots = [(10.0, 10.0), (10.1, 10.1), (90.0, 90.0)]
    assert together(figure, axes, spots) == [(10.0, 10.0), (10.0, 10.0), (90.0, 90.0)]


def test_a_picture_grows_until_its_labels_have_room() -> None:
    figure = Figure(figsize=(1.5, 1.5))
    axes = figure.add_subplot()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    texts = [axes.text(0.5, 0.5, f"label {i}") for i in range(20)]
    assert len(label(figure, axes, texts, Around([(0.5, 0.5)]))) == 20
    assert figure.get_size_inches()[0] > 1.5
    boxes = [text.get_window_extent() for text in texts]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_a_label_that_finds_no_room_is_not_drawn() -> None:
    figure = Figure(figsize=(1.5, 1.5))
    axes = figure.add_subplot()
    texts = [axes.text(0.5, 0.5, "long " * 400), axes.text(0.5, 0.5, "short")]
    assert label(figure, axes, texts, Around([(0.5, 0.5)])) == [texts[1]]
    assert list(axes.texts) == [texts[1]]
