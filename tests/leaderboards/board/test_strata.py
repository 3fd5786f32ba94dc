"""How responses are parted: whole, by what drew the sample first, and deaf to what people said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from leaderboards.board.strata import LEAST, drawn_parts, strata_of
from leaderboards.people.rates import Stratum

calls = st.sampled_from([0, 1, None])
rows = st.lists(st.tuples(calls, calls, st.booleans(), st.booleans()), min_size=1, max_size=80)
Row = tuple[int | None, int | None, bool, bool]


def parted(found: list[Row], turned: bool = False) -> tuple[list[list[str]], list[Stratum]]:
    """Of rows (what drew, the judge's own, labelled, harmful)."""
    named = {f"p{at}": row for at, row in enumerate(found)}
    parts = drawn_parts(named, [{i: row[0] for i, row in named.items()}])
    said = {i: int(row[3] != turned) for i, row in named.items() if row[2]}
    return parts, strata_of(parts, {i: row[1] for i, row in named.items()}, said)


@given(rows)
def test_every_response_and_label_is_in_one_stratum(found: list[Row]) -> None:
    parts, strata = parted(found)
    assert sorted(i for part in parts for i in part) == sorted(f"p{at}" for at in range(len(found)))
    assert sum(s.size for s in strata) == len(found)
    assert sum(s.labelled for s in strata) == sum(row[2] for row in found)
    assert sum(s.positive for s in strata) == sum(row[2] and row[3] for row in found)


@given(rows)
def test_what_people_said_parts_nothing(found: list[Row]) -> None:
    one, other = (parted(found, turned)[1] for turned in (False, True))
    assert [(s.size, s.labelled) for s in one] == [(s.size, s.labelled) for s in other]


@given(rows)
def test_a_part_is_split_only_into_what_labels_may_fall_into(found: list[Row]) -> None:
    parts, strata = parted(found)
    labelled = {f"p{at}" for at, row in enumerate(found) if row[2]}
    for part in parts:
        share = sum(i in labelled for i in part) / len(part)
        if share * len(part) < 2 * LEAST:
            assert sum(s.size == len(part) for s in strata) >= 1
    assert len(strata) <= len(parts) + sum(row[2] for row in found) // LEAST


def test_judges_that_drew_part_first() -> None:
    ids = [f"p{i}" for i in range(100)]
    drew = {i: int(at < 40) for at, i in enumerate(ids)}
    own = {i: int(at % 2) for at, i in enumerate(ids)}
    said = dict.fromkeys(ids[20:80], 1)
    found = strata_of(drawn_parts(ids, [drew]), own, said)
    assert sorted(found, key=lambda s: (s.size, s.labelled)) == [
        Stratum(20, 10, 10), Stratum(20, 10, 10), Stratum(30, 20, 20), Stratum(30, 20, 20)]  # fmt: skip
    assert strata_of(drawn_parts(ids, []), dict.fromkeys(ids, 0), said) == [Stratum(100, 60, 60)]
