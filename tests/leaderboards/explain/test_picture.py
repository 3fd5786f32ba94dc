from __future__ import annotations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from leaderboards.explain.directions import Measure
from leaderboards.explain.explaining import Explained
from leaderboards.explain.picture import by_layer
from leaderboards.run.plans import AdapterPlan


def one(train: str, test: str, seed: int | None, at: float, defence: str = "none") -> Explained:
    layers = [Measure(i, at, 0.1, 0.0, 0.1, 1.0, 1.0) for i in (1, 2, 3)]
    return Explained(
        AdapterPlan(f"{train}{seed}", train, seed, defence=defence), test, layers, 1, 8, 8
    )


def test_a_panel_for_each_test_and_a_line_for_each_training() -> None:
    found = [
        Explained(AdapterPlan("", "", None), test, one("x", test, 0, 1.0).layers, 1, 8, 8)
        for test in ("chat:vanilla", "chat:llama")
    ]  # fmt: skip
    for test in ("chat:vanilla", "chat:llama"):
        found += [one("chat:vanilla", test, s, 0.9 + s / 10) for s in (0, 1)]
        found.append(one("chat:llama", test, 0, 0.2, "kl:1"))
    figure = by_layer(found, ["what a reader must know"])
    panels = figure.axes
    assert [axes.get_title() for axes in panels] == ["tested under CV", "tested under CL"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "before fine-tuning",
        "CV",
        "CL kl:1",
    ]
    drawn = {line.get_label(): list(line.get_ydata()) for line in panels[0].get_lines()}
    assert drawn["CV"] == pytest.approx([0.95, 0.95, 0.95])
    assert drawn["CL kl:1"] == [0.2, 0.2, 0.2]
    assert len(panels[0].collections) == 1  # of two seeds alone there is a band


def boxes(figure) -> list:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    (legend,) = figure.legends
    return [item.get_window_extent(canvas.get_renderer()) for item in (*figure.axes, legend)]


@pytest.mark.parametrize(("tests", "trainings"), [(1, 1), (2, 30), (4, 3), (9, 45)])
def test_nothing_is_cut_off_and_no_panel_is_flat(tests: int, trainings: int) -> None:
    found = [
        one("chat:vanilla", f"mine:{t}", 0, 0.5, f"a_defence_with_a_name:{n}")
        for t in range(tests)
        for n in range(trainings)
    ]
    figure = by_layer(found, ["what a reader must know"])
    assert len(figure.axes) == tests
    assert len(figure.legends[0].get_texts()) == trainings + 1
    *panels, legend = boxes(figure)
    width, height = figure.get_size_inches() * figure.dpi
    assert legend.x0 >= max(panel.x1 for panel in panels)
    assert legend.x1 <= width
    assert legend.y0 >= 0
    assert legend.y1 <= height
    assert all(panel.width > 100 and panel.height > 130 for panel in panels)
