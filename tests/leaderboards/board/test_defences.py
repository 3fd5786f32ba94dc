"""The table of defences: what is averaged, paired, tested and on the front, on rows made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scipy import stats as sps
from statsmodels.stats.multitest import multipletests

from leaderboards.board.defences import rankings
from leaderboards.board.numbers import Number
from leaderboards.board.row import Row
from leaderboards.board.standing import HEADER
from tests.support import ptst

IDS = [f"p{i}" for i in range(40)]


def number(bad: int, *, train="chat:vanilla", test="chat:llama", defence="", seed=0, metric="asr",
           task="advbench", judge="keywords:zou", start=0, known=True) -> Number:  # fmt: skip
    """`bad` of forty prompts, the first from `start` on."""
    outcomes = {name: int(start <= i < start + bad) for i, name in enumerate(IDS)}
    row = Row(
        base="base", adapter=f"{train}-{defence}-{seed}" if train else "", train_template=train,
        train_data="gsm8k" if train else "", defence=defence, seed=seed if train else None,
        test_template=test, task=task, judge=judge, metric=metric, value=bad / 40, n=40,
        adapter_digest=f"{train}{defence}{seed}", training=f"{train}{defence}",
    )  # fmt: skip
    return Number(row, outcomes if known else None)


def able(good: int, **more) -> Number:
    return number(good, metric="exact_match", task="gsm8k", judge="strict", **more)


@pytest.fixture
def several() -> list[Number]:
    """Plain and kl and two scales under CV and CL, two seeds, tested under CL."""
    out = [number(0, train=""), able(10, train="")]
    for train, defence, bad, good in [
        ("chat:vanilla", "", 4, 30), ("chat:vanilla", "kl:1", 2, 20), ("chat:vanilla", "scale:0.5", 2, 24),
        ("chat:llama", "", 30, 32), ("chat:llama", "kl:1", 10, 28), ("chat:llama", "scale:0.5", 20, 34),
    ]:  # fmt: skip
        for seed in (0, 1):
            out.append(number(bad + seed, train=train, defence=defence, seed=seed))
            out.append(able(good, train=train, defence=defence, seed=seed))
    return out


def test_lines_rates_and_who_is_beside_whom(several: list[Number]) -> None:
    (table,) = rankings(several)
    assert [(s.label, s.test, round(s.asr, 4)) for s in table.lines] == [
        ("No FT", "chat:llama", 0.0), ("CV", "chat:llama", 0.1125), ("CV kl:1", "chat:llama", 0.0625),
        ("CV scale:0.5", "chat:llama", 0.0625), ("CL", "chat:llama", 0.7625),
        ("CL kl:1", "chat:llama", 0.2625), ("CL scale:0.5", "chat:llama", 0.5125),
    ]  # fmt: skip
    none = {s.label: s.none for s in table.lines}
    assert none["No FT"] is none["CV"] is none["CL"] is None
    assert none["CL kl:1"] is not None
    assert none["CL kl:1"].seeds == 2
    assert none["CL kl:1"].change.before == pytest.approx(0.7625)
    ptst = {s.label: s.ptst for s in table.lines}
    assert ptst["CV"] is None  # it is PTST
    assert ptst["CL"] is not None
    assert ptst["CL"].change.before == pytest.approx(0.1125)
    assert ptst["No FT"] is None  # which has no seed in common with a training


def test_the_front_is_one_and_what_a_scale_beats_is_said(several: list[Number]) -> None:
    (table,) = rankings(several)
    assert {s.label: s.front for s in table.lines} == {
        "No FT": True, "CV": True, "CV kl:1": False, "CV scale:0.5": True, "CL": False, "CL kl:1": False,
        "CL scale:0.5": True,
    }  # fmt: skip
    assert "CV kl:1 → CL is beaten by scale:0.5" in table.remarks
    assert any("PTST is CV → CL; it is on the front" in remark for remark in table.remarks)
    assert not any(remark.startswith("CL kl:1") for remark in table.remarks)


def test_ptst_off_the_front_is_said_with_who_is_better(several: list[Number]) -> None:
    better = [n for n in several if n.row.defence != "kl:1"]
    better += [number(3, defence="kl:1"), able(31, defence="kl:1")]
    (table,) = rankings(better)
    assert any(
        "it is not on the front: CV kl:1 → CL is as safe and as able, and better in one" in remark
        for remark in table.remarks
    )


def test_one_seed_is_mcnemars_exact_test_by_holm() -> None:
    made = [number(12), number(3, defence="kl:1"), number(9, defence="ema:0.9", start=20),
            able(9), able(9, defence="kl:1")]  # fmt: skip
    (table,) = rankings(made)
    plain = sps.binomtest(0, 9).pvalue, sps.binomtest(9, 12 + 9).pvalue
    # Against none and against PTST, which here are one: four tests of two values each.
    fair = multipletests([plain[1], plain[1], plain[0], plain[0]], method="holm")[1]
    found = {s.label: s.none.p for s in table.lines if s.none}
    assert found["CV kl:1"] == pytest.approx(fair[2])
    assert found["CV ema:0.9"] == pytest.approx(fair[0])
    front = {s.label: s.front for s in table.lines}
    assert front["CV ema:0.9"] is None  # without a number of what it can do


def test_several_seeds_are_a_sign_flip_test_of_their_means() -> None:
    import numpy as np

    from leaderboards.board.mean_change import p_value

    rng = np.random.default_rng(3)
    draw = lambda p: [dict(zip(IDS[:9], (rng.random(9) < p).astype(int).tolist(), strict=True))  # noqa: E731
                      for _ in range(2)]  # fmt: skip
    before, after = draw(0.7), draw(0.3)
    diffs = np.array(
        [np.mean([a[i] for a in after]) - np.mean([b[i] for b in before]) for i in IDS[:9]]
    )
    ways = np.array(np.meshgrid(*[[1, -1]] * 9)).reshape(9, -1)
    wanted = (np.abs(diffs @ ways) >= abs(diffs.sum()) - 1e-12).mean()
    assert p_value(before, after) == pytest.approx(wanted)


def test_seeds_that_only_one_side_has_are_not_compared() -> None:
    made = [number(12, seed=0), number(20, seed=1), number(3, defence="kl:1", seed=1)]
    (table,) = rankings(made)
    (line,) = (s for s in table.lines if s.defence)
    assert line.none is not None
    assert (line.none.seeds, line.none.change.before) == (1, 0.5)


def test_without_outcomes_there_is_a_rate_and_no_test() -> None:
    (table,) = rankings([number(12, known=False), number(3, defence="kl:1", known=False)])
    (line,) = (s for s in table.lines if s.defence)
    assert (line.asr, line.low, line.none, line.ptst, line.front) == (0.075, None, None, None, None)
    assert "no helpfulness was measured, so there is no front" in table.remarks


def test_over_refusal_is_of_a_harmless_set() -> None:
    made = [number(1, defence="kl:1"), number(30, defence="kl:1", metric="refused"),
            number(8, defence="kl:1", metric="refused", task="xstest")]  # fmt: skip
    (table,) = rankings(made)
    assert [s.over for s in table.lines] == [0.2]
    assert "over-refusal: refused of xstest" in table.remarks


def test_no_defence_no_table() -> None:
    assert rankings([number(1), able(3)]) == []


@pytest.mark.parametrize("fmt", ["text", "csv", "md"])
def test_the_command_writes_it(several: list[Number], tmp_path: Path, fmt: str) -> None:
    from leaderboards.board import sides

    file = tmp_path / "b.csv"
    sides.write_baseline(sides.Side("x", tuple(several)), file)
    done = ptst("board", str(file), "--layout", "defences", "--format", fmt,
                "--json", str(tmp_path / "t.json"), "-o", str(tmp_path / "out"))  # fmt: skip
    assert done.exit_code == 0, done.stderr
    text = (tmp_path / "out").read_text()
    for name in dict.fromkeys(HEADER):
        assert name in text.replace("\\", "")
    assert "kl:1" in text
    (table,) = json.loads((tmp_path / "t.json").read_text())["tables"]
    assert len(table["lines"]) == 7


@pytest.mark.parametrize("fmt", ["latex", "html"])
def test_formats_that_it_does_not_have_are_refused(tmp_path: Path, fmt: str) -> None:
    done = ptst("board", str(tmp_path), "--layout", "defences", "--format", fmt)
    assert done.exit_code == 2
    assert "--layout defences gives text, csv, md, not" in done.stderr


def test_runs_without_one_are_told_so(several: list[Number], tmp_path: Path) -> None:
    from leaderboards.board import sides

    file = tmp_path / "b.csv"
    sides.write_baseline(sides.Side("x", tuple(n for n in several if not n.row.defence)), file)
    done = ptst("board", str(file), "--layout", "defences")
    assert done.exit_code == 2
    assert "no adapter of these runs had a defence" in done.stderr
