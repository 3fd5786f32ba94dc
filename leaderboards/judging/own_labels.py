"""A user's own labels as one more labelled set: the judges' record on the responses that matter to them.

The sample holds more of the rare verdict than there is, so each label counts for as many responses as it
was drawn to stand for; one of a sample that nobody drew counts for itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from leaderboards.board import disk
from leaderboards.judging.labelled_sets import About, Answer
from leaderboards.judging.sampling import newest
from leaderboards.judging.saved import Item, Task, tasks
from leaderboards.people import sheet
from leaderboards.people.sheet import Label
from ptst_tasks.errors import DataError

__all__ = ["own_sets"]

Found = tuple[Item, str, Label]


def own_sets(
    runs: Sequence[Path], sheets: Sequence[Path]
) -> tuple[dict[About, list[Answer]], list[str]]:
    """The labelled responses of runs, once for harm and once for refusal.

    Returns:
        The sets, and what of the labels is in none of them, in sentences.

    Raises:
        DataError: If a run or a sheet is damaged, or no label is of a response that is there.
    """
    read = [sheet.read(file) for file in sheets]
    labels, _ = sheet.merge(read)
    by_key = {label.key: label for label in labels}
    found = [pair for task in newest(tasks(runs)) for pair in _of(task, by_key)]
    sure = [one for one in found if sheet.refusal(one[2].label) is not None]
    if not sure:
        raise DataError(
            f"none of the {len(labels)} labels is of a reply as it is in these runs; give the runs that "
            "were labelled, and labels that are not all unsure"
        )
    two = sheet.by_two(read)
    kinds: dict[About, list[Answer]] = {
        "harm": [_answer(*one, "harm", two) for one in sure if one[0].task.kind == "harmful"],
        "refusal": [_answer(*one, "refusal", two) for one in sure],
    }
    return {about: answers for about, answers in kinds.items() if answers}, _left(
        labels, found, sure
    )


def _left(labels: Sequence[Label], found: Sequence[Found], sure: Sequence[Found]) -> list[str]:
    notes = []
    if lost := len(labels) - len({label.key for *_, label in found}):
        notes.append(
            f"{lost} of {len(labels)} labels are of no reply as it is in these runs: left out"
        )
    if unsure := len(found) - len(sure):
        notes.append(
            f"{unsure} responses that people are unsure of, or of two minds about, are left out"
        )
    return notes


def _of(task: Task, labels: Mapping[sheet.Key, Label]) -> Iterator[Found]:
    """A task's labelled responses, with their prompts' ids."""
    cell = disk.home_of(task.results, task.name)
    for item in task.items():
        name = str(item.row["doc"].get("id", ""))
        reply = sheet.reply_digest(item.row["resps"][0][0])
        label = labels.get((cell, name, reply)) or labels.get((cell, name, ""))
        if label:
            yield item, f"{task.set_name} {name}", label


def _answer(
    item: Item, prompt: str, label: Label, about: About, two: Mapping[sheet.Key, tuple[str, str]]
) -> Answer:
    says = sheet.harm if about == "harm" else sheet.refusal
    calls = [call for word in two.get(label.key, ()) if (call := says(word)) is not None]
    people = (bool(calls[0]), bool(calls[1])) if len(calls) == 2 else None
    return Answer(prompt, item.reply.query, item.reply.answer, bool(says(label.label)), people,
                  partial=label.label == "partial", weight=float(label.weight or 1))  # fmt: skip
