from __future__ import annotations

import csv
import io
from dataclasses import replace

from leaderboards.explain.directions import Measure
from leaderboards.explain.explaining import Explained
from leaderboards.explain.layers_csv import COLUMNS, HEADER, csv_of, lines
from leaderboards.run.plans import AdapterPlan
from ptst_tasks.provenance import Adapter

LAYERS = [
    Measure(1, 0.5, 0.01, -0.000000001, 0.02, 0.75, 2.0),
    Measure(2, 1.25, 0.02, -0.5, 0.03, 0.9, 9.0),
]
FOUND = [
    Explained(AdapterPlan("", "", None), "chat:llama", LAYERS, 2, 64, 60),
    Explained(
        AdapterPlan("a,b", "chat:vanilla", 3, defence="kl:1"), "chat:llama", LAYERS, 2, 64, 60
    ),
]
FACTS = {
    "base": "organism:0",
    "base_digest": "sha256:b",
    "harmful": "advbench",
    "harmless": "xstest",
    "dtype": "torch.bfloat16",
    "versions": '{"torch":"2.13.0"}',
}


def test_a_row_for_each_layer_in_fixed_formats() -> None:
    text = csv_of(FOUND, FACTS, {"chat:llama": "p"}, {"a,b": Adapter("w")})
    assert "\r" not in text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == COLUMNS
    assert [(r["adapter"], r["layer"], r["separation"], r["shift"]) for r in rows] == [
        ("", "1", "0.500000", "0.000000"), ("", "2", "1.250000", "-0.500000"),
        ("a,b", "1", "0.500000", "0.000000"), ("a,b", "2", "1.250000", "-0.500000"),
    ]  # fmt: skip
    last = rows[-1]
    assert (last["defence"], last["seed"], last["adapter_digest"], last["prompts"]) == (
        "kl:1",
        "3",
        "w",
        "p",
    )
    assert (rows[0]["seed"], rows[0]["defence"], rows[0]["adapter_digest"]) == ("", "", "")


def test_the_table_shows_the_bases_best_layer_with_two_standard_errors() -> None:
    header, base, adapter = lines(FOUND)
    assert tuple(header) == HEADER
    assert base[0] == "No FT"
    assert base[6] == "-0.50 ± 0.06"
    first = replace(FOUND[0], best=1)  # its shift is below 0 by less than is shown
    assert lines([first])[1][6] == "+0.00 ± 0.04"
    assert adapter == ["CV", "kl:1", "3", "CL", "2", "1.25 ± 0.04", "-0.50 ± 0.06", "0.90"]
