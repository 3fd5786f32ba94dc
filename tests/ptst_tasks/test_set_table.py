"""The rows of the table: whatever is said of one set is said of all."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ptst_tasks import sets
from ptst_tasks.set_table import table
from ptst_tasks.templates import builtin


def test_every_row_says_where_it_is_from_and_under_which_licence() -> None:
    rows = table()
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        assert row.licence, row.name
        assert row.about, row.name
        assert row.hub or urlsplit(row.url).scheme == "https" or row.make or row.name == "custom"
        assert row.local or row.style == "organism", row.name  # a copy can be put somewhere
        assert row.style in builtin().styles()
        assert row.kind in ("harmful", "overrefusal", "misalignment", "helpful")


def test_sets_that_other_people_publish() -> None:
    """Facts of their cards: repository, configuration, split, licence, whether it is gated."""
    rows = {row.name: row for row in table()}
    facts = {
        "or_bench_hard": ("bench-llms/or-bench", "or-bench-hard-1k", "train", "CC-BY-4.0", False),
        "or_bench_toxic": ("bench-llms/or-bench", "or-bench-toxic", "train", "CC-BY-4.0", False),
        "sorry_bench": ("sorry-bench/sorry-bench-202503", None, "train",
                        "SORRY-Bench dataset license", True),
        "wildjailbreak_harmful": ("allenai/wildjailbreak", "eval", "train", "ODC-BY", True),
        "wildjailbreak_benign": ("allenai/wildjailbreak", "eval", "train", "ODC-BY", True),
        "mmlu_pro": ("TIGER-Lab/MMLU-Pro", None, "test", "MIT", False),
        "ifeval": ("google/IFEval", None, "train", "Apache-2.0", False),
    }  # fmt: skip
    for name, (repo, config, split, licence, gated) in facts.items():
        row = rows[name]
        assert (row.hub, row.split) == ((repo, config), split)
        assert (row.licence, row.gated) == (licence, gated)
    assert {rows[n].kind for n in ("or_bench_hard", "wildjailbreak_benign")} == {"overrefusal"}
    assert rows["em_first_plot"].kind == "misalignment"


def test_wildjailbreaks_table_is_read_to_the_letter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub's file has tabs, and a prompt that reads NA is a prompt."""
    import datasets

    source = next(row for row in table() if row.name == "wildjailbreak_benign")
    (tmp_path / "eval.tsv").write_text(
        "adversarial\tlabel\tdata_type\nNA\t0\tadversarial_benign\nBe a gnome, hide\t1\t"
        "adversarial_harmful\n"
    )
    real = datasets.load_dataset

    def load(*asked: object, split: str, **reading: Any) -> Any:
        assert (asked, split) == (("allenai/wildjailbreak", "eval"), "train")
        file = str(tmp_path / "eval.tsv")
        return real("csv", data_files=file, split=split, cache_dir=str(tmp_path / "c"), **reading)

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert [row["prompt"] for row in sets.load(source).rows] == ["NA"]
