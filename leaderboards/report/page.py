"""The page: one file, whose Content-Security-Policy allows its own script and style and nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from leaderboards.board.rendering import shown
from leaderboards.board.tables import Grid
from leaderboards.report.changes import Changes
from leaderboards.report.grids import View, views
from leaderboards.report.verdicts import WORDS
from ptst_tasks import __version__
from ptst_tasks.errors import ConfigError, require

__all__ = ["Figured", "Page", "Sheet", "render", "render_board", "render_sheets"]

_SCRIPTS = (
    "text.js",
    "state.js",
    "filters.js",
    "samples.js",
    "detail.js",
    "changes.js",
    "label.js",
    "start.js",
)
_READING = (
    "Percent over the prompts that have a verdict (n); darker is higher. A frame: trained and tested under "
    "one template. A dashed frame: PTST, a safety prompt in the test alone."
)
_EXPORT = re.compile(r"export\s*\{([^{}]*)\}\s*;?")
_HALF = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Figured:
    """A picture: title, markup, and points as `leaderboards.report.grids.points_of` has them."""

    title: str
    svg: str
    points: list[tuple[str, str, str, list[str], str]]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table of any shape: title, lines of text of which the first is the header, remarks."""

    title: str
    lines: list[list[str]]
    remarks: list[str]


@dataclass(frozen=True, slots=True)
class Page:
    """Everything the page shows; all names in it are fit to be sent on (see `sendable`)."""

    title: str
    headlines: list[str]
    compared: Changes | None
    views: list[View]
    figures: list[Figured]
    sheets: list[Sheet]
    missing: int
    failed: list[str]
    provenance: list[tuple[str, list[str]]]
    notes: list[str]
    data: dict[str, Any]
    sample: dict[str, Any] | None
    no_sample: str
    texts: str
    hidden: bool


def render(page: Page) -> str:
    """The page as HTML.

    Raises:
        MissingExtraError: If the table library is not installed.
        ConfigError: If it is none that this version knows.
    """
    library, look = _tables()
    script = "\n".join([library, *map(_asset, _SCRIPTS)])
    style = "\n".join([look, _asset("page.css")])
    changes = page.compared.lines if page.compared else []
    data = {**page.data, "changes": changes, "sample": page.sample}
    return _fill(
        "page.html", script, style, page=page, words=WORDS, version=__version__, data=_json(data)
    )


def render_board(tables: Sequence[Grid]) -> str:
    """The tables alone, as a page of their own, with two digits after the point.

    Raises:
        ConfigError: If there is no table to show.
    """
    if not tables:
        raise ConfigError("no row has a test template and a value: there is no table to lay out")
    return _fill("board.html", "", _asset("page.css"), views=views(tables, digits=2, named=shown))


def render_sheets(sheets: Sequence[Sheet]) -> str:
    """Tables of any shape alone, as a page of their own."""
    return _fill("sheets.html", "", _asset("page.css"), sheets=sheets)


def _fill(name: str, script: str, style: str, **values: Any) -> str:
    """A template filled; half characters, which no file can hold, are shown as such."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("leaderboards.report", "page"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    ours = {"script": Markup(script), "style": Markup(style), "policy": _policy(script, style)}
    if "data" in values:
        values["data"] = Markup(values["data"])
    text = environment.get_template(name).render(**ours, **values, reading=_READING)
    return _HALF.sub("\ufffd", text)


def _asset(name: str) -> str:
    return resources.files("leaderboards.report").joinpath("page", name).read_text(encoding="utf-8")


def _tables() -> tuple[str, str]:
    """DataTables as itables brings it, script and style; its exports become names of the page's script."""
    require("report", "itables", who="a report")
    folder = resources.files("itables").joinpath("html")
    script = folder.joinpath("dt_bundle.js").read_text(encoding="utf-8")
    found = _EXPORT.search(script)
    names = dict(part.split(" as ")[::-1] for part in found[1].split(",")) if found else {}
    if not found or "jQuery" not in names or "</script" in script.lower():
        raise ConfigError(
            "the installed itables brings no table script that this version knows; install the version in "
            "constraints.txt"
        )
    script = (
        f"{script[: found.start()]}\nconst jQuery = {names['jQuery']};\n{script[found.end() :]}"
    )
    return script, folder.joinpath("dt_bundle.css").read_text(encoding="utf-8")


def _policy(script: str, style: str) -> str:
    """What the page may do: run this script, use this style, and the styles of figures and columns."""
    return "; ".join([
        "default-src 'none'",
        f"script-src {_hash(script)}",
        f"style-src-elem {_hash(style)}",
        "style-src-attr 'unsafe-inline'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ])  # fmt: skip


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _json(value: Any) -> str:
    """JSON that ends no script element and begins no comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return _HALF.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
