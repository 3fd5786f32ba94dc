"""Tables: the paper's layout, and what may stand in one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from leaderboards.board.row import Row
from leaderboards.board.tables import NAIVE, NO_FT, grids, tracks
from tests.leaderboards.board.rows import CL, CV, ROWS, TV, row


def test_the_papers_layout_and_its_population_std() -> None:
    (grid,) = grids(ROWS)
    assert grid.trains == (NO_FT, TV, CV, CL)  # the paper's order, before fine-tuning first
    assert grid.tests == (CV, CL)
    # AdvBench "0.26 ±0.09" of Table 1b from 1/520 steps: (0.19 + 0.19 + 0.38) / 3 = 0.2533, and
    # population std sqrt(((0.0633)^2 * 2 + (0.1267)^2) / 3) = 0.0896 (ddof 1 would give 0.1097).
    field = grid.fields[CV, CV]
    assert field.mean == pytest.approx(0.253333, abs=1e-6)
    assert field.std == pytest.approx(0.089567, abs=1e-6)
    assert grid.cells() == [
        ["train \\ test", "CV", "CL", "worst"],
        ["No FT", "2.00", "0.00", "2.00 CV"],
        ["TV", "–", "3.00 *", "–"],  # never measured, and so not failed
        ["CV", "25.33 ±8.96 =", "1.08 ±0.12 *", "25.33 CV"],
        ["CL", "25.00", "50.00 =", "50.00 CL"],
    ]


def test_the_worst_template_is_shown_of_attack_success_under_several() -> None:
    (grid,) = grids([row(CV, CV, 0.3), row(CV, CL, 0.3), row(CL, CV, 0.1), row(CL, CL, 0.0)])
    assert [line[-1] for line in grid.cells(1)] == ["worst", "30.0 all", "10.0 CV"]
    (grid,) = grids([row(CV, CV, 0.3), row(CV, CL, 0.3), row(CV, TV, 0.1)])
    assert grid.cells(1)[1][-1] == "30.0 CV, CL"
    assert not only([row(CV, CL, 0.3)]).has_worst
    assert not any(
        g.has_worst for g in grids([row(CV, t, 0.3, metric="refused") for t in (CV, CL)])
    )


def test_pooling_takes_seeds_of_the_base_as_seeds() -> None:
    rows = [row(CV, CL, v, seed=s, base=f"organism:{s}") for s, v in enumerate((0.0, 1.0))]
    assert len(grids(rows)) == 2
    (grid,) = grids(rows, pool=True)
    assert (grid.base, grid.fields[CV, CL].values) == ("organism", (0.0, 1.0))


def test_a_failed_field_has_no_number() -> None:
    (grid,) = grids([*ROWS, row(TV, CV, None, seed=0, n=0, error="x")])
    assert (TV, CV) not in grid.fields


def only(rows: list[Row], **more: Any) -> Any:
    (grid,) = grids(rows, **more)
    return replace(grid, notes=tuple(note for note in grid.notes if note != NAIVE))


def test_training_sets_are_rows_of_their_own() -> None:
    """They were averaged as if they were seeds."""
    rows = [row(CV, CL, 0.4642, train_data="gsm8k"),
            row(CV, CL, 0.0125, train_data="gsm8k+safety_tuned_llamas")]  # fmt: skip
    assert [line[0] for line in only(rows).cells()[1:]] == ["CV", "CV +safety_tuned_llamas"]
    rows[1] = row(CV, CL, 0.0125, train_data="chatdoctor")
    assert [line[0] for line in only(rows).cells()[1:]] == ["CV chatdoctor", "CV gsm8k"]


def test_one_adapter_does_not_overwrite_another_of_the_same_name() -> None:
    """Two runs named an adapter alike: the table showed the last one read, and no word."""
    rows = [row(CV, CV, v, seed=0, adapter="a", adapter_digest=f"sha256:{d * 64}")
            for v, d in ((0.1, "1"), (0.5, "2"))]  # fmt: skip
    grid = only(rows)
    assert grid.cells()[1:] == [["CV a 11111111", "10.00 ="], ["CV a 22222222", "50.00 ="]]
    assert grid.remarks() == [
        "one seed has several adapters, so each has a row of its own: CV a 11111111, CV a 22222222"
    ]


def test_adapters_that_differ_in_more_than_a_seed_are_no_seeds() -> None:
    """Two names under one seed, no seed at all, or another rank: each was a 'seed' of the mean."""
    for name, other in (("a", "b"), ("rank8", "rank64")):
        rows = [row(CV, CV, 0.1, seed=0, adapter=name), row(CV, CV, 0.5, seed=0, adapter=other)]
        assert len(only(rows).trains) == 2
    rows = [row(CV, CV, 0.1, adapter="x"), row(CV, CV, 0.5, adapter="y")]
    assert [line[0] for line in only(rows).cells()[1:]] == ["CV x", "CV y"]
    rows = [row(CV, CV, 0.1, seed=0, adapter_config="1" * 64),
            row(CV, CV, 0.5, seed=1, adapter_config="2" * 64)]  # fmt: skip
    assert len(only(rows).trains) == 2


def test_an_adapter_of_unknown_training_is_not_the_base() -> None:
    """Its numbers were averaged into the row before fine-tuning."""
    grid = only([row("", CV, 0.02), row("", CV, 0.9, adapter="out/x")])
    assert grid.cells()[1:] == [["No FT", "2.00"], ["out/x (trained under ?)", "90.00"]]


APART: list[dict[str, Any]] = [
    {"engine": "vllm"}, {"dtype": "bfloat16"}, {"decoding": '{"temperature":1.0}'}, {"limit": 10},
    {"n": 10}, {"base_digest": "sha256:2"}, {"judge_settings": "x"}, {"prompting": '{"style":"openai"}'},
    {"data_fingerprint": "f"}, {"versions": '{"torch":"3"}'}, {"scoring": "s"}, {"asked": "q"},
    {"decoding_seed": 0}, {"engine_args": '{"quantization":"awq"}'}, {"judge_model": "gpt-5"},
]  # fmt: skip


@pytest.mark.parametrize("change", APART, ids=lambda c: next(iter(c)))
def test_seeds_that_were_measured_otherwise_are_another_table(change: dict[str, Any]) -> None:
    """One seed with another engine, limit, judge's rubric ... was averaged with the others."""
    known = {"engine": "hf", "decoding": '{"temperature":0.0}'}
    rows = [row(CV, CV, v, seed=s, **known) for s, v in enumerate((0.1, 0.3))]
    rows.append(row(CV, CV, 0.8, seed=2, **{**known, **change}))
    first, second = sorted(grids(rows), key=lambda g: len(g.fields[CV, CV].values), reverse=True)
    assert (first.fields[CV, CV].values, second.fields[CV, CV].values) == ((0.1, 0.3), (0.8,))
    assert first.title != second.title


