"""What a user types after a judge's name: ``rubric:model=gpt-4,base_url=http://localhost:8000/v1``.

``key=value`` pairs with commas between them; a value may hold ``:``, ``/`` and ``=`` but no comma.
Where a judge has a main setting, it may come first and bare: ``guards:wildguard``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ptst_tasks import files
from ptst_tasks.errors import ConfigError, did_you_mean, one_line
from ptst_tasks.keys import INSTEAD, find_keys, hidden

__all__ = ["JudgeSettings", "pairs", "setting_text"]


def pairs(text: str, first: str, where: str) -> dict[str, str]:
    """Splits ``a=1,b=2``; `first` names the setting that may come bare.

    Raises:
        ConfigError: If a part has no name, or a name is there twice.
    """
    if "\0" in text:
        raise ConfigError(f"judge {where!r}: its settings hold a NUL character")
    found: dict[str, str] = {}
    for at, part in enumerate(p.strip() for p in text.split(",") if p.strip()):
        name, sign, value = part.partition("=")
        if not sign:
            if at or not first:  # not echoed: it may be the tail of a secret with a comma in it
                raise ConfigError(f"judge {where!r}: part {at + 1} is not KEY=VALUE")
            name, value = first, part
        if name in found:
            raise ConfigError(f"judge {where!r}: {name!r} stands there twice")
        found[name] = value
    return found


class JudgeSettings(BaseModel):
    """Settings of one judge; a subclass declares them as fields.

    Attributes:
        FIRST: The setting that may come bare, or empty.
        VOLATILE: Settings that do not change a verdict, and why; they are in no name and no key.
        FILES: Settings that are paths; only the file's name goes into the judge's name, and none
            of it into a key, which holds the contents instead.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    FIRST: ClassVar[str] = ""
    VOLATILE: ClassVar[Mapping[str, str]] = {}
    FILES: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def read(cls, judge: str, text: str) -> Self:
        """Reads what a user typed.

        Raises:
            ConfigError: If a setting is unknown (with a near miss), missing or wrong.
        """
        fields = tuple(cls.model_fields)
        values = pairs(text, cls.FIRST, judge)
        for name in values:  # before pydantic, which would show all values with a missing one
            if name not in fields:
                hint = did_you_mean(name, fields)
                raise ConfigError(
                    f"judge {judge!r}: unknown setting {hidden(name)!r}; {hint}"
                    f"known: {', '.join(fields)}"
                )
        cls._refuse_keys(judge, values)
        for name, field in cls.model_fields.items():
            if field.is_required() and name not in values:
                raise ConfigError(f"judge {judge!r} needs {name}=..., as in '{judge}:{name}=NAME'")
        try:
            settings = cls.model_validate(values)
        except ValidationError as e:
            raise ConfigError(f"judge {judge!r}: {one_line(e, fields)}") from None
        settings.check(judge)
        return settings

    @classmethod
    def _refuse_keys(cls, judge: str, values: Mapping[str, str]) -> None:
        """Settings are in names, results and leaderboards; a key must not be.

        An address and the name of a variable have checks of their own (`Endpoint.check`).
        """
        own = {"base_url", "api_key_env"} & set(cls.model_fields)
        rest = {k: v for k, v in values.items() if k not in own}
        for place in find_keys({k: "" if k in cls.FILES else v for k, v in rest.items()}):
            raise ConfigError(
                f"judge {judge!r}: {place} looks like a key (its value is not shown); {INSTEAD}"
            )

    def check(self, judge: str) -> None:
        """Raises ConfigError for what a type cannot say; may be overridden."""

    def spec(self, judge: str, *, files: bool = True) -> str:
        """The judge's name in leaderboards: what differs from the defaults, in the fields' order.

        Args:
            judge: Its name without settings.
            files: With the names of files; a key holds their contents instead.
        """
        parts = []
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if name in self.VOLATILE or value == field.default:
                continue
            if name in self.FILES and not files:
                continue
            shown = _shown(Path(value).name if name in self.FILES else value)
            parts.append(shown if name == self.FIRST else f"{name}={shown}")
        return f"{judge}:{','.join(parts)}" if parts else judge


def _shown(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def setting_text(path: str, judge: str) -> str:
    """Reads a rubric or a policy, with or without a byte order mark.

    Raises:
        ConfigError: If it cannot be read.
    """
    return files.read_text(Path(path), what=f"judge {judge!r}:")
