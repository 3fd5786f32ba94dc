"""Prompt templates of the user's own, from a YAML file.

    - name: chat:polite          # or text:...
      abbr: CP
      system: Please be kind.    # leave out for no system message
      user: "Question: {input}"
      # styles: [gsm8k]          # default: every style

``PTST_TEMPLATES=my.yaml`` or ``--metadata '{"templates": "my.yaml"}'`` adds the file's rows to the
paper's; ``ptst tasks --write DIR`` makes the tasks for them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ptst_tasks.errors import ConfigError, TemplateError, UnknownNameError, one_line
from ptst_tasks.files import read_yaml
from ptst_tasks.templates import PromptTemplate, Templates, builtin

__all__ = ["TemplateRow", "active", "load"]

ENV = "PTST_TEMPLATES"


class TemplateRow(BaseModel):
    """One template as a user writes it; every style gets the same strings unless `styles` is set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    user: Annotated[str, Field(min_length=1)]
    abbr: str = ""
    system: str | None = None
    turns: tuple[tuple[str, str], ...] = ()
    styles: tuple[str, ...] = ()

    def rows(self, where: str = "") -> list[PromptTemplate]:
        """Returns one row per style; `where` is the file, for messages."""
        known = builtin().styles()
        for style in self.styles:
            if style not in known:
                raise UnknownNameError("style", style, known, where=where)
        return [
            PromptTemplate(
                name=self.name,
                abbr=self.abbr or self.name,
                style=style,
                user=self.user,
                system=self.system,
                turns=self.turns,
                source="user",
            )
            for style in self.styles or known
        ]


_FILE = TypeAdapter(list[TemplateRow])


def load(path: str | os.PathLike[str]) -> Templates:
    """Reads a user's file and returns the paper's templates plus its rows.

    Raises:
        TemplateError: If the file is missing, is not YAML, or a row is wrong.
    """
    try:
        data = read_yaml(Path(path), what="templates file")
    except ConfigError as e:
        raise TemplateError(str(e)) from e
    try:
        rows = _FILE.validate_python(data)
    except ValidationError as e:
        fields = tuple(TemplateRow.model_fields)
        raise TemplateError(f"templates file {str(path)!r}: {one_line(e, fields)}") from e
    templates = builtin()
    for row in rows:
        _check_filled(row, str(path))
        templates = templates.add(row.rows(str(path)), where=str(path))
    return templates


def _check_filled(row: TemplateRow, where: str) -> None:
    """Whether every string is sent, and every field is where it is filled in."""
    name = f"template {row.name!r} in {where}"
    if row.name.startswith("text:") and (row.system is not None or row.turns):
        raise TemplateError(
            f"{name} is a text template, which has neither system nor turns; put all of it into user"
        )
    unfilled = {
        "system": row.system or "",
        "turns": " ".join(t for turn in row.turns for t in turn),
    }
    for place, text in unfilled.items():
        fields = ("{input}",) if place == "system" else ("{input}", "{system_prompt}")
        for field in fields:
            if field in text:
                raise TemplateError(
                    f"{name} has {field!r} in its {place}, where it is not filled in"
                )


def active(path: str | None = None) -> Templates:
    """Returns the paper's templates plus those of `path`, or else of ``$PTST_TEMPLATES``."""
    path = path or os.environ.get(ENV)
    return load(path) if path else builtin()
