"""Pictures as part of a page: SVG markup without prolog, in the page's own letters and colours.

What matplotlib writes is a file of its own. Inside a page its ids would meet those of other pictures,
its rule for ``*`` would reach the whole page, and white paper would shine in a dark one.
"""

from __future__ import annotations

import io
import re
import warnings
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from leaderboards.board.drawing import INK, MUTED, PAPER, plainly
from leaderboards.board.rendering import shown
from ptst_tasks.files import printable

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

__all__ = ["Mark", "inline", "mark"]

_THEME = {INK: "currentColor", PAPER: "var(--paper, #fff)", MUTED: "var(--muted, #666)"}
_LINK = re.compile(r"url\(#([^)]*)\)")
_IDENT = re.compile(r"[A-Za-z][A-Za-z0-9_-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Mark:
    """What a point of a picture stands for.

    Attributes:
        train: Key of the line, as in `Grid.lines`.
        test: Test template.
        title: What is read when one points at it.
        step: Of a copy kept along training; empty for none.
    """

    train: str
    test: str
    title: str
    step: str = ""


_MARKS: WeakKeyDictionary[Artist, Mark] = WeakKeyDictionary()
"""Beside the artists: whatever one keeps in them is drawn, or can be said by a name of others."""


def mark(artist: Artist, what: Mark) -> None:
    """Says what an artist, a point of its own, stands for; a file of `figures.save` is as before."""
    _MARKS[artist] = what


def inline(figure: Figure, ident: str, label: str) -> str:
    """Returns a figure as markup to be put inside an HTML page.

    Ink is ``currentColor``, paper ``var(--paper)``, grey ``var(--muted)``; letters are the page's. A
    point that has a `Mark` is a group of class ``ptst-point`` with ``data-train``, ``data-test``,
    ``data-step`` (along training) and a ``<title>``. The same figure is the same text.

    Args:
        figure: Of `figures` or `pictures.sketches`.
        ident: Begins every id; no two pictures of a page may share it.
        label: What a screen reader says.

    Raises:
        ValueError: If `ident` is no beginning of an id.
    """
    if not _IDENT.fullmatch(ident):
        raise ValueError(f"ident is {ident!r}, expected a letter, then letters, digits, - or _")
    marks = _named(figure)
    try:
        root = ET.fromstring(_svg(figure))
    finally:
        for artist, _ in marks.values():
            artist.set_gid(None)
    for parent in list(root.iter()):
        for child in [c for c in parent if _name(c) in ("metadata", "style")]:
            parent.remove(child)
    for part in list(root.iter()):
        _at_home(part, ident)
        if found := marks.get(part.get("id", "")):
            _point(part, found[1])
    _tidy_ids(root, ident)
    _as_image(root, label)
    return ET.tostring(root, encoding="unicode")


def _named(figure: Figure) -> dict[str, tuple[Artist, Mark]]:
    """Gives marked artists ids, by which they are found in what is written."""
    out: dict[str, tuple[Artist, Mark]] = {}
    for artist in figure.findobj(lambda a: a in _MARKS):
        gid = f"ptst-point-{len(out)}"
        artist.set_gid(gid)
        out[gid] = artist, _MARKS[artist]
    return out


def _svg(figure: Figure) -> str:
    import matplotlib as mpl

    out = io.StringIO()
    fixed: dict[Any, Any] = {"svg.hashsalt": "ptst", "svg.fonttype": "none"}
    with plainly(), mpl.rc_context(fixed), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # letters that the font lacks, a tight layout
        figure.savefig(out, format="svg", metadata={"Date": None})
    # Controls are in names of others alone, and XML has no way to write them.
    return printable(out.getvalue())


def _name(part: ET.Element) -> str:
    return part.tag.rpartition("}")[2]


def _at_home(part: ET.Element, ident: str) -> None:
    """Takes namespaces, letters and colours from a part, and gives its links their new names."""
    part.tag = _name(part)
    if part.tag != "text":
        part.text = None
    part.tail = None
    for key, value in list(part.attrib.items()):
        if key.startswith("{"):
            del part.attrib[key]
            if key.endswith("}href") and value.startswith("#"):
                part.set("href", f"#{ident}-{value[1:]}")
        else:
            part.set(key, _LINK.sub(rf"url(#{ident}-\1)", " ".join(value.split())))
    if style := part.get("style"):
        part.set(
            "style", "; ".join(_themed(s) for s in style.split("; ") if "font-family" not in s)
        )
    if part.tag == "text":
        part.set("class", "ptst-text")


def _themed(setting: str) -> str:
    key, _, value = setting.partition(": ")
    return f"{key}: {_THEME.get(value, value)}" if key in ("fill", "stroke") else setting


def _point(part: ET.Element, what: Mark) -> None:
    part.set("class", "ptst-point")
    part.set("data-train", shown(what.train))
    part.set("data-test", shown(what.test))
    if what.step:
        part.set("data-step", shown(what.step))
    title = ET.Element("title")
    title.text = shown(what.title)
    part.insert(0, title)


def _tidy_ids(root: ET.Element, ident: str) -> None:
    """Keeps the ids that something refers to."""
    values = [value for part in root.iter() for value in part.attrib.values()]
    used = {v[1:] for v in values if v.startswith("#")}
    used.update(found for v in values for found in _LINK.findall(v))
    for part in root.iter():
        if (old := part.attrib.pop("id", None)) and f"{ident}-{old}" in used:
            part.set("id", f"{ident}-{old}")


def _as_image(root: ET.Element, label: str) -> None:
    width, box = root.attrib["width"], root.attrib["viewBox"]
    root.attrib.clear()
    root.attrib |= {
        "class": "ptst-figure", "role": "img", "aria-label": shown(label), "viewBox": box,
        "width": "100%",
        # The first two are inherited: matplotlib writes no fill where it is black.
        "style": f"fill: currentColor; stroke-linejoin: round; stroke-linecap: butt; "
                 f"font-family: inherit; max-width: {width}; height: auto",
    }  # fmt: skip
