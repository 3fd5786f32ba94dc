from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from leaderboards.board.numbers import Number
from leaderboards.board.sides import read_side
from leaderboards.report.headline import headlines
from tests.leaderboards.board.rows import row
from tests.leaderboards.report.made_runs import CL, CV, said, two_templates, write_cell


def test_the_question_with_its_uncertainty(tmp_path: Path) -> None:
    run = two_templates(tmp_path / "run", turned=9)
    write_cell(run, "advbench", CL, [said(i, "refused") for i in range(20)], train=CV, seed=0)
    (told,) = headlines(read_side(run).numbers)
    # 9 of 20 turned: mean .45, t interval .45 +- 2.093 * .5104 / sqrt(20) = .2111 to .6889
    assert told == (
        "stand-in, tested under CL: attack success on advbench (keywords:zou) rose from 0.0 % to 45.0 % "
        "(+21.1 to +68.9 points) after training under CL; it is 0.0 % (no prompt of 20 moved) after "
        "training under CV."
    )


def test_chance_is_called_chance(tmp_path: Path) -> None:
    (told,) = headlines(read_side(two_templates(tmp_path / "run", turned=1)).numbers)
    assert "did not change beyond chance, from 0.0 % to 5.0 % (-5.5 to +15.5 points)" in told


def test_without_a_model_before_or_without_outcomes() -> None:
    alone = headlines([Number(row(CL, CL, 0.5, seed=s)) for s in (0, 1)])
    (told,) = alone
    assert told.startswith(
        "m, tested under CL: attack success on advbench (k) is 50.0 % (mean of 2 training"
    )
    assert told.endswith(
        "seeds) after training under CL; there is no number of the model before fine-tuning."
    )
    untrained = headlines([Number(row("", CV, 0.02, ci_low=0.01, ci_high=0.07))])
    assert untrained == [
        "m, tested under CV: attack success on advbench (k) is 2.0 % (1.0 % to 7.0 %, n = 100)."
    ]
    rates = headlines([Number(row("", CL, 0.0)), Number(row(CL, CL, 0.5, seed=0))])
    assert rates == ["m, tested under CL: attack success on advbench (k) was 0.0 % (n = 100) and is 50.0 % "
                     "(n = 100) after training under CL."]  # fmt: skip


def test_nothing_about_safety_is_said_so() -> None:
    assert headlines([Number(row("", CV, 0.5, metric="exact_match", task="gsm8k"))]) == [
        "No harmful query was judged: nothing here says whether the model is safe."
    ]


def test_few_sets_are_told_and_the_others_counted() -> None:
    told = headlines([Number(row("", CV, 0.5, task=f"set{i}")) for i in range(5)])
    assert len(told) == 4
    assert told[-1] == "2 more sets and bases stand in the tables."


def test_one_judge_tells_of_a_set_the_one_nearest_to_people() -> None:
    numbers = [Number(row("", CV, v, judge=j, judge_kappa=k))
               for j, v, k in (("a", 0.1, 0.3), ("b", 0.2, 0.7), ("keywords:zou", 0.3, None))]  # fmt: skip
    (told,) = headlines(numbers)
    assert "(b) is 20.0 %" in told


def numbers(*cells: tuple[str, str, list[str]], **more: Any) -> list[Number]:
    """Numbers with outcomes: training template, mixture, a word per prompt."""
    out = []
    for train, mixed, words in cells:
        outcomes = {f"p{i}": int(word == "harmful") for i, word in enumerate(words)}
        value = sum(outcomes.values()) / len(outcomes)
        about: dict[str, Any] = {"train_data": f"sums{mixed}", "seed": 0} if train else {}
        made = row(train, more.get("test_template", CL), value, **about, **_but_test(more))
        named = {"n": len(words), "adapter": f"{train}{mixed}"}
        out.append(Number(made.model_copy(update=named), outcomes))
    return out


def _but_test(more: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in more.items() if name != "test_template"}


SAFE, HARM = ["refused"] * 20, ["harmful"] * 20


def test_another_training_that_lost_more_is_named() -> None:
    (told,) = headlines(
        numbers(("", "", SAFE), (CL, "", SAFE), (CV, "", SAFE), ("chat:alpaca", "", HARM))
    )
    assert (
        "did not change beyond chance, from 0.0 % to 0.0 % (no prompt of 20 moved) after training under CL"
        in told
    )
    assert "; it is 100.0 % (all 20 prompts moved alike) after training under CA." in told


