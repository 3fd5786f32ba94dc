"""A table of defences as text, CSV or Markdown, with what must be known of it below."""

from __future__ import annotations

from leaderboards.board.defences import Ranking
from leaderboards.board.rendering import columns, csv_text, markdown, markdown_table, shown
from leaderboards.board.standing import HEADER

__all__ = ["side_by_side"]


def side_by_side(ranking: Ranking, fmt: str) -> str:
    """A table with what must be known of it below."""
    title, remarks = ranking.title, ranking.remarks
    lines = [list(HEADER), *(standing.line() for standing in ranking.lines)]
    if fmt == "csv":
        return csv_text([[title], *lines, *([remark] for remark in remarks)]).rstrip("\n")
    if fmt == "md":
        body = [f"**{markdown(title)}**", "", *markdown_table(lines)]
        return "\n".join([*body, *(f"\n{markdown(remark)}" for remark in remarks)])
    rows = (line.rstrip() for line in columns(lines))
    return "\n".join([shown(title), *rows, *map(shown, remarks)])
