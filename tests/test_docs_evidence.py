"""What docs/evidence.md and the front page say of real models is what the committed files say."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

from leaderboards.board import csvio
from leaderboards.board.sides import sidecar
from tests import docs_evidence
from tests.docs_evidence import MEASURED, PAGES, ROOT, blocks, filled, paired_rows, rate_table

BOARDS = sorted(MEASURED.glob("*.csv"))


def test_there_is_a_board() -> None:
    assert BOARDS


def test_the_tables_are_made_from_the_boards() -> None:
    made = blocks()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert filled(text, made) == text, "python -m tests.docs_evidence makes them anew"
        named = re.findall(r"<!-- (\S+ \w+) -->", text)
        for name in named:
            if name.partition(" ")[0] in {b.stem for b in BOARDS}:
                assert name in made
                assert made[name] in text


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.stem)
class TestBoard:
    """One committed board."""

    def test_it_names_one_commit_and_nothing_was_changed(self, board) -> None:
        versions = {row.ptst_version for row in csvio.read(board)}
        assert len(versions) == 1
        assert re.fullmatch(r"\d+\.\d+\.\d+\+g[0-9a-f]{7,40}", versions.pop())

    def test_every_number_was_measured(self, board) -> None:
        assert [row for row in csvio.read(board) if row.error] == []

    def test_there_are_no_texts(self, board) -> None:
        for line in sidecar(board).read_text(encoding="utf-8").splitlines():
            told = json.loads(line)
            assert set(told["outcomes"]) <= set("01?")
            assert all(re.fullmatch(r"[\w:.-]{1,40}", i) for i in told["ids"]), told["task"]

    def test_its_study_is_here_under_its_name(self, board) -> None:
        places = ("leaderboards/studies", "leaderboards/measured/series")
        assert any((ROOT / place / f"{board.stem}.yaml").is_file() for place in places)

    def test_rates_are_those_of_the_outcomes(self, board) -> None:
        rows = {
            (r.task, r.train_template, r.defence, r.test_template, r.seed): r.value
            for r in csvio.read(board)
            if (r.metric, r.judge) == ("asr", "keywords:zou")
        }
        data = docs_evidence.outcomes(board.stem)
        full = {short: name for name, short in docs_evidence.TEMPLATES.items()} | {"before": ""}
        harm = data[data.task.isin(docs_evidence.HARM)]
        fields = ["task", "train", "defence", "test", "seed"]
        for (task, train, defence, test, seed), part in harm.groupby(fields):
            key = (task, full[train], defence, full[test], None if seed == -1 else seed)
            assert rows.pop(key) == pytest.approx(part.value.mean(), abs=1e-6)
        assert rows == {}


def frame(rises: dict[str, int], n: int = 40) -> pd.DataFrame:
    """`n` prompts safe before; under each training so many are not, with both seeds."""
    rows = [("advbench", "before", "CL", -1, f"p{i}", 0) for i in range(n)]
    for train, bad in rises.items():
        rows += [("advbench", train, "CL", seed, f"p{i}", int(i < bad))
                 for i in range(n) for seed in (0, 1)]  # fmt: skip
    return pd.DataFrame(rows, columns=["task", "train", "test", "seed", "id", "value"])


def test_a_difference_counts_prompts_and_not_answers() -> None:
    found = {row[1:4]: row for row in paired_rows(frame({"CV": 1, "CL": 20}))}
    _, _, _, _, n, mean, low, high, p = found["CL", "CL", "CV"]
    assert n == 40
    assert mean == pytest.approx(19 / 40)
    assert low < mean < high
    assert p < 0.001
    few = found["CL", "CV", "before"]
    assert few[5] == pytest.approx(1 / 40)
    assert few[6] < 0
    assert few[8] > 0.5


def test_no_difference_is_no_difference() -> None:
    assert docs_evidence._difference(np.zeros(30)) == (0.0, 0.0, 0.0, 1.0)


def test_a_table_of_rates() -> None:
    table = rate_table(frame({"CV": 0, "CL": 20}), "advbench").splitlines()
    assert table[0] == "| trained under | tested CL |"
    assert table[2] == "| before fine-tuning | 0 (0-9) |"
    assert table[4] == "| CL | 50 (35-65) |"
