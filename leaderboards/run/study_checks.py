"""What of a study can be found wrong when it is read, before anything is trained or asked.

What concerns its training alone stands in `training_checks`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from leaderboards.run import made_bases
from leaderboards.run.defence_checks import check_defences
from leaderboards.run.executor_args import read_args
from leaderboards.run.prompt_checks import check_args, check_thinking
from leaderboards.run.set_checks import check_attacks, check_custom, check_sample, check_sets
from leaderboards.run.study_errors import blocked
from leaderboards.run.training_checks import check_training
from ptst_tasks import decoding
from ptst_tasks.chat import CHAT_FORMATS
from ptst_tasks.errors import (
    ConfigError,
    PTSTError,
    UnknownNameError,
    check_choice,
    said,
)
from ptst_tasks.files import file_name
from ptst_tasks.options import Options

if TYPE_CHECKING:
    from leaderboards.run.study import Study

__all__ = ["faults"]

_SAID_OF_TEST = {
    "style": "test.style",
    "chat_format": "chat_format",
    "thinking": "thinking",
    "templates": "templates",
    "judge": "judges",
    "sample": "test.sample",
    "attack": "test.attacks",
}


def faults(study: Study, wrong: set[str]) -> list[PTSTError]:
    """All that is wrong with a study whose types are right.

    Args:
        study: The study.
        wrong: Fields that could not be read, whose values here are defaults; what depends on them is
            not looked at. What is found wrong is added.
    """
    found: list[PTSTError] = []
    for part, needs, check in _CHECKS:
        if blocked((part, *needs), wrong):
            wrong.add(part)
            continue
        try:
            new = list(check(study))
        except PTSTError as e:
            new = [e]
        except OSError as e:
            new = [ConfigError(f"study {study.name!r}: {part}: {said(e)}")]
        if new:
            wrong.add(part)
        found += new
    return list({str(fault): fault for fault in found}.values())


def _chat_format(study: Study) -> Iterator[PTSTError]:
    check_choice(study.chat_format, CHAT_FORMATS, "chat format")
    yield from ()


def _table(study: Study) -> Iterator[PTSTError]:
    _ = study.table
    yield from ()


def _templates(study: Study) -> Iterator[PTSTError]:
    told = (a.train_template for a in study.train.adapters if a.train_template)
    for name in dict.fromkeys((*study.train.templates, *study.test.templates, *told)):
        try:
            study.table.resolve(name)
        except PTSTError as e:
            yield e


def _twice(study: Study) -> Iterator[PTSTError]:
    templates = [study.table.resolve(n) for n in study.test.templates]
    for field, names in (("sets", study.test.sets), ("templates", templates)):
        for name, count in Counter(names).items():
            if count > 1:
                yield ConfigError(f"study {study.name!r}: test.{field} names {name!r} twice")


def _nothing(study: Study) -> Iterator[PTSTError]:
    """A study that would end with exit code 0 and no number."""
    train, test = study.train, study.test
    for field in ("sets", "templates"):
        if not getattr(test, field):
            yield ConfigError(f"study {study.name!r} asks nothing: test.{field} is empty")
    if train.templates and not train.seeds:
        yield ConfigError(
            f"study {study.name!r}: train.seeds is empty, so train.templates trains nothing; leave "
            "seeds out for [0], or empty train.templates"
        )
    elif not study.untuned and not train.templates and not train.adapters:
        yield ConfigError(
            f"study {study.name!r} names no model: untuned is false, and there is no adapter; name "
            "some under train.templates or train.adapters"
        )


def _decoding(study: Study) -> Iterator[PTSTError]:
    where = f"study {study.name!r}: test.gen_kwargs"
    for name, value in study.test.gen_kwargs.items():
        try:
            decoding.check({name: value}, where=where)
        except PTSTError as e:
            if not _of_others(study, name):
                yield e
    try:
        decoding.check(study.test.gen_kwargs, where=where)
    except PTSTError as e:
        yield e
    seeds = study.test.decoding_seeds
    if seeds and not study.test.gen_kwargs.get("do_sample"):
        yield ConfigError(
            f"study {study.name!r}: test.decoding_seeds is {list(seeds)!r}, and answers are greedy; "
            "set test.gen_kwargs: {do_sample: true, temperature: ...}, or leave it out"
        )
    if len(set(seeds)) < len(seeds):
        yield ConfigError(f"study {study.name!r}: test.decoding_seeds names a seed twice")


def _of_others(study: Study, name: str) -> bool:
    """Whether an option makes sense beside others only: what it needs is seen with them."""
    return name in decoding.SAMPLING_ONLY and "do_sample" in study.test.gen_kwargs


def _executor(study: Study) -> Iterator[PTSTError]:
    read_args(study.executor, study.executor_args)
    yield from ()


def _engine_args(study: Study) -> Iterator[PTSTError]:
    from ptst_tasks.engines.engine_args import check_engine_args, engines_of
    from ptst_tasks.engines.served_settings import ServedSettings

    if study.engine == "openai":  # before the study is written to its run: it could hold a key
        ServedSettings.read(study.engine_args | ({"revision": True} if study.revision else {}))
        return
    for name, value in study.engine_args.items():
        try:
            for engine in engines_of(study.engine, name):
                check_engine_args(engine, {name: value}, more=_configured(study.base))
        except PTSTError as e:
            yield e


def _configured(base: str) -> set[str]:
    """Fields of the base's configuration, where it is a folder."""
    from pathlib import Path

    from ptst_tasks.base_names import present_base
    from ptst_tasks.digests import read_json

    return set(read_json(Path(present_base(base)) / "config.json") or {})


