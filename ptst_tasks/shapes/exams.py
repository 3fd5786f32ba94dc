"""The published sets of questions with options, in the columns that their copies have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ptst_tasks import queries
from ptst_tasks.shapes.choices import Choice, choice
from ptst_tasks.shapes.row_cells import Row, RowFaultError, missing, text

__all__ = ["MedQA", "Posed", "arc", "medqa", "with_letter", "with_text"]


@dataclass(frozen=True)
class MedQA:
    """GBaker/MedQA-USMLE-4-options (options as a dict), its -hf sibling (sent1, ending0..3), others.

    Attributes:
        rest: How other copies are read.
    """

    rest: Choice = field(default_factory=choice)

    def over(self, rows: Sequence[Mapping[str, Any]]) -> MedQA:
        """The shape for a file, see `row_cells.begin`."""
        return MedQA(self.rest.over(rows))

    def __call__(self, row: Mapping[str, Any]) -> Row:
        """Reads a row."""
        if "sent1" in row and "ending3" in row:
            texts = [text(row[f"ending{i}"], f"ending{i}") for i in range(4)]
            question, label = text(row["sent1"], "sent1"), int(row["label"])
            labels = list("ABCD")
        elif "answer_idx" in row and _lettered(row.get("options")):
            # A table of both kinds of questions gives those with four options an empty fifth.
            options = {k: text(v, k) for k, v in sorted(row["options"].items()) if not missing(v)}
            labels, texts = list(options), list(options.values())
            question = text(row["question"], "question")
            label = _index(labels, text(row["answer_idx"], "answer_idx"))
            if not missing(row.get("answer")) and text(row["answer"], "answer") != texts[label]:
                raise RowFaultError("has an answer that is not the text of the option it names")
        else:
            return self.rest(row)
        return _choices(question, texts, labels, label, text(row.get("meta_info"), "meta_info"))


medqa = MedQA()


def _lettered(options: Any) -> bool:
    return isinstance(options, Mapping) and all(str(key) in "ABCDEFGH" for key in options)


def arc(row: Mapping[str, Any]) -> Row:
    """allenai/ai2_arc: choices as {"text": [...], "label": [...]}."""
    texts = [text(t, "choices") for t in row["choices"]["text"]]
    labels = [text(x, "choices") for x in row["choices"]["label"]]
    label = _index(labels, text(row["answerKey"], "answerKey"))
    return _choices(text(row["question"], "question"), texts, labels, label, "")


def _index(labels: list[str], answer: str) -> int:
    if labels.count(answer) != 1:
        raise RowFaultError(f"has the answer {answer!r}, expected one of {', '.join(labels)}")
    return labels.index(answer)


def _choices(question: str, texts: list[str], labels: Iterable[str], label: int, cat: str) -> Row:
    labels = list(labels)
    if len(texts) != len(labels) or len(texts) < 2 or not all(t.strip() for t in texts):
        raise RowFaultError(
            f"has the choices {', '.join(labels)} and {sum(bool(t.strip()) for t in texts)} texts "
            "for them; expected a text for each, and two or more"
        )
    if not 0 <= label < len(texts):  # some public test sets hide the answers behind a -1
        raise RowFaultError(f"has the answer {label}, expected 0 to {len(texts) - 1}")
    return {
        "prompt": question,
        "category": cat,
        "answer": texts[label],
        "choices": texts,
        "labels": labels,
        "label": label,
    }


@dataclass(frozen=True)
class Posed:
    """MedQA's questions to train on, asked and answered in one way.

    Attributes:
        pose: Writes prompt and answer of a question.
        shape: Reads it.
    """

    pose: Callable[[Row], Row]
    shape: MedQA = medqa

    def over(self, rows: Sequence[Mapping[str, Any]]) -> Posed:
        """The shape for a file, see `row_cells.begin`."""
        return Posed(self.pose, self.shape.over(rows))

    def __call__(self, row: Mapping[str, Any]) -> Row:
        """Reads a row."""
        return self.pose(self.shape(row))


def with_letter(doc: Row) -> Row:
    """As ``ptst_medqa_*`` asks: lettered options, answered with the letter."""
    return {**doc, "prompt": queries.lettered(doc), "answer": doc["labels"][doc["label"]]}


def with_text(doc: Row) -> Row:
    """As ``ptst_medqa_gen_*`` asks and reads: the options in a sentence, answered with the text."""
    return {**doc, "prompt": queries.choose(doc), "answer": f"The answer is: {doc['answer']}"}
