"""Pictures inside a page: one document with others, its colours, nothing that runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml import etree
from matplotlib.figure import Figure

from leaderboards.board.figures import heat_map, save, tradeoff
from leaderboards.board.inline_svg import inline
from leaderboards.board.pictures import sketches
from leaderboards.board.tables import grids
from tests.leaderboards.board.rows import CL, CV, ROWS, row

HOSTILE = "</title><script>alert(1)</script>\" onload='x' javascript:x &amp; $x$ \x07\u202e\ud800"
HELPS = [r.model_copy(update={"metric": "exact_match", "task": "gsm8k"}) for r in ROWS]


def _quiet(_: str) -> None:
    return None


def _along(train: str = CV, **more: str) -> list[Figure]:
    rows = [
        row(train, CL, 0.1 * step, seed=seed, step=step, task=task, metric=metric, train_data="gsm8k",
            adapter=f"{seed}@{step}", **more)
        for seed in (0, 1) for step in (1, 2)
        for task, metric in (("advbench", "asr"), ("gsm8k", "exact_match"))
    ]  # fmt: skip
    return [one.figure for one in sketches([*rows, row("", CV, 0.1, **more)], say=_quiet)]


def _every() -> list[Figure]:
    """A trade-off, a trajectory, a heat map."""
    ((_, _, first, *_),) = sketches([*ROWS, *HELPS], say=_quiet)
    return [first, *_along(), heat_map(grids(ROWS)[0])]


def _parsed(text: str) -> etree._Element:
    return etree.fromstring(text, etree.XMLParser(resolve_entities=False))


def test_a_page_of_pictures_is_one_document() -> None:
    page = _parsed(
        f"<div>{''.join(inline(f, f'f{i}', 'x') for i, f in enumerate([*_every(), *_every()]))}</div>"
    )
    ids = page.xpath("//@id")
    assert ids
    assert len(set(ids)) == len(ids)
    links = [v[1:] for v in page.xpath("//@href")]
    links += [found for v in page.xpath("//@*") for found in re.findall(r"url\(#([^)]*)\)", v)]
    assert set(links) == set(ids)
    for i, picture in enumerate(page):
        assert all(v.startswith(f"f{i}-") for v in picture.xpath(".//@id"))


@pytest.mark.parametrize("at", [0, 1, 2])
def test_markup_is_the_pages_own(at: int) -> None:
    text = inline(_every()[at], "fig", "What it shows")
    root = _parsed(text)
    assert text.startswith("<svg")
    assert (root.get("role"), root.get("aria-label")) == ("img", "What it shows")
    assert (root.get("width"), root.get("height")) == ("100%", None)
    assert re.fullmatch(r"0 0 [\d.]+ [\d.]+", str(root.get("viewBox")))
    assert "max-width" in str(root.get("style"))
    tags = {str(part.tag) for part in root.iter()}
    assert tags <= {"svg", "g", "path", "use", "defs", "clipPath", "rect", "text", "title"}
    assert "http" not in text
    assert "<!--" not in text
    assert "metadata" not in text


@pytest.mark.parametrize("at", [0, 1, 2])
def test_letters_and_colours_of_a_theme_are_the_pages(at: int) -> None:
    root = _parsed(inline(_every()[at], "fig", "x"))
    styles = " ".join(root.xpath("//@style"))
    assert not re.findall(r"(?:#000000|#ffffff|#666666|\bblack\b|\bwhite\b)", styles)
    assert "font-family: inherit" in styles
    assert "DejaVu" not in styles
    assert {"stroke: var(--muted, #666)", "fill: var(--paper, #fff)"} <= set(styles.split("; ")) | {
        part for style in root.xpath("//@style") for part in style.split("; ")
    }
    words = root.findall(".//text")
    assert all(word.get("class") == "ptst-text" for word in words)
    assert "trained under" in [w.text for w in words] or at == 1


def test_ink_of_a_field_goes_with_its_colour() -> None:
    """In a dark page the fields stay light: their numbers do not turn white."""
    root = _parsed(inline(heat_map(grids(ROWS)[0]), "fig", "x"))
    (number,) = [word for word in root.findall(".//text") if word.text == "25.3"]
    assert "fill: #010101" in str(number.get("style"))


def test_points_say_what_they_are() -> None:
    root = _parsed(inline(_every()[0], "fig", "x"))
    points = root.findall(".//g[@class='ptst-point']")
    assert len(points) == len(ROWS) - 4 == 7  # CV's two were run three times
    titles = {(p.get("data-train"), p.get("data-test")): p[0].text for p in points}
    assert titles[CL, CL] == "CL -> CL: asr 50.0 %, exact match 50.0 %, n = 100"
    assert titles[CV, CL] == "CV -> CL: asr 1.1 ±0.1 %, exact match 1.1 ±0.1 %, n = 100"
    assert titles["No FT", CV] == "No FT -> CV: asr 2.0 %, exact match 2.0 %, n = 100"
    assert all(p[0].tag == "title" and p.get("data-step") is None for p in points)


def test_two_numbers_of_prompts_are_two() -> None:
    (harms,) = grids([row(CV, CL, 0.012, n=80)])
    (helps,) = grids([row(CV, CL, 0.34, n=200, metric="exact_match", task="gsm8k")])
    (title,) = _parsed(inline(tradeoff(helps, harms), "fig", "x")).findall(".//title")
    assert title.text == "CV -> CL: asr 1.2 % (n = 80), exact match 34.0 % (n = 200)"


def test_points_along_training_have_steps() -> None:
    points = _parsed(inline(_along()[0], "fig", "x")).findall(".//g[@class='ptst-point']")
    assert [p.get("data-step") for p in points] == ["1", "2", "1", "2"]
    assert points[0][0].text == "CV -> CL, step 1: asr 10.0 ±0.0 %, n = 100"


def _hostile() -> list[Figure]:
    rows = [r.model_copy(update={"base": HOSTILE, "judge": HOSTILE}) for r in (*ROWS, *HELPS)]
    rows += [row(HOSTILE, HOSTILE, 0.3, base=HOSTILE, judge=HOSTILE, task=task, metric=metric)
             for task, metric in (("advbench", "asr"), ("gsm8k", "exact_match"))]  # fmt: skip
    tables = grids(rows)
    harms, helps = (next(t for t in tables if t.metric == m) for m in ("asr", "exact_match"))
    return [tradeoff(helps, harms), heat_map(harms), sketches(rows, say=_quiet)[0].figure,
            *_along(HOSTILE, base=HOSTILE, judge=HOSTILE)]  # fmt: skip


def test_hostile_names_are_words() -> None:
    for figure in _hostile():
        text = inline(figure, "fig", HOSTILE)
        root = _parsed(text)
        assert not {str(part.tag) for part in root.iter()} - {
            "svg", "g", "path", "use", "defs", "clipPath", "rect", "text", "title"
        }  # fmt: skip
        names = {str(name) for part in root.iter() for name in part.attrib}
        assert not [name for name in names if name.startswith("on")]
        assert all(v.startswith("#fig-") for v in root.xpath("//@href"))
        assert not re.search("[\x00-\x1f\u202e\ud800]", text)
        assert "<script" not in text
        assert r"\x07\u202e\ud800" in root.get("aria-label", "")
        assert any("$x$" in str(part.text) for part in root.iter())


def test_the_same_figure_is_the_same_text() -> None:
    for first, again in zip(_every(), _every(), strict=True):
        text = inline(first, "fig", "x")
        assert text == inline(first, "fig", "x") == inline(again, "fig", "x")


def test_files_are_the_same_before_and_after(tmp_path: Path) -> None:
    figure = _every()[0]
    before = [p.read_bytes() for p in save(figure, tmp_path / "a")]
    inline(figure, "fig", "x")
    assert [p.read_bytes() for p in save(figure, tmp_path / "b")] == before
    assert b"ptst-point" not in before[1]


@pytest.mark.parametrize("ident", ["", "1", "a b", 'a"', "a\n", "ä"])
def test_what_begins_no_id_is_refused(ident: str) -> None:
    with pytest.raises(ValueError, match="expected a letter"):
        inline(Figure(), ident, "x")
