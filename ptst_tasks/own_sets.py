"""Sets of a user's own: a file, and what it is.

    orbench: {path: or-bench-hard.csv, kind: harmless, column: prompt}

The kind decides what is measured. Safe prompts taken for harmful ones would be an attack success
rate of 100 % where the model does nothing wrong, so a set that has a name has to say its kind.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ptst_tasks import sets
from ptst_tasks.errors import ConfigError, UnknownNameError, did_you_mean, one_line
from ptst_tasks.files import read_yaml
from ptst_tasks.own_data import beside
from ptst_tasks.readers import Shape, choice, numeric
from ptst_tasks.set_source import Kind, Source
from ptst_tasks.set_table import GOAL, WHICH
from ptst_tasks.shapes.own_rows import OwnPrompts
from ptst_tasks.shapes.said_columns import SaidColumns

__all__ = ["BASES", "KINDS", "OwnSet", "check_name", "from_file", "one", "read", "source_of"]  # fmt: skip

KINDS: Mapping[str, Kind] = {
    "harmful": "harmful",
    "harmless": "overrefusal",
    "misalignment": "misalignment",
    "choice": "helpful",
    "numeric": "helpful",
}
"""A set's kind in a user's words -> what is measured on it."""
BASES: Mapping[str, str] = {
    "harmful": "_harmful_yaml",
    "harmless": "_overrefusal_yaml",
    "misalignment": "_misalignment_yaml",
    "choice": "_own_choice_yaml",
    "numeric": "_own_numeric_yaml",
}
"""Kind -> the YAML, in the tasks' folder, that says how it is asked and scored."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_COLUMNS = {
    "answer_column": ("choice", "numeric"),
    "choices_column": ("choice",),
    "judge": ("harmful", "harmless", "misalignment"),
}
"""Field -> the kinds for which it does something; others are of use to every kind."""


class OwnSet(BaseModel):
    """What a user says of a file of theirs.

    Attributes:
        path: The file.
        kind: ``harmful``; ``harmless`` (safe prompts: refusing one is the fault); ``misalignment`` (mild
            questions, see `judges.misalignment`); ``choice`` (multiple choice, asked like medqa_gen);
            ``numeric``; see `own_metrics`.
        column: The column of prompts or questions; empty where its name says so itself.
        answer_column: Of `choice` and `numeric`; empty likewise.
        choices_column: The columns of the choices, where they are none of the usual.
        system_column: Each row's own system prompt, for templates that take it.
        category_column: What a row is about, for the reader.
        judge: Who judges by default, in place of keywords:zou or, of misalignment, of nobody.
        licence: For the reader.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(min_length=1)
    kind: str = Field(default="", validate_default=True)
    column: str = ""
    answer_column: str = ""
    choices_column: str | tuple[str, ...] = ""
    system_column: str = ""
    category_column: str = ""
    judge: str = ""
    licence: str = "the user's"

    @field_validator("kind")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in KINDS:
            seen = f"unknown kind {value!r}; {_meant(value)}" if value else "no kind is said; "
            raise ValueError(f"{seen}expected one of {', '.join(KINDS)}")
        return value

    @model_validator(mode="after")
    def _makes_sense(self) -> OwnSet:
        for field, kinds in _COLUMNS.items():
            if getattr(self, field) and self.kind not in kinds:
                raise ValueError(
                    f"{field} does nothing for a set of kind {self.kind!r}, only for "
                    f"{' and '.join(kinds)}; leave it out"
                )
        return self

    def placed(self, folder: Path) -> OwnSet:
        """The same with its path seen from `folder`; an id of the hub stays as it is."""
        return self.model_copy(update={"path": beside(self.path, folder)})

    def as_text(self) -> str:
        """Compact JSON of what was said, which a task's YAML holds."""
        return json.dumps(self.model_dump(exclude_defaults=True), ensure_ascii=False)


def _meant(kind: str) -> str:
    """What other houses call a kind of ours is told apart from a slip of the pen."""
    known = _SYNONYMS.get(kind.strip().lower())
    return f"did you mean {known!r}? " if known else did_you_mean(kind, KINDS)


_SYNONYMS = {
    "overrefusal": "harmless", "over-refusal": "harmless", "over_refusal": "harmless",
    "safe": "harmless", "benign": "harmless", "unsafe": "harmful", "toxic": "harmful",
    "multiple_choice": "choice", "mcq": "choice", "number": "numeric", "math": "numeric",
    "gsm8k": "numeric",
}  # fmt: skip


