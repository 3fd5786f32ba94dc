"""Rows of public benchmarks whose files hold more than one set, or columns of their own."""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Mapping
from typing import Any

from ptst_tasks.shapes.row_cells import Row, RowFaultError, is_printed_list, missing, parsed, text

__all__ = ["ifeval", "is_base", "mmlu_pro", "of_type", "sorry_bench"]

_TYPES = ("adversarial_harmful", "adversarial_benign", "vanilla_harmful", "vanilla_benign")


def sorry_bench(row: Mapping[str, Any]) -> Row:
    """SORRY-Bench: the request is the one turn of `turns`, what it is about a number."""
    turns = parsed(_get(row, "turns", "prompt", "question"))
    if isinstance(turns, list | tuple):
        if len(turns) != 1:
            raise RowFaultError(f"has {len(turns)} turns, expected one")
        turns = turns[0]
    category = text(row.get("category"), "category")
    if is_printed_list(text(turns, "turns")):
        raise RowFaultError("has several turns, as numpy prints a list, expected one")
    return {"prompt": text(turns, "turns"), "category": category, "answer": ""}


def is_base(row: Mapping[str, Any]) -> bool:
    """Whether a row is one of SORRY-Bench's own requests, and no linguistic mutation of one."""
    if "prompt_style" not in row:  # a copy of this part alone
        return True
    style = text(row["prompt_style"], "prompt_style").strip()
    if not style:
        raise RowFaultError("has no prompt_style, expected 'base' or the name of a mutation")
    return style == "base"


def of_type(wanted: str) -> Callable[[Mapping[str, Any]], bool]:
    """Which rows of WildJailbreak are of a type, ``adversarial_harmful``."""

    def keep(row: Mapping[str, Any]) -> bool:
        found = text(row["data_type"], "data_type").strip()
        if found not in _TYPES:
            raise RowFaultError(f"has the data_type {found!r}, expected one of {', '.join(_TYPES)}")
        return found == wanted

    return keep


def mmlu_pro(row: Mapping[str, Any]) -> Row:
    """MMLU-Pro: up to ten options in a list; `answer` is the letter, as lm-eval's task has it."""
    options = parsed(row["options"])
    if not isinstance(options, list | tuple) or not 2 <= len(options) <= 10:
        raise RowFaultError("has options that are no list of 2 to 10 texts")
    texts = [text(option, "options") for option in options]
    labels = list(string.ascii_uppercase[: len(texts)])
    answer = text(row["answer"], "answer").strip()
    if answer not in labels:
        raise RowFaultError(f"has the answer {answer!r}, expected one of {', '.join(labels)}")
    at = row.get("answer_index")
    if not missing(at) and text(at) != str(labels.index(answer)):
        raise RowFaultError(f"has the answer {answer!r} and the answer_index {text(at)!r}")
    return {
        "prompt": text(row["question"], "question"),
        "category": text(row["category"], "category"),
        "answer": answer,
        "choices": texts,
        "labels": labels,
        "label": labels.index(answer),
    }


def ifeval(row: Mapping[str, Any]) -> Row:
    """IFEval: instructions that a program can check, and what each is checked with.

    Columns of tables say of every instruction what any of them can have; what is null says nothing
    and is left out, so that all copies are the same rows. It is kept as JSON, since no two
    instructions have the same fields.
    """
    names, checks = parsed(row["instruction_id_list"]), parsed(row["kwargs"])
    if not isinstance(names, list | tuple) or not isinstance(checks, list | tuple):
        raise RowFaultError("has an instruction_id_list or kwargs that are no lists")
    if len(names) != len(checks) or not names:
        raise RowFaultError(
            f"has {len(names)} instructions and kwargs for {len(checks)}, expected as many, and one or "
            "more"
        )
    if wrong := [check for check in checks if not isinstance(check, Mapping)]:
        raise RowFaultError(f"has kwargs with a {type(wrong[0]).__name__}, expected objects")
    kept = [{k: _whole(v) for k, v in check.items() if not missing(v)} for check in checks]
    return {
        "prompt": text(row["prompt"], "prompt"),
        "category": ", ".join(dict.fromkeys(text(n).partition(":")[0] for n in names)),
        "answer": "",
        "key": text(row.get("key"), "key"),
        "instruction_id_list": [text(name, "instruction_id_list") for name in names],
        "kwargs": json.dumps(kept, ensure_ascii=False, sort_keys=True),
    }


def _whole(value: Any) -> Any:
    """A number of a table that has gaps is read as 3.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _get(row: Mapping[str, Any], *names: str) -> Any:
    for name in names:
        if not missing(row.get(name)):
            return row[name]
    raise KeyError(", ".join(names))