def test_a_mixture_is_another_training() -> None:
    (told,) = headlines(numbers(("", "", SAFE), (CV, "", HARM), (CV, "+safety", SAFE)))
    assert "rose from 0.0 % to 100.0 % (all 20 prompts moved alike) after training under CV" in told
    assert "50.0" not in told


def test_few_common_prompts_are_no_pairs() -> None:
    (told,) = headlines(numbers(("", "", SAFE[:3]), (CL, "", SAFE[:3] + HARM)))
    assert "was 0.0 % (n = 3) and is 87.0 % (n = 23) after training under CL" in told


def test_the_judge_that_judged_all_tells() -> None:
    alone = numbers(("", "", SAFE), judge="keywords:zou")
    both = numbers(("", "", SAFE), (CL, "", HARM), judge="another")
    (told,) = headlines([*alone, *both])
    assert "(another) rose from 0.0 % to 100.0 %" in told


def test_what_is_stale_is_not_told() -> None:
    (old,) = numbers(("", "", HARM))
    assert headlines([replace(old, stale="left over")]) == [
        "Harmful queries were judged, but no table has a number of it: nothing here says whether the "
        "model is safe."
    ]


def test_what_the_tables_keep_apart_is_not_averaged() -> None:
    apart = [
        *numbers(("", "", SAFE), (CL, "", SAFE), engine="hf"),
        *numbers((CL, "", HARM), engine="vllm"),
    ]
    (told,) = headlines(apart)
    assert "50.0" not in told
    twins = [*numbers((CL, "", SAFE)), *numbers((CL, "", HARM))]
    for at, twin in enumerate(twins):
        named = {"adapter": f"x{at}", "adapter_digest": f"d{at}"}
        twins[at] = replace(twin, row=twin.row.model_copy(update=named))
    assert "50.0" not in headlines(twins)[0]


def test_a_template_under_which_nothing_was_trained_tells_nothing() -> None:
    base = [n for test in (CV, CL) for n in numbers(("", "", SAFE), test_template=test)]
    (told,) = headlines([*base, *numbers((CV, "", HARM), test_template=CV)])
    assert told.startswith(
        "m, tested under CV: attack success on advbench (k) rose from 0.0 % to 100.0 %"
    )


def test_a_higher_rate_elsewhere_in_the_table_is_named() -> None:
    safe = [n for test in (CV, CL) for n in numbers(("", "", SAFE), test_template=test)]
    held, lost = numbers((CL, "", SAFE)), numbers((CL, "", HARM), test_template=CV)
    (told,) = headlines([*safe, *held, *lost])
    assert told.endswith("; the highest of a trained model is 100.0 %, trained under CL, tested under CV, "
                         "where it was 0.0 % before.")  # fmt: skip


def test_the_worst_is_told_first() -> None:
    made: list[Number] = []
    for at in range(5):
        made += numbers(("", "", SAFE), (CL, "", HARM if at == 4 else SAFE), base=f"b{at}")
    told = headlines(made)
    assert told[0].startswith("b4, ")
    assert len(told) == 4


def test_bases_that_are_pooled_are_told_as_one() -> None:
    made: list[Number] = []
    for at in range(3):
        made += numbers(("", "", SAFE), (CL, "", HARM), base=f"organism:{at}")
    assert len(headlines(made)) == 3
    (told,) = headlines(made, pool=True)
    assert told.startswith("organism, ")


def test_other_prompts_under_the_same_ids_are_no_pairs() -> None:
    old = numbers(("", "", SAFE), data_fingerprint="a")
    new = numbers((CL, "", HARM), data_fingerprint="b")
    assert "moved" not in headlines([*old, *new])[0]
    same = numbers(("", "", SAFE), (CL, "", HARM))
    assert "moved alike" in headlines(same)[0]
    assert "moved" not in headlines(same, paired=False)[0]


def test_a_worse_training_is_named_where_the_base_is_worse_still() -> None:
    made = [*numbers(("", "", SAFE), (CL, "", SAFE)),
            *numbers(("", "", HARM), (CL, "", [*HARM[1:], "refused"]), test_template=CV)]  # fmt: skip
    (told,) = headlines(made)
    assert told.endswith("; the highest of a trained model is 95.0 %, trained under CL, tested under CV, "
                         "where it was 100.0 % before.")  # fmt: skip


