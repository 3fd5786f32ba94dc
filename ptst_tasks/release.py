"""Which ptst this is: the version, and in a checkout the commit."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

from ptst_tasks import __version__

__all__ = ["release"]

_ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("ptst_tasks", "adapters_train", "leaderboards")


@functools.cache
def release(root: Path = _ROOT) -> str:
    """The version; in a git checkout of ptst with its commit, as ``0.2.0+g1a2b3c4d5e6f``.

    With files of the packages changed since, ``.changed`` stands behind it. What cannot be found out
    (no git, a damaged checkout) is left out.
    """
    if not (root / ".git").exists() or not all((root / name).is_dir() for name in _PACKAGES):
        return __version__
    commit = _git(root, "rev-parse", "--short=12", "HEAD")
    if not commit:
        return __version__
    changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", *_PACKAGES)
    return f"{__version__}+g{commit}{'.changed' if changed else ''}"


def _git(root: Path, *args: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *args], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
