"""A number says which commit measured it, where that can be known."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ptst_tasks import __version__
from ptst_tasks.release import release


def git(root: Path, *args: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(["git", "-C", str(root), *who, *args], capture_output=True, check=True)
    return done.stdout.decode().strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("ptst_tasks", "adapters_train", "leaderboards"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.py").write_text("1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "x")
    release.cache_clear()
    return tmp_path


def test_a_checkout_is_named_by_its_commit(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "--short=12", "HEAD")
    assert release(checkout) == f"{__version__}+g{commit}"


def test_changed_code_is_said_and_other_files_are_not(checkout: Path) -> None:
    (checkout / "notes.txt").write_text("mine")
    assert "changed" not in release(checkout)
    release.cache_clear()
    (checkout / "ptst_tasks" / "a.py").write_text("2\n")
    assert release(checkout).endswith(".changed")


def test_without_git_it_is_the_version(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert release(tmp_path_factory.mktemp("installed")) == __version__
    monkeypatch.setenv("PATH", "")
    assert release(checkout) == __version__
