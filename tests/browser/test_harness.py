"""A good page passes; each thing that a page must not do is noticed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser import axe
from tests.browser.opening import OpenPage, screenshot
from tests.real_models import NotToBeHadError

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
STRICT = '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:">'
DOT = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
GOOD = f'<main><h1>Results</h1><p>Nothing is fetched.</p><img src="{DOT}" alt="a dot"></main>'
BAD = {
    "fetch": ('<script>fetch("https://example.com/a").catch(() => 0)</script>', "request"),
    "beacon": ('<script>navigator.sendBeacon("https://example.com/b", "x")</script>', "request"),
    "socket": ('<script>new WebSocket("wss://example.com/")</script>', "request"),
    "beside": ('<img src="logo.png" alt="logo">', "request"),
    "frame of itself": ('<iframe src="page.html" title="again"></iframe>', "request"),
    "later": ('<script>setTimeout(() => new Image().src = "https://example.com/", 1)</script>', "request"),
    "preconnect": ('<link rel="preconnect" href="https://example.com/">', "request"),
    "icon": ('<link rel="icon" href="https://example.com/icon.png">', "request"),
    "moves on": ('<meta http-equiv="refresh" content="0;url=https://example.com/">', "request"),
    "console.error": ('<script>console.error("lost", 3)</script>', "console"),
    "console.warn": ('<script>console.warn("lost")</script>', "console"),
    "console.assert": ("<script>console.assert(1 > 2)</script>", "console"),
    "throws": ('<script>throw new Error("broken")</script>', "error"),
    "rejects": ('<script>Promise.reject(new Error("broken"))</script>', "error"),
    "syntax": ("<script>let = = 1</script>", "error"),
    "script against policy": ("<script>document.title = 1</script>", "policy"),
    "style against policy": ('<p style="color: red">red</p>', "policy"),
    "dialog": ("<script>alert(1)</script>", "dialog"),
    "popup": ('<a href="page.html" target="_blank" id="go">more</a>', "popup"),
}  # fmt: skip


def page_of(folder: Path, body: str, head: str = "") -> Path:
    file = folder / "page.html"
    file.write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{head}<title>A page</title>'
        f'<meta name="viewport" content="width=device-width"></head><body>{body}</body></html>',
        encoding="utf-8",
    )
    return file


@pytest.mark.parametrize("head", ["", STRICT])
def test_a_good_page_passes(open_page: OpenPage, tmp_path: Path, head: str) -> None:
    page = open_page(page_of(tmp_path, GOOD, head))
    page.reload()
    assert page.inner_text("h1") == "Results"
    assert axe.violations(page) == []


@pytest.mark.parametrize("name", BAD)
def test_each_is_noticed(open_page: OpenPage, tmp_path: Path, name: str) -> None:
    body, kind = BAD[name]
    page = open_page(page_of(tmp_path, body, STRICT if kind == "policy" else ""))
    for link in page.locator("#go").all():
        link.click()
    found = open_page.take()
    assert kind in {noticed.kind for noticed in found}, found
    assert open_page.take() == []


def test_what_a_page_makes_itself_is_no_request(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(page_of(tmp_path, '<a id="go" download="a.csv">save</a>'))
    page.evaluate(
        "() => { document.querySelector('#go').href = URL.createObjectURL(new Blob(['a,b'])) }"
    )
    with page.expect_download() as saved:
        page.click("#go")
    assert Path(saved.value.path()).read_text() == "a,b"


def test_a_crash_is_noticed(open_page: OpenPage, tmp_path: Path) -> None:
    from playwright.sync_api import Error

    page = open_page(page_of(tmp_path, GOOD))
    with page.expect_event("crash"), contextlib.suppress(Error):
        page.goto("chrome://crash", timeout=5000)
    assert [n.kind for n in open_page.take()] == ["crash"]


def test_kinds_are_taken_out_one_by_one(open_page: OpenPage, tmp_path: Path) -> None:
    open_page(page_of(tmp_path, "<script>console.error(1); throw new Error('two')</script>"))
    assert [n.said for n in open_page.take("error")] == ["two"]
    assert [n.said for n in open_page.take("console")] == ["error: 1"]


def test_reader_and_window(open_page: OpenPage, tmp_path: Path) -> None:
    file = page_of(tmp_path, GOOD)
    asked = "() => [matchMedia('(prefers-color-scheme: dark)').matches, innerWidth]"
    told = [
        open_page(file, dark=d, width=w).evaluate(asked) for d in (False, True) for w in (1440, 390)
    ]
    assert told == [[False, 1440], [False, 390], [True, 1440], [True, 390]]


def test_axe_tells_rule_target_and_why(open_page: OpenPage, tmp_path: Path) -> None:
    faint = '<p id="faint" style="color: #999; background: #fff">faint</p>'
    small = (
        "<button style='height: 9px; padding: 0'>a</button><button style='height: 9px'>b</button>"
    )
    page = open_page(page_of(tmp_path, f'{GOOD}<main><img src="{DOT}">{faint}{small}</main>'))
    found = axe.violations(page)
    assert {"image-alt", "color-contrast", "target-size", "landmark-no-duplicate-main"} <= {
        line.partition(" ")[0] for line in found
    }
    image = next(line for line in found if line.startswith("image-alt"))
    assert image.startswith("image-alt (critical): main:nth-child(2) > img: Fix any of")
    assert page.evaluate("() => typeof axe") == "undefined"


def test_axe_is_skipped_where_it_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PTST_REAL_MODELS", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotToBeHadError, match="there is no npm"):
        axe.fetched()


def test_pictures_are_taken_where_they_are_asked_for(
    open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page(page_of(tmp_path, GOOD))
    monkeypatch.delenv("PTST_SCREENSHOTS", raising=False)
    assert screenshot(page, "good") is None
    monkeypatch.setenv("PTST_SCREENSHOTS", str(tmp_path / "pictures"))
    file = screenshot(page, "good")
    assert file == tmp_path / "pictures/good.png"
    assert file.read_bytes().startswith(b"\x89PNG")


def test_what_is_not_taken_out_fails_the_test(tmp_path: Path) -> None:
    page_of(tmp_path, "<script>console.error('lost')</script>")
    tests = tmp_path / "test_page.py"
    tests.write_text(
        "from pathlib import Path\n"
        "FILE = Path(__file__).with_name('page.html')\n"
        "def test_left(open_page): open_page(FILE)\n"
        "def test_taken(open_page): open_page(FILE); assert open_page.take('console')\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.browser.conftest",
               "--rootdir", str(tmp_path), "-c", os.devnull, str(tests)]  # fmt: skip
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "2 passed, 1 error" in ended.stdout
    assert "  console: error: lost" in ended.stdout
