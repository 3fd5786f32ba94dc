"""Trade-offs: the front by hand; no label covers another, a point, the arrow or the edge."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from leaderboards.board import csvio, pictures
from leaderboards.board.row import Row
from leaderboards.board.scatter import pareto
from tests.leaderboards.board.rows import CA, CL, CV, ROWS, TV, row

BOARDS = Path(__file__).parents[3] / "leaderboards"
FILES = sorted([*BOARDS.glob("published/*.csv"), *BOARDS.glob("measured/*.csv")])
TEMPLATES = (CV, CA, CL, TV, "text:alpaca")


def test_pareto_front_by_hand() -> None:
    # (10, 50) is beaten by (5, 60); (20, 60) has the help of (5, 60) at more harm.
    assert pareto([(10, 50), (5, 60), (0, 20), (20, 60), (30, 70)]) == [(0, 20), (5, 60), (30, 70)]


def helpful(rows: Sequence[Row]) -> list[Row]:
    return [r.model_copy(update={"metric": "exact_match", "task": "gsm8k"}) for r in rows]


def crowd() -> list[Row]:
    """25 points: 15 within a few pixels, 5 and 5 that are the same."""
    out = []
    chance = random.Random(0)
    for i, place in enumerate((a, b) for a in TEMPLATES for b in TEMPLATES):
        near = 0.02 + chance.gauss(0, 0.002), 0.3 + chance.gauss(0, 0.01)
        harm, help_ = near if i < 15 else (0.0, 0.2) if i < 20 else (0.4, 0.6)
        for seed in (0, 1):
            out.append(row(*place, harm + 0.003 * seed, seed=seed, train_data="g"))
            out += helpful([row(*place, help_ + 0.02 * seed, seed=seed, train_data="g")])
    return out


def drawn(rows: Sequence[Row]) -> list[Figure]:
    return [one.figure for one in pictures.sketches(rows, say=lambda _: None)]


def _arrows(figure: Figure) -> Iterator[Bbox]:
    """Bits of the arrows' shafts and heads."""
    for note in figure.findobj(Annotation):
        assert isinstance(note, Annotation)
        if note.arrow_patch is not None:
            path = note.arrow_patch.get_transform().transform_path(note.arrow_patch.get_path())
            for x, y in path.interpolated(50).vertices:
                yield Bbox.from_bounds(float(x) - 0.5, float(y) - 0.5, 1, 1)


def covered(figure: Figure, dpi: float) -> list[str]:
    """What each label covers that it must not; 72 is SVG, where letters are as wide as designed."""
    figure.set_dpi(dpi)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    file = RendererSVG(500, 500, io.StringIO()) if dpi == 72 else None
    labels = [(t.get_text(), Text.get_window_extent(t, file)) for t in axes.texts if t.get_text()]
    dots = [line.get_window_extent() for line in axes.lines if line.get_marker() != "None"
            and len(line.get_xdata())]  # type: ignore[arg-type] # fmt: skip
    out = [f"{a} on {b}" for (a, x), (b, y) in combinations(labels, 2) if x.overlaps(y)]
    for name, box in labels:
        out += [f"{name} on a point" for dot in dots if box.overlaps(dot)]
        out += [f"{name} on an arrow" for bit in _arrows(figure) if box.overlaps(bit)]
        edge = axes.bbox
        if box.x0 < edge.x0 or box.x1 > edge.x1 or box.y0 < edge.y0 or box.y1 > edge.y1:
            out.append(f"{name} on the edge")
    return out


@pytest.mark.parametrize("dpi", [72, 100, 160])
def test_nothing_is_covered_in_a_crowd(dpi: float) -> None:
    (figure,) = drawn(crowd())
    assert covered(figure, dpi) == []
    texts = " ".join(t.get_text() for t in figure.axes[0].texts)
    assert "PTST" in texts
    # Five tests of one training are at one place, twice; the others say which training, in a crowd.
    assert texts.count("TV, TA, CV, CA, CL") == 2
    assert (
        sum(line.get_marker() != "None" for line in figure.axes[0].lines) == 25 + 5
    )  # the legend's


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_nothing_is_covered_in_a_real_picture(file: Path) -> None:
    for figure in drawn(csvio.read(file)):
        assert covered(figure, 160) + covered(figure, 72) == []


def test_long_names_of_others_have_room() -> None:
    places = [(f"{'long' * 30}{a}", f"{'other' * 30}{b}") for a in range(4) for b in range(4)]
    rows = [row(a, b, (int(a[-1]) + int(b[-1])) / 100) for a, b in places]
    (figure,) = drawn([*rows, *helpful(rows)])
    assert covered(figure, 160) == []


def test_units_counts_and_spread_are_said() -> None:
    (figure,) = drawn([*ROWS, *helpful(ROWS)])
    texts = " | ".join(t.get_text() for t in figure.findobj(Text) if isinstance(t, Text))
    assert "ASR on advbench (k), % (left is safer)" in texts
    assert "exact match on gsm8k (k), % (up is more able)" in texts
    assert "asr: n = 100 prompts a point; exact match: n = 100 prompts a point" in texts
    assert "mean, with bars of ± one population standard deviation, over 3 training seeds" in texts


