"""No two files, and no two public classes, of the three packages have one name for two things."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("ptst_tasks", "adapters_train", "leaderboards")

SHARED = {
    "__init__": "Python's",
    "__main__": "Python's",
    "base": "what the others of a room are made from: engines, judges",
    "cache": "what is kept to be had again: verdicts, built-in models",
}
"""Names of several files -> what they have in common."""


def modules() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (ROOT / package).rglob("*.py")


def test_files() -> None:
    named = defaultdict(list)
    for file in modules():
        if file.parent.name != "cli":  # a command is called like what it runs
            named[file.stem].append(str(file.relative_to(ROOT)))
    assert {name for name, files in named.items() if len(files) > 1} == SHARED.keys()


def test_public_classes() -> None:
    named = defaultdict(list)
    for file in modules():
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                named[node.name].append(str(file.relative_to(ROOT)))
    assert {name: files for name, files in named.items() if len(files) > 1} == {}


def test_no_file_is_called_like_a_library_that_it_imports() -> None:
    """But for those that are about it: an engine on vLLM, an executor on Ray."""
    for file in (file for package in PACKAGES for file in (ROOT / package).glob("*.py")):
        imported = {
            alias.name.partition(".")[0]
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        assert file.stem not in imported, file
