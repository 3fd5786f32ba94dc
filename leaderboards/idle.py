"""Fields of a study that would change nothing, each with the reason, so that a run can say them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ptst_tasks.generate import FAMILIES
from ptst_tasks.options import Options

if TYPE_CHECKING:
    from leaderboards.study import Study

__all__ = ["idle"]


def idle(study: Study) -> list[str]:
    """Returns a sentence for every field that was given and does nothing."""
    told = [*_training(study), *_testing(study), *_options(study)]
    return [f"{name} does nothing: {why}" for name, why in told]


def _training(study: Study) -> Iterator[tuple[str, str]]:
    train, here = study.train, "no adapter is trained (train.templates is empty)"
    if not train.templates:
        for name in ("seeds", "recipe", "mix"):
            if name in train.model_fields_set:
                yield f"train.{name}", here
        for name in sorted(train.settings.keys() - {"style"}):  # the style decides the test prompts
            yield f"train.settings.{name}", here
    if "backend" in train.settings and train.templates:
        yield "train.settings.backend", "a study trains here; for the API use `ptst train`"
    if study.revision and (Path(study.base).is_dir() or study.base.startswith("organism")):
        yield "revision", f"{study.base!r} is no model on the hub"
    if not study.untuned and not train.templates and not train.adapters:
        yield "the study", "it names no model: untuned is false, and there is no adapter"


def _testing(study: Study) -> Iterator[tuple[str, str]]:
    test = study.test
    sources = [FAMILIES[name].source for name in test.sets]
    kinds = {source.kind for source in sources}
    judged = kinds & {"harmful", "overrefusal"}
    if not test.sets or not test.templates:
        yield "the study", "it asks nothing: test.sets or test.templates is empty"
    elif not judged:
        why = "no set of harmful or over-refusal queries is asked"
        if study.judges:
            yield "judges", why
        if test.style:
            yield "test.style", why
    if test.gen_kwargs and set(test.sets) == {"medqa"}:
        yield "test.gen_kwargs", "medqa compares log-likelihoods and generates nothing"
    names = [*study.train.templates, *test.templates]
    names += [a.train_template for a in study.train.adapters if a.train_template]
    chats = [n for n in names if study.table.resolve(n).startswith("chat:")]
    if names and not chats and study.chat_format != "auto":
        yield "chat_format", "text:* templates pass through no chat format"


def _options(study: Study) -> Iterator[tuple[str, str]]:
    options, sets = study.test.options, study.test.sets
    harmful = any(FAMILIES[name].source.kind == "harmful" for name in sets)
    wants = {
        "prefill": (harmful, "no set of harmful queries is asked"),
        "bertscore": ("chatdoctor" in sets, "no set with a reference text is asked"),
        "bertscore_layer": (bool(options.get("bertscore")), "test.options.bertscore is not given"),
        "custom": ("custom" in sets, "the set 'custom' is not asked"),
        "column": ("custom" in sets, "the set 'custom' is not asked"),
    }
    for name in options:
        if name not in Options.model_fields:
            yield f"test.options.{name}", f"the options are {', '.join(Options.model_fields)}"
        elif name in wants and not wants[name][0]:
            yield f"test.options.{name}", wants[name][1]
    if "judge" in options:
        yield "test.options.judge", "the study's own field `judges` says who judges"
    if "templates" in options and study.templates:
        yield "test.options.templates", "the study's own field `templates` wins"
    if "style" in options:
        judged = [n for n in sets if FAMILIES[n].source.kind in ("harmful", "overrefusal")]
        if judged:
            yield "test.options.style", f"for {', '.join(judged)}, whose style is test.style"
