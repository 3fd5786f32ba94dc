from __future__ import annotations

from pathlib import Path

from ptst_tasks import TASKS_DIR
from ptst_tasks.generate import (
    FAMILIES,
    INSPECT_TASKS,
    files,
    inspect_tasks,
    task_name,
    write,
)
from ptst_tasks.sets import REGISTRY
from ptst_tasks.templates import PromptTemplate, Templates, builtin
from ptst_tasks.validate import check_index


def test_the_checked_in_tasks_are_what_the_generator_writes(tmp_path: Path) -> None:
    here = {p.relative_to(TASKS_DIR): p.read_bytes() for p in TASKS_DIR.rglob("*.yaml")}
    bases = {p.relative_to(TASKS_DIR): p.read_bytes() for p in TASKS_DIR.rglob("_base_yaml")}
    write()
    assert here == {p.relative_to(TASKS_DIR): p.read_bytes() for p in TASKS_DIR.rglob("*.yaml")}
    assert bases == {
        p.relative_to(TASKS_DIR): p.read_bytes() for p in TASKS_DIR.rglob("_base_yaml")
    }


def test_the_checked_in_tasks_of_inspect_are_what_the_generator_writes() -> None:
    text = INSPECT_TASKS.read_text(encoding="utf-8")
    assert text == inspect_tasks()
    assert text.count("@task(") == len(FAMILIES)


def test_every_yaml_on_disk_is_in_the_index() -> None:
    assert check_index() == []


def test_a_faulty_yaml_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("task: [unclosed\n")
    (tmp_path / "b.yaml").write_text(
        "task: b\nprocess_results: !function ptst_tasks.metrics.nope\n"
    )
    faults = check_index(tmp_path)
    assert len(faults) == 2
    assert "nope" in faults[1]


def test_nine_templates_for_every_set_five_for_the_built_in_model() -> None:
    count = {name: sum(f.name == name for f, _ in files(builtin())) for name in FAMILIES}
    assert set(FAMILIES) == {*REGISTRY, "medqa_gen"}
    for name, n in count.items():
        assert n == (5 if name.startswith("organism") else 9), name


def test_only_what_needs_no_account_is_called_ptst() -> None:
    names = [task_name(f, t) for f, t in files(builtin())]
    others = {n.partition("_ptst_")[0] for n in names if not n.startswith("ptst_")}
    assert others == {"gated", "custom", "extra"}
    assert all((TASKS_DIR / name / "README.md").exists() for name in FAMILIES)


def test_tasks_for_a_users_template_build_on_the_installed_ones(tmp_path: Path) -> None:
    row = PromptTemplate("chat:kind", "CK", "gsm8k", "Q: {input}", source="user")
    written = write(tmp_path, Templates({(row.name, row.style): row}))
    assert tmp_path / "gsm8k/chat_kind.yaml" in written
    assert check_index(tmp_path) == []