def test_what_differs_across_a_table_is_said() -> None:
    """The base on ten prompts with one engine stood beside adapters on all with another."""
    rows = [
        row("", CV, 0.02, engine="hf", n=10),
        *(row(CV, CV, 0.1, seed=s, engine="vllm") for s in range(2)),
    ]
    assert only(rows).notes == (
        "its fields are not measured alike: engine hf, 10 prompts: No FT; engine vllm, 100 prompts: CV",
    )
    rows = [row(t, CL, 0.1, prompting=f'{{"chat_format":"auto","style":"{s}"}}', seed=0)
            for t, s in ((CV, "gsm8k"), (CL, "openai"))]  # fmt: skip
    assert only(rows).notes == (
        "column chat:llama is not measured alike: prompting style=gsm8k: CV; prompting style=openai: CL",
    )


def test_decoding_seeds_are_averaged_first() -> None:
    """Table 4 is over five decoding seeds; drawn values of one adapter overwrote each other."""
    rows = [row(CV, CV, 0.1 * d, seed=0, decoding_seed=d) for d in range(5)]
    grid = only(rows)
    assert grid.fields[CV, CV].values == pytest.approx((0.0, 0.1, 0.2, 0.3, 0.4))
    assert grid.remarks() == ["mean ± population standard deviation over 5 decoding seeds"]
    # Seed 1 draws 0.5 and 0.7. By hand: (0.2 + 0.6) / 2 = 0.4; deviation of 0.2 and 0.6 is 0.2.
    rows += [row(CV, CV, v, seed=1, decoding_seed=d) for d, v in enumerate((0.5, 0.7))]
    grid = only(rows)
    assert (grid.fields[CV, CV].mean, grid.fields[CV, CV].std) == pytest.approx((0.4, 0.2))
    assert grid.remarks() == [
        "mean ± population standard deviation over 2 training seeds, each the mean of its 5 decoding seeds",
        "CV → CV: its training seeds have unequal numbers of decoding seeds (5, 2); each counts once",
    ]


def test_a_seed_that_failed_is_named() -> None:
    """A mean over two of three seeds looked like the others."""
    rows = [row(CV, t, 0.1, seed=s) for t in (CV, CL) for s in range(3)]
    rows[-1] = Row(base="m", task="advbench", metric="", adapter=f"{CV}-2", train_template=CV,
                   test_template=CL, seed=2, error="broke")  # fmt: skip
    rows.append(rows[-1].model_copy(update={"train_template": CL, "adapter": "c"}))
    grid = only(rows)
    assert [line[:-1] for line in grid.cells()[1:]] == [
        ["CV", "10.00 ±0.00 =", "10.00 ±0.00 *"], ["CL", "–", "failed"],
    ]  # fmt: skip
    assert grid.remarks() == [
        "mean ± population standard deviation over 3 training seeds",
        "over 2 training seeds: CV → CL",
        "CV → CL: 1 run failed or has no verdict, and is not in it",
    ]


def test_results_that_cannot_be_told_apart_have_no_number() -> None:
    """The last one won."""
    grid = only([row(CV, CV, 0.1, seed=0, date="a"), row(CV, CV, 0.3, seed=0, date="b")])
    assert grid.cells()[1:] == [["CV", "differs"]]
    assert (
        "measured alike with different results (10.00 and 30.00); neither is shown" in grid.notes[0]
    )


def test_pooling_takes_nothing_but_a_seed_off_a_name() -> None:
    """It pooled everything before the first colon: org/model:v1 with org/model:v2."""
    rows = [row("", CV, v, base=f"org/model:{name}") for v, name in ((0.1, "v1"), (0.3, "v2"))]
    assert len(grids(rows, pool=True)) == 2


def test_lines_along_training_are_of_one_base_and_one_training_set() -> None:
    """Bases and training sets were averaged into one line."""
    rows = [
        row(CV, CL, v, base=base, train_data=data, seed=0, step=step, adapter=f"a@{step}")
        for base, data, v in (("m", "gsm8k", 0.2), ("m", "gsm8k+safe", 0.1), ("o", "gsm8k", 0.9))
        for step in (10, 20)
    ]
    (first, lines), (second, others) = tracks(rows, ("asr",))
    assert (first.base, second.base) == ("m", "o")
    assert [(t.label, [f.values for f in t.points.values()]) for t in lines] == [
        ("CV", [(0.2,), (0.2,)]), ("CV +safe", [(0.1,), (0.1,)]),
    ]  # fmt: skip
    assert [f.mean for f in others[0].points.values()] == [0.9, 0.9]
