from __future__ import annotations

from pathlib import Path

import pytest

from leaderboards.doctor.finding import Finding
from leaderboards.doctor.machine import machine_lines


def found() -> dict[str, Finding]:
    return {line.what: line for line in machine_lines()}


def test_a_cache_that_cannot_be_written_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    line = found()["cache"]
    assert line.state == "broken"
    assert "Not a directory" in line.told
    assert "XDG_CACHE_HOME" in line.mend


def test_a_cache_that_is_a_link_to_nothing_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ptst").symlink_to(tmp_path / "gone")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert found()["cache"].state == "broken"


def test_sets_that_may_not_be_read_are_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PTST_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may read whatever it likes
    line = found()["$PTST_DATA_DIR"]
    assert (line.state, "cannot be read" in line.told) == ("broken", True)


def test_looking_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert found()["cache"].state == "ok"
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda where: usage._replace(free=5 * 2**20))
    line = found()["this folder"]
    assert line.state == "broken"
    assert "only 5 MiB free" in line.told


@pytest.mark.parametrize(("value", "state"), [("", "absent"), ("nowhere", "broken"), (".", "ok")])
def test_the_folder_of_sets(value: str, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTST_DATA_DIR", value)
    assert found()["$PTST_DATA_DIR"].state == state


def test_a_token_of_the_hub_is_told_of_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefghijkl")
    line = found()["hub"]
    assert (line.state, line.told) == ("ok", "a token is there")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in found()["hub"].told
