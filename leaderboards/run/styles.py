"""In which style a study asks each set: that in which its models were trained.

A style is the family of strings around a question. Trained in one and asked in another, a model
is measured under a template that it has never seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters_train import recipes
from adapters_train.data import TESTED_BY, TRAINING_SETS, training_set
from ptst_tasks.errors import ConfigError

if TYPE_CHECKING:
    from leaderboards.run.plans import Existing
    from leaderboards.run.study import Study

__all__ = ["Trained", "asked_in", "trained"]


@dataclass(frozen=True, slots=True)
class Trained:
    """How a study's models were trained, as far as the style goes.

    Attributes:
        who: For a message.
        data: The training set.
        style: Its prompts' family of strings.
    """

    who: str
    data: str
    style: str


def asked_in(study: Study, family: str) -> str:
    """The style in which a study asks a set; empty for the set's own.

    Raises:
        ConfigError: If the models that it concerns were trained in different styles.
        UnknownNameError: If `train.data` is no training set.
    """
    source = study.families()[family].source
    if study.test.style:
        return study.test.style
    if source.style == "organism":  # the built-in model reads only its own words
        return source.style
    models = trained(study)
    if source.kind == "helpful":
        models = [m for m in models if family in TESTED_BY.get(m.data, ())]
    styles = {m.style: m for m in reversed(models)}
    if len(styles) > 1:
        one, other = list(styles.values())[:2]
        raise ConfigError(
            f"study {study.name!r}: {other.who} was trained in style {other.style!r}, {one.who} in "
            f"{one.style!r}, and all models of a study are asked the same prompts ({family}); set "
            "test.style, or make a study for each style"
        )
    return next(iter(styles), "")


def trained(study: Study) -> list[Trained]:
    """What is trained by a study, and what was before."""
    train = study.train
    out = []
    if train.templates or not train.adapters:
        out.append(Trained("train", train.data, _style(study)))
    return out + [_existing(study, adapter) for adapter in train.adapters]


def _style(study: Study) -> str:
    """What `train` says of the style; for OpenAI's own models the paper's for them (Table 10)."""
    if _is_openais(study):
        return "openai"
    train = study.train
    own = training_set(train.data).style
    recipe = recipes.recipe_for(train.recipe, train.data).values
    return str(train.settings.get("style") or recipe.get("style") or own)


def _existing(study: Study, adapter: Existing) -> Trained:
    """What an adapter's manifest says of it; else its `train_data`, else `train.data`."""
    from leaderboards.run.manifests import manifest

    record = {} if study.engine == "openai" else manifest(Path(adapter.path))
    said = adapter.train_data.partition("+")[0]
    data = _recorded(record, "config", "data") or said or study.train.data
    style = _recorded(record, "template", "style")
    if not style and data in TRAINING_SETS and not _is_openais(study):
        style = TRAINING_SETS[data].style
    return Trained(f"adapter {adapter.name!r}", data, style or _style(study))


def _recorded(record: Mapping[str, Any], part: str, name: str) -> str:
    """One value of a manifest, which may be another program's."""
    found = record.get(part)
    return str(found.get(name) or "") if isinstance(found, Mapping) else ""


def _is_openais(study: Study) -> bool:
    if study.engine != "openai":
        return False
    from ptst_tasks.endpoints import OPENAI
    from ptst_tasks.engines.served_settings import ServedSettings

    return ServedSettings.read(study.engine_args).endpoint.url == OPENAI
