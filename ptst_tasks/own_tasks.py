"""What a task makes of a set of a user's own: which it is, how it is scored, what it cannot send."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ptst_tasks import TASKS_DIR, sets
from ptst_tasks.errors import ConfigError
from ptst_tasks.lm_internals import load_yaml
from ptst_tasks.options import Options
from ptst_tasks.own_sets import BASES, OwnSet, check_name, one
from ptst_tasks.templates import PromptTemplate

__all__ = ["check_named", "check_system", "of_task", "scored_as", "told", "unsent"]


def of_task(name: str, said: Any, options: Options) -> OwnSet | None:
    """What a task's YAML or ``--metadata`` says of a set of the user's own; None of a built-in one.

    Args:
        name: The task's set.
        said: The field `own` of its YAML.
        options: The task's options, of which the set ``custom`` is read.

    Raises:
        ConfigError: On one line.
    """
    if said is None:
        return _custom(options) if name == "custom" else None
    where = f"the set {check_name(name)!r}"
    if not isinstance(said, Mapping):
        raise ConfigError(f"{where} is {said!r:.80}, expected {{path: ..., kind: ...}}")
    return one(said, where)


def _custom(options: Options) -> OwnSet | None:
    said, where = options.custom, "--metadata: custom"
    if isinstance(said, Mapping):
        if said and all(isinstance(value, Mapping) for value in said.values()):
            raise ConfigError(
                f"{where} names {', '.join(map(repr, said))}; sets of yours that have names get tasks "
                "of their own: write them with `ptst tasks --custom FILE.yaml --write DIR` and run them "
                "with --include_path DIR, or name them under test.custom of a study"
            )
        for field in ("column", "kind"):
            if getattr(options, field):
                raise ConfigError(
                    f"{where} and {field} both say something of the file; say it once"
                )
        return one({"kind": "harmful", **said}, where)
    file = said or str(sets.locate(sets.get("custom")) or "")
    if not file:
        return None
    fields = {"path": file, "kind": options.kind or "harmful", "column": options.column}
    return one(fields, "--metadata")


def check_named(config: Mapping[str, Any]) -> None:
    """Makes sure that a task's YAML names its set and its template.

    Raises:
        ConfigError: If it does not.
    """
    for field in ("dataset", "template"):
        if not isinstance(config.get(field), str):
            raise ConfigError(
                f"the task {config.get('task')!r} has the {field} {config.get(field)!r}, expected "
                "a name"
            )


def told(name: str, own: OwnSet | None) -> str:
    """What the record says of the kind; nothing of a file of harmful queries, as there always were."""
    return "" if own is None or (name == "custom" and own.kind == "harmful") else own.kind


def scored_as(config: Mapping[str, Any], name: str, own: OwnSet | None) -> dict[str, Any]:
    """The config of a task of the set ``custom``, scored as its file's kind wants it.

    Its YAML says how harmful queries are scored, before anybody has said what the file is.
    """
    if own is None or name != "custom" or own.kind == "harmful":
        return dict(config)
    kept = {k: v for k, v in config.items() if k in ("task", "tag", "metadata")}
    base = load_yaml(TASKS_DIR / BASES[own.kind])
    return {k: v for k, v in base.items() if k != "class"} | kept


def check_system(own: OwnSet | None, template: PromptTemplate) -> None:
    """Refuses rows' own system prompts where the template would drop them.

    Raises:
        ConfigError: With what to do.
    """
    if own and own.system_column and not template.takes_system_prompt:
        how = "style: openorca in --metadata, test.style in a study"
        raise ConfigError(
            f"system_column {own.system_column!r} does nothing under {template.name} in style "
            f"{template.style!r}, which has no place for a row's own system prompt; use a "
            f"chat:* template in the style 'openorca' ({how}) or one of your own with "
            "{system_prompt}, or leave it out"
        )


def unsent(rows: Iterable[Mapping[str, Any]], template: PromptTemplate) -> list[str]:
    """What of the rows a template has no place for, as a note for the record."""
    count = sum(bool(row.get("system_prompt")) for row in rows)
    if not count or template.takes_system_prompt:
        return []
    return [f"the system prompts of {count} rows are not sent: {template.name} in style "
            f"{template.style} has no place for them"]  # fmt: skip
