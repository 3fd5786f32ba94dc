"""Records are what Every Eval Ever's own schema, version 0.3.0 of its package (MIT), takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from leaderboards.publish.every_eval import every_eval
from tests.leaderboards.board.rows import row
from tests.leaderboards.publish.made_adapter import NAME, gsm8k, made_subject

jsonschema = pytest.importorskip("jsonschema")
SCHEMA = json.loads(Path(__file__).with_name("every_eval.schema.json").read_text(encoding="utf-8"))
CL = "chat:llama"


def record(found: Any, repo: str = "me/mine") -> dict[str, Any]:
    made: dict[str, Any] = json.loads(every_eval(found, repo))
    jsonschema.Draft7Validator(SCHEMA).validate(made)
    return made


def test_a_run_is_a_record(tmp_path: Path) -> None:
    made = record(made_subject(tmp_path))
    assert made["schema_version"] == SCHEMA["version"]
    assert (made["model_info"]["id"], made["model_info"]["developer"]) == ("me/mine", "me")
    asr = [r for r in made["evaluation_results"] if r["evaluation_name"] == f"advbench/{CL}"
           and r["metric_config"]["metric_name"] == "asr"]  # fmt: skip
    assert [r["score_details"]["score"] for r in asr] == [0.25, 0.25]  # two judges
    assert asr[0]["score_details"]["uncertainty"]["num_samples"] == 20


def test_the_schema_would_notice(tmp_path: Path) -> None:
    made = record(made_subject(tmp_path))
    del made["evaluation_results"][0]["source_data"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(SCHEMA).validate(made)


def test_which_way_is_better_and_where_the_rows_are_from(tmp_path: Path) -> None:
    def own(metric: str, task: str) -> Any:
        return row(CL, CL, 0.5, adapter=NAME, metric=metric, task=task, ci_low=0.4, ci_high=0.6)

    rows = [own("asr", "advbench"), own("refused", "advbench"), own("refused", "xstest"), gsm8k(),
            own("asr", "mine"), row(CL, CL, 0.5, adapter=NAME, metric="rougeL")]  # fmt: skip
    found = record(made_subject(tmp_path, *rows))["evaluation_results"]
    assert [r["metric_config"]["lower_is_better"] for r in found] == [
        True,
        False,
        True,
        False,
        True,
    ]
    assert found[3]["source_data"]["hf_repo"] == "openai/gsm8k"
    assert found[4]["source_data"]["source_type"] == "other"


def test_without_a_repository_it_says_that_it_has_none(tmp_path: Path) -> None:
    made = record(made_subject(tmp_path), repo="")
    assert made["model_info"]["id"] == f"unpublished/{NAME}"
    assert "developer" not in made["model_info"]
