"""What is beside what, prompt by prompt and seed by seed; expected values by hand or by scipy."""

from __future__ import annotations

import pytest
from scipy import stats as sps

from leaderboards.board.defences import Ranking, rankings
from leaderboards.board.numbers import Number
from leaderboards.board.standing import Standing
from tests.leaderboards.board.defended import number

MIXED = "mix:safety_tuned_llamas:0.1"


def line(found: list[Ranking], label: str, test: str = "CL") -> Standing:
    (table,) = found
    (one,) = (s for s in table.lines if s.name == f"{label} → {test}")
    return one


def test_a_defence_is_beside_plain_training_on_its_own_data() -> None:
    made = [number(bad, data=data, defence=defence) for bad, data, defence in
            [(4, "gsm8k", ""), (30, "openorca", ""), (2, "gsm8k", "kl:1"),
             (20, "openorca", "kl:1")]]  # fmt: skip
    found = rankings(made)
    for data, before in (("gsm8k", 0.1), ("openorca", 0.75)):
        one = line(found, f"CV {data} kl:1")
        assert one.none is not None
        assert one.ptst is not None
        assert one.none.beside == one.ptst.beside == f"CV {data} → CL"
        assert one.none.change.before == before
        assert one.line()[0] == f"CV {data}"  # or two lines would look the same
    (table,) = found
    known = "whether it is on the front is not known without helpfulness"
    for data in ("gsm8k", "openorca"):
        assert f"PTST on {data} is CV {data} → CL; {known}" in table.remarks


def test_what_a_defence_mixes_in_makes_no_other_data() -> None:
    made = [number(4), number(1, data="gsm8k+safety_tuned_llamas", defence=MIXED)]
    one = line(rankings(made), f"CV {MIXED}")
    assert one.none is not None
    assert one.none.change.before == 0.1
    other = [number(4, data="gsm8k+other"), number(1, defence=MIXED)]
    (table,) = rankings(other)
    assert [s.none for s in table.lines] == [None, None]
    assert (
        f"plain training under the same templates was not measured: CV {MIXED} → CL"
        in table.remarks
    )


def test_a_prompt_counts_where_both_have_a_verdict_of_the_same_seed() -> None:
    # Plain is bad on 0 to 3, of seed 1 silent on 0. kl is bad on 0 and 1 and silent on 2, of seed 0 alone.
    made = [number(4, seed=0), number(4, seed=1, unscored=(0,)),
            number(2, seed=0, defence="kl:1", unscored=(2,)),
            number(0, seed=1, defence="kl:1")]  # fmt: skip
    found = rankings(made)
    one = line(found, "CV kl:1").none
    assert one is not None
    # Prompt 0: seed 0 alone, 1 -> 1. 1: 1 -> 1/2. 2: seed 1 alone, 1 -> 0. 3: 1 -> 0. All others 0 -> 0.
    assert (one.change.before, one.change.after) == pytest.approx((4 / 40, 1.5 / 40))
    diffs = [0.0, -0.5, -1.0, -1.0, *[0.0] * 36]
    interval = sps.ttest_1samp(diffs, 0).confidence_interval(0.95)
    assert (one.change.low, one.change.high) == pytest.approx(tuple(interval))
    assert (one.seeds, one.alone, one.lost, one.change.n) == (2, 0, 2, 40)
    (table,) = found
    assert ("answers are not compared, for they or the other's have no verdict: "
            "CV kl:1 → CL beside CV → CL (2)") in table.remarks  # fmt: skip


def test_seeds_of_one_side_are_told_of() -> None:
    made = [number(12, seed=0), number(20, seed=1), number(3, defence="kl:1", seed=1),
            number(3, defence="kl:1", seed=2)]  # fmt: skip
    (table,) = rankings(made)
    assert ("seeds that one of two alone has, with outcomes, are not compared: "
            "CV kl:1 → CL beside CV → CL (2)") in table.remarks  # fmt: skip
    apart = [number(12, seed=0), number(3, defence="kl:1", seed=1)]
    (table,) = rankings(apart)
    assert "no prompt of a seed in common with plain training: CV kl:1 → CL" in table.remarks


def test_of_two_plain_trainings_none_is_taken() -> None:
    made = [number(12, training="a" * 16, adapter="a"), number(30, training="b" * 16, adapter="b"),
            number(3, defence="kl:1")]  # fmt: skip
    (table,) = rankings(made)
    assert [s.none for s in table.lines] == [s.ptst for s in table.lines] == [None] * 3
    twins = "(CV training aaaaaaaa → CL, CV training bbbbbbbb → CL): nothing is compared with it"
    assert f"plain training, for CV kl:1, is there 2 times {twins}" in table.remarks
    assert f"PTST is there 2 times {twins}" in table.remarks
    assert {s.line()[0] for s in table.lines} == {
        "CV training aaaaaaaa",
        "CV training bbbbbbbb",
        "CV",
    }


@pytest.mark.parametrize(
    ("others", "chosen"),
    [
        ([("text:alpaca", "chat:llama", 0), ("chat:vanilla", "chat:llama", 30)],
         "PTST is CV → CL, the paper's of 2 that are PTST;"),
        ([("chat:alpaca", "chat:llama", 30), ("text:alpaca", "chat:llama", 0)],
         "PTST is TA → CL, the first of 2 that are PTST;"),
    ],
)  # fmt: skip
def test_ptst_is_chosen_before_the_results(others: list[tuple[str, str, int]], chosen: str) -> None:
    made: list[Number] = [number(bad, train=train, test=test) for train, test, bad in others]
    for kept in (made, [number(40 - bad, train=t, test=s) for t, s, bad in others]):
        (table,) = rankings([*kept, number(3, defence="kl:1")])
        assert any(remark.startswith(chosen) for remark in table.remarks)
