from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from leaderboards.publish.cautions import cautions
from tests.leaderboards.board.rows import row
from tests.leaderboards.publish.made_adapter import NAME, gsm8k, made_subject


def told(found: object) -> str:
    return "\n".join(cautions(found))  # type: ignore[arg-type]


def test_what_holds_of_this_run(tmp_path: Path) -> None:
    found = made_subject(tmp_path)
    text = told(found)
    assert "one training run of one seed" in text
    assert "phrases of refusal" in text
    assert "No harmless prompt was asked" in text
    assert "No harmful query" not in text
    assert "was not measured: what training changed" not in text


def test_a_sample_is_called_one(tmp_path: Path) -> None:
    found = made_subject(tmp_path)
    tested = found.study.test.model_copy(update={"sample": 20})
    sampled = replace(found, study=found.study.model_copy(update={"test": tested}))
    assert "advbench: 20 prompts were asked, drawn at random" in told(sampled)
    assert "drawn at random" not in told(found)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    failed = row("chat:llama", "chat:llama", None, adapter=NAME, error="it broke")
    text = told(made_subject(tmp_path, gsm8k(), failed))
    assert "Some cells of this adapter failed" in text
    assert "No harmful query was asked" in text
    assert "what training changed is not known" in text
