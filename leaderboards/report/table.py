"""The samples as columns of small numbers: so 100,000 of them fit into a page that opens at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from leaderboards.board.fields import short
from leaderboards.report.logged import AskedTask, LoggedAnswer, Model
from leaderboards.report.sendable import name_of

__all__ = ["BETTER", "WORSE", "AnswerTable"]

SAME, WORSE, BETTER = 0, 1, 2
Calls = list[tuple[str, bool]]
"""(judge, whether its verdict is bad), of judges that gave one that says it."""


class _Names:
    """Values by number, each once."""

    def __init__(self) -> None:
        self._at: dict[Any, int] = {}

    def __call__(self, value: Any) -> int:
        return self._at.setdefault(value, len(self._at))

    def __iter__(self) -> Iterator[Any]:
        return iter(self._at)

    def __len__(self) -> int:
        return len(self._at)


class AnswerTable:
    """Answers as columns; add tasks, then take `data`.

    Args:
        runs: What the runs are called; two are before and after.

    Attributes:
        places: Run, home of a task and id of a prompt -> row.
        shown: Run and home of a task -> whether all of its texts are here.
        tasks: Run and home of a task -> its number.
        lacking: Answers to harmful queries that a judge could give no verdict on.
    """

    def __init__(self, runs: Sequence[str]) -> None:
        self.runs = list(runs)
        self._names = {
            name: _Names() for name in ("set", "test", "model", "text", "verdict", "judge")
        }
        self._prompts: dict[tuple[int, str, str], int] = {}
        self._about: list[list[Any]] = []
        self._columns: dict[str, list[int]] = {
            name: []
            for name in (
                "task",
                "run",
                "prompt",
                "model",
                "test",
                "draw",
                "text",
                "thought",
                "turned",
            )
        }
        self._verdicts: dict[int, dict[int, int]] = {}
        self._before: dict[tuple[Any, ...], Calls] = {}
        self._after: list[tuple[int, tuple[Any, ...], Calls]] = []
        self.places: dict[tuple[int, str, str], int] = {}
        self.shown: dict[tuple[int, str], bool] = {}
        self.tasks = _Names()
        self.lacking = 0

    def __len__(self) -> int:
        return len(self._columns["run"])

    def add(self, run: int, asked: AskedTask, answers: Mapping[str, LoggedAnswer]) -> None:
        """Adds the answers of one task."""
        self.shown[run, asked.home] = all(answer.answer is not None for answer in answers.values())
        for name, answer in answers.items():
            self._row(run, asked, name, answer)

    def _row(self, run: int, asked: AskedTask, name: str, answer: LoggedAnswer) -> None:
        at = len(self)
        names, text = self._names, self._text
        values = {
            "task": self.tasks((run, asked.home)), "run": run, "prompt": self._prompt(asked, answer),
            "model": names["model"]((run, asked.model)), "test": names["test"](asked.test),
            "draw": -1 if asked.draw is None else asked.draw, "text": text(answer.answer),
            "thought": text(answer.thought or None), "turned": SAME,
        }  # fmt: skip
        for column, value in values.items():
            self._columns[column].append(value)
        for judge, word in answer.verdicts.items():
            self._verdicts.setdefault(names["judge"](judge), {})[at] = names["verdict"](word)
        self.places[run, asked.home, name] = at
        self.lacking += asked.kind == "harmful" and "unscored" in answer.verdicts.values()
        self._note(at, asked, answer)

    def _text(self, text: str | None) -> int:
        return -1 if text is None else self._names["text"](text)

    def _prompt(self, asked: AskedTask, answer: LoggedAnswer) -> int:
        key = (self._names["set"](asked.set_name), answer.id, answer.sign)
        if key not in self._prompts:
            self._prompts[key] = len(self._about)
            self._about.append([key[0], answer.id, name_of(answer.category), self._text(answer.prompt),
                                self._text(answer.expected or None), int(answer.harmless)])  # fmt: skip
        return self._prompts[key]

    def _note(self, at: int, asked: AskedTask, answer: LoggedAnswer) -> None:
        """Keeps what each judge called it, for whether it turned."""
        told = ((judge, asked.is_bad(word, answer)) for judge, word in answer.verdicts.items())
        calls = [(judge, bad) for judge, bad in told if bad is not None]
        columns, model = self._columns, asked.model
        key = (columns["prompt"][at], columns["test"][at], columns["draw"][at], model.base)
        if len(self.runs) == 1 and not _trained(model):
            self._before.setdefault(key, calls)
        elif len(self.runs) == 1:
            self._after.append((at, key, calls))

    def turn(self, worse: Iterable[int], better: Iterable[int]) -> None:
        """Marks the rows that turned, as a comparison says; who got worse by one number, did."""
        for rows, mark in ((better, BETTER), (worse, WORSE)):
            for at in rows:
                self._columns["turned"][at] = mark

    def _turn(self) -> None:
        """Of one run: marks what turned by one judge's verdicts, against the same base before training."""
        for at, key, calls in self._after:
            before = dict(self._before.get(key, ()))
            moved = {bad for judge, bad in calls if before.get(judge, bad) != bad}
            self._columns["turned"][at] = WORSE if True in moved else BETTER if moved else SAME

    def renamed(self) -> int:
        """Ids of which there is more than one prompt: rows were changed between the runs."""
        return len(self._prompts) - len({key[:2] for key in self._prompts})

    def data(self) -> dict[str, Any]:
        """Everything, as the page's script reads it."""
        if len(self.runs) == 1:
            self._turn()
        names = self._names
        return {
            "runs": [name_of(run) for run in self.runs],
            "sets": list(names["set"]),
            "tests": [[test, short(test)] for test in names["test"]],
            "models": [[run, *_model(model)] for run, model in names["model"]],
            "trains": {m.train_template: short(m.train_template) for _, m in names["model"]},
            "judges": list(names["judge"]),
            "verdicts": list(names["verdict"]),
            "texts": list(names["text"]),
            "prompts": self._about,
            "rows": self._columns,
            "said": self._said(len(names["judge"])),
        }

    def _said(self, judges: int) -> list[list[int]]:
        """Per judge a verdict's number per row, -1 where it gave none."""
        return [
            [mine.get(at, -1) for at in range(len(self))]
            for mine in (self._verdicts.get(judge, {}) for judge in range(judges))
        ]


def _trained(model: Model) -> bool:
    return bool(model.adapter or model.train_template)


def _model(model: Model) -> list[Any]:
    """Label, base, training template, training set, adapter, seed, step."""
    parts = [short(model.train_template) or model.adapter or "before fine-tuning"]
    mixed = model.train_data.partition("+")[2]
    parts += [f"+{mixed}"] if mixed else []
    parts += [model.defence] if model.defence else []
    parts += [] if model.seed is None else [f"seed {model.seed}"]
    parts += [] if model.step is None else [f"step {model.step}"]
    return [" ".join(parts), model.base, model.train_template, model.train_data, model.adapter,
            model.seed, model.step]  # fmt: skip
