"""What a user may say about a served model: a study's ``engine_args``, or ``--model_args``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ptst_tasks.endpoints import Endpoint
from ptst_tasks.errors import ConfigError, one_line
from ptst_tasks.keys import check_no_keys
from ptst_tasks.prices import Price

__all__ = ["WHO", "ServedSettings"]

WHO = "engine 'openai'"
_OF_LM_EVAL = frozenset({"batch_size", "max_batch_size", "device"})  # it passes them to any model
_OURS = frozenset({"model", "messages", "prompt", "stream", "n"})


class ServedSettings(BaseModel):
    """Settings of a served model.

    Attributes:
        base_url: The endpoint, ``http://localhost:8000/v1``; else ``$OPENAI_BASE_URL`` or OpenAI's.
        api_key_env: Environment variable that holds the key.
        concurrency: Calls at once.
        timeout: Seconds for one call.
        attempts: Calls for one prompt at most.
        backoff: Seconds; doubled with every failed call unless the server says how long to wait.
        price_in: USD per million tokens read, for the estimate.
        price_out: USD per million tokens written.
        extra: Merged into the body of every call (``reasoning_effort`` ...); a field that is null is
            left out of it (``temperature: null`` for models that take none). Whether to think is
            the option ``thinking``, which its ``chat_template_kwargs`` may not contradict.
        token_field: What the endpoint calls the limit of new tokens of a chat answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str = ""
    api_key_env: str = "OPENAI_API_KEY"
    concurrency: int = Field(default=32, ge=1, le=1000)
    timeout: float = Field(default=120.0, gt=0)
    attempts: int = Field(default=8, ge=1)
    backoff: float = Field(default=0.25, ge=0)
    price_in: float | None = Field(default=None, ge=0)
    price_out: float | None = Field(default=None, ge=0)
    extra: dict[str, Any] = {}
    token_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"

    @field_validator("extra", mode="before")
    @classmethod
    def _from_json(cls, value: Any) -> Any:  # --model_args can say it as JSON only
        try:
            return json.loads(value) if isinstance(value, str) else value
        except ValueError:
            return value

    @classmethod
    def read(cls, args: Mapping[str, Any]) -> Self:
        """Reads what a user said; what lm-eval passes to any model is left out.

        Raises:
            ConfigError: If a setting is unknown (with a near miss) or wrong, or looks like a key.
        """
        given = {k: v for k, v in args.items() if k not in _OF_LM_EVAL}
        if "revision" in given:
            raise ConfigError(
                f"{WHO} takes no revision: the endpoint decides what it serves; leave it out"
            )
        check_no_keys(given, "engine_args", known=cls.model_fields)
        try:
            settings = cls.model_validate(given)
        except ValidationError as e:
            raise ConfigError(f"{WHO}: {one_line(e, tuple(cls.model_fields))}") from None
        settings._check()
        return settings

    def _check(self) -> None:
        self.endpoint.check()
        if taken := sorted(_OURS & set(self.extra)):
            raise ConfigError(
                f"{WHO}: extra holds {taken[0]!r}, which is ours to say; leave it out"
            )
        told = self.extra.get("chat_template_kwargs")
        if told is not None and not isinstance(told, dict):
            raise ConfigError(
                f"{WHO}: extra: chat_template_kwargs is {told!r:.80}, expected name: value lines"
            )
        if (self.price_in is None) != (self.price_out is None):
            raise ConfigError(f"{WHO}: price_in and price_out belong together; give both")

    @property
    def endpoint(self) -> Endpoint:
        """Where the model is."""
        return Endpoint(WHO, self.base_url, self.api_key_env, self.timeout, self.backoff)

    @property
    def price(self) -> Price | None:
        """The price that was said, if one was."""
        if self.price_in is None or self.price_out is None:
            return None
        return Price(self.price_in, self.price_out)
