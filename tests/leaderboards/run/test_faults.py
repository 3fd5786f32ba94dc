"""What ends a run: a full disk, however it is said; everything else fails its cell alone."""

from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from leaderboards.run.faults import FullDiskError, check_disk, check_room, remembered
from ptst_tasks.errors import ConfigError


def raised(error: Exception, cause: Exception) -> Exception:
    try:
        raise error from cause
    except Exception as e:
        return e


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("SafetensorError: No space left on device (os error 28)"),
        raised(ValueError("x"), OSError(errno.EROFS, "Read-only file system")),
    ],
)
def test_a_full_disk_is_one_however_it_is_said(error: Exception) -> None:
    with pytest.raises(FullDiskError, match="the same command goes on once there is room"):
        check_disk(error)


@pytest.mark.parametrize(
    "error", [ValueError("x"), OSError(errno.ENOENT, "x"), ConfigError("disk is full")]
)
def test_anything_else_is_none(error: Exception) -> None:
    check_disk(error)


def test_room_is_tried_and_nothing_is_left(tmp_path: Path) -> None:
    check_room(tmp_path, {"a": 1})
    assert list(tmp_path.iterdir()) == []


def test_an_engine_is_asked_nothing_twice() -> None:
    asked: list[Any] = []

    def answer(requests: Any) -> list[str]:
        asked.extend(requests)
        return [f"answer {r.doc_id}" for r in requests]

    lm = SimpleNamespace(generate_until=answer, loglikelihood=answer)
    requests = [
        SimpleNamespace(request_type="generate_until", task_name="t", doc_id=i, idx=0, args=("p",))
        for i in range(2)
    ]
    with remembered(lm):
        assert lm.generate_until(requests) == ["answer 0", "answer 1"]
        assert lm.generate_until(requests[1:]) == ["answer 1"]
    assert len(asked) == 2
    assert lm.generate_until is answer
