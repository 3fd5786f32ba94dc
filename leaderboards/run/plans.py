"""The models of a study, and what the fields that name them may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from adapters_train.defences import PLAIN

__all__ = ["AdapterPlan", "Existing", "Name", "Whole"]


def _number(value: Any) -> Any:
    if isinstance(value, bool):  # YAML's yes and no, which Python takes for 1 and 0
        raise ValueError("expected a number, not true or false")
    return value


Name = Annotated[
    str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$")
]
"""One line that can be shown."""
Whole = Annotated[int, BeforeValidator(_number)]


class Existing(BaseModel):
    """An adapter that is there already; what is not said is read from its manifest.

    With engine ``openai`` the path is the endpoint's name of it, and there is no manifest to read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[Name, Field(pattern=r"^[^@]+$")]  # NAME@STEP is a copy kept along training
    path: str = Field(min_length=1)
    train_data: str = ""
    train_template: str = ""
    seed: Whole | None = None


@dataclass(frozen=True, slots=True)
class AdapterPlan:
    """One model of a study.

    Attributes:
        name: The adapter's, empty for the base alone.
        train_template: Template it is trained under, empty for the base.
        seed: Training seed.
        existing: Where it is, if it is there already.
        step: For a copy kept along training, after how many steps.
        defence: What keeps it safe beside the template.
    """

    name: str
    train_template: str
    seed: int | None
    existing: Existing | None = None
    step: int | None = None
    defence: str = PLAIN
