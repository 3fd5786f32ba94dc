"""What a user calls a base, and what libraries are given for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptst_tasks import base_names
from ptst_tasks.errors import ConfigError, UnknownNameError
from tests.gguf_maker import write_gguf

pytest.importorskip("gguf")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", ["org/model", "./folder", "/there/folder"])
def test_folders_and_hub_ids_stay_what_they_are(name: str) -> None:
    assert not base_names.is_read(name)
    base_names.check_base(name)
    assert base_names.local_base(name) == base_names.present_base(name) == name


def test_a_folder_that_is_called_like_a_file_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").mkdir()
    assert base_names.local_base(str(tmp_path / "m.gguf")) == str(tmp_path / "m.gguf")


def test_a_gguf_file_is_there_once_it_was_read(tmp_path: Path) -> None:
    name = str(write_gguf(tmp_path / "m.gguf"))
    base_names.check_base(name)
    assert base_names.present_base(name) == ""
    folder = base_names.local_base(name)
    assert base_names.present_base(name) == folder != name


def test_looking_at_a_base_writes_and_fetches_nothing(tmp_path: Path) -> None:
    base_names.check_base(str(write_gguf(tmp_path / "m.gguf")))
    base_names.check_base("packaged:smollm2-135m-instruct")
    assert base_names.present_base("packaged:smollm2-135m-instruct") == ""
    assert base_names.present_base("packaged:nothing") == ""
    assert not (tmp_path / "cache").exists()
    with pytest.raises(UnknownNameError):
        base_names.check_base("packaged:nothing")
    with pytest.raises(ConfigError, match="no such file"):
        base_names.check_base(str(tmp_path / "none.gguf"))
