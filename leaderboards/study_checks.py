"""What of a study can be found wrong when it is read, before anything is trained or asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters_train import recipes
from adapters_train.config import TrainConfig
from adapters_train.data import find as training_set
from adapters_train.data import parse_mix
from leaderboards.styles import trained
from ptst_tasks.errors import ConfigError, UnknownNameError
from ptst_tasks.generate import FAMILIES
from ptst_tasks.options import Options

if TYPE_CHECKING:
    from leaderboards.study import Study

__all__ = ["check_test", "check_train"]

_SAID = {
    "model": "base",
    "template": "train.templates",
    "seed": "train.seeds",
    "templates": "train.templates for their names, templates for a file of them",
    "revision": "revision",
    "chat_format": "chat_format",
}
"""Settings of training that a study says itself -> where."""
_SAID_OF_TEST = {
    "style": "test.style",
    "chat_format": "chat_format",
    "templates": "templates",
    "judge": "judges",
}


def check_train(study: Study) -> None:
    """Checks everything that decides what an adapter becomes.

    Raises:
        ConfigError: On a setting that the study says itself, that does nothing, or is wrong.
        UnknownNameError: On a name that is in no table, with a near miss.
    """
    train = study.train
    _check_settings(study)
    if train.trajectory and not train.settings.get("save_every"):
        raise ConfigError("train.trajectory needs copies to follow: set train.settings.save_every")
    if not train.templates:
        for name in ("settings", "recipe", "mix"):
            if getattr(train, name):
                raise ConfigError(
                    f"study {study.name!r}: train.{name} does nothing, since train.templates is empty "
                    "and so nothing is trained; leave it out (a style to ask in goes into test.style)"
                )
        return
    _check_recipe(study)
    for spec in train.mix:
        training_set(parse_mix(spec).name)
    for style in {model.style for model in trained(study)[:1]}:
        for template in train.templates:
            study.table.get(template, style)
    for seed in train.seeds:
        try:
            study.train_config(train.templates[0], seed, study.base)
        except ConfigError as e:
            name = str(e).partition(":")[0].partition(".")[0]
            where = "train.settings" if name in train.settings else "train"
            raise ConfigError(f"study {study.name!r}: {where}.{e}") from None


def _check_settings(study: Study) -> None:
    own = {name: f"train.{name}" for name in type(study.train).model_fields}
    said = {**{name: name for name in type(study).model_fields}, **own, **_SAID}
    free = [name for name in TrainConfig.model_fields if name not in {*said, "backend"}]
    for name, value in study.train.settings.items():
        if name == "backend":
            raise ConfigError(
                f"study {study.name!r}: train.settings has 'backend', and a study trains with hf; for "
                "OpenAI's use `ptst train --backend openai`, and name the model under train.adapters"
            )
        if name in said:
            raise ConfigError(
                f"study {study.name!r}: train.settings has {name!r} ({value!r}), which would override "
                f"what the study says itself; use {said[name]}"
            )
        if name not in free:
            raise UnknownNameError("setting", name, free, where="train.settings")
        if value is None:
            raise ConfigError(
                f"study {study.name!r}: train.settings.{name} is null, which changes nothing; leave it "
                "out, or give it a value"
            )


def _check_recipe(study: Study) -> None:
    """A recipe's own values for what the study says by default would be lost without a word."""
    train = study.train
    values = recipes.find(train.recipe, train.data).values
    if values.get("backend", "hf") != "hf":
        raise ConfigError(
            f"study {study.name!r}: recipe {train.recipe!r} is for the backend {values['backend']!r}, "
            "and a study trains with hf; choose another recipe, or use `ptst train`"
        )
    by_default = {
        "data": ("train.data", train.data, "data" not in train.model_fields_set),
        "chat_format": (
            "chat_format",
            study.chat_format,
            "chat_format" not in study.model_fields_set,
        ),
    }
    for name, (field, value, silent) in by_default.items():
        if silent and values.get(name, value) != value:
            raise ConfigError(
                f"study {study.name!r}: recipe {train.recipe!r} is for {name} {values[name]!r}, and "
                f"the study's is {value!r} by default; say which with {field}"
            )


def check_test(study: Study) -> None:
    """Checks the style and the options of what is asked.

    Raises:
        ConfigError: On an option that the study says itself, that does nothing, or is wrong.
        UnknownNameError: On an unknown style or option, with a near miss.
    """
    test = study.test
    if test.style:
        for template in test.templates:
            study.table.get(template, test.style)
    free = [name for name in Options.model_fields if name not in _SAID_OF_TEST]
    for name, value in test.options.items():
        if name in _SAID_OF_TEST:
            raise ConfigError(
                f"study {study.name!r}: test.options has {name!r} ({value!r}), which the study says "
                f"itself; use {_SAID_OF_TEST[name]}"
            )
        if name not in free:
            raise UnknownNameError("option", name, free, where="test.options")
        if not any(_concerns(name, family) for family in test.sets):
            raise ConfigError(
                f"study {study.name!r}: test.options has {name!r}, which does nothing for the sets "
                f"{', '.join(test.sets)}; leave it out"
            )
    try:
        Options.read(test.options)
    except ConfigError as e:
        raise ConfigError(
            str(e).replace("--metadata", f"study {study.name!r}: test.options")
        ) from None


def _concerns(option: str, family: str) -> bool:
    """Whether an option of tasks changes anything in one set."""
    if option in ("custom", "column"):
        return family == "custom"
    if option.startswith("bertscore"):
        return family == "chatdoctor"
    return FAMILIES[family].source.kind == "harmful"  # prefill
