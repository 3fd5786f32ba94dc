"""The table of defences: what is averaged, paired, tested and on the front, on rows made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as sps
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from leaderboards.board.defences import rankings
from leaderboards.board.standing import HEADER
from tests.leaderboards.board.defended import IDS, able, number, several
from tests.leaderboards.report.made_runs import Said, write_cell
from tests.support import ptst


def test_lines_rates_and_who_is_beside_whom() -> None:
    (table,) = rankings(several())
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


def test_the_front_is_one_and_what_a_scale_beats_is_said() -> None:
    (table,) = rankings(several())
    assert {s.label: s.front for s in table.lines} == {
        "No FT": True, "CV": True, "CV kl:1": False, "CV scale:0.5": True, "CL": False, "CL kl:1": False,
        "CL scale:0.5": True,
    }  # fmt: skip
    assert "CV kl:1 → CL is beaten by scale:0.5" in table.remarks
    assert any("PTST is CV → CL; PTST is on the front" in remark for remark in table.remarks)
    assert not any(remark.startswith("CL kl:1") for remark in table.remarks)


def test_ptst_off_the_front_is_said_with_who_is_better() -> None:
    better = [n for n in several() if n.row.defence != "kl:1"]
    better += [number(3, defence="kl:1"), able(31, defence="kl:1")]
    (table,) = rankings(better)
    assert any(
        "PTST is not on the front: CV kl:1 → CL is as safe and as able, and better in one" in remark
        for remark in table.remarks
    )


def test_one_seed_is_mcnemars_exact_test_by_holm() -> None:
    made = [number(12), number(3, defence="kl:1"), number(9, defence="ema:0.9", start=20),
            able(9), able(9, defence="kl:1")]  # fmt: skip
    (table,) = rankings(made)
    plain = sps.binomtest(0, 9).pvalue, sps.binomtest(9, 12 + 9).pvalue
    # Plain training is PTST here: what is beside both is one test, so there are two.
    fair = multipletests([plain[1], plain[0]], method="holm")[1]
    found = {s.label: s.none.p for s in table.lines if s.none}
    assert found["CV kl:1"] == pytest.approx(fair[1])
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
    assert (line.asr, line.none, line.ptst, line.front) == (0.075, None, None, None)
    assert (line.low, line.high) == pytest.approx(proportion_confint(3, 40, method="wilson"))
    assert "nothing could be compared prompt by prompt" in table.remarks
    assert "no helpfulness was measured, so there is no front" in table.remarks


def test_over_refusal_is_of_a_harmless_set() -> None:
    made = [number(1, defence="kl:1"), number(30, defence="kl:1", metric="refused"),
            number(8, defence="kl:1", metric="refused", task="xstest")]  # fmt: skip
    (table,) = rankings(made)
    assert [s.over for s in table.lines] == [0.2]
    assert "over-refusal: refused on xstest (keywords:zou)" in table.remarks


def test_no_defence_no_table() -> None:
    assert rankings([number(1), able(3)]) == []


@pytest.mark.parametrize("fmt", ["text", "csv", "md", "latex", "html"])
def test_the_command_writes_it(tmp_path: Path, fmt: str) -> None:
    from leaderboards.board import sides

    file = tmp_path / "b.csv"
    sides.write_baseline(sides.Side("x", tuple(several())), file)
    done = ptst("board", str(file), "--layout", "defences", "--format", fmt,
                "--json", str(tmp_path / "t.json"), "-o", str(tmp_path / "out"))  # fmt: skip
    assert done.exit_code == 0, done.stderr
    text = (tmp_path / "out").read_text()
    for name in dict.fromkeys(HEADER):
        assert name in text.replace("\\", "")
    assert "kl:1" in text
    (table,) = json.loads((tmp_path / "t.json").read_text())["tables"]
    assert len(table["lines"]) == 7


def test_runs_without_one_are_told_so(tmp_path: Path) -> None:
    from leaderboards.board import sides

    file = tmp_path / "b.csv"
    sides.write_baseline(sides.Side("x", tuple(n for n in several() if not n.row.defence)), file)
    done = ptst("board", str(file), "--layout", "defences")
    assert done.exit_code == 2
    assert "no adapter of these runs had a defence" in done.stderr


def test_labels_of_people_are_refused(tmp_path: Path) -> None:
    done = ptst("board", str(tmp_path), "--layout", "defences", "--human", str(tmp_path / "l.csv"))
    assert done.exit_code == 2
    assert "leave out --human" in done.stderr


_POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=7)


@given(_POINTS)
def test_the_front_is_what_nothing_dominates(points: list[tuple[int, int]]) -> None:
    made = []
    for at, (bad, good) in enumerate(points):
        made += [number(bad, defence=f"kl:{at + 1}"), able(good, defence=f"kl:{at + 1}")]
    (table,) = rankings(made)
    found = {s.defence: s.front for s in table.lines}
    for at, (bad, good) in enumerate(points):
        worse = any(b <= bad and g >= good and (b, g) != (bad, good) for b, g in points)
        assert found[f"kl:{at + 1}"] is not worse


def test_the_order_of_seeds_takes_nobody_off_the_front() -> None:
    made = []
    for defence, rates in (("kl:1", (1, 2, 3)), ("ema:0.9", (3, 2, 1)), ("kl:2", (2, 3, 1))):
        for seed, bad in enumerate(rates):
            made += [
                number(bad, defence=defence, seed=seed),
                able(rates[2 - seed], defence=defence, seed=seed),
            ]
    (table,) = rankings(made)
    assert {s.front for s in table.lines} == {True}
    assert len({s.asr for s in table.lines}) > 1  # by a last bit, or there is nothing to see here


def test_a_cell_that_cannot_be_read_leaves_the_others(tmp_path: Path) -> None:
    run = tmp_path / "run"
    for defence in ("", "kl:1"):
        cell = write_cell(
            run / (defence.replace(":", "") or "plain"), "advbench", "chat:llama",
            [Said(f"p{i}", "q", "a", {"k": "harmful" if i < 3 else "refused"}) for i in range(9)],
            train="chat:vanilla", seed=0,
        )  # fmt: skip
        file = cell / "cell.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"defence": defence}))
    broken = write_cell(run / "kl1", "gsm8k", "chat:llama", [Said("g", "q", "a", {"strict": "right"})],
                        train="chat:vanilla", seed=0, base="a")  # fmt: skip
    next(broken.rglob("results*.json")).write_text("{")
    done = ptst(
        "board", str(run / "plain"), str(run / "kl1"), "--layout", "defences", "--json", "-"
    )
    assert done.exit_code == 0, done.stderr
    (table,) = json.loads(done.stdout)["tables"]
    assert [line["name"] for line in table["lines"]] == ["CV → CL", "CV kl:1 → CL"]
    assert table["lines"][1]["none"]["change"]["n"] == 9
    assert "results" in done.stderr


def test_the_report_shows_the_same_table(tmp_path: Path) -> None:
    from lxml import html

    from leaderboards.board import sides
    from leaderboards.report.build import build

    file = tmp_path / "b.csv"
    sides.write_baseline(sides.Side("x", tuple(several())), file)
    tree = html.fromstring(build([[file]]).html)
    rows = tree.xpath("//section[@id='defences']//tr")
    (table,) = rankings(several())
    assert [[cell.text_content() for cell in row] for row in rows] == table.table()
    plain = tmp_path / "plain.csv"
    sides.write_baseline(sides.Side("x", tuple(n for n in several() if not n.row.defence)), plain)
    assert not html.fromstring(build([[plain]]).html).xpath("//section[@id='defences']")
