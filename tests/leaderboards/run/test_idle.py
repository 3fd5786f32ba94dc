"""A field of a study that would do nothing is named when the study is run or planned."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from leaderboards.cli.app import main
from leaderboards.run.idle import idle
from leaderboards.run.study import Study
from leaderboards.run.study_files import STUDIES, load

ADAPTERS = {"adapters": [{"name": "x", "path": "p", "train_template": "TV"}]}


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("train.seeds", {"train": {**ADAPTERS, "seeds": [1, 2]}}),
        ("revision", {"revision": "main"}),
        ("judges", {"judges": ["keywords"], "test": {"sets": ["gsm8k"]}}),
        ("test.gen_kwargs", {"test": {"sets": ["medqa"], "gen_kwargs": {"max_gen_toks": 4}}}),
        ("chat_format", {"chat_format": "llama2", "test": {"templates": ["TV"]}}),
        (
            "test.options.bertscore_layer",
            {"test": {"sets": ["chatdoctor"], "options": {"bertscore_layer": 3}}},
        ),
    ],
)
def test_a_field_that_does_nothing_is_named(field: str, given: dict[str, Any]) -> None:
    (line,) = idle(Study(**{"base": "organism:0", **given}))
    assert line.startswith(f"{field} does nothing: ")


def test_ready_studies_have_none() -> None:
    for file in STUDIES.glob("*.yaml"):
        assert idle(load(file.stem)) == []


def test_the_command_says_it(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """`ptst run` took judges for a study without anything to judge, and said nothing."""
    study = {
        "base": str(tmp_path),
        "revision": "main",
        "judges": ["keywords"],
        "test": {"sets": ["gsm8k"]},
    }
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(study))
    with pytest.raises(SystemExit):
        main(["run", str(tmp_path / "s.yaml"), "--out", str(tmp_path / "o"), "--dry-run"])
    err = capsys.readouterr().err
    assert (
        "note: judges does nothing: no set of harmful, over-refusal or mild queries is asked" in err
    )
    assert f"note: revision does nothing: {str(tmp_path)!r} is no model on the hub" in err
