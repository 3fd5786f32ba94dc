"""Files and functions are short, or say why not; prints how long they are (`pytest -s`)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
PACKAGES = ("adapters_train", "leaderboards", "ptst_tasks")
MOST_OF_A_FILE, MOST_OF_A_FUNCTION = 300, 60

LONG_FILES = {
    "ptst_tasks/engines/vllm.py": "all that needs vLLM, which most machines do not have",
    "ptst_tasks/lm_internals.py": "the one module that touches what lm-eval does not promise",
    "ptst_tasks/provenance.py": "the records, their table and its views are one thing",
    "ptst_tasks/templates.py": "half of it is the table of templates",
}
"""Files of more lines -> why; each says so itself, in its docstring."""
LONG_FUNCTIONS = {"ptst_tasks/set_table.py:table": "the table of sets, a row per set"}
"""Functions of more lines -> why."""


def _files() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            yield file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")


def _functions(text: str) -> Iterator[tuple[str, int]]:
    """Names and lengths; of a command the options are a table, and what follows them counts."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if "Annotated[" in ast.unparse(node.args) else node
            yield node.name, (node.end_lineno or 0) - first.lineno + 1


def test_files() -> None:
    texts = dict(_files())
    lengths = {name: len(text.splitlines()) for name, text in texts.items()}
    print(f"\n{len(lengths)} files, median {median(lengths.values())} lines")
    assert {name for name, lines in lengths.items() if lines > MOST_OF_A_FILE} == LONG_FILES.keys()
    for name in LONG_FILES:
        said = " ".join((ast.get_docstring(ast.parse(texts[name])) or "").split())
        assert "onger than other" in said, f"{name} does not say why it is long"


def test_functions() -> None:
    lengths = [(f"{name}:{function}", lines) for name, text in _files()
               for function, lines in _functions(text)]  # fmt: skip
    print(f"\n{len(lengths)} functions, median {median(lines for _, lines in lengths)} lines")
    assert {name for name, lines in lengths if lines > MOST_OF_A_FUNCTION} == LONG_FUNCTIONS.keys()
