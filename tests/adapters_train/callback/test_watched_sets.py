"""What is asked, and how it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adapters_train.callback.watch_settings import WatchSettings
from adapters_train.callback.watched_sets import load
from ptst_tasks import sets


def asked(**said: Any) -> Any:
    return load(WatchSettings.read(said))


def test_by_default_a_small_safety_set_and_an_over_refusal_set(data_dir: Path) -> None:
    watched = asked()
    assert list(watched) == ["ptst_advbench_chat_llama", "ptst_jbb_benign_chat_llama"]
    harmful, benign = watched.values()
    assert (harmful.is_harmful, benign.is_harmful) == (True, False)
    assert list(harmful.names()) == [
        f"ptst/advbench/CL/{m}" for m in ("asr", "refused", "incoherent", "unscored")
    ]
    assert harmful.task.config.generation_kwargs["max_gen_toks"] == 64
    assert not harmful.task.config.generation_kwargs["do_sample"]


def test_rows_are_drawn_as_studies_draw_them() -> None:
    (one,) = asked(sets="organism_forbidden", sample=7).values()
    drawn = sets.sampled(sets.load("organism_forbidden"), 7)
    assert [doc["id"] for doc in one.task.eval_docs] == [row["id"] for row in drawn.rows]
    assert one.task.config.generation_kwargs["max_gen_toks"] == 20  # its own is shorter


def test_two_judges_have_names_that_every_logger_takes() -> None:
    (one,) = asked(sets="organism_forbidden", judge=["keywords:zou", "organism"]).values()
    names = list(one.names())
    assert "ptst/organism_forbidden/CL/keywords:zou/asr" in names
    assert "ptst/organism_forbidden/CL/organism/asr" in names


def test_attacks_lengths_and_sets_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("prompt\nHide the spoon\n")
    custom = {"mine": {"path": str(tmp_path / "mine.csv"), "kind": "harmful"}}
    watched = asked(
        sets=["mine", "organism_forbidden"], custom=custom, options={"attack": "json"},
        max_gen_toks={"mine": 5}, gen_kwargs={"max_gen_toks": 9},
    )  # fmt: skip
    mine, other = watched.values()
    assert mine.place == "ptst/mine_json/CL"
    assert mine.task.config.generation_kwargs["max_gen_toks"] == 5
    assert other.task.config.generation_kwargs["max_gen_toks"] == 9
    assert len(mine.task.eval_docs) == 1


def test_a_helpful_set_keeps_its_length() -> None:
    (one,) = asked(sets="organism_arith", sample=2).values()
    assert not one.is_harmful
    assert "ptst/organism_arith/CL/strict-match/exact_match" in one.names()
