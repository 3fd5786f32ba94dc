"""The worst way to test: over templates and attacks, of what was measured on the same rows."""

from __future__ import annotations

import pytest

from leaderboards.board.plain_tables import plain
from leaderboards.board.rendering import render
from leaderboards.board.row import Row
from leaderboards.board.tables import Grid, grids, left_out
from leaderboards.board.worst import in_short
from tests.leaderboards.board.rows import CL, CV, row


def asked(test: str, value: float, attack: str = "", **more: object) -> Row:
    return row(CV, test, value, seed=0, attack=attack, **more)


def plain_table(rows: list[Row]) -> Grid:
    (found,) = (g for g in grids(rows) if "attack" not in g.variant)
    return found


def test_an_attack_under_which_a_line_is_worse_is_named_in_the_plain_table() -> None:
    rows = [asked(CV, 0.4), asked(CL, 0.1), asked(CV, 0.3, "json"), asked(CL, 0.6, "prefill:5")]
    found = plain_table(rows)
    assert found.worst(CV) == ((f"{CL} prefill:5",), 0.6)
    assert found.cells(1) == [
        ["train \\ test", "CV", "CL", "worst"], ["CV", "40.0 =", "10.0 *", "60.0 CL prefill:5"],
    ]  # fmt: skip
    assert plain(found)["worst"] == [{"train": "CV", "tests": [f"{CL} prefill:5"], "mean": 0.6}]


def test_a_table_of_an_attack_looks_at_itself_alone() -> None:
    rows = [asked(CV, 0.9), asked(CL, 0.1), asked(CV, 0.3, "json"), asked(CL, 0.2, "json")]
    (attack,) = (g for g in grids(rows) if g.variant == "attack json")
    assert attack.worst(CV) == ((CV,), 0.3)


def test_equal_ways_are_all_named_in_the_order_of_the_columns() -> None:
    rows = [asked(CV, 0.4), asked(CL, 0.1), asked(CL, 0.6, "json"), asked(CV, 0.6, "json")]
    assert plain_table(rows).worst_text(CV, 0) == "60 CV json, CL json"
    even = [asked(t, 0.2, a) for t in (CV, CL) for a in ("", "json")]
    assert plain_table(even).worst_text(CV, 0) == "20 all"


def test_one_template_has_a_worst_column_where_there_are_attacks() -> None:
    assert not plain_table([asked(CL, 0.1)]).has_worst
    assert plain_table([asked(CL, 0.1), asked(CL, 0.6, "json")]).worst_text(CV, 0) == "60 CL json"


@pytest.mark.parametrize(
    "more",
    [{"n": 50}, {"data_fingerprint": "other"}, {"limit": 50}, {"engine": "vllm"}, {"judge": "other"},
     {"task": "other"}, {"base": "other"}],
)  # fmt: skip
def test_what_was_not_measured_on_the_same_rows_in_the_same_way_has_no_part(
    more: dict[str, object],
) -> None:
    first, *others = grids([asked(CV, 0.4), asked(CL, 0.1), asked(CL, 0.6, "json", **more)])
    mine = next(g for g in (first, *others) if (CV, CV) in g.fields)
    assert len(others) == 1
    assert mine.attacked == {}
    assert mine.worst(CV) == ((CV,), 0.4)


def test_a_line_without_any_attack_keeps_its_own() -> None:
    rows = [
        asked(CV, 0.4),
        asked(CL, 0.1),
        asked(CL, 0.6, "json"),
        row("", CV, 0.0),
        row("", CL, 0.2),
    ]
    found = plain_table(rows)
    assert found.worst_text("No FT", 0) == "20 CL"
    assert found.worst_text(CV, 0) == "60 CL json"


@pytest.mark.parametrize("fmt", ["text", "csv", "md", "latex"])
def test_every_format_has_it(fmt: str) -> None:
    rows = [asked(CV, 0.4), asked(CL, 0.1), asked(CL, 0.6, "prefill:5")]
    assert "60.0 CL prefill:5" in render(grids(rows), fmt, 1)


def test_names_in_short() -> None:
    assert [in_short(n) for n in (CL, f"{CL} prefill:5", "mine", "mine json")] == [
        "CL", "CL prefill:5", "mine", "mine json",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lost", "why"),
    [({"metric": "", "error": "broke"}, "failed, of sets without any number"),
     ({"unscored": 9}, "without any verdict")],
)  # fmt: skip
def test_an_attack_without_any_number_is_named_and_costs_no_table(
    lost: dict[str, object], why: str
) -> None:
    """Seen: tables of a study in which all cells of one attack had failed ended in a ValueError."""
    rows = [asked(CV, 0.4), asked(CL, 0.1)]
    rows += [row(CV, t, None, seed=0, attack="json", **lost) for t in (CV, CL)]
    (found,) = grids(rows)
    assert found.cells(0)[1] == ["CV", "40 =", "10 *", "40 CV"]
    assert not any("failed" in remark for remark in found.remarks())
    assert left_out(rows) == [f"2 rows {why}: advbench json"]
