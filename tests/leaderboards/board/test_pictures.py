"""Pictures of a board: none overwrites another, and their names make no folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaderboards.board import csvio, pictures
from tests.leaderboards.board.rows import CL, CV, ptst, row


def test_pictures_of_two_judges_and_two_bases_do_not_overwrite_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Six trade-offs went into one file, some with one base's help over the other's harm."""
    rows = [
        row("", t, v, base=base, task=task, judge=judge, metric=metric)
        for base, off in (("m1", 0.0), ("m2", 0.3))
        for task, judge, metric, v in (("advbench", "k", "asr", 0.1 + off),
                                       ("advbench", "j", "asr", 0.2 + off),
                                       ("gsm8k", "paper", "exact_match", 0.4 + off))
        for t in (CV, CL)
    ]  # fmt: skip
    csvio.write(rows, tmp_path / "b.csv")
    assert ptst("plot", tmp_path / "b.csv", "-o", tmp_path / "p") == 0
    printed = [line for line in capsys.readouterr().out.splitlines() if line.endswith(".svg")]
    assert (
        len(printed) == len(set(printed)) == 6 + 4
    )  # heat maps; each base's help with its two harms
    tradeoffs = sorted(p.name for p in (tmp_path / "p").glob("tradeoff*.svg"))
    assert tradeoffs == [
        f"tradeoff_gsm8k_advbench_{judge}_{base}.svg" for judge in "jk" for base in ("m1", "m2")
    ]


def test_copies_along_training_of_two_bases_are_two_pictures(tmp_path: Path) -> None:
    """Bases and training sets were averaged into one line of one picture."""
    rows = [
        row(CV, CL, 0.1, base=base, train_data=data, seed=0, step=step, task=task, metric=metric,
            judge="k", adapter=f"{data}@{step}")
        for base in ("m1", "m2") for data in ("gsm8k", "gsm8k+safe") for step in (10, 20)
        for task, metric in (("advbench", "asr"), ("gsm8k", "exact_match"))
    ]  # fmt: skip
    rows += [row("", CV, 0.1)]
    csvio.write(rows, tmp_path / "b.csv")
    assert ptst("plot", tmp_path / "b.csv", "-o", tmp_path / "p") == 0
    files = sorted((tmp_path / "p").glob("trajectory*.svg"))
    assert [f.name for f in files] == [f"trajectory_advbench_k_{base}.svg" for base in ("m1", "m2")]
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert "<!-- CV → CL -->" in text
        assert "<!-- CV +safe → CL -->" in text


def test_a_judges_settings_make_no_folders(tmp_path: Path) -> None:
    """A judge's settings may hold a slash, which became a folder."""
    rows = [row("", CV, v, judge="rubric:model=a,base_url=http://h/v1") for v in (0.1,)]
    csvio.write(rows, tmp_path / "b.csv")
    assert ptst("plot", tmp_path / "b.csv", "-o", tmp_path / "p") == 0
    assert {p.name for p in (tmp_path / "p").iterdir()} == {
        f"advbench_asr_rubric_model=a_base_url=http_h_v1.{kind}" for kind in ("png", "svg")
    }


def test_names_with_dots_are_two_pictures(tmp_path: Path) -> None:
    """What followed the last dot was taken for a suffix: 2.13b was drawn over 2.7b."""
    rows = [row("", CV, 0.5, base=f"llama-2.{size}b") for size in (7, 13)]
    csvio.write(rows, tmp_path / "b.csv")
    assert ptst("plot", tmp_path / "b.csv", "-o", tmp_path / "p") == 0
    names = sorted(p.name for p in (tmp_path / "p").glob("*.svg"))
    assert names == [f"advbench_asr_k_llama_2.{size}b.svg" for size in (13, 7)]


def test_a_grid_that_is_larger_than_any_picture(tmp_path: Path) -> None:
    """2 ** 16 pixels are the most that can be drawn."""
    rows = [row("x" * 3000 + str(at), CV, 0.5, adapter=f"a{at}") for at in range(800)]
    csvio.write(rows, tmp_path / "b.csv")
    assert ptst("plot", tmp_path / "b.csv", "-o", tmp_path / "p", "-q") == 0
    assert all(p.stat().st_size for p in (tmp_path / "p").iterdir())


def test_sketches_are_what_plot_draws_and_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        row(CV, CL, 0.1, seed=0, step=step, task=task, metric=metric, judge=judge, train_data="g",
            adapter=f"a@{step}")
        for step in (None, 10, 20)
        for task, metric, judge in (("advbench", "asr", "k"), ("advbench", "asr", "j"),
                                    ("gsm8k", "exact_match", "paper"))
    ]  # fmt: skip
    heard: list[str] = []
    made = pictures.sketches(rows, say=heard.append)
    assert [one.title for one in made] == [
        "m: exact match on gsm8k (paper) against ASR on advbench (j)",
        "m: exact match on gsm8k (paper) against ASR on advbench (k)",
        "m: along training, ASR on advbench (j) and exact match on gsm8k (paper)",
        "m: along training, ASR on advbench (k) and exact match on gsm8k (paper)",
    ]
    assert heard == []
    assert list(tmp_path.iterdir()) == []
    drawn = {f.name for f in pictures.draw(rows, tmp_path / "p")}
    assert len([name for name in drawn if name.startswith(("tradeoff", "trajectory"))]) == 2 * len(
        made
    )


def test_rows_without_help_give_no_sketch() -> None:
    assert pictures.sketches([row(CV, CL, 0.1)]) == []