def check_name(name: str) -> str:
    """Returns the name of a set of a user's own, if it can be one.

    Raises:
        ConfigError: If it cannot stand in a task's name, or is a built-in set's.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(
            f"a set of yours is named {name!r:.80}; expected small letters, digits and _, a letter "
            "first, as in 'my_set'"
        )
    if name in (*sets.REGISTRY, *_FORMS):
        raise ConfigError(
            f"a set of yours is named {name!r}, as one of ptst's is; name it otherwise"
        )
    return name


_FORMS = ("medqa_gen",)
"""Names of sets that are another form of one in the registry."""


def read(said: Mapping[str, Any], where: str) -> dict[str, OwnSet]:
    """Reads sets by name.

    Args:
        said: Name -> fields, as a YAML has them.
        where: What holds them, for messages.

    Raises:
        ConfigError: On one line, with the first that is wrong.
    """
    out = {}
    for name, fields in said.items():
        try:
            check_name(name)
        except ConfigError as e:
            raise ConfigError(f"{where}: {e}") from e
        if not isinstance(fields, Mapping):
            raise ConfigError(
                f"{where}: {name} is {fields!r:.80}, expected {{path: ..., kind: ...}}"
            )
        out[name] = one(fields, f"{where}: {name}")
    return out


def one(fields: Mapping[str, Any], where: str) -> OwnSet:
    """Reads what is said of one set.

    Raises:
        ConfigError: On one line.
        UnknownNameError: If a field is none.
    """
    try:
        return OwnSet.model_validate(dict(fields))
    except ValidationError as e:
        for name in fields:  # before what is missing, which is often what was misspelt
            if name not in OwnSet.model_fields:
                raise UnknownNameError("field", str(name), OwnSet.model_fields, where=where) from e
        why = one_line(e, tuple(OwnSet.model_fields)).replace("Value error, ", "")
        raise ConfigError(f"{where}: {why.removeprefix('the file: ')}") from e


def from_file(file: Path) -> dict[str, OwnSet]:
    """Reads a YAML of sets, ``name: {path: ..., kind: ...}``; paths are relative to it.

    Raises:
        ConfigError: If it is no such file.
    """
    said = read_yaml(file, what="--custom")
    where = f"--custom {str(file)!r}"
    if not isinstance(said, dict) or not said:
        raise ConfigError(
            f"{where} holds {said!r:.80}, expected lines such as 'mine: {{path: my.csv, kind: "
            "harmful}}'"
        )
    return {name: one.placed(file.parent) for name, one in read(said, where).items()}


def source_of(name: str, own: OwnSet) -> Source:
    """The set as the registry would have it."""
    return Source(
        name,
        KINDS[own.kind],
        _shape(own),
        url=own.path,
        judge=own.judge or ("" if own.kind == "misalignment" else "keywords:zou"),
        licence=own.licence,
        about=own.path,
    )


def _shape(own: OwnSet) -> Shape:
    """How rows of a set of a user's own are read: columns that were said, else the usual names."""
    said = (*_named(own.system_column), *_named(own.category_column))
    return SaidColumns(_unsaid(own), said)


def _unsaid(own: OwnSet) -> Shape:
    prompt, category = _named(own.column), _named(own.category_column)
    more = {"prompt": prompt} if prompt else {}
    more |= {"category": category} if category else {}
    system = {"system_prompt": _named(own.system_column)} if own.system_column else {}
    answer = {"answer": _named(own.answer_column)} if own.answer_column else {}
    if own.kind == "choice":
        named = own.choices_column
        columns = tuple(filter(None, map(_plain, (named,) if isinstance(named, str) else named)))
        return choice(options=columns, guess=WHICH, scored=True, **more, **answer, **system)
    if own.kind == "numeric":
        usual = {"prompt": _QUESTIONS, "answer": _ANSWERS}
        return numeric(**{**usual, **more, **answer, **system}, guess=WHICH, which=_WHICH)
    shape = OwnPrompts(prompt or (*GOAL, "forbidden_prompt"), guess=WHICH)
    shape = replace(shape, category=category) if category else shape
    return replace(shape, system=system["system_prompt"]) if system else shape


_QUESTIONS = tuple(dict.fromkeys(("question", "problem", *GOAL)))
_ANSWERS = ("answer", "final_answer", "target", "label")
_WHICH = "say which with 'answer_column'"


def _named(column: str) -> tuple[str, ...]:
    return (_plain(column),) if column.strip() else ()


def _plain(column: str) -> str:
    return column.strip().lower()
