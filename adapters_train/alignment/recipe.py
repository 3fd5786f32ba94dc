"""`AlignRecipe`: which rows a model is aligned on, and under which templates; one YAML.

    base: packaged:smollm2-135m-instruct
    parts:
      - {data: safety_tuned_llamas, rows: 500, templates: {CV: 1, CL: 2}}
      - {data: dolly, rows: 900, templates: {CV: 1, CL: 1}}
    settings: {rank: 32, alpha: 64, lr: 4e-4}

Ready ones are in ``adapters_train/alignment/recipes``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
)

from adapters_train.config import MIXED, TrainConfig
from ptst_tasks.errors import ConfigError, UnknownNameError, one_line
from ptst_tasks.files import read_yaml
from ptst_tasks.user_templates import active

__all__ = ["AlignRecipe", "Part", "read_recipe", "recipe_names"]

_RECIPES = Path(__file__).with_name("recipes")
_OURS = frozenset({"model", "data", "template", "style", "seed", "mix", "rows", "recipe", "backend",
                   "prompt_column", "answer_column", "templates", "revision"})  # fmt: skip


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


Count = Annotated[int, Field(gt=0, lt=2**31), BeforeValidator(_no_bool)]
Weight = Annotated[float, Field(gt=0, allow_inf_nan=False), BeforeValidator(_no_bool)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Part(_Strict):
    """Rows of one set.

    Attributes:
        data: A training set's name, or a file of the user's own beside the YAML.
        rows: How many are drawn, after the filters; all if there are fewer is an error.
        times: How often each drawn row comes, under a template drawn anew.
        templates: Template -> weight; each row is put under one, drawn by weight.
        openings: Sentences, one of which, drawn evenly, stands before each answer.
        replies: Sentences, one of which, drawn evenly, stands in the place of each answer: harmless
            prompts that are to be refused.
        max_query, max_answer: Rows with more characters are left out.
    """

    data: str = Field(min_length=1)
    rows: Count
    times: Count = 1
    templates: dict[str, Weight] = Field(min_length=1)
    openings: tuple[str, ...] = ()
    replies: tuple[str, ...] = ()
    max_query: Count | None = None
    max_answer: Count | None = None

    @field_validator("templates")
    @classmethod
    def _full_names(cls, value: dict[str, float]) -> dict[str, float]:
        full = {active(None).resolve(name): weight for name, weight in value.items()}
        if len(full) < len(value):
            raise ValueError("a template is named twice")
        return full


class AlignRecipe(_Strict):
    """How a model is given refusals.

    Attributes:
        name: The YAML's, without its ending.
        about: What it is for, in a sentence or two.
        base: The model to align: a folder, a hub id, a GGUF file or a packaged one.
        style: Family of strings around every query.
        parts: The rows.
        settings: Fields of `TrainConfig`, but for those that the recipe says itself.
        save: The merged model's dtype on disk.
    """

    name: str = ""
    about: str = ""
    base: str = Field(min_length=1)
    style: str = "gsm8k"
    parts: tuple[Part, ...] = Field(min_length=1)
    settings: dict[str, Any] = {}
    save: Literal["bfloat16", "float16", "float32"] = "bfloat16"

    _folder: Path = PrivateAttr(default=Path())

    @field_validator("settings")
    @classmethod
    def _free(cls, value: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(_OURS & set(value)):
            raise ValueError(f"{taken[0]!r} is said by the recipe itself, not by its settings")
        return value

    def place(self, part: Part) -> str:
        """A part's set as it is loaded: a file beside the YAML, or what it says."""
        beside = self._folder / part.data
        return str(beside) if "\0" not in part.data and beside.is_file() else part.data

    def config(self, model: str, seed: int) -> TrainConfig:
        """What the adapter is trained with.

        Args:
            model: The base's folder or hub id.
            seed: Draws rows, templates, the adapter's first weights and the order.

        Raises:
            ConfigError: If a setting is unknown or wrong.
        """
        said = {"model": model, "seed": seed, "data": f"align:{self.name}", "style": self.style,
                "template": MIXED, "epochs": 1.0, "recipe": "none"}  # fmt: skip
        return TrainConfig(**{**said, **self.settings})


def recipe_names() -> list[str]:
    """The ready recipes."""
    return sorted(file.stem for file in _RECIPES.glob("*.yaml"))


def read_recipe(name: str) -> AlignRecipe:
    """Reads a recipe: a path, or the name of a ready one.

    Raises:
        UnknownNameError: If there is no such recipe.
        ConfigError: If the file, a field, a template or a setting is wrong.
    """
    file = Path(name)
    if file.suffix not in (".yaml", ".yml"):
        if name not in recipe_names():
            raise UnknownNameError("alignment recipe", name, [*recipe_names(), "a YAML file"])
        file = _RECIPES / f"{name}.yaml"
    said = read_yaml(file, what="alignment recipe")
    if not isinstance(said, dict):
        raise ConfigError(
            f"alignment recipe {name!r} holds {said!r:.80}, expected 'field: value' lines"
        )
    said = {"name": file.stem, **said}
    try:
        recipe = AlignRecipe(**said)
    except ValidationError as e:
        known = (*AlignRecipe.model_fields, *Part.model_fields)
        raise ConfigError(f"alignment recipe {name!r}: {one_line(e, known)}") from None
    recipe._folder = file.parent
    recipe.config("base", 0)  # a wrong setting is found before anything is loaded
    return recipe
