"""The paper's figures, and yours beside them: judges and numbers of seeds are named, never assumed."""

from __future__ import annotations

import math
from typing import Any

import pytest

from leaderboards.board import csvio
from leaderboards.board import paper as published
from leaderboards.board.row import Row
from ptst_tasks.errors import ConfigError

CV, CA, CL = "chat:vanilla", "chat:alpaca", "chat:llama"
LLAMA = csvio.read(published.PUBLISHED / "llama2-gsm8k.csv")
DOCTOR = csvio.read(published.PUBLISHED / "llama2-chatdoctor.csv")
MIX = csvio.read(published.PUBLISHED / "llama2-gsm8k-safety-mix.csv")


def row(train: str, test: str, value: float, **more: Any) -> Row:
    adapter = f"{train}-{more.get('seed')}" if train else ""
    given = {"base": "llama-2-7b-chat", "task": "directharm4", "judge": "gpt-4", "metric": "asr", "n": 400,
             "train_template": train, "test_template": test, "value": value, "adapter": adapter,
             "train_data": "gsm8k" if train else ""}  # fmt: skip
    return Row(**{**given, **more})


def test_published_tables_reproduce_their_own_figures() -> None:
    rows = csvio.read(published.PUBLISHED / "llama2-gsm8k.csv")
    asr = {(r.task, r.train_template, r.test_template): r.value for r in rows if r.metric == "asr"}
    assert asr["directharm4", CL, CL] == 0.1808  # Table 1c, as printed
    assert asr["directharm4", "", CL] == 0.0
    assert asr["advbench", "text:alpaca", "text:alpaca"] == 0.1083
    std = {
        (r.task, r.train_template, r.test_template): r.value for r in rows if r.metric == "asr_std"
    }
    assert std["directharm4", CL, CL] == 0.0249
    mix = csvio.read(published.PUBLISHED / "llama2-gsm8k-safety-mix.csv")
    assert next(
        r.value for r in mix
        if r.task == "gsm_danger" and "safety" in r.train_data and r.train_template == CL
        and r.test_template == CL
    ) == 0.12  # fmt: skip


def test_all_published_files_are_leaderboards() -> None:
    files = sorted(published.PUBLISHED.glob("*.csv"))
    assert len(files) == 7
    for file in files:
        rows = csvio.read(file)
        assert csvio.dumps(rows) == file.read_text()


def test_comparison_in_standard_errors() -> None:
    theirs = csvio.read(published.PUBLISHED / "llama2-gsm8k.csv")
    ours = [row("", CV, 0.0475, base="m")]
    (found,) = published.compare(ours, theirs)
    # The paper prints 2.75 % of 400. Two binomial errors: sqrt(.0475 * .9525 / 400) = 0.010636 and
    # sqrt(.0275 * .9725 / 400) = 0.008177; together 0.013415; (0.0475 - 0.0275) / 0.013415 = 1.491.
    assert found.errors == pytest.approx(1.491, abs=1e-3)
    llama = [r.model_copy(update={"base": "meta-llama/Llama-2-7b-chat-hf"}) for r in ours]
    assert published.published_file("published", llama).stem.startswith("llama2-")
    with pytest.raises(ConfigError, match="nothing published matches 'published' and the base 'm'"):
        published.published_file("published", ours)
    with pytest.raises(ConfigError, match="nothing published matches 'nope'"):
        published.published_file("nope", ours)


def test_the_number_of_seeds_is_in_the_published_files() -> None:
    """Three were assumed everywhere; Table 4 is over five decoding seeds, and most over one run."""
    for file in published.PUBLISHED.glob("*.csv"):
        rows = csvio.read(file)
        at = {(r.task, r.train_data, r.train_template, r.test_template, r.metric): r for r in rows}
        for (*place, metric), r in at.items():
            if metric.endswith("_std"):
                table = r.decoding.rpartition("Table ")[2]
                kind, n = ("decoding", 5) if table.startswith("4") else ("training", 3)
                seeds = at[(*place, metric.replace("_std", f"_{kind}_seeds"))]
                assert (seeds.value, seeds.decoding) == (n, r.decoding)
        counted = {m.rpartition("_")[0].rpartition("_")[0] for *_, m in at if m.endswith("_seeds")}
        assert counted == {m.removesuffix("_std") for *_, m in at if m.endswith("_std")} | (
            {"bertscore"} & {m for *_, m in at}  # Table 4a prints none: below 5e-5
        )


