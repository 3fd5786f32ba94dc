"""Folders of models that are made here: whole or not there, in the user's cache or where one is told."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ptst_tasks.errors import ConfigError, said
from ptst_tasks.files import working

__all__ = ["cache_home", "made_whole"]


def cache_home() -> Path:
    """Where made models are kept: ``$XDG_CACHE_HOME/ptst``, or ``~/.cache/ptst``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ptst"


@contextmanager
def made_whole(out: Path, what: str) -> Iterator[Path]:
    """A folder beside `out` that takes its name if the block ends well, and else disappears.

    Where another process was first, its folder stays, and this one's disappears.

    Args:
        out: The folder to be.
        what: What is made, for the message.

    Raises:
        ConfigError: If it cannot be written, in one line.
    """
    folder = working(out)
    try:
        folder.mkdir(parents=True)
        yield folder
        if not (out.is_dir() and any(out.iterdir())):
            folder.rename(out)
    except OSError as e:
        if not (out.is_dir() and any(out.iterdir())):
            raise _unwritable(out, what, e) from None
    except Exception as e:
        # How a full disk reaches us from there; the class is the library's own.
        if type(e).__name__ == "SafetensorError":
            raise _unwritable(out, what, e) from None
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unwritable(out: Path, what: str, e: Exception) -> ConfigError:
    why = e.strerror if isinstance(e, OSError) and e.strerror else said(e)
    return ConfigError(
        f"cannot write {what} to {str(out)!r}: {why}; with that mended, the same command goes on "
        "(models are cached under $XDG_CACHE_HOME)"
    )
