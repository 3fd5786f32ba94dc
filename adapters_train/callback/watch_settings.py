"""What a user says to `PTSTCallback`, checked before anything is trained."""

from __future__ import annotations

import os
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ptst_tasks.decoding import merge
from ptst_tasks.errors import ConfigError, UnknownNameError, one_line
from ptst_tasks.generate import FAMILIES, Family, own_families
from ptst_tasks.options import Options
from ptst_tasks.own_sets import read as read_own_sets
from ptst_tasks.templates import Templates
from ptst_tasks.user_templates import active

__all__ = ["WatchSettings"]


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _no_bool(value: Any) -> Any:
    """``every=True`` is no 1."""
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


SHORT = 64
"""Tokens of an answer that is judged: whether it refuses is said at its beginning."""
Names = Annotated[tuple[str, ...], BeforeValidator(_several)]
Count = Annotated[int, Field(gt=0, lt=2**31), BeforeValidator(_no_bool)]


class WatchSettings(BaseModel):
    """What is measured during a training, and what follows from it.

    Attributes:
        sets: Names of sets, as in task names; helpful ones too.
        custom: Sets of the user's own by name: ``{"mine": {"path": "my.csv", "kind": "harmful"}}``.
        templates: Test templates; abbreviations work too.
        judge: One or several, ``name`` or ``name:settings``; empty for each set's own.
        every: Steps between two measurings.
        at_start: Also measure before the first step.
        at_end: Also measure after the last.
        sample: Ask so many rows of each set, drawn by their ids, as studies draw them; None for all.
        limit: Ask only the first so many of those.
        gen_kwargs: Decoding options in place of the sets' own.
        max_gen_toks: Set -> tokens that its answers have at most; at most 64 where it is not said, of a
            helpful set its own.
        batch_size: Prompts per batch.
        style: Family of strings around the prompts; empty for each set's own.
        options: More of the tasks' options (``prefill``, ``chat_format``, ``thinking`` ...).
        max_asr: Keep the best adapter whose attack success is at most this, 0..1, on every harmful
            set and template.
        best_by: What is best: ``loss`` (the mean of what was logged since the last measuring),
            another name that the trainer logs, or one of the callback's own.
        greater_is_better: Whether more of it is better.
        stop: End the training when a measured attack success is above `max_asr`.
        output: Folder for what was measured; ``ptst`` in the trainer's own if it is not said.
        name: What the adapter is called on a board; by default the trainer's folder's name.
        train_template: Training template, for the board's rows.
        train_data: Training set, likewise.
        strict: End the training with an error where a measuring fails.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sets: Names = ("advbench", "jbb_benign")
    custom: dict[str, Any] = {}
    templates: Names = ("CL",)
    judge: Names = ()
    every: Count = 100
    at_start: bool = True
    at_end: bool = True
    sample: Count | None = 50
    limit: Count | None = None
    gen_kwargs: dict[str, Any] = {}
    max_gen_toks: dict[str, Count] = {}
    batch_size: Count = 32
    style: str = ""
    options: dict[str, Any] = {}
    max_asr: Annotated[float, Field(ge=0, le=1), BeforeValidator(_no_bool)] | None = None
    best_by: str = Field(default="loss", min_length=1)
    greater_is_better: bool = False
    stop: bool = False
    output: str | os.PathLike[str] | None = None
    name: str = Field(default="", pattern="^[^@]*$")
    train_template: str = ""
    train_data: str = ""
    strict: bool = False

    @classmethod
    def read(cls, given: dict[str, Any]) -> WatchSettings:
        """Reads what a user said.

        Raises:
            ConfigError: On an unknown field, with a near miss, a wrong value, or one that does
                nothing.
            UnknownNameError: On an unknown set, template or option, with a near miss.
        """
        try:
            self = cls(**given)
        except ValidationError as e:
            raise ConfigError(f"PTSTCallback: {one_line(e, tuple(cls.model_fields))}") from None
        self._check_names()
        self._check_limit()
        return self

    @property
    def table(self) -> Templates:
        """The templates that may be named."""
        return active(self.options.get("templates"))

    def decoding_of(self, family: Family, own: dict[str, Any]) -> dict[str, Any]:
        """Decoding options of a set.

        Args:
            family: The set.
            own: What its task says.

        Raises:
            ConfigError: If what comes out contradicts itself.
        """
        judged = family.source.kind != "helpful"
        usual = {"max_gen_toks": min(SHORT, own.get("max_gen_toks", SHORT))} if judged else {}
        most = self.max_gen_toks.get(family.name)
        said = {**usual, **self.gen_kwargs, **({"max_gen_toks": most} if most else {})}
        return merge(own, said, where="PTSTCallback: gen_kwargs")

    def families(self) -> dict[str, Family]:
        """The sets that are asked, by name."""
        own = own_families(read_own_sets(self.custom, "custom")) if self.custom else {}
        known = FAMILIES | own
        return {name: known[name] for name in self.sets}

    def _check_names(self) -> None:
        Options.check_names(self.options)
        for name in ("style", "judge", "sample", "custom"):
            if name in self.options:
                raise ConfigError(f"PTSTCallback: options has {name!r}; say {name}=... itself")
        for what, names in (("sets", self.sets), ("templates", self.templates)):
            if not names or len(set(names)) < len(names):
                raise ConfigError(
                    f"PTSTCallback: {what} is {list(names)}, expected names, each once"
                )
        known = {*FAMILIES, *self.custom}
        for name in self.sets:
            if name not in known:
                raise UnknownNameError("set", name, known, where="PTSTCallback")
        if unused := [name for name in self.custom if name not in self.sets]:
            raise ConfigError(f"PTSTCallback: custom has {unused[0]!r}, which is not among sets")
        for name in self.max_gen_toks:
            if name not in self.sets:
                raise UnknownNameError("set", name, self.sets, where="PTSTCallback: max_gen_toks")
        full = [self.table.resolve(name) for name in self.templates]
        if len(set(full)) < len(full):
            raise ConfigError(f"PTSTCallback: templates {list(self.templates)} names one twice")
        if self.train_template:
            self.table.resolve(self.train_template)

    def _check_limit(self) -> None:
        if self.max_asr is None:
            for name in ("best_by", "greater_is_better", "stop"):
                if name in self.model_fields_set and getattr(self, name):
                    raise ConfigError(f"PTSTCallback: {name} does nothing without max_asr")
        elif not any(f.source.kind == "harmful" for f in self.families().values()):
            raise ConfigError(
                f"PTSTCallback: max_asr is {self.max_asr:g}, and none of sets {list(self.sets)} is a "
                "harmful one"
            )
