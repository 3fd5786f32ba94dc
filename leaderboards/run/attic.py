"""Putting things aside: what was measured moves, keeps its name or a number, and is never removed."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
from contextlib import suppress
from pathlib import Path

from ptst_tasks.files import replacing

__all__ = ["put_aside", "remove"]


def put_aside(what: Path, target: Path) -> Path:
    """Moves something to an attic; what is there under that name keeps its own by a number.

    Of two the newer has the plain name. Returns where it is.

    Raises:
        OSError: If it cannot be moved; everything is where it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(target):
        numbered = (target.with_name(f"{target.name}.{n}") for n in itertools.count(1))
        target.rename(next(name for name in numbered if not os.path.lexists(name)))
    try:
        what.rename(target)
    except OSError as e:
        if e.errno != errno.EXDEV:
            raise
        _carry(what, target)
    return target


def _carry(what: Path, target: Path) -> None:
    """A rename to another file system: there whole before it is gone here."""
    with replacing(target) as aside:
        if what.is_dir():
            shutil.copytree(what, aside, symlinks=True)
        else:
            shutil.copy2(what, aside)
    remove(what)


def remove(left: Path) -> None:
    """Removes what nobody needs; where that cannot be, it stays and harms nobody."""
    with suppress(OSError):
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left)
        else:
            left.unlink()
