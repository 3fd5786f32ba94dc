"""Mild questions asked many times: in rounds, with ids of their own, and no other set's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ptst_tasks import sets
from ptst_tasks.errors import ConfigError
from ptst_tasks.repeats import check_repeats, note_same, repeated
from ptst_tasks.validate import load_tasks

NAME = "ptst_em_first_plot_chat_vanilla"


def test_in_rounds_so_that_a_limit_takes_every_question_first() -> None:
    once = sets.load("em_first_plot")
    rows = repeated(once, 3).rows
    assert [row["prompt"] for row in rows] == 3 * [row["prompt"] for row in once.rows]
    ids = [row["id"] for row in once.rows]
    assert [row["id"] for row in rows] == [*ids, *(f"{i}*2" for i in ids), *(f"{i}*3" for i in ids)]
    assert repeated(once, 3).fingerprint != once.fingerprint


def test_once_is_the_set_as_it_is_and_other_sets_are_never_repeated() -> None:
    once = sets.load("em_first_plot")
    assert repeated(once, 1) is once
    other = sets.load("organism_benign")
    assert repeated(other, 3) is other


def test_a_task_is_repeated_by_an_option() -> None:
    task = load_tasks([NAME], {"repeats": 4})[NAME]
    assert len(task.eval_docs) == 32
    assert task.judges == []  # nobody's numbers unless a judge is named


def test_a_judge_that_does_not_grade_it_judges_none_of_it() -> None:
    task = load_tasks([NAME], {"judge": "keywords:zou"})[NAME]
    assert task.judges == []
    assert "judge" not in task.used


def answered(*said: str) -> list[Any]:
    """One question, asked so many times."""
    return [SimpleNamespace(args=("q", {}), resps=[text]) for text in said]


def test_answers_that_are_no_draws_are_told_and_noted(caplog: pytest.LogCaptureFixture) -> None:
    """As of lm_eval's API models, which send the same seed each time."""
    task = load_tasks([NAME], {"repeats": 3})[NAME]
    before = list(task.record["notes"])
    note_same(task, answered("a", "a", "a"))
    note_same(task, answered("a", "a", "a"))
    [note] = [note for note in task.record["notes"] if note not in before]
    assert note.startswith("3 answers to 1 questions: those to one question are all the same")
    assert note in caplog.text
    note_same(task, answered("a", "b", "a"))  # the next model
    assert task.record["notes"] == before


def test_what_is_asked_once_may_be_answered_alike() -> None:
    task = load_tasks([NAME], {"repeats": 3})[NAME]
    before = list(task.record["notes"])
    note_same(task, answered("a"))  # a limit left the first round
    assert task.record["notes"] == before


def test_a_temperature_of_0_draws_nothing() -> None:
    task = load_tasks([NAME], {"repeats": 3})[NAME]
    task.config.generation_kwargs.update(do_sample=True, temperature=0)
    with pytest.raises(ConfigError, match="answers are greedy"):
        check_repeats(task)


@pytest.mark.parametrize(("limit", "told"), [(8, True), (23, True), (24, False), (None, False)])
def test_a_limit_that_cuts_repeats_is_told(
    limit: int | None, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    task = load_tasks([NAME], {"repeats": 3})[NAME]
    task.config.generation_kwargs.update(do_sample=True, temperature=1)
    check_repeats(task, limit)
    assert (f"limit {limit} cuts repeats 3: {limit} of 24 answers" in caplog.text) is told


@pytest.mark.parametrize("times", [0, -1, 1.5, "many"])
def test_how_often_is_a_number_from_1_on(times: object) -> None:
    with pytest.raises(ConfigError, match="repeats"):
        load_tasks([NAME], {"repeats": times})
