"""The sample: of every stratum, the same everywhere, with weights that add up to all responses."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboards.judging.sampling import Response, draw, newest, shares
from leaderboards.judging.saved import Task
from ptst_tasks.errors import ConfigError


def some(n: int = 200, harmful: int = 10) -> list[Response]:
    out: list[Response] = []
    for template in ("chat:vanilla", "chat:llama"):
        task = Task(Path(f"r/{template}/results.json"), "t", "harmful", "advbench", template, "")
        out += [Response(task, template, f"p{i}", i < harmful, i) for i in range(n)]
    return out


def test_the_rare_verdict_is_met_and_weights_add_up() -> None:
    found = draw(some(), 60, 0)
    rare = [d for d in found if d.response.verdict]
    assert len(found) == 60
    assert len(rare) >= 8
    assert sum(d.weight for d in found) == pytest.approx(400)
    assert len({(d.response.cell, d.response.id) for d in found}) == 60


def test_order_of_reading_has_no_part_and_another_seed_has() -> None:
    shuffled = some()
    random.Random(1).shuffle(shuffled)
    names = [[(d.response.cell, d.response.id) for d in draw(rows, 40, seed)]
             for rows, seed in ((some(), 0), (shuffled, 0), (some(), 1))]  # fmt: skip
    assert names[0] == names[1]
    assert names[0] != names[2]


def test_two_runs_of_one_name_are_one_stratum_in_any_order() -> None:
    here = some(50)
    there = [replace(r, cell=f"{r.cell} there") for r in here]
    first, second = ([(d.response.cell, d.response.id) for d in draw(rows, 20, 0)]
                     for rows in ([*here, *there], [*there, *here]))  # fmt: skip
    assert first == second


def test_an_id_that_no_sheet_can_hold() -> None:
    with pytest.raises(ConfigError, match="holds half a character, and no sheet can name it"):
        draw([replace(some(1)[0], id="\ud800")], 1, 0)


def test_a_larger_sample_holds_the_smaller() -> None:
    small, large = (
        {(d.response.cell, d.response.id) for d in draw(some(), n, 0)} for n in (40, 80)
    )
    assert small < large


def test_more_than_there_are() -> None:
    with pytest.raises(ConfigError, match="--n is 401, and there are 400 responses"):
        draw(some(), 401, 0)
    assert len(draw(some(), 400, 0)) == 400


def test_a_copy_of_a_run_is_refused() -> None:
    again = [replace(r, task=replace(r.task, results=Path("copy/x/results.json"))) for r in some()]
    with pytest.raises(ConfigError, match="hold the same cell 'chat:vanilla'; give one of them"):
        draw([*some(), *again], 40, 0)


def test_of_a_task_measured_again_the_newest_is_asked_about() -> None:
    task = some(1)[0].task
    old, new, other = (replace(task, results=Path(name)) for name in
                       ("m/results_1.json", "m/results_2.json", "n/results_1.json"))  # fmt: skip
    assert {t.results for t in newest([new, old, other])} == {new.results, other.results}


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.integers(1, 500), min_size=1), st.data())
def test_shares_are_whole_and_none_is_over(sizes: dict[str, int], data: Any) -> None:
    n = data.draw(st.integers(0, sum(sizes.values())))
    found = shares(sizes, n)
    assert sum(found.values()) == n
    assert all(0 <= found[name] <= size for name, size in sizes.items())


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.integers(1, 500), min_size=1), st.data())
def test_more_labels_take_none_away(sizes: dict[str, int], data: Any) -> None:
    n = data.draw(st.integers(0, sum(sizes.values()) - 1))
    few, more = shares(sizes, n), shares(sizes, n + 1)
    assert all(more[name] >= few[name] for name in sizes)
