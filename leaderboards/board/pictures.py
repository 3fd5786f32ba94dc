"""Every picture that a leaderboard gives, in files whose names never meet."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from leaderboards.board.drawing import by, spoken
from leaderboards.board.rendering import shown
from leaderboards.board.row import Row
from leaderboards.board.tables import Grid, grids, left_out, tracks
from ptst_tasks.errors import ConfigError, require, said
from ptst_tasks.files import file_name, working
from ptst_tasks.templates import slug

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["METRICS", "Picture", "check_folder", "draw", "sketches"]

METRICS = ("asr", "exact_match", "acc", "prompt_level_strict_acc", "rougeL", "bertscore")


class Picture(NamedTuple):
    """A picture and its names.

    Attributes:
        name: Of its files.
        more: What to add where two pictures would share it.
        figure: The picture.
        title: For readers.
        of: The tables whose fields are its points.
    """

    name: str
    more: str
    figure: Figure
    title: str
    of: tuple[Grid, ...] = ()


def _say(line: str) -> None:
    print(f"note: {shown(line)}", file=sys.stderr)


def check_folder(folder: Path) -> None:
    """Tries whether pictures could be written to a folder; makes nothing.

    Raises:
        ConfigError: If they cannot.
    """
    try:
        there = next(p for p in (folder, *folder.absolute().parents) if p.exists())
        if not there.is_dir():
            raise NotADirectoryError(0, f"{str(there)!r} is a file, expected a folder")
        aside = working(there / "picture")
        aside.touch()
        aside.unlink()
    except OSError as e:
        raise ConfigError(
            f"--out {str(folder)!r} cannot be written: {e.strerror or said(e)}"
        ) from e


def draw(
    rows: Sequence[Row], out: Path, *, pool: bool = False, say: Callable[[str], None] = _say
) -> list[Path]:
    """Draws every picture that the rows give.

    Args:
        rows: Of a leaderboard.
        out: Folder for PNG and SVG.
        pool: As for `grids`.
        say: Hears what is in no picture.

    Returns:
        The files.

    Raises:
        MissingExtraError: If there is nothing to draw with.
        ConfigError: If there is nothing to draw, or it cannot be written.
    """
    require("plots", "matplotlib", who="a picture")
    check_folder(out)
    return _draw([_visible(row) for row in rows], out, pool, say)


def sketches(
    rows: Sequence[Row], *, pool: bool = False, say: Callable[[str], None] = _say
) -> list[Picture]:
    """Draws trade-offs and what copies kept along training give, for a page; writes nothing.

    Args:
        rows: Of a leaderboard.
        pool: As for `grids`.
        say: Hears what is in no picture.

    Returns:
        Trade-offs first; none where no base has an ASR and a helpfulness. The titles are of letters that
        can be seen, and are no markup.

    Raises:
        MissingExtraError: If there is nothing to draw with.
    """
    require("plots", "matplotlib", who="a picture")
    rows = [_visible(row) for row in rows]
    return _tradeoffs(grids(rows, METRICS, pool=pool), say) + _trajectories(rows, say, pool=pool)


def _visible(row: Row) -> Row:
    """The row with names of characters that can be drawn."""
    names = ((name, getattr(row, name)) for name in type(row).model_fields)
    odd = {n: shown(v) for n, v in names if isinstance(v, str) and shown(v) != v}
    return row.model_copy(update=odd) if odd else row


def _draw(rows: Sequence[Row], out: Path, pool: bool, say: Callable[[str], None]) -> list[Path]:
    from leaderboards.board import figures

    tables = grids(rows, METRICS, pool=pool)
    followed = any(r.step is not None for r in rows)
    if not tables and not followed:
        raise ConfigError("no row has a test template and a value: there is nothing to draw")
    for line in left_out(rows, METRICS, pool=pool, steps=True):
        say(f"in no picture: {line}")
    made = [_heat(g, figures.heat_map(g)) for g in tables]
    made += _tradeoffs(tables, say)
    made += _trajectories(rows, say, pool=pool)
    try:
        return [f for name, figure in _named(made) for f in figures.save(figure, out / name)]
    except OSError as e:
        raise ConfigError(f"cannot write pictures to {str(out)!r}: {said(e)}") from e


def _heat(grid: Grid, figure: Figure) -> Picture:
    name = "-".join(p for p in (grid.task, grid.metric, grid.judge) if p)
    return Picture(name, f"{grid.variant}-{grid.base}", figure, grid.title)


def _helpful(tables: Sequence[Grid], say: Callable[[str], None]) -> list[Grid]:
    """One table of helpfulness per base, set and variant: the first, as a set has one answer."""
    chosen: dict[tuple[str, str, str], Grid] = {}
    for grid in tables:
        if grid.metric != "asr":
            first = chosen.setdefault((grid.base, grid.task, grid.variant), grid)
            if first is not grid:
                say(f"the trade-off of {grid.task} takes {first.metric} ({first.judge}), "
                    f"not {grid.metric} ({grid.judge})")  # fmt: skip
    return list(chosen.values())


def _tradeoffs(tables: Sequence[Grid], say: Callable[[str], None]) -> list[Picture]:
    from leaderboards.board import figures

    made = []
    helpful = _helpful(tables, say)
    for harms in (g for g in tables if g.metric == "asr"):
        for helps in (g for g in helpful if g.base == harms.base):
            if not _alike(helps, harms):
                continue
            shared = len(set(helps.fields) & set(harms.fields))
            most = max(len(helps.fields), len(harms.fields))
            if shared < most:
                say(f"the trade-off of {helps.task} and {harms.task} of {harms.base} shows {shared} of "
                    f"{most} fields: the others have one of the two numbers")  # fmt: skip
            if shared:
                more = "-".join((harms.judge, helps.variant, harms.variant, harms.base))
                title = f"{spoken(helps.metric)} on {by(helps)} against ASR on {by(harms)}"
                made.append(Picture(f"tradeoff-{helps.task}-{harms.task}", more,
                                    figures.tradeoff(helps, harms), f"{harms.base}: {title}",
                                    (harms, helps)))  # fmt: skip
    return made


def _trajectories(rows: Sequence[Row], say: Callable[[str], None], *, pool: bool) -> list[Picture]:
    from leaderboards.board import figures

    followed = tracks(rows, METRICS, pool=pool)
    of = {id(grid): found for grid, found in followed}
    helpful = _helpful([grid for grid, _ in followed], say)
    made = []
    for harms, lines in followed:
        for helps in helpful if harms.metric == "asr" else []:
            if helps.base == harms.base and _alike(helps, harms):
                several = len({h.task for h in helpful}) > 1
                more = "-".join((harms.judge, helps.variant, harms.variant, harms.base))
                name = f"trajectory-{f'{helps.task}-' if several else ''}{harms.task}"
                title = f"ASR on {by(harms)} and {spoken(helps.metric)} on {by(helps)}"
                picture = figures.trajectory((helps, of[id(helps)]), (harms, lines))
                made.append(Picture(name, more, picture, f"{harms.base}: along training, {title}"))
    if followed and not made:
        say("copies kept along training are in no picture: it takes an ASR and a helpfulness")
    return made


def _alike(a: Grid, b: Grid) -> bool:
    """Whether two tables may share a picture: no two that were measured in different ways."""
    return a.variant == b.variant or "" in (a.variant, b.variant)


def _named(made: Sequence[Picture]) -> list[tuple[str, Figure]]:
    """Names files; where two would be one, both say more."""
    times = Counter(_file(p.name) for p in made)
    out: dict[str, Figure] = {}
    taken: set[str] = set()
    for name, more, figure, *_ in made:
        name = _file(name if times[_file(name)] == 1 else f"{name}-{more}")
        full, i = name, 1
        while full.lower() in taken:  # nor does a disk that knows no capitals
            i += 1
            full = f"{name}_{i}"
        taken.add(full.lower())
        out[full] = figure
    return list(out.items())


def _file(name: str) -> str:
    """A name of the picture's own folder, whatever stands in a name of a CSV."""
    return file_name(re.sub(r"[^A-Za-z0-9.=+]+", "_", slug(name)).strip("_"))
