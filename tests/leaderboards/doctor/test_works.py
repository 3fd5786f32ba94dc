from __future__ import annotations

from pathlib import Path

import pytest

from leaderboards.doctor import works
from leaderboards.doctor.finding import Finding
from ptst_tasks.engines import ENGINES
from ptst_tasks.judges import REGISTRY


def judges() -> dict[str, Finding]:
    return {line.what: line for line in works.judge_lines()}


def test_every_judge_and_engine_is_looked_at() -> None:
    assert works.JUDGES.keys() == REGISTRY.keys()
    assert [line.what for line in works.engine_lines()] == list(ENGINES)


def test_judges_behind_an_endpoint_want_a_key_or_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    asked = ("rubric", "strongreject", "misalignment")
    assert {judges()[name].state for name in asked} == {"absent"}
    monkeypatch.setenv("OPENAI_API_KEY", "sk-abcdefgh")
    found = judges()
    assert {found[name].state for name in asked} == {"ok"}
    assert "sk-" not in str(found)
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert judges()["rubric"].state == "ok"


def test_the_learned_judge_is_absent_until_it_is_made_and_broken_when_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert judges()["learned"].state == "absent"
    (tmp_path / "ptst").mkdir()
    (tmp_path / "ptst/learned.npz").write_bytes(b"PK nothing")
    line = judges()["learned"]
    assert (line.state, line.mend) == ("broken", "ptst judges --train")


def sets() -> dict[tuple[str, str], Finding]:
    return {(line.part, line.what): line for line in works.set_lines()}


def test_sets_are_here_made_or_fetched(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sets()["set", "advbench"].told == "a copy is here"
    assert sets()["set", "organism_arith"].told == "made on the spot"
    assert ("training set", "gsm8k") in sets()
    monkeypatch.setenv("PTST_DATA_DIR", str(tmp_path))
    assert sets()["set", "advbench"].state == "absent"
    assert "gated" in sets()["set", "hexphi"].told


def test_an_extra_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(works, "complete", lambda extra: False)
    assert {line.mend for line in works.engine_lines()} == {
        "pip install 'ptst[hf]'", "pip install 'ptst[vllm]'", "pip install 'ptst[judge]'"
    }  # fmt: skip


def test_what_is_installed_and_cannot_be_imported_makes_nothing_ok(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-abcdefgh")
    monkeypatch.setattr(works, "complete", lambda extra: True)
    monkeypatch.setattr(works, "faults", lambda extra: [f"{extra} is no good"])
    assert {line.state for line in works.engine_lines()} == {"broken"}
    found = judges()
    assert {found[name].state for name in ("guards", "rubric", "misalignment")} == {"broken"}
    assert "hf is no good" in found["guards"].told