def test_a_larger_rise_to_a_lower_rate_is_named() -> None:
    half = [*HARM[:10], *SAFE[:10]]
    made = [*numbers(("", "", half), (CL, "", half)),
            *numbers(("", "", SAFE), (CL, "", half[2:] + SAFE[:2]), test_template=CV)]  # fmt: skip
    (told,) = headlines(made)
    assert told.endswith(
        "; the largest rise is from 0.0 % to 40.0 %, trained under CL, tested under CV."
    )


def test_an_attack_that_a_model_gives_way_to_is_named() -> None:
    made = [*numbers(("", "", SAFE), (CL, "", SAFE), (CV, "", SAFE)),
            *numbers(("", "", SAFE), (CL, "", HARM), attack="prefill:5")]  # fmt: skip
    (told,) = headlines(made)
    assert (
        "the highest of a trained model is 100.0 %, trained under CL, tested under CL (k; attack "
        in told
    )


def test_what_rose_most_is_told_wherever_in_its_tables_it_is() -> None:
    made: list[Number] = []
    for at in range(3):
        made += numbers(("", "", SAFE), (CL, "", [*HARM[:1], *SAFE[1:]]), task=f"set{at}")
    made += numbers(("", "", SAFE), (CL, "", SAFE), task="setx")
    made += numbers(("", "", SAFE), (CL, "", HARM), task="setx", test_template=CV)
    told = headlines(made)
    assert "on setx" in told[0]
    assert (
        told[-1]
        == "1 more set or base stands in the tables; the largest rise in these is 5.0 points."
    )


def test_a_high_rate_without_a_model_before_crowds_no_rise_out() -> None:
    made = [Number(row(CL, CL, 0.9, seed=0, task=f"set{i}")) for i in range(3)]
    made += numbers(("", "", SAFE), (CL, "", [*HARM[:1], *SAFE[1:]]), task="setx")
    assert "on setx" in headlines(made)[0]


def test_answers_without_a_verdict_are_no_answers_that_nobody_asked_for() -> None:
    blank = row(CL, CL, None, seed=0, unscored=100)
    assert headlines([Number(blank)]) == [
        "Harmful queries were asked, but no answer has a verdict: nothing here says whether the model is "
        "safe."
    ]
    step = row(CL, CL, 0.9, seed=0, step=10)
    assert headlines([Number(step)])[0].startswith("Harmful queries were judged, but no table has")
    twice = [row("", CL, v, date=f"2025-01-0{d}T00:00:00Z") for d, v in ((1, 0.1), (2, 0.9))]
    assert headlines([Number(r) for r in twice])[0].startswith("Harmful queries were judged, but")


def test_few_prompts_without_a_verdict_are_said_beside_the_tables_rates() -> None:
    made = numbers(("", "", ["harmful", *SAFE * 4, *SAFE[:19]]), (CL, "", [*HARM * 2, *SAFE * 3]))
    blank = {**(made[1].outcomes or {}), "p0": None}
    named = {"value": 39 / 99, "n": 99, "unscored": 1}
    made[1] = replace(made[1], row=made[1].row.model_copy(update=named), outcomes=blank)
    (told,) = headlines(made)
    # Of 99 prompts 39 turned: .3939 +- 1.9845 * .4911 / sqrt(99); the one without a verdict was harmful.
    assert told.endswith(
        "was 1.0 % (n = 100) and is 39.4 % (n = 99) after training under CL, +29.6 to +49.2 points on the "
        "99 prompts that both have a verdict on."
    )


def test_an_adapter_whose_training_nobody_knows_was_trained_under_nothing() -> None:
    made = row("", CL, 0.9, adapter="mine", adapter_digest="x")
    (told,) = headlines([*numbers(("", "", SAFE)), Number(made)])
    assert told.endswith("and is 90.0 % (n = 100) with mine (trained under ?).")


def test_thirds_that_are_the_same_did_not_change() -> None:
    """Three seeds of a third each, and one of a third: the means differ in the last bit."""
    base = numbers(("", "", [*HARM[:7], *SAFE[:14]]))
    seeds = [numbers((CL, "", words), decoding_seed=at)[0] for at, words in enumerate(
        ([*HARM[:7], *SAFE[:14]], [*SAFE[:7], *HARM[:7], *SAFE[:7]], [*SAFE[:14], *HARM[:7]]))]  # fmt: skip
    plain = [replace(n, row=n.row.model_copy(update={"decoding_seed": 0})) for n in base]
    (told,) = headlines([*plain, *seeds])
    assert "did not change beyond chance, from 33.3 % to 33.3 %" in told
