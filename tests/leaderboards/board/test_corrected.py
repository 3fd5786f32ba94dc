"""People's rates beside judges': by cell, and by the verdicts that the sample was drawn by."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from leaderboards.board.corrected import correct
from leaderboards.board.numbers import Number
from leaderboards.board.people import People, people_rows, read_people
from leaderboards.board.row import Row
from leaderboards.people import sheet
from leaderboards.people.rates import METHODS, Stratum, post_stratified
from leaderboards.people.sheet import Label
from ptst_tasks.errors import DataError, PTSTError


def number(verdicts: dict[str, int | None], judge: str = "keywords:zou", cell: str = "c",
           metric: str = "asr") -> Number:  # fmt: skip
    known = [v for v in verdicts.values() if v is not None]
    row = Row(base="m", task="advbench", judge=judge, metric=metric, cell=cell, n=len(known),
              value=sum(known) / len(known), unscored=len(verdicts) - len(known))  # fmt: skip
    return Number(row, verdicts)


def label(
    i: str, word: str, cell: str = "c", judge: str = "keywords:zou", verdict: bool | None = True,
    reply: str = "",
) -> Label:  # fmt: skip
    name = sheet.stratum("advbench", "chat:llama", "a", judge, verdict)
    return Label(cell, i, word, "anna", "", name, "2", reply)


VERDICTS = {f"p{i}": int(i < 20) for i in range(100)}


def test_the_rate_is_that_of_the_strata() -> None:
    labels = [label(f"p{i}", "harmful" if i % 2 else "refused") for i in range(10)]
    labels += [label(f"p{i}", "harmless", verdict=False) for i in range(20, 50)]
    labels += [label("p60", "unsure", verdict=False), label("p61", "harmful", cell="other")]
    (found,) = correct([number(VERDICTS)], labels)
    assert found.rate == post_stratified([Stratum(20, 10, 5), Stratum(80, 30, 0, 1)])
    assert found.strata == (Stratum(20, 10, 5), Stratum(80, 30, 0, 1))
    assert (len(found.used), found.unsure, found.left_out) == (41, {("c", "p60", "")}, ())


def test_rows_carry_both_rates_and_strange_labels_are_told_of() -> None:
    words = [label("p1", "harmful"), label("p2", "refused"), label("p1", "harmful", "other")]
    people = People([[replace(one, reply="r") for one in words]])
    (row,) = people.rows([replace(number(VERDICTS), replies=dict.fromkeys(VERDICTS, "r"))])
    assert (row.value, row.labelled, row.people_by) == (0.2, 2, "post-stratified")
    assert row.people_low < row.people < row.people_high  # type: ignore[operator]
    assert people.remarks() == ["1 labels are of no response of these runs"]
    (shown,) = people_rows([row])
    assert (shown.value, shown.judge) == (row.people, "people, post-stratified by keywords:zou")


def test_labels_of_other_runs_are_refused() -> None:
    people = People([[label("p1", "harmful", "other")]])
    assert people.rows([number(VERDICTS)])[0].people is None
    with pytest.raises(DataError, match="none of the 1 labels of --human is of a response"):
        people.remarks()


@pytest.mark.parametrize("method", METHODS)
def test_every_way_finds_the_rate(method: str) -> None:
    labels = [label(f"p{i}", "harmful" if i % 2 else "refused") for i in range(20)]
    labels += [label(f"p{i}", "harmless", verdict=False) for i in range(20, 100)]
    (found,) = correct([number(VERDICTS)], labels, method)
    assert found.rate
    assert (found.rate.method, found.rate.value) == (method, pytest.approx(0.1, abs=0.005))


def test_a_way_that_nobody_knows(tmp_path: Path) -> None:
    sheet.write([label("p1", "harmful")], tmp_path / "l.csv")
    with pytest.raises(PTSTError, match=r"did you mean 'ppi\+\+'"):
        read_people([tmp_path / "l.csv"], "ppi+")


def test_people_who_disagree_are_told_of(tmp_path: Path) -> None:
    sheet.write(
        [label("p1", "harmful", reply="r"), replace(label("p1", "refused", reply="r"), who="bo")],
        tmp_path / "l.csv",
    )
    people = read_people([tmp_path / "l.csv"])
    here = replace(number(VERDICTS), replies={"p1": "r"})
    assert people.rows([here])[0].people is None
    assert "unsure or of two minds about 1 of the 1 responses" in people.remarks()[0]


def test_nobody_labelled_nothing_is_claimed() -> None:
    (found,) = correct([number(VERDICTS)], [label("p1", "harmful", cell="other")])
    assert found.rate is None
    (found,) = correct([number(VERDICTS)], [label("p1", "unsure")])
    assert found.rate is None


def test_what_nobody_judged_is_a_stratum_of_its_own() -> None:
    verdicts = {**VERDICTS, "q1": None, "q2": None}
    (found,) = correct([number(verdicts)], [label("q1", "harmful", verdict=None)])
    assert found.rate
    assert found.rate.size == 102
    assert sorted(found.strata, key=lambda s: s.size)[0] == Stratum(2, 1, 1)


def test_labels_that_nobody_drew_are_said_to_be_that() -> None:
    people = People([[Label("c", f"p{i}", "harmful") for i in range(0, 100, 5)]])
    (row,) = people.rows([number(VERDICTS)])
    assert row.labelled == 20
    note, other = people.remarks()
    assert "no sample that `ptst label` drew" in note
    assert "some labels name no reply" in other


def test_refusals_are_read_from_the_same_labels() -> None:
    labels = [label(f"p{i}", "refused" if i < 15 else "partial") for i in range(20)]
    asr, refused = correct([number(VERDICTS), number(VERDICTS, metric="refused")], labels)
    assert asr.rate == post_stratified([Stratum(20, 20, 0), Stratum(80, 0, 0)], 0.95)
    assert refused.rate == post_stratified([Stratum(20, 20, 15), Stratum(80, 0, 0)])


def test_another_judges_rate_is_parted_by_the_verdicts_that_drew_the_sample_too() -> None:
    """The sample holds many of what keywords call harmful: a judge beside it must not take it for all."""
    rng, off = random.Random(0), []
    for _ in range(40):
        truth = {f"p{i}": int(rng.random() < 0.2) for i in range(600)}
        drew = {i: int(rng.random() < (0.8 if y else 0.2)) for i, y in truth.items()}
        other = {i: int(rng.random() < 0.5) for i in truth}  # says nothing of harm
        labels = []
        for verdict, share in ((1, 0.5), (0, 0.05)):
            mine = [i for i, v in drew.items() if v == verdict]
            labels += [
                label(i, "harmful" if truth[i] else "refused", verdict=bool(verdict))
                for i in rng.sample(mine, round(share * len(mine)))
            ]
        found = list(correct([number(drew), number(other, judge="x")], labels))
        assert found[1].rate
        off.append(found[1].rate.value - sum(truth.values()) / 600)
    assert sum(off) / 40 == pytest.approx(0, abs=0.015)


def test_refusals_are_parted_by_the_verdicts_on_harm_that_drew_the_sample() -> None:
    refused = number({i: 1 - v for i, v in VERDICTS.items()}, metric="refused", judge="x")
    labels = [label(f"p{i}", "refused") for i in range(10)]
    labels += [label(f"p{i}", "partial", verdict=False) for i in range(20, 30)]
    _, found = correct([number(VERDICTS), refused], labels)
    assert found.rate
    assert found.rate.value == pytest.approx(0.2)
    assert sorted(found.strata, key=lambda s: s.size) == [Stratum(20, 10, 10), Stratum(80, 10, 0)]


def test_a_sample_drawn_by_a_judge_that_is_not_here_makes_no_rate() -> None:
    strange = label("p1", "harmful", judge="rubric:model=a b")
    people = People([[strange]])
    (row,) = people.rows([number(VERDICTS)])
    assert row.people is None
    with pytest.raises(DataError, match="none of the 1 labels of --human counts: labels that were"):
        people.remarks()
    people = People([[strange], [label("p2", "harmful")]])  # another sheet is one of its own
    assert people.rows([number(VERDICTS)])[0].labelled == 1
    note = people.remarks()[-1]
    assert "drawn by the verdicts of rubric:model=a b make no rate" in note


def test_a_label_is_of_one_reply_and_of_the_verdict_that_drew_it() -> None:
    replies = {i: f"reply of {i}" for i in VERDICTS}
    here = replace(number(VERDICTS), replies=replies)
    good = [label(f"p{i}", "harmful", reply=replies[f"p{i}"]) for i in range(10)]
    anew = [label(f"p{i}", "harmful", reply="another") for i in range(10, 14)]
    turned = [label(f"p{i}", "harmful", verdict=False, reply=replies[f"p{i}"]) for i in (14, 15)]
    assert People([good]).rows([here])[0].labelled == 10
    for other, n in ((anew, 4), (turned, 2)):  # what fits of them is no sample of what is there
        people = People([[*good, *other]])
        assert people.rows([here])[0].people is None
        with pytest.raises(DataError, match=f"counts: {n} labels of cell c are of answers or verd"):
            people.remarks()
        people = People([good, [*good[:3], *other]])  # nothing of the second sheet counts
        assert people.rows([here])[0].labelled == 10
        assert people.remarks() == []
        people = People([good, other])
        assert people.rows([here])[0].labelled == 10
        assert f"{n} labels of cell c are of answers or verdicts" in people.remarks()[0]


def test_a_leaderboard_without_digests_of_replies_has_no_label() -> None:
    people = People([[label("p1", "harmful", reply="some")]])
    assert people.rows([number(VERDICTS)])[0].people is None
    with pytest.raises(DataError, match="comes without digests of them"):
        people.remarks()
    begins = replace(number(VERDICTS), replies={"p1": "so"})
    assert people.rows([begins])[0].labelled == 1
    assert people.rows([replace(begins, replies={"p1": "sa"})])[0].people is None


def test_before_and_after_are_told_apart_by_their_replies() -> None:
    """A cell answered anew: the sheet of either release speaks of that one alone."""
    old, new = ({i: f"{when} {i}" for i in VERDICTS} for when in ("old", "new"))
    new |= {f"p{i}": old[f"p{i}"] for i in range(5)}
    before = [label(f"p{i}", "refused", reply=old[f"p{i}"]) for i in range(12)]
    after = [
        label(f"p{i}", "refused" if i < 5 else "harmful", reply=new[f"p{i}"]) for i in range(3, 12)
    ]
    people = People([before, after])
    for replies, strata in ((old, Stratum(20, 12, 0)), (new, Stratum(20, 9, 7))):
        (found,) = people.correct([replace(number(VERDICTS), replies=replies)])
        assert found.strata == (strata, Stratum(80, 0, 0))
    assert people.remarks() == []


@pytest.mark.parametrize("method", METHODS)
def test_what_is_unsure_widens_every_interval(method: str) -> None:
    labels = [label(f"p{i}", "unsure") for i in range(10)]
    labels += [label(f"p{i}", "refused") for i in range(10, 20)]
    labels += [
        label(f"p{i}", "harmless" if i % 2 else "harmful", verdict=False) for i in range(20, 60)
    ]
    (found,) = People([labels], method).correct([number(VERDICTS)])
    sure = [one for one in labels if one.label != "unsure"]
    (less,) = People([sure], method).correct([number(VERDICTS)])
    assert found.rate
    assert less.rate
    assert found.rate.value == pytest.approx(less.rate.value)
    assert found.rate.high > less.rate.high + 0.03


def test_labels_that_say_nothing_are_counted() -> None:
    asked = [label(f"p{i}", "unsure" if i % 2 else "disputed") for i in range(6)]
    people = People([asked])
    assert people.rows([number(VERDICTS)])[0].people is None
    assert "unsure or of two minds about 6 of the 6" in people.remarks()[0]
    assert "people are unsure about all that they saw of cell c" in people.remarks()


def test_who_is_unsure_may_mean_either() -> None:
    """A hundred that nobody would call anything are no hundred harmless ones."""
    labels = [label(f"p{i}", "refused" if i < 10 else "unsure") for i in range(20)]
    labels += [label(f"p{i}", "refused", verdict=False) for i in range(20, 100)]
    (found,) = correct([number(VERDICTS)], labels)
    assert found.rate
    assert (found.rate.value, found.rate.low, found.rate.labelled) == (0.0, 0.0, 90)
    assert found.rate.high == pytest.approx(0.1)


def test_a_small_part_of_a_judge_beside_is_put_to_the_next() -> None:
    """Three verdicts that two labels would fall into are no part of their own, labelled or not."""
    other = {f"p{i}": int(i in (20, 21, 22)) for i in range(100)}
    labels = [label(f"p{i}", "harmful") for i in range(10)]
    labels += [label(f"p{i}", "refused", verdict=False) for i in range(40, 80)]
    _, found = correct([number(VERDICTS), number(other, judge="x")], labels)
    assert found.strata == (Stratum(20, 10, 10), Stratum(80, 40, 0))


@pytest.mark.parametrize("method", METHODS[1:])
def test_other_ways_make_no_rate_where_a_drawn_part_has_no_label(method: str) -> None:
    people = People([[label(f"p{i}", "harmful") for i in range(10)]], method)
    assert people.rows([number(VERDICTS)])[0].people is None
    why = people.remarks()[-1]
    assert f"{method} makes no rate where no label is of one of the verdicts" in why


def test_ppi_without_spread_has_no_interval() -> None:
    labels = [label(f"p{i}", "refused", verdict=False) for i in range(10)]
    people = People([labels], "ppi++")
    assert people.rows([number(dict.fromkeys(VERDICTS, 0))])[0].people is None
    assert "ppi++ has no interval" in people.remarks()[-1]
