from __future__ import annotations

import json
from pathlib import Path

import pytest

from leaderboards.publish.subject import subject_of
from ptst_tasks.errors import ConfigError, UnknownNameError
from tests.leaderboards.publish.made_adapter import NAME, adapter_folder, made_run


def test_its_rows_are_its_own_and_its_bases(tmp_path: Path) -> None:
    found = subject_of(made_run(tmp_path / "run"))
    assert (found.name, found.base, found.hub_base) == (NAME, "stand-in", "")
    assert {row.adapter for row in found.rows} == {"", NAME}
    assert found.folder == tmp_path / "run/made"


def test_a_model_of_the_hub_is_named_as_one(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", base="owner/model")
    assert subject_of(run).hub_base == "owner/model"


def test_of_several_adapters_one_is_to_be_named(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run")
    more = {"name": "other", "path": str(adapter_folder(tmp_path / "other"))}
    said = json.loads((run / "study.json").read_text())
    said["train"]["adapters"].append(more)
    (run / "study.json").write_text(json.dumps(said))
    with pytest.raises(ConfigError, match=f"2 adapters; say which with --adapter: {NAME}, other"):
        subject_of(run)
    with pytest.raises(UnknownNameError, match="did you mean 'other'"):
        subject_of(run, "others")
    with pytest.raises(ConfigError, match="nothing of 'other' is measured"):
        subject_of(run, "other")
    assert subject_of(run, NAME).name == NAME


def test_a_run_without_an_adapter_and_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no run folder"):
        subject_of(tmp_path)
    with pytest.raises(ConfigError, match="measures the base alone"):
        subject_of(made_run(tmp_path / "run", train={}))


def test_weights_that_are_not_those_that_were_measured(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run")
    for file in run.glob("cells/*/cell.json"):
        record = json.loads(file.read_text())
        if record.get("adapter"):
            record["provenance"] = {"adapter": {"weights": "f" * 64}}
            file.write_text(json.dumps(record))
    with pytest.raises(ConfigError, match=r"other weights \(\w{12}\) than were measured \(f{12}\)"):
        subject_of(run)
