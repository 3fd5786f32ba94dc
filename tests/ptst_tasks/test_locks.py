"""Locks that end with their process, and file systems that have none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import filelock
import pytest

from ptst_tasks.locks import HeldError, can_lock, lock, locked


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with locked(file) as held:
        assert held
        with pytest.raises(HeldError):
            lock(file, 0)
        assert can_lock(file)  # another file beside it
    again = lock(file, 0)
    again.release()
    assert [p.name for p in tmp_path.iterdir()] in ([], ["lock"])


@pytest.mark.parametrize(
    "error", [OSError(37, "No locks available"), NotImplementedError("flock"), UserWarning("soft")]
)
def test_a_file_system_without_locks_is_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(filelock.FileLock, "acquire", fail)
    with locked(tmp_path / "lock") as held:
        assert not held
    assert not can_lock(tmp_path / "lock")
    assert lock(tmp_path / "lock", 0) is None


def test_a_lock_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="lock"), locked(tmp_path / "file" / "lock"):
        pass
