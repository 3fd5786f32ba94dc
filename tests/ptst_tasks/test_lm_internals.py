"""What our code touches of lm-eval, read out of the source of the three packages."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.util
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from ptst_tasks.lm_internals import OVERRIDDEN, PRIVATE, TESTED

ROOT = Path(__file__).parents[2]
ONE = ROOT / "ptst_tasks/lm_internals.py"
PUBLIC = {  # what lm-eval's guides and its Python interface explain
    "lm_eval.api.filter.Filter",
    "lm_eval.api.instance.Instance",
    "lm_eval.api.model.LM",
    "lm_eval.api.task.ConfigurableTask",
    "lm_eval.evaluator.evaluate",
    "lm_eval.models.huggingface.HFLM",
    "lm_eval.models.vllm_causallms.VLLM",
    "lm_eval.tasks.TaskManager",
}
PARENTS = ("api/model.py", "api/task.py", "models/huggingface.py", "models/vllm_causallms.py")
_DOTTED = re.compile(r"lm_eval(\.\w+)+")


def sources() -> list[Path]:
    """Every file of our three packages."""
    return [
        file
        for package in ("ptst_tasks", "adapters_train", "leaderboards")
        for file in sorted((ROOT / package).rglob("*.py"))
    ]


def nodes(file: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(file.read_text(encoding="utf-8")))


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def lm_eval_file(path: str) -> Path:
    spec = importlib.util.find_spec("lm_eval")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / path


@cache
def inside() -> frozenset[str]:
    """Private attributes and methods of the classes that ours build on."""
    found = set()
    for path in PARENTS:
        for node in nodes(lm_eval_file(path)):
            if isinstance(node, ast.Attribute) and is_private(node.attr):
                found.add(node.attr)
            if isinstance(node, ast.FunctionDef) and is_private(node.name):
                found.add(node.name)
    return frozenset(found)


def imported(file: Path) -> set[str]:
    """Names of lm-eval that a file imports."""
    found = set()
    for node in nodes(file):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] == "lm_eval"}


def patched(file: Path) -> set[str]:
    """Names of lm-eval that a file hands to a function as text: what it would replace, or import."""
    said = {
        getattr(arg, "value", None)
        for node in nodes(file)
        if isinstance(node, ast.Call)
        for arg in node.args
    }
    return {name for name in said if isinstance(name, str) and _DOTTED.fullmatch(name)}


def reached(file: Path) -> set[str]:
    """Private attributes of lm-eval's objects that a file may touch.

    ``self`` counts only in classes that build on lm-eval's; elsewhere it is our own object.
    """
    found = set()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    strangers = {
        id(node)
        for owner in ast.walk(tree)
        if isinstance(owner, ast.ClassDef) and not _builds_on_lm_eval(owner, file)
        for node in ast.walk(owner)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in ("self", "cls")
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in inside() and id(node) not in strangers:
            found.add(node.attr)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "setattr"):
            name = getattr(node.args[1], "value", "")
            found |= {name} & inside()
    return found


def _builds_on_lm_eval(owner: ast.ClassDef, file: Path) -> bool:
    known = {name.rpartition(".")[2] for name in imported(file)} | {"Adapters"}
    return any(isinstance(base, ast.Name) and base.id in known for base in owner.bases)


def overridden(file: Path) -> set[str]:
    """Private methods of lm-eval's classes that a file's own classes replace."""
    return {
        method.name
        for owner in nodes(file)
        if isinstance(owner, ast.ClassDef) and _builds_on_lm_eval(owner, file)
        for method in owner.body
        if isinstance(method, ast.FunctionDef) and method.name in inside()
    }


@pytest.mark.parametrize("file", sources(), ids=lambda f: str(f.relative_to(ROOT)))
def test_no_other_module_touches_what_is_private(file: Path) -> None:
    """Nine modules imported, replaced or reached into lm-eval's private names."""
    if file == ONE:
        return
    assert imported(file) <= PUBLIC
    assert not patched(file)
    module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
    mine = {OVERRIDDEN[module]} if module in OVERRIDDEN else set()
    assert overridden(file) == mine
    assert reached(file) <= mine


def test_the_table_lists_what_the_module_touches_and_no_more() -> None:
    assert imported(ONE) | patched(ONE) | reached(ONE) == set(PRIVATE)
    assert all(PRIVATE.values())


def test_the_scan_sees_what_it_is_for(tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    file.write_text(
        "from lm_eval.models.huggingface import HFLM\n"
        "from lm_eval.models.utils import chunks\n"
        "mock.patch('lm_eval.api.task.tqdm')\n"
        "def f(task):\n"
        "    task._filters = getattr(task, '_instances')\n"
        "class Mine(HFLM):\n"
        "    def _model_call(self): return self._model\n"
        "class Own:\n"
        "    def g(self): return self._config\n"
    )
    assert imported(file) - PUBLIC == {"lm_eval.models.utils.chunks"}
    assert patched(file) == {"lm_eval.api.task.tqdm"}
    assert reached(file) == {"_filters", "_instances", "_model"}
    assert overridden(file) == {"_model_call"}


@pytest.mark.parametrize("name", sorted(PRIVATE))
def test_what_is_private_is_still_there(name: str) -> None:
    if name.startswith("_"):
        assert name in inside()
    elif importlib.util.find_spec(name.rpartition(".")[0]) and name.count(".") > 1:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute)
    else:
        importlib.import_module(name)


def test_the_range_of_versions_is_what_was_tested() -> None:
    """``>=0.4.13,<0.5`` promised versions whose private names nobody had looked at."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [r for r in map(Requirement, project["dependencies"]) if r.name == "lm-eval"]
    tested = Version(TESTED)
    after = f"{tested.major}.{tested.minor}.{tested.micro + 1}"
    assert [str(r.specifier) for r in asked] == [f"<{after},>={TESTED}"]
    assert importlib.metadata.version("lm_eval") == TESTED
    assert f"lm_eval=={TESTED}\n" in (ROOT / "constraints.txt").read_text(encoding="utf-8")
