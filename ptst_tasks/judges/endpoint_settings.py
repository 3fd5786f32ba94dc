"""Settings of a judge behind an endpoint: those that decide its verdicts, and those that do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, field_validator

from ptst_tasks.endpoints import Endpoint
from ptst_tasks.errors import ConfigError
from ptst_tasks.judges.base import reading
from ptst_tasks.judges.settings import JudgeSettings
from ptst_tasks.outage import WAIT
from ptst_tasks.prices import Price

__all__ = ["EndpointSettings"]

READING = 1
"""Version of how replies are asked for and read (schema, `parse`); raise it with a change."""


def _printable(value: str) -> str:
    if not value.isprintable():  # it goes into names, headers and tables
        raise ValueError("a name holds a character that cannot be printed")
    return value


Name = Annotated[str, Field(min_length=1), AfterValidator(_printable)]


class EndpointSettings(JudgeSettings):
    """Settings of a judge behind an endpoint.

    Attributes:
        model: The judge's model, as the endpoint calls it.
        base_url: The endpoint, ``http://localhost:8000/v1``; else ``$OPENAI_BASE_URL`` or OpenAI's.
        api_key_env: Environment variable that holds the key.
        output: ``json`` for a JSON schema, ``text`` for a marked line, ``auto`` for the first with
            the second where the endpoint does not know schemas.
        temperature: ``none`` leaves it to the endpoint (some models take no other).
        max_tokens: Of one reply.
        concurrency: Calls at once.
        timeout: Seconds for one call.
        attempts: Calls for one pair at most.
        backoff: Seconds; doubled with every failed call unless the server says how long to wait.
        outage: Seconds to wait for an endpoint that has answered before and does not any more.
        price_in: USD per million tokens read; else the list price, if the model has one.
        price_out: USD per million tokens written.
    """

    VOLATILE: ClassVar[Mapping[str, str]] = {
        "base_url": "its host and path are in the key; a server restarted on another port is the same",
        "api_key_env": "who pays, not who judges",
        "concurrency": "it is only how fast",
        "timeout": "decides whether there is a reply, not what it says; missing verdicts are not kept",
        "attempts": "as timeout",
        "backoff": "it is only how fast",
        "outage": "as timeout",
        "price_in": "what it costs",
        "price_out": "what it costs",
    }

    model: Name
    base_url: str = ""
    api_key_env: str = "OPENAI_API_KEY"
    output: Literal["auto", "json", "text"] = "auto"
    temperature: float | None = Field(default=0.0, ge=0, allow_inf_nan=False)
    max_tokens: int = Field(default=512, ge=1, le=1_000_000)
    concurrency: int = Field(default=32, ge=1, le=10_000)
    timeout: float = Field(default=60.0, gt=0, allow_inf_nan=False)
    attempts: int = Field(default=10, ge=1, le=10_000)
    backoff: float = Field(default=0.25, ge=0, allow_inf_nan=False)
    outage: float = Field(default=WAIT, gt=0, allow_inf_nan=False)
    price_in: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    price_out: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    @field_validator("temperature", mode="before")
    @classmethod
    def _none(cls, value: Any) -> Any:
        return None if value == "none" else value

    def check(self, judge: str) -> None:
        """Refuses half a price, and secrets where names are expected, without repeating them."""
        self.endpoint(judge).check()
        if (self.price_in is None) != (self.price_out is None):
            raise ConfigError(f"judge {judge!r}: price_in and price_out belong together; give both")

    @property
    def price(self) -> Price | None:
        """The price that was said, if one was."""
        if self.price_in is None or self.price_out is None:
            return None
        return Price(self.price_in, self.price_out)

    def endpoint(self, judge: str) -> Endpoint:
        """Where the judge is."""
        return Endpoint(
            f"judge {judge!r}", self.base_url, self.api_key_env, self.timeout, self.backoff
        )

    def facts(self) -> dict[str, Any]:
        """What decides verdicts; the port does not, or a restarted server would be paid again."""
        where = self.endpoint("")
        return {
            "model": self.model,
            "endpoint": where.host + where.path,
            "output": self.output,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            **reading(READING),
        }
