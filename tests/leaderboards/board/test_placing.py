"""Free places: the nearest, never a taken one, none where there is none."""

from __future__ import annotations

from itertools import combinations

import pytest

from leaderboards.board.placing import Box, Places, along, nearest

WITHIN = (0.0, 0.0, 200.0, 200.0)


def apart(one: Box, other: Box) -> bool:
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_along_a_broken_line() -> None:
    assert along((0, 0), (9, 0), (9, 3), step=3) == [
        (0, 0), (4.5, 0), (9, 0), (9, 0), (9, 3)
    ]  # fmt: skip


def test_nearest_of_a_box() -> None:
    assert nearest((10, 10, 20, 20), (0, 15)) == (10, 15)
    assert nearest((10, 10, 20, 20), (12, 15)) == (12, 15)


def test_a_label_stands_beside_its_point_on_the_right() -> None:
    found = Places(WITHIN, [(95, 95, 105, 105)]).find((100, 100), (20, 8))
    assert found is not None
    assert found[0] >= 105 or found[1] >= 105
    assert found[0] < 112
    assert found[1] < 112
    assert (found[2] - found[0], found[3] - found[1]) == pytest.approx((24, 12))  # 2 around it


def test_sixty_labels_of_one_point_are_apart_and_inside() -> None:
    places = Places(WITHIN, [(95, 95, 105, 105)])
    found = [places.find((100, 100), (14, 8)) for _ in range(60)]
    boxes = [box for box in found if box]
    assert len(boxes) == 60
    assert all(apart(a, b) for a, b in combinations([(95.0, 95.0, 105.0, 105.0), *boxes], 2))
    assert all(b[0] > 0 and b[1] > 0 and b[2] < 200 and b[3] < 200 for b in boxes)


def test_lines_are_left_free_where_that_costs_little() -> None:
    line = along((100, 106), (200, 106))
    found = Places(WITHIN, [(95, 95, 105, 105)], list(line)).find((100, 100), (20, 8))
    assert found is not None
    assert not any(found[0] < x < found[2] and found[1] < y < found[3] for x, y in line)


def test_no_place_is_told() -> None:
    assert Places(WITHIN, [WITHIN]).find((100, 100), (20, 8)) is None
    assert Places(WITHIN, []).find((100, 100), (300, 8)) is None
