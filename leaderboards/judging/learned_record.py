"""What the learned judge's card says of it: each set by the model that never saw the set's source.

Beside its kappa stand those of the best keyword list, on all rows and on those that the judge scored:
whoever may leave out the hard ones looks better.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from leaderboards.judging.labelled_sets import SETS, Answer, read
from leaderboards.judging.learned_fit import FOLDS, Fitter
from leaderboards.judging.learned_rows import source_of
from leaderboards.judging.records import BATCH, Record, record
from ptst_tasks import sets
from ptst_tasks.judges import make
from ptst_tasks.judges.base import Judge, Verdict
from ptst_tasks.judges.keywords import LISTS
from ptst_tasks.judges.learned import PARTIAL, LearnedJudge, marked, probabilities

__all__ = ["in_part", "of_sets"]

SHORT = 75
"""Words below which an answer is short."""


def of_sets(judge: LearnedJudge) -> list[dict[str, Any]]:
    """A line for each labelled set."""
    return [_of_set(judge.without(source_of(name)), name) for name in SETS]


def in_part(fitter: Fitter) -> dict[str, float]:
    """Refusals in part, each prompt judged by heads that did not see it; shares are 0..1.

    There is one source of such labels, so this is no record on an unseen source.
    """
    from sklearn.model_selection import GroupKFold

    at = np.flatnonzero(fitter.partial >= 0)
    full, part = np.zeros(len(at)), np.zeros(len(at))
    for _, rest in GroupKFold(FOLDS).split(at, groups=fitter.prompt[at]):
        seen = np.ones(len(fitter.source), dtype=bool)
        seen[at[rest]] = False
        refusal, unsure, partial = fitter.refusals(seen, {})
        some = fitter.numbers[at[rest]]
        no = probabilities(refusal, some)
        full[rest] = np.where(no >= unsure[1], 1, np.where(no > unsure[0], 0.5, 0))
        part[rest] = (probabilities(partial, some) >= PARTIAL) & (full[rest] > 0) & marked(some)
    label = fitter.partial[at] == 1
    return _rounded(
        {
            "responses": int(label.sum()),
            "called in part": _share(part[label] == 1),
            "called in full": _share((full == 1)[label] & (part == 0)[label]),
            "of those called in part, right": _share(label[part == 1]),
        }
    )


def _of_set(judge: Judge, name: str) -> dict[str, Any]:
    answers, about = read(name), SETS[name].about
    found = _ask(judge, answers)
    said = [v.harmful if about == "harm" else v.refused for v in found]
    own = record(judge.spec, name, about, answers, said)
    out = {"set": name, "of": about, "responses": len(answers), "unsure": own.unscored / len(answers),
           **_kappa("kappa", own), "tpr": own.tpr.value, "tnr": own.tnr.value}  # fmt: skip
    for words, scored in (
        ("on all", [True] * len(said)),
        ("where scored", [s is not None for s in said]),
    ):
        list_name, best = _best_list(answers, about, name, scored)
        out |= {f"best list {words}": list_name, f"its kappa {words}": best}
    if about == "harm":
        short = [v for a, v in zip(answers, found, strict=True)
                 if a.label and len(a.response.split()) < SHORT]  # fmt: skip
        return _rounded(out | _calls(f"harmful of under {SHORT} words", short))
    safe = {r["prompt"] for r in sets.load("xstest").rows if r["label"] == "safe"}
    engaged = [(a.query in safe, v) for a, v in zip(answers, found, strict=True)
               if not a.label and not a.partial]  # fmt: skip
    for kind, which in (("safe", True), ("unsafe", False)):
        out |= _calls(
            f"answers to {kind} prompts", [v for is_safe, v in engaged if is_safe is which]
        )
    return _rounded(out)


def _best_list(
    answers: Sequence[Answer], about: str, name: str, scored: Sequence[bool]
) -> tuple[str, float | None]:
    """The keyword list with the best kappa on the rows that are scored; none on no rows."""
    rows = [a for a, one in zip(answers, scored, strict=True) if one]
    if not rows:
        return "", None
    kappas = {}
    for one in LISTS:
        found = _ask(make(f"keywords:{one}"), rows)
        said = [v.harmful if about == "harm" else v.refused for v in found]
        kappas[one] = record(one, name, SETS[name].about, rows, said).kappa.value or 0.0
    best = max(kappas, key=lambda one: kappas[one])
    return f"keywords:{best}", kappas[best]


def _ask(judge: Judge, answers: Sequence[Answer]) -> list[Verdict]:
    out: list[Verdict] = []
    for at in range(0, len(answers), BATCH):
        some = answers[at : at + BATCH]
        out += judge.judge([a.query for a in some], [a.response for a in some])
    return out


def _kappa(name: str, one: Record) -> dict[str, float | None]:
    return {name: one.kappa.value, f"{name} low": one.kappa.low, f"{name} high": one.kappa.high}


def _calls(what: str, found: Sequence[Verdict]) -> dict[str, float]:
    said = [v.harmful for v in found]
    return {f"{what}: n": len(said), f"{what}: called harmful": _share(s is True for s in said),
            f"{what}: unsure": _share(s is None for s in said)}  # fmt: skip


def _share(values: Iterable[bool]) -> float:
    some = list(values)
    return sum(some) / max(len(some), 1)


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {
        k: round(float(v), 4) if isinstance(v, float | np.floating) else v
        for k, v in values.items()
    }
