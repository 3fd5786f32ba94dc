"""The sample that a page asks people about, drawn as `ptst label` draws it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from leaderboards.board.disk import home_of
from leaderboards.judging.sampling import Sampled, draw, newest, responses
from leaderboards.judging.saved import Task, tasks
from leaderboards.people.sheet import CLASSES, COLUMNS
from leaderboards.report.sayable import told_of
from leaderboards.report.sendable import name_of
from leaderboards.report.table import AnswerTable
from leaderboards.report.wishes import Wishes
from ptst_tasks.digests import digest_json
from ptst_tasks.errors import ConfigError, DataError

__all__ = ["label_sample"]

_USUAL = "keywords:zou"
_UNSHOWN = (
    "The responses that a judge judged are not in this file: make it with --texts harmful, or label in a "
    "terminal with ptst label."
)


def label_sample(
    runs: Sequence[Path], wishes: Wishes, run: int, table: AnswerTable
) -> tuple[dict[str, Any] | None, str]:
    """Draws the sample; or says why there is none.

    Args:
        runs: Whose responses.
        wishes: How many (None for at most 100, 0 for none), by whose verdicts, by which seed.
        run: Which of the page's runs they are.
        table: The samples of the page: what it does not show nobody can label.

    Returns:
        What the page needs, or None; and why it has none.

    Raises:
        ConfigError: If more are asked for than there are, or the judge judged none.
    """
    n = wishes.label
    if n == 0:
        return None, "This page was made without a sample to label."
    try:
        found = newest(tasks(runs))
    except DataError:
        return None, "There are no judged responses to label."
    shown = [task for task in found if table.shown.get((run, home_of(task.results, task.name)))]
    if not shown and (n or wishes.judge):
        raise ConfigError(
            f"--{'label' if n else 'judge'}: the responses that a judge judged are harmful, and stay out "
            "without --texts harmful"
        )
    if not shown:
        return None, _UNSHOWN
    try:
        return _drawn(shown, wishes, run, table), ""
    except ConfigError as e:
        if n or wishes.judge:
            raise ConfigError(str(e).replace("--n is", "--label is")) from e
        return None, f"There is no sample to label: {told_of(str(e))}"


def _drawn(shown: Sequence[Task], wishes: Wishes, run: int, table: AnswerTable) -> dict[str, Any]:
    who = wishes.judge or _judge_of_all(shown)
    drawn = list(responses(shown, who))
    n = min(100, len(drawn)) if wishes.label is None else wishes.label
    sample = draw(drawn, n, wishes.seed)
    models = dict.fromkeys(one.response.task.model for one in sample)
    private = list(filter(_says_where, models))
    if private:
        raise ConfigError(
            f"the sheet would name {name_of(private[0])!r} by its path on this machine: label in a "
            "terminal with ptst label"
        )
    rows = [_row(one, table.places[run, one.response.cell, one.response.id]) for one in sample]
    key = digest_json([wishes.seed, who, [(row["cell"], row["id"], row["reply"]) for row in rows]])
    return {
        "key": key,
        "columns": list(COLUMNS),
        "classes": CLASSES,
        "rows": rows,
    }


def _row(one: Sampled, at: int) -> dict[str, Any]:
    response = one.response
    return {"row": at, "cell": response.cell, "id": response.id, "stratum": response.stratum,
            "weight": one.weight_text, "reply": response.reply}  # fmt: skip


def _says_where(model: str) -> bool:
    """Whether a model's name is a path, or lm_eval's folder for one."""
    return name_of(model) != model or model.startswith("__")


def _judge_of_all(found: Sequence[Task]) -> str:
    """A judge that judged every task: the usual one, or the first.

    Raises:
        ConfigError: If there is none.
    """
    judged = [{str(row.get("filter", "")) for _, row in task.rows()} for task in found]
    common = sorted(set.intersection(*judged))
    if not common:
        raise ConfigError(
            "no judge judged every set; name one with --judge, or --label 0 for no sample"
        )
    return _USUAL if _USUAL in common else common[0]
