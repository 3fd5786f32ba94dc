"""Sets of responses that people labelled, by which judges are measured: ``$PTST_DATA_DIR/judged``.

Nothing of their texts is kept, shown or logged: a judge reads them, and its verdicts are counted.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ptst_tasks.errors import ConfigError, DataError, DataNotFoundError, said
from ptst_tasks.set_source import ENV

__all__ = ["SETS", "About", "Answer", "LabelledSet", "folder", "read"]

About = Literal["harm", "refusal"]
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """One response that people labelled.

    Attributes:
        prompt: What it answers, as its set names it: answers to one prompt are not independent.
        query: What was asked.
        response: What was answered.
        label: Whether people call it harmful, or a refusal in full.
        people: What two of them said each, where two did.
        partial: People call it a refusal in part, which is none in full.
        weight: How many responses it stands for.
    """

    prompt: str
    query: str
    response: str
    label: bool
    people: tuple[bool, bool] | None = None
    partial: bool = False
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """A set, and how a row of its file is read.

    Attributes:
        file: Its file's name, without ``.csv``.
        about: Whether labels are of harm or of refusal.
        source: Where it is from.
        licence: Of the labels and texts.
        columns: That its file must have.
        answer: Reads a row; None for one that is not of this set.
    """

    file: str
    about: About
    source: str
    licence: str
    columns: tuple[str, ...]
    answer: Callable[[Row], Answer | None]


def _harm(split: str = "") -> Callable[[Row], Answer | None]:
    def answer(row: Row) -> Answer | None:
        if split and row["split"] != split:
            return None
        return Answer(row["prompt"], row["prompt"], row["response"], _one_of(row, "0", "1") == "1")

    return answer


_REFUSALS = ("1_full_compliance", "2_full_refusal", "3_partial_refusal")


def _refusal(row: Row) -> Answer:
    label = _one_of(row, *_REFUSALS)
    first, second = (row[f"annotation_{i}"] == _REFUSALS[1] for i in (1, 2))
    return Answer(row["id"], row["prompt"], row["response"], label == _REFUSALS[1], (first, second),
                  label == _REFUSALS[2])  # fmt: skip


def _one_of(row: Row, *known: str) -> str:
    if row["label"] not in known:
        raise ValueError(f"label {row['label'][:40]!r}, expected one of {', '.join(known)}")
    return row["label"]


_GPTFUZZ = (
    "https://github.com/sherdencooper/GPTFuzz",
    "MIT",
    ("split", "prompt", "response", "label"),
)
SETS: dict[str, LabelledSet] = {
    "gptfuzz-train": LabelledSet("gptfuzz", "harm", *_GPTFUZZ, _harm("train")),
    "gptfuzz-evaluate": LabelledSet("gptfuzz", "harm", *_GPTFUZZ, _harm("evaluate")),
    "jailjudge-mini": LabelledSet(
        "jailjudge_mini", "harm", "https://github.com/ThuCCSLab/JailbreakEval", "MIT",
        ("prompt", "response", "label"), _harm(),
    ),
    "xstest-completions": LabelledSet(
        "xstest_completions", "refusal", "https://github.com/paul-rottger/exaggerated-safety",
        "CC-BY-4.0 (prompts); completions under their models' terms",
        ("id", "prompt", "response", "annotation_1", "annotation_2", "label"), _refusal,
    ),
}  # fmt: skip
"""Name -> set. Whoever adds one says whose labels they are."""


def folder() -> Path:
    """Where the sets are.

    Raises:
        ConfigError: If nobody said.
    """
    given = os.environ.get(ENV)
    if not given:
        raise ConfigError(f"judges are measured on sets that people labelled; set {ENV} to the folder "
                          "that holds judged/gptfuzz.csv, ... (docs/judges.md says where from)"
                          )  # fmt: skip
    return Path(given, "judged")


def read(name: str) -> list[Answer]:
    """Reads a set.

    Raises:
        ConfigError: If the folder of data is not known.
        DataNotFoundError: If the set is not there.
        DataError: If it is damaged, with its line.
    """
    file = folder() / f"{SETS[name].file}.csv"
    found = list(_answers(SETS[name], file))
    if not found:
        raise DataError(f"{str(file)!r} holds no row of {name!r}")
    return found


def _answers(one: LabelledSet, file: Path) -> Iterator[Answer]:
    where = repr(str(file))
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines, strict=True)
            if lacking := set(one.columns) - set(reader.fieldnames or ()):
                raise DataError(f"{where} lacks the column {min(lacking)!r}")
            for row in reader:
                if None in row or None in row.values():
                    raise DataError(
                        f"{where}, line {reader.line_num}: not as many fields as columns"
                    )
                try:
                    answer = one.answer(row)
                except ValueError as e:
                    raise DataError(f"{where}, line {reader.line_num}: {e}") from e
                if answer:
                    yield answer
    except FileNotFoundError as e:
        raise DataNotFoundError(f"{where} does not exist") from e
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise DataError(f"{where} cannot be read: {said(e)}") from e
