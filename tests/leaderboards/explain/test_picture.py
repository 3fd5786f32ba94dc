from __future__ import annotations

import pytest

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
    (legend,) = (axes.get_legend() for axes in panels if axes.get_legend())
    assert [text.get_text() for text in legend.get_texts()] == [
        "before fine-tuning",
        "CV",
        "CL kl:1",
    ]
    drawn = {line.get_label(): list(line.get_ydata()) for line in panels[0].get_lines()}
    assert drawn["CV"] == pytest.approx([0.95, 0.95, 0.95])
    assert drawn["CL kl:1"] == [0.2, 0.2, 0.2]
    assert len(panels[0].collections) == 1  # of two seeds alone there is a band
