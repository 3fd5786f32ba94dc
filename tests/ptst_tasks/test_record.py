"""What stands in ``metadata.ptst``, to the byte: the fields, their order, what is damaged."""

from __future__ import annotations

import json

import pytest

from ptst_tasks.record import (
    KEY,
    SHAPES,
    TaskRecord,
    add_judge,
    mark_failed,
    misfits,
    record_in,
    set_settings,
    settings_of,
    weights_of,
)


def written(record):
    return json.dumps(record)


def test_judges_are_written_in_the_order_in_which_they_came():
    record = TaskRecord(set="advbench", judges=["a"], judge_settings={"a": {"n": 1}}, notes=[])
    add_judge(record, "b", {"n": 2}, "f00", {"gpt": 3})
    add_judge(record, "a", {"n": 4}, "", {})
    assert written(record) == (
        '{"set": "advbench", "judges": ["a", "b"], '
        '"judge_settings": {"a": {"n": 4}, "b": {"n": 2}}, "notes": [], '
        '"judge_weights": {"b": "f00"}, "judge_models": {"b": {"gpt": 3}}}'
    )


def test_what_was_said_of_a_judge_goes_when_it_judges_again():
    record = TaskRecord()
    add_judge(record, "a", {}, "f00", {"gpt": 1})
    mark_failed(record, "a", "1 of 2 responses have no verdict")
    add_judge(record, "a", {}, "", {})
    mark_failed(record, "a", "")
    assert written(record) == '{"judges": ["a"], "judge_settings": {"a": {}}}'


def test_marks_of_other_judges_and_unknown_fields_stay():
    record = record_in({"metadata": {KEY: {"judge_failed": {"b": "few"}, "of_1.0": 7}}})
    mark_failed(record, "a", "none")
    assert written(record) == '{"of_1.0": 7, "judge_failed": {"b": "few", "a": "none"}}'
    mark_failed(record, "a", "")
    assert written(record) == '{"of_1.0": 7, "judge_failed": {"b": "few"}}'


@pytest.mark.parametrize("config", [{}, {"metadata": None}, {"metadata": {KEY: None}}])
def test_a_task_of_others_has_none(config):
    record = record_in(config)
    assert not record
    assert settings_of(record, "a") is None
    assert weights_of(record, "a") is None


def test_null_fields_of_old_runs_are_read_as_nothing():
    record = record_in({"metadata": {KEY: dict.fromkeys(SHAPES)}})
    assert list(misfits(record)) == []
    set_settings(record, "a", {"n": 1})
    assert settings_of(record, "a") == {"n": 1}


def test_damaged_fields_are_named_with_what_they_should_be():
    found = misfits({"kind": ["x"], "judges": "x", "style": 7}, ("kind", "judges"))
    assert list(found) == [("kind", ["x"], str), ("judges", "x", list)]


def test_every_shape_is_of_a_field():
    assert not SHAPES.keys() - TaskRecord.__annotations__.keys()