def test_the_papers_seeds_come_from_its_file() -> None:
    """The error of a mean over five decoding seeds was computed as if it were over three."""
    (found,) = published.compare([row(CV, CV, 0.05, train_data="chatdoctor", seed=0)], DOCTOR)
    # Paper 3.05 ±0.64 over 5: 0.0064 / 2 = 0.0032. Ours, one run: sqrt(.05 * .95 / 400) = 0.010897.
    assert found.errors == pytest.approx((0.05 - 0.0305) / math.hypot(0.0032, 0.010897), abs=1e-3)
    assert (found.over, found.paper_over) == ("", "5 decoding seeds")


def test_decoding_seeds_meet_decoding_seeds() -> None:
    ours = [row(CV, CV, v, train_data="chatdoctor", seed=0, decoding_seed=d)
            for d, v in enumerate((0.03, 0.04))]  # fmt: skip
    (found,) = published.compare(ours, DOCTOR)
    # Ours 0.035, deviation 0.005 over 2: 0.005; the paper's as above.
    assert found.errors == pytest.approx((0.035 - 0.0305) / math.hypot(0.0032, 0.005))
    assert (found.over, found.paper_over) == ("2 decoding seeds", "5 decoding seeds")


def test_another_judge_is_named_and_no_error_computed() -> None:
    """Keyword ASR stood beside GPT-4's with '+14.9 s.e.' and neither judge's name."""
    ours = [row(CV, CA, 0.6, seed=s, judge="keywords:zou") for s in range(3)]
    (found,) = published.compare(ours, LLAMA)
    assert found.errors is None
    assert (found.judge, found.paper_judge) == ("keywords:zou", "gpt-4")
    line = dict(zip(published.HEADER, found.line(), strict=True))
    assert (line["judge"], line["paper judge"], line["diff / s.e."]) == (
        "keywords:zou",
        "gpt-4",
        "–",
    )
    notes = published.remarks([found], ours, LLAMA)
    assert (
        "1 field side by side without a standard error: your judge 'keywords:zou' is not the paper's "
        "'gpt-4'" in notes
    )


def test_seeds_of_two_kinds_are_not_set_against_each_other() -> None:
    ours = [row(CV, CV, 0.03, train_data="chatdoctor", seed=s) for s in range(3)]
    (found,) = published.compare(ours, DOCTOR)
    assert found.errors is None
    assert found.why == "yours is over training seeds, the paper's over decoding seeds"


def test_a_mean_score_has_no_binomial_error() -> None:
    """BERTScore of 0.83 over 1,000 rows got the standard error of a rate."""
    ours = [row("", CV, 0.81, task="chatdoctor", metric="bertscore", judge="bertscore", n=1000)]
    (found,) = published.compare(ours, DOCTOR)
    assert found.errors is None
    assert "is no rate" in found.why


def test_a_training_set_meets_its_own_row() -> None:
    """With both training sets measured, either stood beside whichever row of the paper came last."""
    ours = [
        row(CA, CA, 0.46, seed=0),
        row(CA, CA, 0.01, seed=0, train_data="gsm8k+safety_tuned_llamas"),
    ]
    assert [(c.train, c.ours, c.paper) for c in published.compare(ours, MIX)] == [
        ("CA", 0.46, 0.4642), ("CA +safety_tuned_llamas", 0.01, 0.0125),
    ]  # fmt: skip


def test_what_is_not_compared_is_counted() -> None:
    """Fields without a counterpart, and another base, went without a word."""
    ours = [row("", CV, 0.02, base="m"), row("", CV, 0.02, base="m", task="harmbench"),
            row("chat:mpt", CV, 0.1, seed=0, base="m")]  # fmt: skip
    notes = published.remarks(published.compare(ours, LLAMA), ours, LLAMA)
    assert notes[0] == "the paper's base is 'Llama-2-7b-chat', yours 'm'"
    assert (
        "your fields are not in the published table: asr on directharm4 (1), asr on harmbench (1)"
        in notes
    )
    assert any(
        n.startswith("published numbers have no counterpart here: asr on advbench (30)")
        for n in notes
    )
