"""Fields of a study that would change nothing, each with the reason, so that a run can say them.

What contradicts the rest of a study is refused when it is read (`leaderboards.run.study_checks`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from leaderboards.run import made_bases
from ptst_tasks.base_names import is_read
from ptst_tasks.errors import PTSTError
from ptst_tasks.judges.group import JUDGED, fits, make_all

if TYPE_CHECKING:
    from leaderboards.run.study import Study
    from ptst_tasks.set_source import Source

__all__ = ["idle"]


def idle(study: Study) -> list[str]:
    """Returns a sentence for every field that was given and does nothing."""
    told = [*_training(study), *_testing(study), *_options(study)]
    return [f"{name} does nothing: {why}" for name, why in told]


def _training(study: Study) -> Iterator[tuple[str, str]]:
    train = study.train
    if not train.templates and "seeds" in train.model_fields_set:
        yield "train.seeds", "no adapter is trained (train.templates is empty)"
    here = Path(study.base).is_dir() or made_bases.is_made(study.base) or is_read(study.base)
    if study.revision and here:
        yield "revision", f"{study.base!r} is no model on the hub"


def _testing(study: Study) -> Iterator[tuple[str, str]]:
    test = study.test
    families = study.families()
    sources = [families[name].source for name in test.sets]
    yield from _judging(study, sources)
    if test.gen_kwargs and set(test.sets) == {"medqa"}:
        yield "test.gen_kwargs", "medqa compares log-likelihoods and generates nothing"
    names = [*study.train.templates, *test.templates]
    names += [a.train_template for a in study.train.adapters if a.train_template]
    chats = [n for n in names if study.table.resolve(n).startswith("chat:")]
    if names and not chats and study.chat_format != "auto":
        yield "chat_format", "text:* templates pass through no chat format"


def _judging(study: Study, sources: Sequence[Source]) -> Iterator[tuple[str, str]]:
    kinds = {source.kind for source in sources} & {*JUDGED}
    try:
        made = make_all(study.judges)
    except PTSTError:  # said by the checks
        return
    if not kinds and made:
        yield "judges", "no set of harmful, over-refusal or mild queries is asked"
    for judge in made if kinds else ():
        if not any(fits(judge, kind) for kind in kinds):
            yield f"the judge {judge.spec!r}", f"it does not judge {', '.join(sorted(kinds))} sets"
    for source in sources:
        graded = source.judge or any(fits(judge, source.kind) for judge in made)
        if source.kind == "misalignment" and not graded:
            why = "no judge of misalignment is named, so its answers are kept for ptst score"
            yield f"judging {source.name}", why


def _options(study: Study) -> Iterator[tuple[str, str]]:
    options = study.test.options
    if "bertscore_layer" in options and not options.get("bertscore"):
        yield "test.options.bertscore_layer", "test.options.bertscore is not given"
