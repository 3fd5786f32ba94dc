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
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ptst_tasks.errors import TemplateError, UnknownNameError, one_line
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

    def rows(self) -> list[PromptTemplate]:
        """Returns one row per style."""
        known = builtin().styles()
        for style in self.styles:
            if style not in known:
                raise UnknownNameError("style", style, known)
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
    file = Path(path)
    try:
        data: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as e:
        raise TemplateError(f"templates file {str(path)!r} cannot be read: {e.strerror}") from e
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        reason = " ".join(str(e).split())
        raise TemplateError(f"templates file {str(path)!r} is not YAML: {reason}") from e
    try:
        rows = _FILE.validate_python(data)
    except ValidationError as e:
        fields = tuple(TemplateRow.model_fields)
        raise TemplateError(f"templates file {str(path)!r}: {one_line(e, fields)}") from e
    templates = builtin()
    for row in rows:
        templates = templates.add(row.rows(), where=str(path))
    return templates


def active(path: str | None = None) -> Templates:
    """Returns the paper's templates plus those of `path`, or else of ``$PTST_TEMPLATES``."""
    path = path or os.environ.get(ENV)
    return load(path) if path else builtin()
