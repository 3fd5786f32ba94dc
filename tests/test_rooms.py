"""The contracts between packages and rooms hold, and `make check` fails where one is broken."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("ptst_tasks", "adapters_train", "leaderboards")
BROKEN = {
    "Packages": ("ptst_tasks/keys.py", "import adapters_train.config"),
    "Rooms": ("leaderboards/board/stats.py", "import leaderboards.run.store"),
    "The gate": ("leaderboards/gate/paired.py", "import leaderboards.judging.cost"),
    "No circles": ("leaderboards/board/csvio.py", "import leaderboards.board.sides"),
}
"""Contract -> a module, and what it must not import."""

pytest.importorskip("importlinter")


def lint(tree: Path) -> tuple[int, dict[str, str]]:
    """The exit code of `lint-imports`, and what it says of each contract."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    env = {**os.environ, "PYTHONPATH": str(tree)}
    ended = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, timeout=120)
    told = re.findall(r"^(\S.*) (KEPT|BROKEN)\b", ended.stdout, re.MULTILINE)
    assert len(told) == len(BROKEN), ended.stdout + ended.stderr
    return ended.returncode, dict(told)


def test_a_broken_contract_fails_the_check_and_ours_are_kept(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            copy = tmp_path / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    code, told = lint(tmp_path)
    assert (code, set(told.values())) == (0, {"KEPT"})
    for module, line in BROKEN.values():
        with (tmp_path / module).open("a") as out:
            out.write(f"\n{line}\n")
    code, told = lint(tmp_path)
    assert (code, set(told.values())) == (1, {"BROKEN"})
    assert all(any(name.startswith(start) for name in told) for start in BROKEN)