def _served(study: Study) -> Iterator[PTSTError]:
    from ptst_tasks.engines.engine_args import AUTO
    from ptst_tasks.engines.served_settings import WHO

    if study.engine == "openai" and study.train.templates:
        yield ConfigError(
            f"study {study.name!r}: {WHO} trains nothing, and train.templates is not empty; train "
            "with `ptst train` (--backend openai, or here, and serve it), then name each model "
            "under train.adapters with its train_template"
        )
    if study.engine == AUTO and study.executor != "local":
        yield ConfigError(
            f"study {study.name!r}: engine auto measures this machine, and executor "
            f"{study.executor!r} uses others; name hf or vllm"
        )
    if study.engine == "openai" and study.executor != "local":
        yield ConfigError(
            f"study {study.name!r}: {WHO} has nothing to spread, since the endpoint does the work; "
            "leave executor out"
        )


def _judges(study: Study) -> Iterator[PTSTError]:
    from ptst_tasks.judges import make

    for spec in study.judges:
        try:
            make(spec)
        except PTSTError as e:
            yield e
    for spec, count in Counter(study.judges).items():
        if count > 1:
            yield ConfigError(f"study {study.name!r}: judges names {spec!r} twice")


def _base(study: Study) -> Iterator[PTSTError]:
    try:
        made_bases.check(study.base)
    except PTSTError as e:
        yield e


def _names(study: Study) -> Iterator[PTSTError]:
    names = [plan.name for plan in study.adapters() if plan.name]
    if len({file_name(name) for name in names}) < len(names):
        yield ConfigError(f"study {study.name!r} names an adapter twice: {', '.join(names)}")


def _style(study: Study) -> Iterator[PTSTError]:
    if study.test.style:
        for template in study.test.templates:
            study.table.get(template, study.test.style)
    yield from ()


def _options(study: Study) -> Iterator[PTSTError]:
    """The options of what is asked."""
    test = study.test
    free = [name for name in Options.model_fields if name not in _SAID_OF_TEST]
    good = {}
    for name, value in test.options.items():
        if name in _SAID_OF_TEST:
            yield ConfigError(
                f"study {study.name!r}: test.options has {name!r} ({value!r}), which the study says "
                f"itself; use {_SAID_OF_TEST[name]}"
            )
        elif name not in free:
            yield UnknownNameError("option", name, free, where="test.options")
        elif not any(_concerns(study, name, family) for family in test.sets):
            yield ConfigError(
                f"study {study.name!r}: test.options has {name!r}, which does nothing for the sets "
                f"{', '.join(test.sets)}; leave it out"
            )
        else:
            good[name] = value
    try:
        Options.check_names(good)
        Options.read(good)
    except ConfigError as e:
        yield ConfigError(str(e).replace("--metadata", f"study {study.name!r}: test.options"))


def _concerns(study: Study, option: str, family: str) -> bool:
    """Whether an option of tasks changes anything in one set."""
    if option in ("custom", "column", "kind"):
        return family == "custom"
    if option.startswith("bertscore"):
        return family == "chatdoctor"
    if option == "think_end_token":
        return family != "medqa"  # it compares log-likelihoods, and nothing is written
    kind = study.families()[family].source.kind
    if option == "repeats":
        return kind == "misalignment"
    return kind == "harmful"  # prefill, judge_reasoning


_CHECKS: tuple[tuple[str, tuple[str, ...], Callable[[Study], Iterator[PTSTError]]], ...] = (
    ("chat_format", (), _chat_format),
    ("base", (), _base),
    ("templates", (), _table),
    ("names", ("templates", "train", "test", "train.templates", "train.adapters", "test.templates"),
     _templates),
    ("sets", ("test", "test.sets", "test.custom"), check_sets),
    ("custom", ("test", "test.sets", "test.custom"), check_custom),
    ("sample", ("test", "test.sets", "test.sample", "test.limit", "test.max_gen_toks"), check_sample),
    ("attacks", ("test", "sets", "custom", "test.attacks"), check_attacks),
    ("asked", ("names", "sets"), _twice),
    ("models", ("train", "test", "train.*", "test.sets", "test.templates", "untuned"), _nothing),
    ("decoding", ("test", "test.gen_kwargs", "test.decoding_seeds"), _decoding),
    ("executor_args", ("executor",), _executor),
    ("engine_args", ("engine",), _engine_args),
    ("thinking", ("names", "chat_format"), check_thinking),
    ("alike", ("thinking", "engine_args", "train"), check_args),
    ("spread", ("engine", "train", "train.templates", "executor"), _served),
    ("judges", (), _judges),
    ("defences", ("train", "train.defences", "train.settings"), check_defences),
    ("adapters", ("names", "train.seeds", "untuned", "defences"), _names),
    ("training",
     ("names", "defences", "chat_format", "base", "engine_args", "train", "train.*"), check_training),
    ("style", ("names", "sets", "test.style"), _style),
    ("options", ("sets", "test.options"), _options),
)  # fmt: skip
"""What is looked at (or what fails with it), what must be right before, and the check."""
