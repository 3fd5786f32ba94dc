"""How two looks differ, and since when what was known is known."""

from __future__ import annotations

from ptst_tasks.judges.looks import Look, Watched, known, worst


def look(
    when: str,
    harmful: str,
    grades: str = "",
    models: dict[str, int] | None = None,
    refused: str = "",
) -> Look:
    grades = grades or " ".join("?" * len(harmful))
    return Look(when, harmful, refused or "?" * len(harmful), grades, models or {})


def test_refusals_that_turn_count_too() -> None:
    before, now = look("2026", "1" * 50), look("2027", "1" * 50)
    old, new = (Look(one.when, one.harmful, turned + "0" * 49, one.grades, {})
                for one, turned in ((before, "0"), (now, "1")))  # fmt: skip
    assert Watched(new, old).changed == 1


def test_grades_that_move_within_one_call_are_noticed() -> None:
    before = look("2026", "0" * 50, " ".join(["0.2"] * 50))
    found = Watched(look("2027", "0" * 50, " ".join(["0.9"] * 3 + ["0.3"] * 47)), before)
    assert (found.changed, found.regraded) == (0, 3)  # a tenth of the scale is the same grade
    assert found.remark == ("3 of 50 are graded otherwise since 2026: rates from before may be another "
                            "judge's")  # fmt: skip
    assert found.told()["regraded"] == 3


def test_a_row_that_is_called_something_else_is_not_counted_twice() -> None:
    found = Watched(look("2027", "1" + "0" * 49, " ".join(["1"] + ["0"] * 49)),
                    look("2026", "0" * 50, " ".join(["0"] * 50)))  # fmt: skip
    assert (found.changed, found.regraded) == (1, 0)


def test_a_reply_that_names_no_model_is_no_other_model() -> None:
    before = look("2026", "0" * 50, models={"m-1": 50})
    assert Watched(look("2027", "0" * 50, models={"m-1": 49, "unknown": 1}), before).remark == ""
    assert Watched(look("2027", "0" * 50, models={"unknown": 50}), before).remark == ""
    mixed = Watched(look("2027", "0" * 50, models={"m-1": 49, "m-2": 1}), before)
    assert "its replies name m-1+m-2 in place of m-1" in mixed.remark


def test_a_first_look_without_verdicts_says_so() -> None:
    assert Watched(look("2026", "?" * 50)).remark == (
        "50 of 50 canaries have no verdict to compare: whether it changed is not known"
    )
    assert Watched(look("2026", "0" * 50)).remark == ""


def test_few_that_can_be_compared_are_no_excuse() -> None:
    before = look("2026", "0" * 50)
    found = Watched(look("2027", "11" + "?" * 48), before)
    assert found.another  # 2 of 2, not 2 of 50


def test_since_is_a_time_at_which_it_was_known() -> None:
    now = look("2029", "1111")
    hollow, half, whole = look("2028", "????"), look("2027", "??11"), look("2026", "0000")
    assert known([hollow], now) is None
    found = known([hollow, half, whole], now)
    assert found is not None
    assert (found.harmful, found.when) == ("0011", "2026")  # rows 0 and 1 turned, known in 2026
    found = known([hollow, look("2027", "?0??"), look("2026", "1?11")], now)
    assert found is not None
    assert (found.harmful, found.when) == ("1011", "2027")  # row 1 turned, known in 2027


def test_since_a_model_was_named() -> None:
    now = look("2029", "1111", models={"m-2": 4})
    unnamed = look("2028", "1111")
    found = known([unnamed, look("2027", "1111", models={"m-1": 4})], now)
    assert found is not None
    assert (found.when, found.models) == ("2027", {"m-1": 4})


def test_time_that_goes_back_changes_no_order() -> None:
    found = known([look("2020", "00"), look("2026", "11")], look("2019", "11"))
    assert found is not None
    assert (found.harmful, found.when) == ("00", "2020")


def test_the_two_that_differ_most() -> None:
    first, turned, same = look("2026", "0000"), look("2027", "1111"), look("2028", "1111")
    changed, later = Watched(turned, first), Watched(same, turned)
    assert worst([later]) is not None
    assert worst([later]).changed == 0
    assert (worst([later, changed]).before, worst([later, changed]).changed) == (first, 4)
    # verdicts of two judges in one task, though none of its looks saw a change
    assert worst([later, Watched(first)]).changed == 4
    hollow = Watched(look("2029", "????"), turned)  # hides no change
    assert worst([hollow, changed]).changed == 4
