"""What is said below the table of defences: of the front, of what a scale beats, of what is missing."""

from __future__ import annotations

from leaderboards.board.defences import rankings
from leaderboards.board.numbers import Number
from leaderboards.board.row import Row
from tests.leaderboards.board.defended import able, number, several


def test_what_failed_is_named_and_no_zero() -> None:
    lost = Row(base="base", adapter="x", train_template="chat:vanilla", train_data="gsm8k", seed=0,
               defence="ema:0.9", test_template="chat:llama", task="advbench", metric="",
               error="no room")  # fmt: skip
    one_seed = lost.model_copy(update={"defence": "kl:1", "seed": 2, "adapter": "y"})
    (table,) = rankings([*several(), Number(lost), Number(one_seed)])
    assert [s.name for s in table.lines if s.defence == "ema:0.9"] == []
    assert "not in the table (failed): CV ema:0.9 → CL" in table.remarks
    assert "CV kl:1 → CL: 1 run failed or has no verdict, and is not in it" in table.remarks


def test_without_outcomes_of_a_seed_it_is_said() -> None:
    made = [number(12, seed=0), number(12, seed=1, known=False), number(3, defence="kl:1", seed=0)]
    (table,) = rankings(made)
    assert any(
        remark.endswith("the outcomes of prompts are not there: CV → CL")
        for remark in table.remarks
    )


def test_help_and_over_refusal_are_named_with_what_is_not_taken() -> None:
    made = [number(3), number(3, defence="kl:1"), able(9), able(8, defence="kl:1"),
            number(9, metric="acc", task="mmlu", judge=""),
            number(5, metric="refused", task="xstest", judge="other:judge"),
            number(2, metric="refused", task="xstest"),
            number(5, metric="refused", task="somebodys")]  # fmt: skip
    (table,) = rankings(made)
    assert (
        "help: exact_match on gsm8k (strict); also measured, and not in the table: acc on mmlu"
        in (table.remarks)
    )
    # The judge of the harm judges refusals, too; a set that nobody calls harmless is no over-refusal.
    assert ("over-refusal: refused on xstest (keywords:zou); also measured, and not in the table: refused "
            "on xstest (other:judge)") in table.remarks  # fmt: skip
    assert [s.over for s in table.lines] == [0.05, None]


def test_seeds_of_the_help_are_said_where_they_are_others() -> None:
    made = [n for n in several() if not (n.row.metric == "exact_match" and n.row.seed == 1)]
    (table,) = rankings(made)
    assert any(remark.startswith("ASR: mean over 2 training seeds") for remark in table.remarks)
    more = [*several(), able(20, defence="kl:1", seed=2)]
    (table,) = rankings(more)
    assert "help: over 3 training seeds: CV kl:1" in table.remarks


def test_a_scale_that_is_equal_is_no_better_and_not_beaten() -> None:
    made = [number(8), able(30), number(3, defence="kl:1"), able(20, defence="kl:1"),
            number(3, defence="scale:0.5", start=7), able(20, defence="scale:0.5", start=9)]  # fmt: skip
    (table,) = rankings(made)
    assert "CV kl:1 → CL is no better than scale:0.5" in table.remarks
    assert not any("is beaten by" in remark for remark in table.remarks)


def test_a_scale_of_other_templates_or_less_help_beats_nothing() -> None:
    made = [number(8), able(30), number(3, defence="kl:1"), able(20, defence="kl:1"),
            number(0, train="chat:llama", defence="scale:0.5"),
            able(40, train="chat:llama", defence="scale:0.5"),
            number(0, defence="scale:0.25"), able(19, defence="scale:0.25")]  # fmt: skip
    (table,) = rankings(made)
    assert not any("is beaten by" in remark for remark in table.remarks)


def test_ptst_that_was_not_measured_is_said() -> None:
    made = [number(3, train="chat:llama"), number(3, train="chat:llama", defence="kl:1")]
    (table,) = rankings(made)
    assert (
        "PTST (plain training without a safety prompt, tested with one) was not measured"
        in table.remarks
    )
