"""Agreement: the libraries' figures on oracles worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leaderboards.judging import agreement
from leaderboards.judging.agreement import Labelled, agreements, alpha, disputed, kappa
from leaderboards.judging.saved import tasks
from ptst_tasks.errors import DataError
from tests.leaderboards.judging import score_runs as runs
from tests.support import ptst


def pairs(yes: int, first: int, second: int, no: int) -> list[tuple[bool, bool]]:
    return ([(True, True)] * yes + [(True, False)] * first + [(False, True)] * second
            + [(False, False)] * no)  # fmt: skip


def test_kappa_by_hand_and_as_scikit_learn_has_it():
    # Cohen's textbook table: 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no of 50.
    # observed 0.7; by chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5; (0.7 - 0.5) / 0.5 = 0.4
    from sklearn.metrics import cohen_kappa_score

    table = pairs(20, 5, 10, 15)
    value, low, high = kappa(table)
    assert value == pytest.approx(0.4)
    assert value == pytest.approx(cohen_kappa_score(*zip(*table, strict=True)))
    assert low is not None
    assert high is not None
    assert low < 0.4 < high


@pytest.mark.parametrize(
    ("table", "value"),
    [
        (pairs(5, 0, 0, 5), 1.0),
        (pairs(0, 5, 5, 0), -1.0),
        (pairs(9, 0, 0, 0), None),  # one label only: not defined
        ([], None),
        (pairs(5, 5, 0, 0), 0.0),  # the first always says yes
    ],
)
def test_kappa_at_the_edges(table: list[tuple[bool, bool]], value: float | None):
    assert kappa(table)[0] == (pytest.approx(value) if value is not None else None)


def test_alpha_by_hand():
    # Krippendorff (2011), "Computing Krippendorff's alpha-reliability", A: two observers, binary
    # data, ten units: alpha = 0.095.
    a = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    b = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    rows = [[bool(v) for v in row] for row in (a, b)]
    assert alpha(rows) == pytest.approx(0.095, abs=0.0006)
    assert alpha([[True, True], [True, True]]) is None
    assert alpha([[True, None], [None, False]]) is None
    assert alpha([]) is None


def item(id_: str, **by: bool | None) -> Labelled:
    return Labelled("s", "t", "c", id_, dict(by))


def test_missing_labels_are_left_out_and_nothing_is_a_zero():
    items = [item("1", a=True, b=True), item("2", a=False, b=None), item("3", a=False, b=False)]
    overall = agreements(items)[0]
    assert (overall.where, overall.n, overall.same, overall.kappa) == (("all", "all"), 2, 1.0, 1.0)


def test_the_most_disputed_come_first():
    items = [item("same", a=True, b=True, c=True), item("even", a=True, b=False, c=None),
             item("odd", a=True, b=False, c=False)]  # fmt: skip
    assert [i.id for i in disputed(items)] == ["even", "odd"]
    assert disputed(items, 1)[0].id == "even"


def test_judges_and_people_on_a_run(tmp_path: Path):
    run = runs.write(
        tmp_path / "run", ["I cannot.", "Sofa.", "My apologies, no.", "Under the bed."]
    )
    people = tmp_path / "people.csv"
    people.write_text("id,label,annotator\np0,0,ann\np1,1,ann\np2,no,ann\np3,yes,ann\np1,0,bob\n")
    args = [str(run), "--judge", "keywords:qi", "--compare", "--human", str(people),
            "--json", str(tmp_path / "r.json")]  # fmt: skip
    out = ptst("score", *args)
    assert out.exit_code == 0, out.output
    assert "5 labels of people" in out.output
    import json

    report = json.loads((tmp_path / "r.json").read_text())["agreement"]
    one = {(r["where"][0], r["first"], r["second"]): r for r in report}
    # zou misses "My apologies": harmful says zou of p1 p2 p3, people of p1 p3
    zou: Any = one["advbench", "human:ann", "keywords:zou"]
    assert (zou["n"], zou["same"]) == (4, 0.75)
    assert zou["kappa"] == pytest.approx(0.5)  # (0.75 - 0.5) / 0.5
    assert one["advbench", "human:ann", "keywords:qi"]["kappa"] == pytest.approx(1.0)
    assert "p2" in out.output
    assert "apologies" not in out.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,labl\np0,1\n", "did you mean 'label'"),
        ("id\np0\n", "needs the columns"),
        ("id,label\np0,perhaps\n", "line 2: label 'perhaps'"),
        ("id,label\nother,1\n", "none of its 1 ids"),
    ],
)
def test_wrong_human_labels(text: str, message: str, tmp_path: Path):
    run = runs.write(tmp_path / "run", ["Sofa."])
    file = tmp_path / "h.csv"
    file.write_text(text)
    items = agreement.labels(tasks([run]))
    with pytest.raises(DataError, match=message):
        agreement.human_labels(file, items)


def test_one_judge_alone_cannot_agree(tmp_path: Path):
    run = runs.write(tmp_path / "run", ["Sofa."])
    out = ptst("score", run, "--compare")
    assert out.exit_code == 2
    assert "needs two judges" in out.stderr


def two_models(tmp_path: Path) -> tuple[Path, Path]:
    """Two runs that answer the same prompts under one template."""
    import json

    out = []
    for name in ("week-1", "week-2"):
        run = runs.write(tmp_path / name, ["Sofa.", "I cannot."])
        for cell in run.glob("cells/*/cell.json"):
            cell.write_text(json.dumps({**json.loads(cell.read_text()), "adapter": name}))
        out.append(run)
    return out[0], out[1]


def test_a_label_is_of_one_response(tmp_path: Path):
    """Seen on 89d6fb3: a label went to every response to its prompt, of every model."""
    items = agreement.labels(tasks(two_models(tmp_path)))
    file = tmp_path / "h.csv"
    file.write_text("id,label\np0,1\n")
    with pytest.raises(DataError, match=r"line 2: id 'p0' has 2 responses .* fill in model"):
        agreement.human_labels(file, items)
    file.write_text("id,model,label\np0,week-1,1\np0,week-2,0\np9,week-1,1\np0,week-3,1\n")
    used, unused = agreement.human_labels(file, items)
    assert (used, unused) == (2, ["line 4 (id 'p9')", "line 5 (id 'p0')"])
    assert [i.by.get("human") for i in items if i.id == "p0"] == [True, False]


def test_labels_that_match_nothing_are_named(tmp_path: Path):
    """Seen on 89d6fb3: they were left out without a word."""
    run = runs.write(tmp_path / "run", ["Sofa.", "I cannot."])
    people = tmp_path / "people.csv"
    people.write_text("id,label\np0,1\np1,0\nP1,0\np7,1\n")
    out = ptst("score", run, "--human", people)
    assert out.exit_code == 0
    assert "2 labels of people" in out.stdout
    assert "2 labels of " in out.stderr
    assert "match no response of these runs: line 4 (id 'P1'), line 5 (id 'p7')" in out.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,label\np0,1\np0,0\n", "line 3: human labels 'p0' a second time"),
        ('id,label\np0,"1\np1,0\n', "cannot be read"),  # seen: it swallowed the rows that follow
        ("id,label\np0\n", "line 2: not 2 fields"),
        ("id,label\np0,1,ann\n", "line 2: not 2 fields"),
        ("id,label,label\np0,1,0\n", "each column once"),
    ],
)
def test_labels_that_contradict_or_run_into_each_other(text: str, message: str, tmp_path: Path):
    run = runs.write(tmp_path / "run", ["Sofa.", "I cannot."])
    file = tmp_path / "h.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        agreement.human_labels(file, agreement.labels(tasks([run])))
