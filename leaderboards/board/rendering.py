"""Tables as text, CSV, Markdown and LaTeX; each with what must be known of it below.

Names come from files of others: each format escapes what would be markup there, and what no reader
could see (controls, half characters, marks of direction) is written as Python escapes it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

from leaderboards.board.cells import cell
from leaderboards.board.tables import Grid
from ptst_tasks.errors import ConfigError
from ptst_tasks.files import printable

__all__ = ["FORMATS", "LEGEND", "columns", "csv_text", "markdown", "markdown_table", "render", "sheet",
           "shown", "terminal"]  # fmt: skip

FORMATS = ("text", "csv", "md", "latex")
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
    own = {"text": _text, "latex": _latex}
    drawn = [
        own[fmt](t, digits) if fmt in own else sheet(t.cells(digits), t.title, t.remarks(), fmt)
        for t in tables
    ]
    legend = {"latex": [], "md": [markdown(LEGEND)]}
    return "\n\n".join([*drawn, *legend.get(fmt, [LEGEND])]) + "\n"


def shown(text: str) -> str:
    """Text on one line, of characters that can be seen."""
    return printable(re.sub(r"[\r\n\t\v\f]+", " ", text))


def columns(lines: Sequence[Sequence[str]], *, right: bool = False) -> list[str]:
    """Lines with columns as wide as they need to be; all but the first to the right, if so wished."""
    lines = [[shown(v) for v in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    put = str.rjust if right else str.ljust
    return [
        "  ".join([line[0].ljust(widths[0]), *map(put, line[1:], widths[1:])]) for line in lines
    ]


def csv_text(lines: Iterable[Sequence[str]]) -> str:
    """Lines as CSV, with nothing in it that a spreadsheet would run."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([cell(v) for v in line] for line in lines)
    return out.getvalue()


_MARKDOWN = re.compile(
    r"\\(?=[!-/:-@\[-`{-~]|$)|[`*\[\]<>#~|$&]"
    r"|(?<![^\W_])_|_(?![^\W_])|(?<=:)/(?=/)|(?<=www)\."
)


def markdown(text: str) -> str:
    """Text that Markdown shows as it is; an address is no link."""
    return _MARKDOWN.sub(r"\\\g<0>", shown(text))


def markdown_table(lines: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table, the first its header."""
    escaped = [[markdown(v) for v in line] for line in lines]
    escaped.insert(1, ["---"] * len(lines[0]))
    return [f"| {' | '.join(line)} |" for line in escaped]


def terminal(tables: Sequence[Grid], digits: int = 2) -> list[Any]:
    """Returns tables for rich's console, each followed by its remarks."""
    from rich.table import Table as View
    from rich.text import Text

    out: list[Any] = []
    for grid in tables:
        header, *body = grid.cells(digits)
        view = View(title=Text(shown(grid.title)), title_justify="left")
        for name in map(shown, header):
            view.add_column(
                Text(name), justify="left" if name == header[0] else "right", no_wrap=True
            )
        for line in body:
            view.add_row(*(Text(shown(v)) for v in line))
        out += [view, *(Text(shown(remark)) for remark in grid.remarks())]
    return out


def _text(grid: Grid, digits: int) -> str:
    """Columns as wide as they need to be, whatever the terminal."""
    table = columns(grid.cells(digits), right=True)
    return "\n".join([shown(grid.title), *table, *map(shown, grid.remarks())])


_MARKS = (
    r"$^{=}$ trained and tested under one template, $^{*}$ PTST: a safety prompt in the test alone"
)


def _latex(grid: Grid, digits: int) -> str:
    header, *body = grid.cells(digits)
    rows = [[_tex(label), *map(_marked, line)] for label, *line in body]
    caption = [*map(_tex, [grid.title, *grid.remarks()]), _MARKS]
    return _tabular([list(map(_tex, header)), *rows], caption, f"l{'r' * (len(header) - 1)}")


def _tabular(lines: Sequence[Sequence[str]], caption: Sequence[str], columns: str) -> str:
    """A table of LaTeX; all of it is LaTeX already."""
    header, *rows = (" & ".join(line) + r" \\" for line in lines)
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{'. '.join(caption)}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            header,
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def sheet(lines: Sequence[Sequence[str]], title: str, remarks: Sequence[str], fmt: str) -> str:
    """Any table, the first line its header, with what must be known of it below.

    Args:
        lines: Names and numbers, as text.
        title: Above it.
        remarks: Below it, a sentence each.
        fmt: One of `FORMATS`.
    """
    if fmt == "csv":
        return csv_text([[title], *lines, *([remark] for remark in remarks)]).rstrip("\n")
    if fmt == "md":
        body = [f"**{markdown(title)}**", "", *markdown_table(lines)]
        return "\n".join([*body, *(f"\n{markdown(remark)}" for remark in remarks)])
    if fmt == "latex":
        caption = [_tex(text) for text in (title, *remarks)]
        return _tabular([list(map(_tex, line)) for line in lines], caption, "l" * len(lines[0]))
    rows = (line.rstrip() for line in columns(lines))
    return "\n".join([shown(title), *rows, *map(shown, remarks)])


_TEX = {
    "\\": r"\textbackslash{}", "%": r"\%", "_": r"\_", "&": r"\&", "#": r"\#", "$": r"\$",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "→": r"$\to$", "–": "--", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "`": r"\textasciigrave{}", "[": "{[}", "]": "{]}",
}  # fmt: skip


def _tex(text: str) -> str:
    return "".join(_TEX.get(c, c) for c in shown(text))


def _marked(text: str) -> str:
    """A field, whose marks stand at its end."""
    text = re.sub(r" \*$", r"$^{*}$", _tex(text))
    return re.sub(r" =(?=$|\$\^)", r"$^{=}$", text)
