"""Which view of a leaderboard the options of ``ptst board`` ask for, and in which format."""

from __future__ import annotations

from pathlib import Path

from ptst_tasks.errors import ConfigError, did_you_mean

__all__ = ["view_of"]

_SUFFIXES = {".csv": "csv", ".md": "md", ".tex": "latex", ".html": "html", ".txt": "text"}
_COMPARED = ("text", "csv", "md")
_LAYOUTS = ("tidy", "paper", "defences")


def view_of(
    layout: str, fmt: str, out: Path | None, *, compare: bool, pool: bool
) -> tuple[str, str]:
    """What is shown, and in which format; refuses options that would do nothing."""
    from leaderboards.board.rendering import FORMATS

    formats = (*FORMATS, "html")
    for option, value, known in (("layout", layout, _LAYOUTS), ("format", fmt, formats)):
        if value and value not in known:
            hint = did_you_mean(value, known)
            raise ConfigError(f"--{option} is {value!r}; {hint}expected one of {', '.join(known)}")
    chosen = fmt or (_suffix(out, layout) if out else "")
    if compare:
        if layout:
            raise ConfigError(f"--compare has a layout of its own; leave out --layout {layout}")
        if chosen not in ("", *_COMPARED):
            raise ConfigError(f"--compare gives {', '.join(_COMPARED)}, not {chosen!r}")
        return "compare", chosen or "text"
    if layout == "defences":
        return layout, chosen or "text"
    if layout == "tidy" and fmt not in ("", "csv"):
        raise ConfigError(
            f"--layout tidy is a CSV and cannot be {fmt!r}; leave one of the two options out "
            f"(a table in {fmt!r} is --layout paper)"
        )
    if layout == "paper" or (not layout and chosen not in ("", "csv")):
        return "paper", chosen or "text"
    if pool:
        raise ConfigError(
            "--pool averages, and the tidy layout holds every number; add --layout paper"
        )
    return "tidy", "csv"


def _suffix(out: Path, layout: str) -> str:
    """The format that a file's name says; no suffix says none."""
    suffix = out.suffix.lower()
    if suffix and suffix not in _SUFFIXES and layout != "tidy":
        raise ConfigError(
            f"--out {str(out)!r}: the suffix {out.suffix!r} says no format; expected one of "
            f"{', '.join(_SUFFIXES)}, or say it with --format"
        )
    return _SUFFIXES.get(suffix, "")
