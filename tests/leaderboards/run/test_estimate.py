"""The plan of a run."""

from __future__ import annotations

from pathlib import Path

from leaderboards.run import study_files as study
from leaderboards.run.estimate import estimate


def write(tmp_path: Path, text: str) -> str:
    file = tmp_path / "s.yaml"
    file.write_text(text)
    return str(file)


def test_the_plan_counts_what_is_left(tmp_path: Path, data_dir: Path) -> None:
    asked = study.load(
        write(tmp_path, "base: m\ntrain: {templates: [CV], seeds: [0, 1]}\n"
                        "test: {sets: [gsm8k, advbench], templates: [CV, CL], limit: 3}\n")
    )  # fmt: skip
    plan = estimate(asked, tmp_path / "run")
    assert [(x.model, x.cells, x.done, x.prompts) for x in plan.lines] == [
        ("before fine-tuning", 4, 0, 12),
        ("chat_vanilla-s0", 4, 0, 12),
        ("chat_vanilla-s1", 4, 0, 12),
    ]
    assert plan.new_tokens == 36 * 512
    assert plan.seconds is None
