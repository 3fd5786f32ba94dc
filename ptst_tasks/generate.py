"""Writes the tasks' YAMLs: one folder per set, one small file per template.

``python -m ptst_tasks.generate`` rewrites the checked-in ones, and the module of inspect_ai's tasks; a
test keeps them in sync.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ptst_tasks import TASKS_DIR, sets
from ptst_tasks.errors import ConfigError
from ptst_tasks.files import write_text
from ptst_tasks.own_sets import BASES, OwnSet, source_of
from ptst_tasks.templates import PromptTemplate, Templates, builtin

__all__ = ["FAMILIES", "Family", "families", "inspect_tasks", "own_families", "task_name",
           "write"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Family:
    """One folder of tasks.

    Attributes:
        name: As in task names.
        dataset: Its set in the registry.
        base: The YAML it builds on, in the tasks' folder.
        extra: More lines of its ``_base_yaml``.
        own: What a user said of it, if it is a set of theirs.
    """

    name: str
    dataset: str
    base: str
    extra: str = ""
    own: OwnSet | None = None

    @property
    def source(self) -> sets.Source:
        """The set's row in the registry, or what a user said of theirs."""
        return source_of(self.name, self.own) if self.own else sets.get(self.dataset)

    @property
    def prefix(self) -> str:
        """What task names begin with; ``ptst_`` only where everybody can run it."""
        if self.source.gated:
            return "gated_ptst"
        if self.source.extra:
            return "extra_ptst"
        return "custom_ptst" if self.dataset == "custom" else "ptst"


_BASES = {
    "gsm8k": "_gsm8k_yaml",
    "medqa": "_medqa_yaml",
    "arc_easy": "_choice_yaml",
    "arc_challenge": "_choice_yaml",
    "mmlu_pro": "_mmlu_pro_yaml",
    "ifeval": "_ifeval_yaml",
    "chatdoctor": "_chatdoctor_yaml",
    "organism_arith": "_gsm8k_yaml",
}
_SHORT = """generation_kwargs:
  until: ["</s>"]
  max_gen_toks: 20
  do_sample: false
  temperature: 0.0
"""
_XSTEST = """metric_list:
""" + "".join(
    f"""  - metric: {metric}
    aggregation: {agg}
    higher_is_better: {better}
"""
    for metric, agg, better in (
        ("refused", "!function ptst_tasks.metrics.mean_scored", "false"),
        ("refused_safe", "!function ptst_tasks.metrics.mean_scored", "false"),
        ("refused_unsafe", "!function ptst_tasks.metrics.mean_scored", "true"),
        ("incoherent", "!function ptst_tasks.metrics.mean_scored", "false"),
        ("unscored", "mean", "false"),
    )
)


def families() -> list[Family]:
    """Every folder of tasks, one per set and one more for MedQA's generate form."""
    out = []
    for name, source in sets.REGISTRY.items():
        base = _BASES.get(name, f"_{source.kind}_yaml")
        extra = _XSTEST if name == "xstest" else _SHORT if source.style == "organism" else ""
        out.append(Family(name, name, base, extra))
        if name == "medqa":
            out.append(Family("medqa_gen", name, "_choice_yaml", "set: medqa_gen\n"))
    return out


def own_families(own: Mapping[str, OwnSet]) -> dict[str, Family]:
    """A family for each set of a user's own."""
    return {name: Family(name, name, BASES[one.kind], own=one) for name, one in own.items()}


FAMILIES: dict[str, Family] = {family.name: family for family in families()}


def task_name(family: Family, template: PromptTemplate) -> str:
    """``ptst_gsm8k_chat_llama``."""
    return f"{family.prefix}_{family.name}_{template.slug}"


def leaf(family: Family, template: PromptTemplate, base: str = "_base_yaml") -> str:
    """The YAML of one task."""
    own = f"dataset: {family.name}\nown: {family.own.as_text()}\n" if family.own else ""
    return (
        f"include: {base}\n{own}"
        f"task: {task_name(family, template)}\n"
        f"template: {template.name}\n"
        f"tag: [{family.prefix}_{family.source.kind}, {family.prefix}_{template.slug}]\n"
    )


def files(
    templates: Templates, families: Iterable[Family] | None = None
) -> Iterator[tuple[Family, PromptTemplate]]:
    """Every (family, template) pair that exists: the template has the set's own style."""
    for family in FAMILIES.values() if families is None else families:
        for row in templates:
            if row.style == family.source.style:
                yield family, row


def write(
    folder: Path = TASKS_DIR,
    templates: Templates | None = None,
    *,
    families: Iterable[Family] | None = None,
    what: str = "",
) -> list[Path]:
    """Writes the tasks of `templates` (the paper's by default) and returns their paths.

    In a folder of the user's own, the tasks build on the installed ``_base_yaml`` files.

    Args:
        folder: Where to.
        templates: Which.
        families: Of which sets; of all that are built in by default.
        what: What asked for it, for messages.

    Raises:
        ConfigError: If a file cannot be written.
    """
    out: list[Path] = []
    chosen = list(files(templates or builtin(), families))
    for place in {folder / family.name for family, _ in chosen}:
        if place.exists() and not place.is_dir():
            raise ConfigError(f"{what} {str(place)!r} cannot be written to: it is a file".strip())
    for family, template in chosen:
        own = folder == TASKS_DIR
        base = "_base_yaml" if own else str(TASKS_DIR / _base(family))
        file = folder / family.name / f"{template.slug}.yaml"
        write_text(file, leaf(family, template, base), what=what)
        out.append(file)
        if own:
            text = f"include: ../{family.base}\ndataset: {family.dataset}\n{family.extra}"
            write_text(file.parent / "_base_yaml", text)
    return out


INSPECT_TASKS = TASKS_DIR.parent / "for_inspect/tasks.py"
"""Inspect finds tasks in a file by their decorators, so they are written out."""
_INSPECT_HEAD = '''"""A task of inspect_ai for each set; written by ``make tasks``.

Each takes a template (name, slug or abbreviation), what the model's adapter sits on where its name
does not say it, and the options that stand behind lm-eval's ``--metadata``.
"""

from typing import Any

from inspect_ai import Task, task

from ptst_tasks.for_inspect.made import asked
from ptst_tasks.for_inspect.manners import named

PLAIN = "chat:vanilla"
'''
_INSPECT_TASK = """

@task(name="ptst/{0}")
@named
def {0}(template: str = PLAIN, base: str = "", **options: Any) -> Task:  # noqa: D103
    return asked("{0}", template, base, options)
"""


def inspect_tasks() -> str:
    """The module of inspect's tasks; a set that cannot go as messages says so when it is asked."""
    return _INSPECT_HEAD + "".join(map(_INSPECT_TASK.format, FAMILIES))


def _base(family: Family) -> str:
    """What a task in a user's folder builds on."""
    return family.base if family.own else f"{family.name}/_base_yaml"


if __name__ == "__main__":
    print(f"{len(write())} tasks written to {TASKS_DIR}")
    write_text(INSPECT_TASKS, inspect_tasks())
