"""What all pictures share: colours, markers, the size of names, plain letters.

The series' colours are Okabe and Ito's (https://jfly.uni-koeln.de/color/), told apart by the
colour-blind; orange, purple and sky blue are darker than theirs, and yellow is left out, so that each
has a contrast of 3:1 to white and to the near-black of a dark page. Markers change with the colours:
a print without colour can be read, too.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from leaderboards.board.rendering import shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from leaderboards.board.fields import Field
    from leaderboards.board.tables import Grid

__all__ = ["BESIDE", "INK", "MARKERS", "MUTED", "PAPER", "SERIES", "below", "by", "contrast", "counts",
           "cut", "each_point", "entry", "ink_on", "plainly", "series",
           "settle", "spoken", "wrapped"]  # fmt: skip

INK, PAPER, MUTED = "#000000", "#ffffff", "#666666"
"""Colours of a theme, which a page may turn round (see `inline_svg`)."""
BESIDE = ("#010101", "#fefefe")
"""Ink on a coloured field: it goes with the field, not with the theme."""
SERIES = ("#0072b2", "#d55e00", "#009e73", "#c774a2", "#b97f00", "#3a9bd0")
MARKERS = "osD^vPX<>ph"  # as many as share no factor with the colours: 66 pairs
_LONGEST = 60


@contextmanager
def plainly() -> Iterator[None]:
    """Draws in the house's manner; a dollar in a name begins no formula."""
    import matplotlib as mpl

    manner: dict[Any, Any] = {"text.parse_math": False, "text.usetex": False, "axes.spines.top": False,
              "axes.spines.right": False, "axes.edgecolor": MUTED, "xtick.color": MUTED,
              "ytick.color": MUTED, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
              "legend.frameon": False, "font.size": 9.0}  # fmt: skip
    with mpl.rc_context(manner):
        yield


def series(at: int) -> tuple[str, str]:
    """Colour and marker of one series."""
    return SERIES[at % len(SERIES)], MARKERS[at % len(MARKERS)]


def contrast(one: str, other: str) -> float:
    """Contrast of two colours ``#rrggbb``, 1 to 21: WCAG 2.2's ratio of relative luminances."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    lights = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), lights, strict=True))


def ink_on(colour: str) -> str:
    """The one of black and white that is read better: whatever the colour, 4.5:1 or more."""
    return max(BESIDE, key=lambda ink: contrast(ink, colour))


def wrapped(texts: Iterable[str], width: int) -> list[str]:
    """Texts in lines of some length, as many as leave room for the picture."""
    lines = [line for text in texts for line in textwrap.wrap(shown(text), width)]
    return lines if len(lines) <= _LONGEST else [*lines[: _LONGEST - 1], "..."]


def cut(name: str, longest: int = _LONGEST) -> str:
    """A name of letters that can be seen, which leaves room for the picture."""
    name, end = shown(name), longest // 3
    return name if len(name) <= longest else f"{name[: longest - end - 3]}...{name[-end:]}"


def entry(name: str) -> str:
    """A name for the legend, which leaves out what begins with ``_``."""
    return f" {name}" if name.startswith("_") else name


def by(grid: Grid) -> str:
    """The set, with who judged and what tells the table from others."""
    who = shown("; ".join(part for part in (grid.judge, grid.variant) if part))
    name = cut(grid.task)
    return f"{name} ({textwrap.shorten(who, 60, placeholder='...')})" if who else name


def below(figure: Figure, lines: Sequence[str]) -> None:
    """What must be known of the numbers stands in the picture, too."""
    if lines:
        figure.supxlabel("\n".join(lines), fontsize=7, x=0.02, ha="left", color=MUTED)


def settle(figure: Figure) -> None:
    """Lays a picture out for good: each time that this is done it comes out a little differently."""
    figure.set_layout_engine("constrained")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # letters that the font lacks, a tight layout
        figure.draw_without_rendering()
    figure.set_layout_engine("none")


def spoken(metric: str) -> str:
    """``exact_match`` -> ``exact match``."""
    return shown(metric).replace("_", " ")


def counts(fields: Iterable[Field]) -> str:
    """``n = 80``, ``n = 78 to 80``; empty where it is not known."""
    known = {field.n for field in fields if field.n}
    if not known:
        return ""
    few, many = min(known), max(known)
    return f"n = {few}" if few == many else f"n = {few} to {many}"


def each_point(fields: Mapping[str, Iterable[Field]]) -> str:
    """``asr: n = 80 prompts a point; exact match: n = 200 prompts a point``."""
    found = {spoken(metric): counts(of) for metric, of in fields.items()}
    return "; ".join(f"{name}: {n} prompts a point" for name, n in found.items() if n)
