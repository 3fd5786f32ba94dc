"""Every hostile text does something in some careless page, and nothing in one that escapes it."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.browser.injections import ASKING, INJECTIONS, RUNNING
from tests.browser.opening import OpenPage, ran

pytestmark = pytest.mark.browser

TEXTS = dict(INJECTIONS)


def _markdown(text: str) -> str:
    text = re.sub(r"!\[(.*?)]\((.*)\)", r'<img alt="\1" src="\2">', text, count=1)
    return re.sub(r"\[(.*?)]\((.*?)\)", r'<a href="\2">\1</a>', text)


CARELESS: dict[str, Callable[[str], str]] = {
    "html": str,
    "html, unescaped once more": html.unescape,
    "html, from an address": unquote,
    "markdown": _markdown,
    "attribute": lambda text: f'<p title="{text}">x</p>',
    "attribute of a field": lambda text: f'<input value="{text}">',
    "attribute in single quotes": lambda text: f"<p title='{text}'>x</p>",
    "comment": lambda text: f"<!-- {text} -->",
    "title": lambda text: f"<textarea>{text}</textarea>",
    "style": lambda text: f"<style>p {{ content: '{text}' }}</style>",
    "cdata": lambda text: f"<svg><desc><![CDATA[{text}]]></desc></svg>",
    "json": lambda text: f'<script>const rows = [{{"answer": "{text}"}}]</script>',
    "string": lambda text: f"<script>const answer = '{text}'</script>",
    "string, quotes escaped": lambda text: "<script>const answer = '{}'</script>".format(
        text.replace("'", "\\'")
    ),
    "string into html": lambda text: f'<body><script>document.body.innerHTML = "{text}"</script>',
    "template": lambda text: f"<script>const answer = `{text}`</script>",
    "remark": lambda text: f"<script>// {text}\n</script>",
}
"""Ways in which a page takes a text for its own."""
CLICK = """() => document.querySelectorAll("a").forEach(a => a.protocol == "javascript:" && a.click())"""


def careless(folder: Path, text: str) -> Path:
    frames = (html.escape("<!doctype html>" + way(text)) for way in CARELESS.values())
    file = folder / "careless.html"
    body = "".join(f'<iframe srcdoc="{frame}"></iframe>' for frame in frames)
    file.write_text(f"<!doctype html><meta charset=utf-8>{body}", encoding="utf-8")
    return file


@pytest.mark.parametrize("name", sorted(RUNNING))
def test_it_runs_where_a_page_is_careless(open_page: OpenPage, tmp_path: Path, name: str) -> None:
    page = open_page(careless(tmp_path, TEXTS[name]))
    for frame in page.frames:
        frame.evaluate(CLICK)
    open_page.take()  # waits, too
    assert ran(page) == name


@pytest.mark.parametrize("name", sorted(ASKING))
def test_it_asks_where_a_page_is_careless(open_page: OpenPage, tmp_path: Path, name: str) -> None:
    page = open_page(careless(tmp_path, TEXTS[name]))
    if name == "html-link":
        page.frame_locator("iframe").first.locator("a").click()
    asked = open_page.take()
    assert any("example.com" in noticed.said for noticed in asked if noticed.kind == "request"), (
        asked
    )
    assert ran(page) is None


def test_escaped_they_do_nothing(open_page: OpenPage, tmp_path: Path) -> None:
    file = tmp_path / "escaped.html"
    texts = (html.escape(text) for _, text in INJECTIONS)
    body = "".join(f'<pre title="{text[:999]}">{text}</pre>' for text in texts)
    page_text = f"<!doctype html><meta charset=utf-8><title>Texts</title>{body}"
    file.write_bytes(page_text.encode("utf-8", errors="replace"))
    page = open_page(file)
    assert ran(page) is None
    assert page.title() == "Texts"
    assert page.locator("pre").count() == len(INJECTIONS)


def test_the_list() -> None:
    assert len(INJECTIONS) == len(TEXTS) >= 40
    assert len(set(TEXTS.values())) == len(TEXTS)
    assert {name for name, text in INJECTIONS if "__ran" in text} == RUNNING
