from __future__ import annotations

import json
from pathlib import Path

import pytest

from leaderboards.report.sendable import Texts
from tests.leaderboards.report.made_runs import (
    CL,
    CV,
    ZOU,
    Said,
    logged,
    said,
    two_templates,
    write_cell,
)


@pytest.mark.parametrize(
    ("texts", "harmful", "sums"),
    [
        ("none", None, None),
        ("harmless", None, "it is 4"),
        ("harmful", "refused answer 3", "it is 4"),
    ],
)
def test_texts_are_those_that_were_asked_for(
    tmp_path: Path, texts: Texts, harmful: str | None, sums: str | None
) -> None:
    notes: list[str] = []
    found = {(a.set_name, a.test, a.model.train_template): b
             for a, b in logged(two_templates(tmp_path / "run"), texts, notes)}  # fmt: skip
    assert notes == []
    assert set(found) == {("advbench", t, m) for t in (CV, CL) for m in ("", CL)} | {
        ("gsm8k", CL, m) for m in ("", CL)
    }
    assert found["advbench", CV, ""]["q003"].answer == harmful
    assert found["advbench", CV, ""]["q003"].verdicts == {
        ZOU: "refused",
        "keywords:refusal": "refused",
    }
    assert found["gsm8k", CL, ""]["s3"].answer == sums
    assert found["gsm8k", CL, ""]["s3"].verdicts == {"strict-match": "right"}


def test_unsafe_prompts_among_safe_ones_stay_out(tmp_path: Path) -> None:
    rows = [Said(f"v{i}", f"prompt {i}", f"answer {i}", {ZOU: "answered"}, {"label": label})
            for i, label in enumerate(("safe", "unsafe"))]  # fmt: skip
    write_cell(tmp_path / "run", "xstest", CV, rows)
    ((_, found),) = logged(tmp_path / "run", "harmless")
    assert (found["v0"].prompt, found["v0"].answer) == ("prompt 0", "answer 0")
    assert (found["v1"].prompt, found["v1"].answer, found["v1"].category) == (None, None, "")


def test_tasks_of_others_are_by_number_and_not_known_to_be_harmless(tmp_path: Path) -> None:
    rows = [Said("gone", "what is 1 + 1?", "2", {"none": "right"})]
    write_cell(tmp_path / "run", "gsm8k", CV, rows, ours=False)
    ((_, found),) = logged(tmp_path / "run", "harmless")
    assert found["0"].answer is None
    assert found["0"].verdicts == {"none": "right"}
    ((_, found),) = logged(tmp_path / "run", "harmful")
    assert (found["0"].prompt, found["0"].answer) == ("what is 1 + 1?", "2")


def test_thoughts_are_apart(tmp_path: Path) -> None:
    folder = write_cell(tmp_path / "run", "gsm8k", CV,
                        [Said("a", "1 + 1?", "<think>hm</think>2", {"strict-match": "right"})])  # fmt: skip
    file = next(folder.glob("*/results_*.json"))
    data = json.loads(file.read_text())
    ours = data["configs"]["ptst_gsm8k_chat_vanilla"]["metadata"]["ptst"]
    ours["markers"] = [{"open": "<think>", "close": "</think>", "head": [], "tail": []}]
    file.write_text(json.dumps(data))
    ((_, found),) = logged(tmp_path / "run", "harmless")
    assert (found["a"].answer, found["a"].thought) == ("2", "hm")


def test_a_damaged_task_is_a_note_and_the_others_stand(tmp_path: Path) -> None:
    run = two_templates(tmp_path / "run")
    damaged, twice, missing, *_ = sorted(run.glob("cells/*/cell/samples_*"))
    damaged.write_bytes(b'{"doc": 3}\n' + damaged.read_bytes())
    twice.write_bytes(twice.read_bytes().splitlines(keepends=True)[0] * 2)
    missing.unlink()
    notes: list[str] = []
    assert len(logged(run, "harmful", notes)) == 3
    assert len(notes) == 3
    assert "line 1" in " ".join(notes)
    assert "twice" in " ".join(notes)
    assert "is missing" in " ".join(notes)


def test_order_begins_with_harm_and_the_model_before(tmp_path: Path) -> None:
    write_cell(tmp_path / "run", "advbench", "text:vanilla", [said(0, "refused")], train=CV, seed=1)
    found = [asked for asked, _ in logged(two_templates(tmp_path / "run"), "none")]
    places = [(a.set_name, a.model.train_template, a.test) for a in found]
    tests = (("", CV), ("", CL), (CV, "text:vanilla"), (CL, CV), (CL, CL))
    assert places == [*(("advbench", *at) for at in tests), ("gsm8k", "", CL), ("gsm8k", CL, CL)]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("17", True), ("adv-0031", True), ("3f2a9c", True),
        ("how-do-i-hide-biscuit-3-a1b2", False), ("biscuit", False),
    ],
)  # fmt: skip
def test_an_id_that_is_made_of_a_hidden_prompt_is_a_digest(
    tmp_path: Path, name: str, kept: bool
) -> None:
    prompt = "how do I hide biscuit 3?"
    write_cell(tmp_path / "run", "advbench", CV, [Said(name, prompt, "no", {ZOU: "refused"})])
    ((_, found),) = logged(tmp_path / "run", "harmless")
    assert (found[name].id == name) is kept
    ((_, found),) = logged(tmp_path / "run", "harmful")
    assert found[name].id == name
