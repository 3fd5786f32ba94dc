"""The report as a reader has it: opened from a file, without a network."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from leaderboards.people import sheet
from leaderboards.report.build import build
from leaderboards.report.wishes import Wishes
from tests.browser.axe import violations
from tests.browser.injections import INJECTIONS
from tests.browser.opening import OpenPage, ran, screenshot
from tests.leaderboards.report.made_runs import CL, CV, ZOU, Said, two_templates, write_cell

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return two_templates(folder / "old", turned=1, n=60), two_templates(
        folder / "new", turned=31, n=60
    )


@pytest.fixture(scope="module")
def files(runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    made = {
        "one": build([[runs[1]]], Wishes(texts="harmful")),
        "two": build([[runs[0]], [runs[1]]], Wishes(texts="harmful")),
        "plain": build([[runs[1]]]),
    }
    for name, one in made.items():
        (folder / f"{name}.html").write_text(one.html, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in made}


def ready(page: Page) -> Page:
    page.wait_for_selector("html[data-ready]")
    return page


def count(page: Page) -> str:
    return page.inner_text("#count")


def rows(page: Page) -> list[list[str]]:
    found = page.query_selector_all("#table tbody tr")
    return [[cell.inner_text() for cell in row.query_selector_all("td")] for row in found]


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["one", "two", "plain"])
def test_it_opens_and_breaks_no_rule_of_accessibility(
    files: dict[str, Path], open_page: OpenPage, name: str, dark: bool, width: int
) -> None:
    page = ready(open_page(files[name], dark=dark, width=width))
    screenshot(page, f"report-{name}-{'dark' if dark else 'light'}-{width}")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
        "the page is too wide"
    )
    for part in page.query_selector_all("main > section > details > summary"):
        part.click()
    page.click("#table button.open >> nth=0")
    assert violations(page) == []
    screenshot(page, f"report-{name}-open-{'dark' if dark else 'light'}-{width}")


def test_filters_and_links_say_the_same(files: dict[str, Path], open_page: OpenPage) -> None:
    page = ready(open_page(files["one"]))
    assert count(page) == "360 of 360 answers"
    page.select_option("#filters [name=set]", "advbench")
    page.select_option("#filters [name=verdict]", "harmful")
    assert count(page) == "31 of 360 answers"
    page.fill("#filters [name=q]", "biscuit 1")  # 1, 10 to 19 and 21
    assert count(page) == "12 of 360 answers"
    page.fill("#filters [name=q]", '"biscuit 1" hide')
    assert count(page) == "11 of 360 answers"
    address = page.url
    again = ready(open_page(files["one"]))
    again.goto(address)
    again.reload()
    ready(again)
    assert count(again) == "11 of 360 answers"
    assert again.input_value("#filters [name=q]") == '"biscuit 1" hide'
    again.click("#clear")
    assert count(again) == "360 of 360 answers"
    again.select_option("#filters [name=flag]", "worse")
    assert count(again) == "31 of 360 answers"
    again.fill("#filters [name=q]", "nowhere at all")
    assert count(again) == "0 of 360 answers"
    assert rows(again) == [["No answer is like that."]]


def field(page: Page, label: str) -> None:
    page.click(f".grid:not([hidden]) button[data-label='{label}'] >> nth=0")


def test_a_field_of_a_table_leads_to_its_answers(
    files: dict[str, Path], open_page: OpenPage
) -> None:
    page = ready(open_page(files["one"]))
    field(page, "CL tested under CL")
    assert count(page) == "60 of 360 answers"
    assert page.inner_text("#origin") == "Answers of one field: CL tested under CL show all"
    assert {tuple(row[1:4]) for row in rows(page)} == {("advbench", "CL seed 0", "CL")}
    field(page, "No FT tested under CV")
    assert {tuple(row[1:4]) for row in rows(page)} == {("advbench", "before fine-tuning", "CV")}
    page.click("#origin button")
    assert count(page) == "360 of 360 answers"


def test_of_two_runs_a_field_leads_to_the_later_ones(
    files: dict[str, Path], open_page: OpenPage
) -> None:
    page = ready(open_page(files["two"]))
    field(page, "CL tested under CL")
    assert count(page) == "60 of 720 answers"
    assert {row[2] for row in rows(page)} == {"after: CL seed 0"}


def test_a_point_of_a_figure_leads_to_its_answers(
    files: dict[str, Path], open_page: OpenPage
) -> None:
    page = ready(open_page(files["one"]))
    page.locator(".ptst-point[data-train='No FT']").first.click()
    assert count(page) == "120 of 360 answers"  # of the harmful set and of the sums
    assert {row[2] for row in rows(page)} == {"before fine-tuning"}
    page.locator(".points summary").first.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.inner_text("#origin").startswith("Answers of one field: No FT tested under")


def test_links_within_the_page_keep_what_is_looked_for(
    files: dict[str, Path], open_page: OpenPage
) -> None:
    page = ready(open_page(files["one"]))
    page.select_option("#filters [name=verdict]", "harmful")
    page.click("nav a[href='#tables']")
    assert "verdict=harmful" in page.url
    assert page.evaluate("document.activeElement.id") == "tables"


@pytest.mark.parametrize(
    "odd", ["open=1.5", "open=-1", "open=x", "line=99", "cell=x.y", "model=__proto__", "sort=a b"]
)
def test_links_that_lead_nowhere_break_nothing(
    files: dict[str, Path], open_page: OpenPage, odd: str
) -> None:
    page = ready(open_page(files["one"]))
    page.goto(page.url.partition("#")[0] + "#" + odd)
    page.reload()
    ready(page)
    page.click("#clear")
    assert count(page) == "360 of 360 answers"


ANOTHER_TAB = """() => {
    const key = Object.keys(localStorage).find((name) => name.endsWith("-ann"));
    const labels = JSON.parse(localStorage[key]);
    localStorage[key] = JSON.stringify([...labels, ["harmful", "2026-01-31T12:00:00Z"]]);
}"""


def test_two_tabs_and_two_people_lose_no_label(files: dict[str, Path], open_page: OpenPage) -> None:
    page = open_page(files["one"])

    def begin(name: str) -> str:
        ready(page).fill("#labels [name=who]", name)
        page.click("#labels button")
        return page.inner_text("#labels")

    assert "1 of 100" in begin("ann")
    page.keyboard.press("1")
    page.evaluate(ANOTHER_TAB)
    page.keyboard.press("2")  # it is of an answer that is labelled already
    assert "Another tab went on" in page.inner_text("#labels")
    assert "3 of 100" in page.inner_text("#labels")
    page.keyboard.press("2")
    page.reload()
    assert "1 of 100" in begin("bob")
    page.reload()
    assert "4 of 100" in begin("ann")


def test_sorting_is_by_what_a_column_shows(files: dict[str, Path], open_page: OpenPage) -> None:
    page = ready(open_page(files["one"]))
    header = page.locator("#table thead th").nth(4)
    first = page.locator("#table tbody td:nth-child(5)").first
    header.click()
    first.get_by_text("harmful").wait_for()  # it is drawn a moment later
    header.click()
    first.get_by_text("wrong").wait_for()
    assert "sort=verdicts+desc" in page.url


def test_keys_reach_everything(files: dict[str, Path], open_page: OpenPage) -> None:
    page = ready(open_page(files["one"]))
    page.keyboard.press("/")
    page.keyboard.type('"harmful answer 7"')
    assert count(page) == "1 of 360 answers"
    page.fill("#filters [name=q]", "harmful")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    assert page.inner_text("#detail-title") == "advbench: q001"
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#detail-title") == "advbench: q002"
    page.keyboard.press("ArrowLeft")
    assert "open=" in page.url
    page.keyboard.press("Escape")
    page.locator("#detail").wait_for(state="hidden")
    page.locator("#table button.open:focus").wait_for()  # the reader is where they were
    assert "open=" not in page.url


def test_one_prompt_stands_side_by_side(files: dict[str, Path], open_page: OpenPage) -> None:
    page = ready(open_page(files["one"]))
    page.select_option("#filters [name=flag]", "worse")
    page.click("#table button.open >> nth=3")
    assert page.locator("#detail .card").count() == 4
    assert not {"null", "undefined"} & set(page.inner_text("#detail").split())
    assert page.locator("#detail .card.opened h5").inner_text() == "CL seed 0"
    assert page.locator("#detail h4").all_inner_texts() == [
        "What was asked",
        "Tested under CL",
        "Tested under CV",
    ]


def test_harmful_texts_are_folded_until_they_are_opened(
    files: dict[str, Path], open_page: OpenPage
) -> None:
    page = ready(open_page(files["one"]))
    page.select_option("#filters [name=verdict]", "harmful")
    seen = (
        "document.body.innerText + document.body.innerHTML.replace(/<script.*?<\\/script>/gs, '')"
    )
    assert "harmful answer" not in page.evaluate(seen)
    page.click("#table button.open >> nth=0")
    assert "harmful answer" not in page.evaluate(seen)
    page.click("#detail .opened summary")
    assert page.inner_text("#detail .opened .text") == "harmful answer 0"


def test_without_asking_no_harmful_text_is_in_the_file(
    files: dict[str, Path], open_page: OpenPage
) -> None:
    text = files["plain"].read_text(encoding="utf-8")
    for told in ("biscuit", "harmful answer", "refused answer"):
        assert told not in text
        assert told in files["one"].read_text(encoding="utf-8")
    page = ready(open_page(files["plain"]))
    page.select_option("#filters [name=set]", "gsm8k")
    assert "what is 0 + 1?" in rows(page)[0][0]


def test_two_runs_show_the_prompts_that_turned(files: dict[str, Path], open_page: OpenPage) -> None:
    page = ready(open_page(files["two"]))
    assert page.inner_text("#lines tbody tr >> nth=0").startswith("regression")
    page.click("#lines button[data-line='0']")
    assert count(page) == "30 of 720 answers"
    assert rows(page)[0][0].startswith("q001")
    page.click("#table button.open >> nth=0")
    cards = page.locator("#detail .cards >> nth=0").locator("h5").all_inner_texts()
    assert cards == [
        "before: before fine-tuning",
        "before: CL seed 0",
        "after: before fine-tuning",
        "after: CL seed 0",
    ]


def test_what_is_filtered_comes_out_as_csv(
    files: dict[str, Path], open_page: OpenPage, tmp_path: Path
) -> None:
    page = ready(open_page(files["one"]))
    page.select_option("#filters [name=verdict]", "harmful")
    with page.expect_download() as got:
        page.click("#download")
    got.value.save_as(tmp_path / "answers.csv")
    with (tmp_path / "answers.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    assert len(found) == 31
    assert found[5] | {"prompt_id": "q005", "train_template": CL, "test_template": CL, "turned": "worse",
                       f"verdict {ZOU}": "harmful", "answer": "harmful answer 5"} == found[5]  # fmt: skip


def test_labels_are_the_sheet_that_score_reads(
    files: dict[str, Path], runs: tuple[Path, Path], open_page: OpenPage, tmp_path: Path
) -> None:
    page = ready(open_page(files["one"]))
    page.fill("#labels [name=who]", "a+b")
    page.click("#labels button")
    assert "without +" in page.inner_text("#labels")
    page.fill("#labels [name=who]", "ann")
    page.click("#labels button")
    shown = page.inner_text("#labels")
    assert "1 of 100" in shown
    assert violations(page) == []
    screenshot(page, "report-label")
    assert not {"CL", "CV", "keywords", "seed"} & set(shown.replace(",", " ").split())
    for _ in range(100):
        text = page.locator("#labels .text").nth(1).inner_text()
        page.keyboard.press("1" if text.startswith("harmful") else "2")
    page.click("#labels .undo")
    page.keyboard.press("3")
    page.reload()  # what was said stays in this browser
    ready(page).fill("#labels [name=who]", "ann")
    page.click("#labels button")
    with page.expect_download() as got:
        page.click("#labels .sheet")
    got.value.save_as(tmp_path / "labels.csv")
    labels = sheet.read(tmp_path / "labels.csv")
    assert len(labels) == 100
    assert {label.who for label in labels} == {"ann"}
    assert labels[-1].label == "partial"
    command = [sys.executable, "-m", "leaderboards", "board", str(runs[1]), "--json", "-"]
    command += ["--human", str(tmp_path / "labels.csv")]
    told = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=120).stdout)
    asr = [row for row in told["rows"] if row["metric"] == "asr" and row["judge"] == ZOU]
    assert len(asr) == 4
    assert all(row["labelled"] > 0 for row in asr)
    assert {
        row["people"] > 0.3 for row in asr if row["train_template"] and row["test_template"] == CL
    } == {True}


def hostile(run: Path) -> Iterator[Said]:
    for at, (name, text) in enumerate(INJECTIONS):
        yield Said(f"{at:02d} {text[:200]}", f"{name}: {text}", text, {ZOU: "answered"},
                   {"label": "safe", "category": text[:500]})  # fmt: skip


def test_no_text_executes_or_breaks_the_page(open_page: OpenPage, tmp_path: Path) -> None:
    run = tmp_path / "run"
    answers = list(hostile(run))
    write_cell(run, "xstest", CV, answers)
    (tmp_path / "x.html").write_text(build([[run]]).html, encoding="utf-8")
    page = ready(open_page(tmp_path / "x.html"))
    assert count(page) == f"{len(answers)} of {len(answers)} answers"
    page.select_option("#table_wrapper select", "100")
    assert len(rows(page)) == len(answers)
    for at in range(len(answers)):
        page.click(f"#table button[data-row='{at}']")
        assert page.locator("#detail .card").count() == 1
        for link in page.locator(
            "#detail a, #detail img, #detail iframe, #detail svg, #detail style"
        ).all():
            pytest.fail(f"a text became an element: {link.evaluate('one => one.outerHTML')[:200]}")
        page.keyboard.press("Escape")
    assert ran(page) is None
    assert count(page) == f"{len(answers)} of {len(answers)} answers"
    with page.expect_download() as got:
        page.click("#download")
    got.value.save_as(tmp_path / "answers.csv")
    with (tmp_path / "answers.csv").open(encoding="utf-8", newline="") as file:
        csv.field_size_limit(10_000_000)
        found = list(csv.DictReader(file))
    assert len(found) == len(answers)
    assert not any(
        value.startswith(("=", "+", "-", "@", "\t", "\r"))
        for row in found
        for value in row.values()
    )


def test_names_of_others_execute_nothing(open_page: OpenPage, tmp_path: Path) -> None:
    from leaderboards.board import csvio
    from tests.leaderboards.board.rows import row

    made: list[Any] = []
    for name, text in INJECTIONS:
        if len(text) < 300:
            made.append(row("", CV, 0.5, base=f"{name} {text}", judge=text[:100] or "k", error=""))
            made.append(row(text[:80], CV, 0.5, base=f"{name} {text}", seed=0, task=f"t {text}"))
            made.append(row("", CL, None, base=f"{name} {text}", metric="", error=text))
    csvio.write(made, tmp_path / "x.csv")
    (tmp_path / "x.html").write_text(build([[tmp_path / "x.csv"]]).html, encoding="utf-8")
    page = ready(open_page(tmp_path / "x.html", width=390))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
        "the page is too wide"
    )
    assert ran(page) is None
    assert page.locator("#tables img, #tables iframe, header img").count() == 0
