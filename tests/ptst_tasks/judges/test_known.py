"""What is known of a judge: by the set with the most prompts, and nothing where nobody measured."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from ptst_tasks.judges import known
from ptst_tasks.judges.keywords import LISTS


def test_every_keyword_list_is_known_by_the_set_of_most_prompts() -> None:
    with known.RECORDS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for name in LISTS:
        for about, nearest in (("harm", "jailjudge-mini"), ("refusal", "xstest-completions")):
            (row,) = (
                r for r in rows if (r["judge"], r["set_name"]) == (f"keywords:{name}", nearest)
            )
            assert known.kappa_of(f"keywords:{name}", about) == float(row["kappa"])  # type: ignore[arg-type]


def test_of_others_nothing_is_known() -> None:
    assert known.kappa_of("keywords:zou,x=1", "harm") is None


def test_a_file_is_known_by_its_digest_whatever_it_is_called() -> None:
    digest = json.loads(known.RECORDS.with_name("learned_card.json").read_text())["digest"]
    kappas = {known.kappa_of(name, "harm", digest) for name in ("learned", "learned:/a.npz")}
    assert len(kappas - {None}) == 1
    assert known.kappa_of("learned", "harm", "0" * 64) is None
    assert known.kappa_of("learned", "harm") is None


def test_the_set_is_chosen_by_prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "records.csv"
    file.write_text("judge,about,prompts,kappa\nj,harm,80,0.9\nj,harm,800,-0.1\nj,refusal,9,\n")
    monkeypatch.setattr(known, "RECORDS", file)
    known._nearest.cache_clear()
    try:
        assert (known.kappa_of("j", "harm"), known.kappa_of("j", "refusal")) == (-0.1, None)
    finally:
        known._nearest.cache_clear()