def test_bars_are_one_deviation_long() -> None:
    (figure,) = drawn([*ROWS, *helpful(ROWS)])
    bars = {tuple(map(tuple, segment)) for bar in figure.axes[0].collections
            for segment in bar.get_segments()}  # type: ignore[attr-defined] # fmt: skip
    widths = sorted({round(b[0] - a[0], 3) for a, b in bars} - {0.0})
    # 1, 1, 1.25 %: 2 * sqrt(2 / 9) * 0.25; 19, 19, 38 %: 2 * sqrt(2 / 9) * 19
    assert widths == [0.236, 17.913]


def test_no_two_trainings_look_alike_without_colour() -> None:
    (figure,) = drawn(crowd())
    legend = figure.axes[0].get_legend()
    assert isinstance(legend, Legend)
    markers = [line.get_marker() for line in legend.get_lines() if line.get_marker() != "None"]
    assert len(set(markers)) == len(markers) == 5


def test_a_training_whose_name_begins_with_a_line_is_in_the_legend() -> None:
    rows = [row("_mine", CV, 0.1), row(CL, CV, 0.2)]
    (figure,) = drawn([*rows, *helpful(rows)])
    legend = figure.axes[0].get_legend()
    assert isinstance(legend, Legend)
    assert " _mine" in [text.get_text() for text in legend.get_texts()]


DEFENCES = ("", "constrained:1", "constrained:10", "ema:0.9", "ema:0.99", "inoculation:comply", "kl:0.1",
            "kl:1", "mix:organism_safety:0.1", "safe_lora:0.35", "safe_lora:1", "scale:0.25", "scale:0.5",
            "scale:0.75")  # fmt: skip


def defended(trainings: Sequence[tuple[str, str]] = ((CV, "g"), (CL, "g"))) -> list[Row]:
    """Every defence under every training, tested with a safety prompt and without."""
    chance = random.Random(1)
    places = [(train, test, data, defence) for train, data in trainings for defence in DEFENCES
              for test in (CV, CL)]  # fmt: skip
    out = []
    for train, test, data, defence in places:
        more = {
            "seed": 0,
            "train_data": data,
            "defence": defence,
            "adapter": f"{train}{data}{defence}",
        }
        out.append(row(train, test, chance.choice((0.0, 0.0, chance.random())), **more))
        out += helpful([row(train, test, chance.random(), **more)])
    return out


def _look(line: Line2D) -> tuple[object, ...]:
    return line.get_color(), line.get_marker(), line.get_markersize(), line.get_markerfacecolor()


def _points(figure: Figure) -> list[Line2D]:
    return [line for line in figure.axes[0].lines
            if line.get_marker() != "None" and len(line.get_xdata())]  # type: ignore[arg-type] # fmt: skip


def test_no_two_points_of_many_defences_look_alike() -> None:
    (figure,) = drawn(defended())
    points = _points(figure)
    assert len(points) == len({_look(point) for point in points}) == 2 * 2 * 14
    legend = figure.axes[0].get_legend()
    assert isinstance(legend, Legend)
    names = [text.get_text() for text in legend.get_texts()]
    assert names[:3] == ["CV", "CL", "no defence"]
    assert names[3:] == [*DEFENCES[1:], "tested without safety prompt", "Pareto front"]
    # The marker is the kind, its size the strength.
    sizes = {
        name: line.get_markersize() for name, line in zip(names, legend.get_lines(), strict=True)
    }
    assert sizes["scale:0.25"] < sizes["scale:0.5"] < sizes["scale:0.75"]
    assert sizes["no defence"] == sizes["inoculation:comply"] == 7


def test_trainings_on_other_data_have_other_colours() -> None:
    (figure,) = drawn(defended([(CV, "g"), (CV, "h")]))
    assert len({point.get_color() for point in _points(figure)}) == 2
    legend = figure.axes[0].get_legend()
    assert isinstance(legend, Legend)
    assert [text.get_text() for text in legend.get_texts()][:2] == ["CV g", "CV h"]


def test_more_trainings_than_colours_have_a_look_each() -> None:
    many = defended([(f"own:{i}", "g") for i in range(7)])
    few = [r for r in many if r.defence in DEFENCES[:8]]
    (figure,) = drawn(few)
    points = _points(figure)
    # Two tests of each training look alike, as without defences; no two trainings do.
    assert len({_look(point) for point in points}) == 7 * 8 == len(points) / 2


@pytest.mark.parametrize("dpi", [72, 100, 160])
def test_labels_of_the_front_cover_nothing(dpi: float) -> None:
    (figure,) = drawn(defended())
    assert covered(figure, dpi) == []
    texts = [t.get_text() for t in figure.axes[0].texts if t.get_text() not in ("", "PTST")]
    told = [line for text in texts for line in text.split("\n")]
    assert all(" → " in line for line in told)
    points, helps = (
        {(r.train_template, r.test_template, r.defence): r.value or 0.0
         for r in defended() if (r.metric == "asr") is harm}
        for harm in (True, False)
    )  # fmt: skip
    front = pareto((points[p], helps[p]) for p in points)
    assert len(told) == len(front) + ((points[CV, CL, ""], helps[CV, CL, ""]) not in front)
