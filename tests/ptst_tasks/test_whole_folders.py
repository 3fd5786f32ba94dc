"""A made folder is whole or not there, whatever ends the making."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptst_tasks.errors import ConfigError
from ptst_tasks.whole_folders import cache_home, made_whole


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_it_takes_its_name_when_it_is_whole(tmp_path: Path) -> None:
    with made_whole(tmp_path / "deep" / "m", "the model") as folder:
        (folder / "a").write_text("a")
        assert not (tmp_path / "deep/m").exists()
    assert names(tmp_path / "deep") == ["m"]
    assert (tmp_path / "deep/m/a").read_text() == "a"


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()])
def test_what_ends_it_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    def make() -> None:
        with made_whole(tmp_path / "m", "the model") as folder:
            (folder / "a").write_text("a")
            raise error

    with pytest.raises(type(error)):
        make()
    assert names(tmp_path) == []


def test_the_first_of_two_stays(tmp_path: Path) -> None:
    with made_whole(tmp_path / "m", "the model") as second:
        (second / "a").write_text("second")
        with made_whole(tmp_path / "m", "the model") as first:
            (first / "a").write_text("first")
    assert names(tmp_path) == ["m"]
    assert (tmp_path / "m/a").read_text() == "first"


def test_an_empty_folder_may_stand_there(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    with made_whole(tmp_path / "m", "the model") as folder:
        (folder / "a").write_text("a")
    assert names(tmp_path / "m") == ["a"]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigError, match=r"cannot write the model to .*: Not a directory"),
        made_whole(tmp_path / "file" / "m", "the model"),
    ):
        pass


def test_a_full_disk_that_safetensors_meets_is_one_line(tmp_path: Path) -> None:
    from safetensors import SafetensorError

    with pytest.raises(ConfigError, match="with that mended"):  # noqa: SIM117
        with made_whole(tmp_path / "m", "the model"):
            raise SafetensorError("I/O error: No space left on device (os error 28)")
    assert names(tmp_path) == []


def test_the_cache_is_where_one_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_home() == tmp_path / "ptst"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_home() == Path.home() / ".cache/ptst"
