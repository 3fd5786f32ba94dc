"""What of a study's training can be found wrong when it is read: its data, recipe, settings and mix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from adapters_train import recipes
from adapters_train.config import TrainConfig
from adapters_train.data import parse_mix, training_set
from leaderboards.run.defence_checks import check_places
from leaderboards.run.styles import trained
from ptst_tasks.errors import ConfigError, PTSTError, UnknownNameError

if TYPE_CHECKING:
    from leaderboards.run.study import Study

__all__ = ["check_training"]

_SAID = {
    "model": "base",
    "template": "train.templates",
    "seed": "train.seeds",
    "templates": "train.templates for their names, templates for a file of them",
    "revision": "revision",
    "chat_format": "chat_format",
    "defence": "train.defences",
}
"""Settings of training that a study says itself -> where."""


def check_training(study: Study) -> Iterator[PTSTError]:
    """Everything that decides what an adapter becomes."""
    train = study.train
    if settings := list(_settings(study)):
        yield from settings
        return
    if train.trajectory and not train.settings.get("save_every"):
        yield ConfigError("train.trajectory needs copies to follow: set train.settings.save_every")
    if not train.templates:
        for name in ("settings", "recipe", "mix", "defences"):
            if getattr(train, name) != type(train).model_fields[name].default:
                yield ConfigError(
                    f"study {study.name!r}: train.{name} does nothing, since train.templates is empty "
                    "and so nothing is trained; leave it out (a style to ask in goes into test.style)"
                )
        if "data" in train.model_fields_set and not train.adapters:
            training_set(train.data)
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
    yield from check_places(study)


def _settings(study: Study) -> Iterator[PTSTError]:
    own = {name: f"train.{name}" for name in type(study.train).model_fields}
    told = {**{name: name for name in type(study).model_fields}, **own, **_SAID}
    free = [name for name in TrainConfig.model_fields if name not in {*told, "backend"}]
    for name, value in study.train.settings.items():
        if name == "backend":
            yield ConfigError(
                f"study {study.name!r}: train.settings has 'backend', and a study trains with hf; for "
                "OpenAI's use `ptst train --backend openai`, and name the model under train.adapters"
            )
        elif name in told:
            yield ConfigError(
                f"study {study.name!r}: train.settings has {name!r} ({value!r}), which would override "
                f"what the study says itself; use {told[name]}"
            )
        elif name not in free:
            yield UnknownNameError("setting", name, free, where="train.settings")
        elif value is None:
            yield ConfigError(
                f"study {study.name!r}: train.settings.{name} is null, which changes nothing; leave it "
                "out, or give it a value"
            )


def _check_recipe(study: Study) -> None:
    """A recipe's own values for what the study says by default would be lost without a word."""
    train = study.train
    values = recipes.recipe_for(train.recipe, train.data).values
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
