"""The samples of a log as lm-eval writes them: a line per prompt and filter, and the means of the lines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ptst_tasks.engines.thoughts import cut_answer
from ptst_tasks.errors import DataError
from ptst_tasks.for_inspect.whole import has_answer, whole
from ptst_tasks.judges.group import models_of, snapshots
from ptst_tasks.metrics import mean_scored
from ptst_tasks.record import KEY, TaskRecord, add_judge
from ptst_tasks.replies import Reply, families_in, read

__all__ = ["Lines"]

Json = dict[str, Any]
UNJUDGED = "none"
"""Filter of answers that nobody has scored, as lm-eval calls one that does nothing."""


class Lines:
    """The answers of one pass.

    Args:
        where: The log, for messages.
        record: The task's; told who judged, and whether the model thinks.
        stops: Stop strings, for answers that nobody has scored.
    """

    def __init__(self, where: str, record: TaskRecord, stops: Sequence[str]) -> None:
        self._where, self._record, self._stops = where, record, stops
        self._families = families_in(record)
        self._rows: list[tuple[Json, Reply, dict[str, Json]]] = []
        self._lines: list[Json] = []

    def add(self, sample: Any) -> None:
        """Takes a sample; one without an answer is left out."""
        columns, text = _columns(sample)
        if sample.limit is not None or not has_answer(sample.output):
            return
        if text is None:
            text = cut_answer(whole(sample.output), self._stops, self._families, None)
        doc, number = sample.metadata["doc"], int(sample.metadata["number"])
        messages = [{"role": m.role, "content": m.text} for m in sample.input]
        row = {
            "doc_id": number,
            "doc": doc,
            "target": sample.target,
            "arguments": {"gen_args_0": {"arg_0": json.dumps(messages), "arg_1": {}}},
            "resps": [[text]],
        }
        prefill = str(self._record.get("prefill") or "")
        self._rows.append((row, read(str(doc["prompt"]), text, self._families, prefill), columns))

    def lost(self, asked: int) -> int:
        """How many prompts have no answer."""
        return max(asked - len(self._rows), 0)

    def finished(self, asked: int) -> list[Json]:
        """All lines, by filter and by the prompts' places in the set.

        Raises:
            DataError: If a judge's verdicts are not all made in one way.
        """
        self._rows.sort(key=lambda row: row[0]["doc_id"])
        thinks = any(reply.reasoning or reply.cut for _, reply, _ in self._rows)
        if thinks:
            self._record["thinks"] = True
        names = dict.fromkeys(name for _, _, columns in self._rows for name in columns)
        for name in names:
            self._note(name, [c[name] for _, _, c in self._rows if name in c])
        for name in names or (UNJUDGED,):
            self._lines += self._of(name, thinks and name in names)
        return self._lines

    def means(self, asked: int) -> dict[str, float]:
        """``METRIC,FILTER`` -> mean; what is no number, as of several answers at once, has none."""
        found: dict[str, list[float | None]] = {}
        for line in self._lines:
            for metric in line["metrics"]:
                found.setdefault(f"{metric},{line['filter']}", []).append(line[metric])
        out = {}
        for key, values in found.items():
            if key.startswith("unscored,"):  # the leaderboard counts a lost line the same
                values += [1.0] * self.lost(asked)
            if all(value is None or isinstance(value, bool | int | float) for value in values):
                out[key] = mean_scored(values)
        return out

    def _of(self, name: str, thinks: bool) -> list[Json]:
        every = dict.fromkeys(
            m for _, _, c in self._rows for m in c.get(name, {}).get("values", ())
        )
        every.pop("truncated", None)  # it is of all answers or of none
        out = []
        for row, reply, columns in self._rows:
            column = columns.get(name) or {}
            values = {metric: column.get("values", {}).get(metric) for metric in every}
            if not column and "unscored" in every:  # its judge failed
                values["unscored"] = 1.0
            if thinks:
                values["truncated"] = float(reply.cut)
            said = column.get("said")
            out.append({**row, "filtered_resps": [said], "filter": name, "metrics": list(values),
                        **values})  # fmt: skip
        return out

    def _note(self, name: str, columns: Sequence[Json]) -> None:
        """Writes into the record who judged.

        Raises:
            DataError: If that was not one and the same.
        """
        who = {json.dumps([c["settings"], c["weights"]], sort_keys=True, default=str)
               for c in columns if "settings" in c}  # fmt: skip
        if not who:
            return
        if len(who) > 1:
            raise DataError(
                f"{self._where!r}: verdicts of {name!r} were made with {len(who)} different settings or "
                "weights; score it again (`inspect score --action overwrite`)"
            )
        settings, weights = json.loads(who.pop())
        models = snapshots(models_of(c["said"] for c in columns))
        add_judge(self._record, name, settings, weights, models)


def _columns(sample: Any) -> tuple[dict[str, Json], str | None]:
    """What scorers of ours made of a sample, by filter, and the response as it was scored."""
    columns: dict[str, Json] = {}
    text = None
    for score in (sample.scores or {}).values():
        told = (score.metadata or {}).get(KEY)
        if isinstance(told, Mapping):
            columns |= told["columns"]
            text = told["text"] if text is None else text
    return columns, text
