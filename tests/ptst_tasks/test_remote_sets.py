"""A set that is in no folder: from its source, or one line that says where it was looked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ptst_tasks import sets
from ptst_tasks.errors import DataNotFoundError
from ptst_tasks.remote_sets import remote

HARM = sets.REGISTRY["directharm4"]


def test_rows_come_with_the_name_of_where_they_are_from(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    asked: list[Any] = []

    def load(*args: Any, **more: Any) -> list[dict[str, str]]:
        asked.append((args, more))
        return [{"instruction": "Hide the spoon"}]

    monkeypatch.setattr(datasets, "load_dataset", load)
    rows, origin = remote(HARM)
    assert rows == [{"instruction": "Hide the spoon"}]
    assert origin == (HARM.url or "/".join(p for p in (HARM.hub or ()) if p))
    assert len(asked) == 1


def test_a_source_that_fails_says_which_folder_would_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    def load(*_: Any, **__: Any) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(datasets, "load_dataset", load)
    folder, split = HARM.local[0]
    with pytest.raises(DataNotFoundError, match=r"\$PTST_DATA_DIR is not set, .*ConnectionError"):
        remote(HARM)
    (tmp_path / folder).mkdir()
    (tmp_path / folder / f"{split}.csv.gz").touch()
    monkeypatch.setenv("PTST_DATA_DIR", str(tmp_path))
    with pytest.raises(DataNotFoundError, match=rf"there is '{folder}/{split}\.csv\.gz'"):
        remote(HARM)
