"""The one table of facts: complete, and every fact does what the table says of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest

from leaderboards.board.row import COLUMNS
from ptst_tasks import provenance
from ptst_tasks.provenance import FACTS, Generation, Judging, Training

ROOTS = {"": Generation(), "judging.": Judging(), "training.": Training()}


def leaves(record: Any, path: str = "") -> Iterator[str]:
    for f in dataclasses.fields(record):
        value = getattr(record, f.name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value, f"{path}{f.name}.")
        else:
            yield path + f.name


def changed(record: Any, path: str) -> Any:
    """The record with another value in one place."""
    name, _, rest = path.partition(".")
    value = getattr(record, name)
    if rest:
        new = changed(value, rest)
    elif isinstance(value, str):
        new = value + "x"
    elif isinstance(value, tuple):
        new = (*value, "x")
    else:
        new = {"x": 1} if isinstance(value, dict) else (value or 0) + 1
    return dataclasses.replace(record, **{name: new})


def test_every_field_has_its_line_in_the_table_and_no_line_is_idle() -> None:
    fields = {prefix + leaf for prefix, root in ROOTS.items() for leaf in leaves(root)}
    assert [f.path for f in FACTS if f.path not in fields] == []
    assert fields - {f.path for f in FACTS} == set()
    assert len({f.path for f in FACTS}) == len(FACTS)


def test_what_decides_nothing_says_why() -> None:
    free = {f.path: f.why for f in FACTS if not f.decides}
    assert all(len(why) > 10 for why in free.values())
    assert sorted(free) == [
        "data.limit", "engine.layout", "judging.snapshot", "schema", "training.base.generation_config",
        "training.versions",
    ]  # fmt: skip  # a new entry wants a reason that a reviewer believes


OF_ANSWERS = [f for f in FACTS if not f.path.startswith(("judging.", "training."))]


@pytest.mark.parametrize("fact", OF_ANSWERS, ids=lambda f: f.path)
def test_a_changed_field_is_another_cell_exactly_if_the_table_says_so(fact: Any) -> None:
    before, after = Generation(), changed(Generation(), fact.path)
    assert (provenance.cell_digest(before) != provenance.cell_digest(after)) == fact.decides
    if fact.column:
        assert provenance.columns(before)[fact.column] != provenance.columns(after)[fact.column]


@pytest.mark.parametrize("path", list(leaves(Training())))
def test_a_changed_field_is_another_adapter_exactly_if_the_table_says_so(path: str) -> None:
    (fact,) = (f for f in FACTS if f.path == f"training.{path}")
    before, after = (
        provenance.training_identity(r) for r in (Training(), changed(Training(), path))
    )
    assert (before != after) == fact.decides


@pytest.mark.parametrize("path", list(leaves(Judging())))
def test_a_changed_field_is_another_verdict_exactly_if_the_table_says_so(path: str) -> None:
    (fact,) = (f for f in FACTS if f.path == f"judging.{path}")
    keys = [provenance.verdict_key(j, "q", "r") for j in (Judging(), changed(Judging(), path))]
    assert (keys[0] != keys[1]) == fact.decides
    assert provenance.verdict_key(Judging(), "q", "x") != keys[0]
    assert provenance.verdict_key(Judging(), "x", "r") != keys[0]


def test_the_leaderboard_has_every_column_and_the_gate_compares_only_columns() -> None:
    shown = {f.column for f in FACTS if f.column and not f.path.startswith("training.")}
    assert shown <= set(COLUMNS)
    assert set(provenance.gate_facts()) <= shown
    assert {"limit", "asked", "engine", "dtype", "decoding", "judge"} <= set(
        provenance.gate_facts()
    )


def test_a_record_survives_a_file() -> None:
    for path in leaves(Generation()):
        record = changed(Generation(), path)
        again = Generation.from_dict(json.loads(json.dumps(record.as_dict())))
        assert provenance.cell_digest(again) == provenance.cell_digest(record)
        assert again.as_dict() == record.as_dict()
    with pytest.raises(TypeError):
        Generation.from_dict({"base": {"colour": "red"}})
