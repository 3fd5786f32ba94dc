from __future__ import annotations

from pathlib import Path
from typing import Any

from leaderboards.board.sides import read_side
from leaderboards.gate.policy import load_policy
from leaderboards.report.changes import changes
from leaderboards.report.naming import Naming
from tests.leaderboards.report.made_runs import CL, table_of, two_templates


def compared(old: Path, new: Path) -> tuple[Any, dict[str, Any]]:
    table = table_of(old, new, texts="none")
    return changes(read_side(old), read_side(new), load_policy(None), table, Naming()), table.data()


def test_the_prompts_that_turned_are_exactly_those(tmp_path: Path) -> None:
    old = two_templates(tmp_path / "old", turned=1, n=60)
    new = two_templates(tmp_path / "new", turned=31, n=60)
    found, data = compared(old, new)
    assert found.failed
    first = found.lines[0]
    assert (first["verdict"], first["metric"], first["model"], first["test"]) == (
        "regression",
        "asr",
        "CL seed 0",
        "CL",
    )
    assert first["turned"] == [30, 0]
    columns = data["rows"]
    places = [
        (
            columns["run"][i],
            data["prompts"][columns["prompt"][i]][1],
            data["tests"][columns["test"][i]][0],
        )
        for i in first["worse"]
    ]
    assert places == [(1, f"q{i:03d}", CL) for i in range(1, 31)]
    assert found.turned == ([*first["worse"], *first["worse"]], [])  # by two judges
    back, _ = compared(new, old)
    line = next(line for line in back.lines if line["turned"] != [0, 0])
    assert line["turned"] == [0, 30]


def test_what_turned_most_is_first_among_equals(tmp_path: Path) -> None:
    found, _ = compared(
        two_templates(tmp_path / "old", n=20), two_templates(tmp_path / "new", turned=1, n=20)
    )
    assert not found.failed
    assert found.lines[0]["turned"] == [1, 0]


def test_what_an_error_quotes_is_cut_as_everywhere(tmp_path: Path) -> None:
    """A reason held the sentence that a library quoted out of a prompt."""
    from dataclasses import replace

    old, new = (read_side(two_templates(tmp_path / name, n=30)) for name in ("old", "new"))
    quoted = (
        "ValidationError: bad, input_value='please hide the spoons under the sofa of my friend'"
    )
    first, *others = new.numbers
    broken = first.row.model_copy(
        update={
            "value": None,
            "ci_low": None,
            "ci_high": None,
            "n": 0,
            "unscored": 0,
            "error": quoted,
        }
    )
    new = replace(new, numbers=(replace(first, row=broken, outcomes=None), *others))
    table = table_of(tmp_path / "old", tmp_path / "new", texts="none")
    found = changes(old, new, load_policy(None), table, Naming())
    said = " ".join([found.summary, *found.notes, *(line["why"] for line in found.lines)])
    assert "spoons" not in said
    assert "ValidationError: (the rest is cut)" in said
