"""Which tasks a command is about: the sets and templates that were named, and the user's own."""

from __future__ import annotations

import sys

from ptst_tasks.errors import DataError, MissingExtraError, UnknownNameError
from ptst_tasks.templates import Templates

__all__ = ["chosen_tasks", "loads", "own_templates"]


def chosen_tasks(sets: list[str] | None, wanted: list[str] | None) -> dict[str, dict[str, str]]:
    """Task names with their templates, by set, in the order of the tables."""
    from ptst_tasks.generate import FAMILIES, files, task_name
    from ptst_tasks.user_templates import active

    table = active()
    names = [table.resolve(w) for w in wanted or []]
    for name in sets or []:
        if name not in FAMILIES:
            raise UnknownNameError("set", name, FAMILIES)
    out: dict[str, dict[str, str]] = {}
    for family, template in files(table):
        if (not sets or family.name in sets) and (not names or template.name in names):
            out.setdefault(family.name, {})[task_name(family, template)] = template.name
    return out


def own_templates() -> Templates:
    """The templates of the user's own."""
    from ptst_tasks.templates import builtin
    from ptst_tasks.user_templates import active

    return Templates({k: row for k, row in active().rows.items() if k not in builtin().rows})


def loads(family: str, *, quiet: bool = False) -> bool:
    """Whether a set can be loaded here and now; why not is said on standard error."""
    from ptst_tasks import sets
    from ptst_tasks.borrowed import check_ready
    from ptst_tasks.generate import FAMILIES

    try:
        check_ready(FAMILIES[family].source)
        sets.load(FAMILIES[family].dataset)
    except (DataError, MissingExtraError) as e:
        if not quiet:
            print(f"left out: {e}", file=sys.stderr)
        return False
    return True
