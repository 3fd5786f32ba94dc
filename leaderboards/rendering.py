"""Tables as text, CSV, Markdown, LaTeX and HTML; each with what must be known of it below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leaderboards.tables import Grid
from ptst_tasks.errors import ConfigError

__all__ = ["FORMATS", "LEGEND", "render", "terminal"]

FORMATS = ("text", "csv", "md", "latex", "html")
LEGEND = "= trained and tested under one template; * PTST: a safety prompt in the test alone"


def render(tables: Sequence[Grid], fmt: str, digits: int = 2) -> str:
    """Returns tables as text, each with what must be known of it below.

    Args:
        tables: What `grids` made.
        fmt: One of `FORMATS`.
        digits: After the point.

    Raises:
        ConfigError: If there is no table to show.
    """
    if not tables:
        raise ConfigError("no row has a test template and a value: there is no table to lay out")
    draw = {"text": _text, "csv": _csv, "md": _markdown, "latex": _latex, "html": _html}[fmt]
    legend = {"latex": [], "html": [f"<p>{LEGEND}</p>"], "md": [LEGEND.replace("*", "\\*")]}
    return "\n\n".join([*(draw(t, digits) for t in tables), *legend.get(fmt, [LEGEND])]) + "\n"


def terminal(tables: Sequence[Grid], digits: int = 2) -> list[Any]:
    """Returns tables for rich's console, each followed by its remarks."""
    from rich.table import Table as View
    from rich.text import Text

    out: list[Any] = []
    for grid in tables:
        header, *body = grid.cells(digits)
        view = View(title=Text(grid.title), title_justify="left")
        for name in header:
            view.add_column(name, justify="left" if name == header[0] else "right", no_wrap=True)
        for line in body:
            view.add_row(*map(Text, line))
        out += [view, *map(Text, grid.remarks())]
    return out


def _text(grid: Grid, digits: int) -> str:
    """Columns as wide as they need to be, whatever the terminal."""
    table = grid.cells(digits)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
        for line in table
    ]
    return "\n".join([grid.title, *lines, *grid.remarks()])


def _csv(grid: Grid, digits: int) -> str:
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([grid.title])
    writer.writerows([*grid.cells(digits), *([remark] for remark in grid.remarks())])
    return out.getvalue().rstrip("\n")


def _markdown(grid: Grid, digits: int) -> str:
    header, *body = grid.cells(digits)
    lines = [f"**{grid.title}**", "", _line(header), _line(["---"] * len(header))]
    lines += [_line(line) for line in body]
    return "\n".join([*lines, *(f"\n{remark}" for remark in grid.remarks())])


def _line(values: Sequence[str]) -> str:
    return "| " + " | ".join(v.replace("|", "\\|").replace("*", "\\*") for v in values) + " |"


_MARKS = (
    r"$^{=}$ trained and tested under one template, $^{*}$ PTST: a safety prompt in the test alone"
)


def _latex(grid: Grid, digits: int) -> str:
    header, *body = [[_tex(v) for v in line] for line in grid.cells(digits)]
    rows = [" & ".join(line) + r" \\" for line in body]
    caption = ". ".join([*map(_tex, [grid.title, *grid.remarks()]), _MARKS])
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{caption}}}",
            rf"\begin{{tabular}}{{l{'r' * len(grid.tests)}}}",
            r"\toprule",
            " & ".join(header) + r" \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


_TEX = {
    "\\": r"\textbackslash{}", "%": r"\%", "_": r"\_", "&": r"\&", "#": r"\#", "$": r"\$",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "→": r"$\to$", "–": "--",
}  # fmt: skip


def _tex(text: str) -> str:
    text = "".join(_TEX.get(c, c) for c in text)
    return text.replace(" =", r"$^{=}$").replace(" *", r"$^{*}$")


def _html(grid: Grid, digits: int) -> str:
    from html import escape

    header, *body = [[escape(v) for v in line] for line in grid.cells(digits)]
    lines = [f"<table><caption>{escape(grid.title)}</caption>"]
    lines += ["<tr>" + "".join(f"<th>{v}</th>" for v in header) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{v}</td>" for v in line) + "</tr>" for line in body]
    lines += ["</table>", *(f"<p>{escape(remark)}</p>" for remark in grid.remarks())]
    return "\n".join(lines)
