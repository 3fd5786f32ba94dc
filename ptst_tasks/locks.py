"""Lock files, which the operating system holds for as long as a process lives.

A killed process leaves nothing locked. Some file systems lock nothing (NFS without its daemon, some
FUSE); that is an answer here, and no error.
"""

from __future__ import annotations

import errno
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ptst_tasks.files import working

__all__ = ["HeldError", "can_lock", "lock", "locked"]

# How file systems say that they lock nothing.
_LOCKLESS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL})


class HeldError(Exception):
    """Somebody else has the lock."""


def lock(file: Path, timeout: float = -1) -> Any:
    """A lock that is held now, to be released, or None where the file system has none.

    Args:
        file: The lock's own file; it is made.
        timeout: Seconds; -1 waits for ever.

    Raises:
        HeldError: If another has it for longer than this.
        OSError: If the file cannot be made.
    """
    import filelock

    held = filelock.FileLock(file)
    try:
        with warnings.catch_warnings():
            # It would fall back to the file's existence, which a killed process leaves behind.
            warnings.simplefilter("error", UserWarning)
            held.acquire(timeout=timeout, poll_interval=0.05)
    except (NotImplementedError, UserWarning):
        return None
    except filelock.Timeout as e:  # it is an OSError, too
        raise HeldError from e
    except OSError as e:
        if e.errno in _LOCKLESS:
            return None
        raise
    return held


@contextmanager
def locked(file: Path) -> Iterator[bool]:
    """Waits for a lock file and holds it; gives False where the file system locks nothing.

    Raises:
        OSError: If the file cannot be made.
    """
    held = lock(file)
    try:
        yield held is not None
    finally:
        if held is not None:
            held.release()


def can_lock(file: Path) -> bool:
    """Whether a file that nobody else knows can be locked beside this one."""
    aside = working(file)
    try:
        held = lock(aside, 0)
    except HeldError:
        return False
    finally:
        aside.unlink(missing_ok=True)
    if held is not None:
        held.release()
    return held is not None
