"""Labels, samples and results, bent by hand: `ptst score` says one line or does its work."""

from __future__ import annotations

import csv
import io
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboards.judging import agreement, saved
from leaderboards.judging import score as scoring
from ptst_tasks.errors import PTSTError
from ptst_tasks.judges import make
from tests.fuzz import TEXT, bent, fuzz
from tests.leaderboards.judging import score_runs as runs


@dataclass
class Run:
    """A good run, and what its results and its first line of samples hold."""

    folder: Path
    results: Any
    row: Any

    def write(self, results: Any, row: Any) -> Path:
        """Writes others in their place."""
        [first], [second] = (
            self.folder.rglob("results_*.json"),
            self.folder.rglob("samples_*.jsonl"),
        )
        first.write_text(json.dumps(results))
        second.write_text("".join(json.dumps(r) + "\n" for r in (row, {**self.row, "doc_id": 1})))
        return self.folder


@pytest.fixture
def run(tmp_path: Path) -> Run:
    folder = runs.write(tmp_path / "run", ["Sofa.", "I cannot."])
    return Run(folder, runs.results(folder), runs.samples(folder)[0])


def judge(run: Path) -> None:
    with suppress(PTSTError):
        found = saved.tasks([run])
        saved.check_readable(found)
        list(scoring.score_tasks(found, make("keywords:qi")))
        agreement.agreements(agreement.labels(found, texts=True))
    assert not [f for f in run.rglob(".*") if f.suffix != ".lock"]


@fuzz
@given(st.data())
def test_fuzz_results(run: Run, data: st.DataObject):
    judge(run.write(data.draw(bent(run.results)), run.row))


@fuzz
@given(st.data())
def test_fuzz_samples(run: Run, data: st.DataObject):
    judge(run.write(run.results, data.draw(bent(run.row))))


CELL = st.one_of(TEXT, st.sampled_from(["p0", "p1", "1", "0", "yes", "advbench", "chat:vanilla"]))


@fuzz
@given(
    st.lists(st.one_of(st.sampled_from(agreement.COLUMNS), TEXT), max_size=4).map(
        lambda more: ["id", "label", *more]
    ),
    st.lists(st.lists(CELL, min_size=1, max_size=6), max_size=4),
    st.booleans(),
)
def test_fuzz_labels(tmp_path: Path, header: list[str], rows: list[list[str]], quoted: bool):
    items = [agreement.Labelled("advbench", "chat:vanilla", "c", f"p{i}") for i in range(2)]
    out = io.StringIO(newline="")
    csv.writer(
        out, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL, escapechar="\\"
    ).writerows([header, *rows])
    file = tmp_path / "l.csv"
    file.write_bytes(out.getvalue().encode("utf-8", "surrogatepass"))
    with suppress(PTSTError):
        agreement.human_labels(file, items)
