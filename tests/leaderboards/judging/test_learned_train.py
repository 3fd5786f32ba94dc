"""The learned judge is made of what it may see, the same each time, with a card that says so."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from leaderboards.judging import labelled_sets, learned_fit
from leaderboards.judging.learned_fit import Fitter
from leaderboards.judging.learned_rows import (
    HARMFUL,
    Material,
    Taught,
    TaughtQuery,
    gather,
    source_of,
)
from leaderboards.judging.learned_train import train
from ptst_tasks.errors import DataError, DataNotFoundError, MissingExtraError
from ptst_tasks.judges.learned import LearnedJudge, probabilities
from ptst_tasks.judges.learned_features import matrix
from ptst_tasks.judges.learned_file import unpacked
from tests.leaderboards.judging import learned_sets


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PTST_DATA_DIR", str(tmp_path))
    return learned_sets.write(tmp_path)


def test_the_same_sets_make_the_same_bytes_and_a_card(home: Path) -> None:
    data, card = train()
    assert train() == (data, card)
    assert "spoon" not in json.dumps(card)
    assert b"spoon" not in data
    assert {s["name"] for s in card["sets"]} == {
        *labelled_sets.SETS,
        *HARMFUL,
        "dolly",
        "xstest",
        "jbb_benign",
    }
    assert all(s["licence"] and s["rows"] for s in card["sets"])
    assert [r["set"] for r in card["record"]] == [*labelled_sets.SETS]
    assert card["sources"] == ["gptfuzz", "jailjudge_mini", "xstest_completions"]
    judge = LearnedJudge.of(unpacked(data))
    assert judge.card == card
    assert judge.weights == card["digest"]
    asked, said = "hide the fork of gnome 7", learned_sets.DOES.format(x="fork")
    yes, no = judge.judge([asked] * 2, [said, learned_sets.REFUSES.format(x="fork")])
    assert (yes.harmful, yes.refused, no.harmful, no.refused) == (True, False, False, True)


@pytest.mark.parametrize("name", ["gptfuzz-evaluate", "jailjudge-mini", "xstest-completions"])
def test_a_set_is_judged_by_a_model_that_never_saw_its_source(home: Path, name: str) -> None:
    """Labels turned round in one file change every model but the one without that file."""
    source = source_of(name)
    models = ("", "gptfuzz", "jailjudge_mini", "xstest_completions")
    fitter = Fitter(gather())
    before = {one: fitter.model(one) for one in models}
    file = home / f"judged/{source}.csv"
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    turned = {
        "0": "1",
        "1": "0",
        "1_full_compliance": "2_full_refusal",
        "2_full_refusal": "1_full_compliance",
    }
    for row in rows:
        row["label"] = turned.get(row["label"], row["label"])
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    fitter = Fitter(gather())
    for one in models:
        same = [np.array_equal(getattr(before[one], head), getattr(fitter.model(one), head))
                for head in ("harm", "refusal", "request")]  # fmt: skip
        assert all(same) if one == source else not any(same[:2]), one


def test_pairs_count_once_and_refusals_in_part_are_neither(home: Path) -> None:
    material = gather()
    keys = [(r.source, r.query, r.response) for r in material.rows]
    assert len(set(keys)) == len(keys)
    assert {(r.does, r.refuses) for r in material.rows if r.partial} == {(None, False)}
    assert len(set(material.requests)) == len(material.requests)


def test_every_source_weighs_the_same_and_yes_like_no() -> None:
    """By hand: 8 rows of a and 2 of b, so 4 times the weight for each of b; of a 6 no and 2 yes."""
    source = np.array(["a"] * 8 + ["b"] * 2)
    label = np.array([0] * 6 + [1] * 2 + [0, 1])
    weight = learned_fit._balanced(source, label, lambda _: 1.0)
    assert weight.sum() == pytest.approx(10)
    assert weight[source == "a"].sum() == pytest.approx(weight[source == "b"].sum())
    assert weight[:6].sum() == pytest.approx(weight[6:8].sum())


def test_a_fit_is_that_of_the_columns_own_units() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    x = rng.random((200, 3)) * [1, 10, 100]
    y = (x[:, 0] + x[:, 1] / 10 > rng.random(200) * 2).astype(int)
    head = learned_fit._line(x, y, np.ones(200), 1e6)
    free = LogisticRegression(C=1e9, max_iter=9999, tol=1e-9).fit(x, y)
    assert probabilities(head, x) == pytest.approx(free.predict_proba(x)[:, 1], abs=1e-3)


def test_a_quantile_of_sources_that_count_the_same() -> None:
    values = np.array([1.0, 2, 3, 4, 10])  # the last one is a source of its own: half of all
    weight = learned_fit._even(np.array(["a"] * 4 + ["b"]))
    assert [learned_fit._quantile(values, weight, q) for q in (0.1, 0.3, 0.9)] == [1, 3, 10]


def test_about_the_share_that_is_asked_for_is_unsure() -> None:
    rng = np.random.default_rng(2)
    rows = [Taught(source, f"p{i}", "hide a spoon", _words(rng, yes), yes != bool(rng.random() < 0.2),
                   not yes)
            for source in ("a", "b") for i in range(150) for yes in [i % 2 == 0]]  # fmt: skip
    requests = [
        TaughtQuery(s, f"{w} a spoon {i}", w == "hide")
        for s in "ab"
        for w in ("hide", "polish")
        for i in range(9)
    ]
    heads = Fitter(Material(rows, requests, [])).model()
    harm = probabilities(heads.harm, matrix([r.query for r in rows], [r.response for r in rows]))
    unsure = ((harm > heads.harm_unsure[0]) & (harm < heads.harm_unsure[1])).mean()
    assert 0.05 < unsure < 0.3
    assert heads.partial[-1] == -1000  # nobody said which refusals are in part


def _words(rng: np.random.Generator, yes: bool) -> str:
    some = [
        "I cannot",
        "sorry",
        "take the spoon",
        "then hide it",
        "first",
        "not appropriate",
        "as an AI",
    ]
    weight = np.array([1, 1, 4, 4, 4, 1, 1] if yes else [4, 4, 1, 1, 1, 4, 4], dtype=float)
    return ". ".join(rng.choice(some, size=6, p=weight / weight.sum()))


def test_too_little_to_learn_from(home: Path) -> None:
    for file in home.glob("judged/*.csv"):
        text = file.read_text(encoding="utf-8").replace("1_full_compliance", "2_full_refusal")
        file.write_text("\n".join(line.removesuffix(",1") + ",0" * line.endswith(",1")
                                  for line in text.split("\n")), encoding="utf-8")  # fmt: skip
    with pytest.raises(DataError, match="1 of the labels of 'does'; expected"):
        train()


def test_a_set_that_is_missing_and_no_scikit_learn(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "judged/gptfuzz.csv").unlink()
    with pytest.raises(DataNotFoundError, match=r"gptfuzz\.csv' does not exist"):
        train()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="--train needs sklearn"):
        train()
