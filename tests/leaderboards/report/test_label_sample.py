from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from leaderboards.judging.sampling import draw, newest, responses
from leaderboards.judging.saved import tasks
from leaderboards.people.sheet import CLASSES, COLUMNS
from leaderboards.report.label_sample import label_sample
from leaderboards.report.table import AnswerTable
from leaderboards.report.wishes import Wishes
from ptst_tasks.errors import ConfigError
from tests.leaderboards.report.made_runs import (
    CL,
    OTHER,
    ZOU,
    Said,
    said,
    table_of,
    two_templates,
    write_cell,
)


def sample_of(run: Path, table: AnswerTable, label: int | None = None, **more: Any) -> Any:
    return label_sample([run], Wishes(label=label, **more), 0, table)


def test_the_sample_is_the_one_that_ptst_label_draws(tmp_path: Path) -> None:
    run = two_templates(tmp_path / "run", turned=5)
    shown = table_of(run)
    sample, why = sample_of(run, shown, 12, seed=3)
    assert why == ""
    assert sample is not None
    expected = draw(list(responses(newest(tasks([run])), ZOU)), 12, 3)
    assert [
        (r["cell"], r["id"], r["stratum"], r["weight"], r["reply"]) for r in sample["rows"]
    ] == [
        (d.response.cell, d.response.id, d.response.stratum, d.weight_text, d.response.reply)
        for d in expected
    ]
    data = shown.data()
    for one in sample["rows"]:
        assert data["prompts"][data["rows"]["prompt"][one["row"]]][1] == one["id"]
    assert sample["columns"] == list(COLUMNS)
    assert sample["classes"] == CLASSES


def test_what_is_not_in_the_file_nobody_can_label(tmp_path: Path) -> None:
    run = two_templates(tmp_path / "run")
    sample, why = sample_of(run, table_of(run, texts="harmless"), None)
    assert sample is None
    assert "--texts harmful" in why
    with pytest.raises(ConfigError, match="--texts harmful"):
        sample_of(run, table_of(run, texts="harmless"), 5)


def test_no_sample_is_wanted_or_can_be_had(tmp_path: Path) -> None:
    run = two_templates(tmp_path / "run")
    assert sample_of(run, table_of(run), 0)[0] is None
    assert (
        label_sample([], Wishes(), 0, table_of(run))[1] == "There are no judged responses to label."
    )
    assert len((sample_of(run, table_of(run), judge=OTHER)[0] or {})["rows"]) == 80
    with pytest.raises(ConfigError, match="--label is 81"):
        sample_of(run, table_of(run), 81)


def test_judges_that_did_not_judge_all_are_told_of_and_stop_nothing(tmp_path: Path) -> None:
    run = two_templates(tmp_path / "run")
    write_cell(
        run, "advbench", "chat:alpaca", [Said("a", "b", "c", {"somebody": "refused"})], train=CL
    )
    sample, why = sample_of(run, table_of(run), None)
    assert sample is None
    assert "no judge judged every set" in why
    with pytest.raises(ConfigError, match="no judge judged every set"):
        sample_of(run, table_of(run), 5)


def test_a_sheet_that_would_say_where_this_machine_keeps_models_is_none(tmp_path: Path) -> None:
    run = tmp_path / "run"
    folder = write_cell(run, "advbench", CL, [said(0, "refused")], train=CL, seed=0)
    record = json.loads((folder / "cell.json").read_text())
    (folder / "cell.json").write_text(json.dumps({**record, "adapter": "/home/me/out/mine"}))
    sample, why = sample_of(run, table_of(run))
    assert sample is None
    assert "/home" not in why
    assert "by its path" in why
    with pytest.raises(ConfigError, match="by its path"):
        sample_of(run, table_of(run), 1)
