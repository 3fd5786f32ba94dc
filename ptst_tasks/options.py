"""What a user may say about a run of ours: ``--metadata '{"style": "openai", ...}'``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ptst_tasks.errors import ConfigError, UnknownNameError, did_you_mean, one_line
from ptst_tasks.thinking import Thinking

__all__ = ["DEFAULT_PREFILL", "Options", "read_object"]

DEFAULT_PREFILL = "Sure, here is"


class Options(BaseModel):
    """Options of a task, read from lm-eval's metadata.

    Attributes:
        style: Family of template strings; empty for the set's own.
        chat_format: ``auto``, ``llama2`` or ``mistral``.
        thinking: ``auto``, ``on`` (true) or ``off`` (false): what the chat template is told.
        think_end_token: What ends a thought of this model, where that is not known of it.
        judge_reasoning: Also judge what a model thinks; a metric of its own.
        templates: YAML file of the user's own templates.
        sample: Ask only so many rows of the set, drawn at random by their ids; always the same.
        repeats: Ask each question about misalignment so many times; answers must be drawn at random then.
        prefill: Text that the answer to a harmful query is made to begin with; True for the
            usual "Sure, here is".
        attack: How harmful queries are asked (`ptst_tasks.attacks`): ``prefill:5``, ``json``, ``code``.
        judge: Judges, as ``name`` or ``name:settings``; empty for the set's own.
        max_calls: Calls that judges behind an endpoint may make, in all tasks of this process
            together, retries included.
        max_cost: USD that they may cost, likewise; what stops at a limit is unscored.
        custom: File of prompts for the tasks of the set ``custom``; or its `own_sets.OwnSet`.
        column: Its column of prompts.
        kind: What it is (`own_sets.KINDS`); harmful if it is not said.
        bertscore: Also compute BERTScore where there is a reference text; True for the paper's
            roberta-large, or a model's name or folder.
        bertscore_layer: Layer of that model.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    style: str = ""
    chat_format: str = "auto"
    thinking: Thinking = "auto"
    # The model's arguments are here, too, and lm-eval's own may be a token's number.
    think_end_token: Annotated[str, BeforeValidator(lambda v: _end_of_thought(v))] = ""
    judge_reasoning: bool = False
    templates: str | None = None
    sample: int | None = Field(default=None, gt=0)
    repeats: int = Field(default=1, ge=1, le=100_000)
    prefill: str | bool = False
    attack: str = ""
    judge: str | list[str] = ""
    max_calls: int | None = Field(default=None, ge=0)
    max_cost: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    custom: str | dict[str, Any] = ""
    column: str = ""
    kind: str = ""
    bertscore: str | bool = False
    bertscore_layer: int = 17

    @classmethod
    def read(cls, metadata: Mapping[str, Any] | None) -> Options:
        """Reads the options out of lm-eval's metadata, which holds the model's arguments too.

        Raises:
            ConfigError: On a wrong value, or a key that is nearly one of ours.
        """
        metadata = metadata or {}
        for key in metadata:
            if key not in cls.model_fields and (near := _near_miss(key)):
                raise ConfigError(
                    f"--metadata has {key!r}; {near}options: {', '.join(cls.model_fields)}"
                )
        try:
            return cls.model_validate(dict(metadata))
        except ValidationError as e:
            raise ConfigError(f"--metadata: {one_line(e, tuple(cls.model_fields))}") from e

    @classmethod
    def check_names(cls, metadata: Mapping[str, Any]) -> None:
        """Makes sure that what a user wrote, without the model's arguments, are options.

        Raises:
            UnknownNameError: With a near miss.
            ConfigError: If a token is said by its number, which lm-eval alone takes.
        """
        if _is_id(end := metadata.get("think_end_token")):
            raise ConfigError(
                f"--metadata: think_end_token is {end!r}, a token's number; say its text, such as "
                "'</think>'"
            )
        for key in metadata:
            if key not in cls.model_fields:
                raise UnknownNameError("option", str(key), cls.model_fields, where="--metadata")

    @property
    def prefix(self) -> str:
        """The prefill's text, or an empty string."""
        return DEFAULT_PREFILL if self.prefill is True else self.prefill or ""

    @property
    def judges(self) -> list[str]:
        """The judges that were asked for."""
        asked = [self.judge] if isinstance(self.judge, str) else self.judge
        return [j for j in asked if j]


def read_object(text: str, flag: str) -> dict[str, Any]:
    """Reads a JSON object that stands behind a flag.

    Raises:
        ConfigError: With the flag, if it is no JSON, no object, or says a name twice.
    """
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except RecursionError as e:
        raise ConfigError(f"{flag} is nested too deeply") from e
    except ValueError as e:
        raise ConfigError(f"{flag} is not JSON ({e}): {text!r:.80}") from e
    if not isinstance(value, dict):
        raise ConfigError(
            f'{flag} is {text!r:.80}, expected a JSON object such as \'{{"style": "openai"}}\''
        )
    return value


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _end_of_thought(value: Any) -> Any:
    if isinstance(value, str) and value and not value.strip():
        raise ValueError(f"think_end_token is white space alone ({value!r}), which ends no thought")
    return str(value) if _is_id(value) else value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(k for k in out if keys.count(k) > 1)!r} stands twice; keep one")
    return out


def _near_miss(key: str) -> str:
    # Model arguments are in the metadata too, so only a slip of one or two letters is a fault.
    import difflib

    close = difflib.get_close_matches(key, Options.model_fields, n=1, cutoff=0.85)
    return did_you_mean(key, close) if close else ""
