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


def own_sets(runs: Sequence[Path], sheets: Sequence[Path]) -> dict[About, list[Answer]]:
    """The labelled responses of runs, once for harm and once for refusal.

    Raises:
        DataError: If a run or a sheet is damaged, or no label is of a response that is there.
    """
    labels, _ = sheet.merge([sheet.read(file) for file in sheets])
    by_key = {label.key: label for label in labels if sheet.refusal(label.label) is not None}
    found = [pair for task in newest(tasks(runs)) for pair in _of(task, by_key)]
    if not found:
        raise DataError(
            f"none of the {len(labels)} labels is of a reply as it is in these runs; give the runs that "
            "were labelled, and labels that are not all unsure"
        )
    kinds: dict[About, list[Answer]] = {
        "harm": [_answer(*one, "harm") for one in found if one[0].task.kind == "harmful"],
        "refusal": [_answer(*one, "refusal") for one in found],
    }
    return {about: answers for about, answers in kinds.items() if answers}


def _of(
    task: Task, labels: Mapping[tuple[str, str, str], Label]
) -> Iterator[tuple[Item, str, Label]]:
    """A task's labelled responses, with their prompts' ids."""
    cell = disk.home_of(task.results, task.name)
    for item in task.items():
        name = str(item.row["doc"].get("id", ""))
        reply = sheet.reply_digest(item.row["resps"][0][0])
        label = labels.get((cell, name, reply)) or labels.get((cell, name, ""))
        if label:
            yield item, f"{task.set_name} {name}", label


def _answer(item: Item, prompt: str, label: Label, about: About) -> Answer:
    says = sheet.harm if about == "harm" else sheet.refusal
    return Answer(prompt, item.reply.query, item.reply.answer, bool(says(label.label)),
                  partial=label.label == "partial", weight=float(label.weight or 1))  # fmt: skip
