"""Sets that are asked and scored by lm-eval's own definition, under our templates.

A task's YAML names one of lm-eval's (``lm_eval: ifeval/ifeval.yaml``). Its metrics, answer filters,
decoding options and version are taken from there as they are; the prompt is lm-eval's own text of
the row, which stands in the template as any question does. Like all of ours they are zero-shot.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from ptst_tasks.errors import ConfigError, DataError, DataNotFoundError, require, said
from ptst_tasks.lm_internals import definition
from ptst_tasks.set_source import Source

__all__ = ["check_ready", "check_rows", "ifeval", "mmlu_pro", "with_theirs"]

_IFEVAL = "ifeval/ifeval.yaml"
_TAKEN = ("metric_list", "filter_list", "generation_kwargs", "doc_to_target")
_PACKAGES = {"ifeval": ("langdetect", "immutabledict", "nltk")}
_COUNTED = {"length_constraints:number_sentences", "change_case:capital_word_frequency"}


def with_theirs(config: Mapping[str, Any], source: Source) -> dict[str, Any]:
    """A task's config with what its YAML takes from one of lm-eval's.

    Raises:
        MissingExtraError: If that cannot be computed without packages that are not here.
        ConfigError: If lm-eval has no such file.
    """
    out = dict(config)
    if (file := out.pop("lm_eval", None)) is None:
        return out
    check_ready(source)
    try:
        theirs = definition(str(file))
    except OSError as e:
        raise ConfigError(
            f"the task {out.get('task')!r} takes {file!r} from lm-eval, which has no such file"
        ) from e
    taken = {name: theirs[name] for name in _TAKEN if name in theirs}
    version = (theirs.get("metadata") or {}).get("version")
    return out | taken | {"metadata": {**(out.get("metadata") or {}), "version": version}}


def check_ready(source: Source) -> None:
    """Makes sure that a set's extra is installed.

    Raises:
        MissingExtraError: If it is not.
    """
    if source.extra:
        require(source.extra, *_PACKAGES[source.extra], who=f"the set {source.name}")


def mmlu_pro(doc: Mapping[str, Any]) -> str:
    """A question of MMLU-Pro as lm-eval asks it without examples: the subject's line, then the text.

    Raises:
        DataError: If the row's subject is none of lm-eval's.
    """
    subject = str(doc["category"])
    try:
        line = _of_mmlu_pro(f"mmlu_pro_{subject.replace(' ', '_')}.yaml")["description"]
    except OSError as e:
        raise DataError(
            f"the set mmlu_pro: row {doc['id']} has the category {subject!r}, which is no subject of "
            "lm-eval's task"
        ) from e
    text = _of_mmlu_pro("_default_template_yaml")["doc_to_text"]
    return str(line) + str(text({"question": doc["prompt"], "options": doc["choices"]}))


def ifeval(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
    """Scores an answer with lm-eval's own checks of IFEval's instructions.

    Raises:
        DataError: If one of them is none of lm-eval's, or lacks what it is checked with.
    """
    try:
        return dict(_ifeval_scoring()({**doc, "kwargs": json.loads(doc["kwargs"])}, results))
    except (LookupError, TypeError, ValueError) as e:
        raise DataError(
            f"the set ifeval: row {doc['id']}: lm-eval cannot check {doc['instruction_id_list']} with "
            f"{doc['kwargs']:.200}: {said(e)}"
        ) from e


def check_rows(source: Source, rows: Iterable[Mapping[str, Any]]) -> None:
    """Finds out before a model is asked whether its answers can be checked.

    Raises:
        DataNotFoundError: If data are missing with which sentences are counted.
    """
    if source.extra != "ifeval":
        return
    needed = {name for row in rows for name in row["instruction_id_list"]} & _COUNTED
    if needed and not _has_punkt():
        raise DataNotFoundError(
            f"the set {source.name}: {', '.join(sorted(needed))} is checked with nltk's data "
            "'punkt_tab', which is not here: python -m nltk.downloader punkt_tab"
        )


def _has_punkt() -> bool:
    import nltk

    _ifeval_scoring()  # lm-eval tries to get it when it is loaded
    try:
        nltk.data.find("tokenizers/punkt_tab")
    except LookupError:
        return False
    return True


@cache
def _ifeval_scoring() -> Any:
    return definition(_IFEVAL)["process_results"]


@cache
def _of_mmlu_pro(name: str) -> dict[str, Any]:
    return definition(f"mmlu_pro/{name}")
