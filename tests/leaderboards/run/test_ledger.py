"""Cells asked for, and what became of each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from leaderboards.run.ledger import CellLedger
from leaderboards.run.store import Cell, Store
from leaderboards.run.study import Study
from ptst_tasks.digests import read_json
from ptst_tasks.errors import ConfigError
from ptst_tasks.provenance import Data, Generation

CELL = Cell("base", "a", "gsm8k", "chat:vanilla", 0, "chat:llama", "advbench",
            "ptst_advbench_chat_llama", Generation())  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> CellLedger:
    return CellLedger(Study(base="base"), Store(tmp_path))


def test_two_names_of_one_measurement_are_no_two_cells(ledger: CellLedger) -> None:
    other = replace(CELL, provenance=Generation(data=Data(prompts="others")))
    assert [ledger.twin(cell) for cell in (CELL, CELL, other)] == [False, False, False]
    assert ledger.outcome.failed == []
    assert ledger.twin(replace(CELL, adapter="b"))
    [(who, why)] = ledger.outcome.failed
    assert who == "b ptst_advbench_chat_llama"
    assert (
        why == "the same weights, prompts and decoding as a ptst_advbench_chat_llama; leave one out"
    )
    assert ledger.asked == {cell.digest for cell in ledger.cells}
    assert len(ledger.asked) == 3


def test_a_failed_cell_is_recorded_unless_an_earlier_one_stays(ledger: CellLedger) -> None:
    ledger.fail(CELL, ConfigError("ptst_advbench_chat_llama: no room"))
    file = ledger.store.folder(CELL) / "cell.json"
    assert (read_json(file) or {})["error"] == "no room"
    before = file.read_bytes()
    ledger.fail(CELL, ConfigError("later"), record=False)
    assert [why for _, why in ledger.outcome.failed] == ["no room", "later"]
    assert file.read_bytes() == before


def test_what_is_there_and_what_is_new_is_counted(ledger: CellLedger, tmp_path: Path) -> None:
    assert not ledger.kept(CELL)
    ledger.done(CELL)
    assert (ledger.outcome.kept, ledger.outcome.done, ledger.fresh) == (0, 1, [CELL])
    away = Store(tmp_path / "scratch", share=False, elsewhere=frozenset({CELL.digest}))
    assert CellLedger(ledger.study, away).kept(CELL)  # at home, as a worker is told
