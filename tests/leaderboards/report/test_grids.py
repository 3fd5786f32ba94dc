from __future__ import annotations

from leaderboards.board.tables import grids
from leaderboards.report.grids import provenance, views
from leaderboards.report.naming import Naming
from leaderboards.report.page import render_board
from tests.leaderboards.board.rows import CL, CV, ROWS, row


def test_harm_comes_first_and_a_field_knows_what_is_behind_it() -> None:
    rows = [row("", CL, 0.4, task="gsm8k", metric="exact_match", judge="paper"),
            row("", CL, 0.9, metric="refused"), *ROWS]  # fmt: skip
    found = views(grids(rows))
    assert [view.metric for view in found] == ["asr", "exact_match", "refused"]
    asr = found[0]
    assert asr.tests == ["CV", "CL"]
    lines = dict(asr.lines)
    assert list(lines) == ["No FT", "TV", "CV", "CL"]
    here = lines["CV"][1]
    assert (here.text, here.more, here.shade, here.mark) == ("1.1", "±0.1 n 100", 0, "ptst")
    assert (here.label, here.cell) == ("CV tested under CL", "")
    same = lines["CL"][1]
    assert (same.text, same.shade, same.mark) == ("50.0", 5, "same")
    gap = lines["TV"][0]
    assert (gap.text, gap.shade) == ("–", None)


def test_the_worst_test_stands_at_the_end_of_each_line_of_harm() -> None:
    rows = [*ROWS, row(CV, CV, 0.5, metric="refused"), row(CV, CL, 0.6, metric="refused")]
    rows += [row(CV, CL, 0.9, seed=s, attack="json") for s in range(3)]
    found = {(view.metric, "json" in view.title): view for view in views(grids(rows))}
    plain = found["asr", False]
    assert plain.worst == ["2.0 CV", "–", "90.0 CL json", "50.0 CL"]
    assert len(plain.worst) == len(plain.lines)
    assert found["refused", False].worst == []
    page = render_board(grids(rows))
    assert page.count('<th scope="col">worst</th>') == 2  # attack success, plainly and as JSON
    assert '<td class="worst"><span>90.00 CL json</span></td>' in page


def test_a_field_leads_to_the_tasks_of_its_rows_and_to_no_other() -> None:
    at = {id(r): i for i, r in enumerate(ROWS)}
    (view,) = views(grids(ROWS), lambda r: at.get(id(r)))
    cells = {label: [place.cell for place in places] for label, places in view.lines}
    assert cells == {
        "No FT": ["0", "1"],
        "CV": ["2.3.4", "5.6.7"],
        "CL": ["9", "8"],
        "TV": ["", "10"],
    }


def test_refusals_of_a_mixed_set_lead_to_its_safe_prompts() -> None:
    rows = [row("", CV, 0.5, task="xstest", metric="refused"), row("", CV, 0.1, task="xstest")]
    found = {view.metric: view.lines[0][1][0].only for view in views(grids(rows), mixed={"xstest"})}
    assert found == {"asr": "", "refused": "safe"}
    assert views(grids(rows[:1]))[0].lines[0][1][0].only == ""


def test_a_failed_field_says_so() -> None:
    rows = [row("", CV, 0.1), row(CL, CV, None, metric="", error="out of memory", seed=0)]
    (view,) = views(grids(rows))
    assert (view.lines[1][1][0].text, view.lines[1][1][0].more) == ("–", "failed")


def test_provenance_is_without_paths() -> None:
    rows = [
        row("", CV, 0.1, base="/home/me/models/mine", engine="hf", dtype=""),
        row("", CL, 0.1, base="/x/other"),
    ]
    assert provenance(Naming().rows(rows), ("base", "engine", "dtype")) == [
        ("base", ["mine", "other"]),
        ("engine", ["hf"]),
    ]
