"""What ends a run, and what fails one cell of it alone."""

from __future__ import annotations

import errno
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from ptst_tasks.engines import Engine
from ptst_tasks.errors import ConfigError, PTSTError, said
from ptst_tasks.files import working

__all__ = ["FullDiskError", "check_disk", "check_room", "remembered"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
# Libraries pass them on as words alone (safetensors, SQLite, torch).
_WORDS = ("No space left on device", "Disk quota exceeded", "Read-only file system",
          "disk is full")  # fmt: skip


class FullDiskError(ConfigError):
    """A disk takes no more; it ends a run, whatever it was that could not be written."""


def check_disk(error: BaseException) -> None:
    """Raises if an error says that a disk takes no more: nothing that follows could be kept.

    Raises:
        FullDiskError: It says how to go on.
    """
    if isinstance(error, FullDiskError):
        raise error
    if any(_is_full(e) for e in _chain(error)):
        raise FullDiskError(
            f"the disk takes no more: {said(error)}; what is whole stays, and the same command goes "
            "on once there is room"
        ) from error


def check_room(folder: Path, value: Any) -> None:
    """Raises if a disk has no room for a value as JSON.

    Raises:
        FullDiskError: As `check_disk`.
    """
    file = working(folder / "room")
    try:
        file.write_bytes(bytes(2 * len(json.dumps(value, default=str)) + 65536))
    except OSError as e:
        check_disk(e)
    finally:
        file.unlink(missing_ok=True)


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    return not isinstance(error, PTSTError) and any(words in str(error) for words in _WORDS)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was raised from."""
    seen: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in seen:
        seen.append(at)
        at = at.__cause__ or at.__context__
    return iter(seen)


@contextmanager
def remembered(lm: Engine) -> Iterator[None]:
    """A block in which an engine is asked nothing twice.

    Where scoring one task fails, the others are scored from the answers that they had: batches are
    made of the requests of all tasks, so that asking again could move their last bits.
    """
    known: dict[tuple[Any, ...], Any] = {}
    with (
        mock.patch.object(lm, "generate_until", _from(known, lm.generate_until)),
        mock.patch.object(lm, "loglikelihood", _from(known, lm.loglikelihood)),
    ):
        yield


def _from(known: dict[tuple[Any, ...], Any], ask: Callable[..., Any]) -> Callable[..., Any]:
    def answers(requests: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        seen, keys = Counter[tuple[Any, ...]](), []
        for r in requests:
            own = (r.request_type, r.task_name, r.doc_id, r.idx, hash(repr(r.args)))
            keys.append((*own, seen[own]))
            seen[own] += 1
        if not all(key in known for key in keys):
            known.update(zip(keys, ask(requests, *args, **kwargs), strict=True))
        return [known[key] for key in keys]

    return answers
