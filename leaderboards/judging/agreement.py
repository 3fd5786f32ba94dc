"""How far judges agree: Cohen's kappa, Krippendorff's alpha, and where they differ most.

Both are computed on yes/no labels (harmful on harmful prompts, refused on safe ones). A pair that
one side has not scored is left out of kappa; alpha takes missing values as they are. Where all
labels are the same neither is defined, which is shown as a dash beside the plain agreement.

Sources: Cohen (1960), statsmodels' `cohens_kappa`, with its interval; Krippendorff (2004), nominal,
the `krippendorff` package.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leaderboards.judging.saved import Task
from leaderboards.people.label_rows import label_rows
from ptst_tasks.errors import ConfigError, DataError, DataNotFoundError

__all__ = [
    "Agreement",
    "Labelled",
    "agreements",
    "alpha",
    "check_two",
    "disputed",
    "human_labels",
    "kappa",
    "labels",
]

_WORDS = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}
COLUMNS = ("id", "label", "set", "template", "model", "annotator")


@dataclass
class Labelled:
    """One response and what each judge calls it.

    Attributes:
        set_name: The set.
        template: The template.
        cell: Which results file it is of; the same prompt has one response in each.
        id: The prompt's id.
        by: Judge -> yes or no, None for unscored.
        scores: Judge -> score.
        text: The response, for ``--show``.
        model: Whose response it is, for people.
    """

    set_name: str
    template: str
    cell: str
    id: str
    by: dict[str, bool | None] = field(default_factory=dict)
    scores: dict[str, float | None] = field(default_factory=dict)
    text: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of two judges on one group of responses; alpha is of all judges there.

    Attributes:
        where: (set, template), or ("all", "all").
        first: One judge.
        second: The other.
        n: Responses that both scored.
        same: Share of those with the same label, 0..1; None for none.
        kappa: Cohen's kappa, -1..1; None where it is not defined.
        low: Lower end of its 95 % interval.
        high: Upper end.
        alpha: Krippendorff's alpha of these two, missing labels included.
    """

    where: tuple[str, str]
    first: str
    second: str
    n: int
    same: float | None
    kappa: float | None
    low: float | None
    high: float | None
    alpha: float | None


def labels(found: Iterable[Task], *, texts: bool = False) -> list[Labelled]:
    """Reads every judge's labels of every response.

    Raises:
        DataError: If a line is damaged.
    """
    out: dict[tuple[str, str, str], Labelled] = {}
    for task in found:
        model = task.model
        for at, row in task.rows():
            key = (str(task.results), task.name, task.prompt_id(at, row))
            new = Labelled(task.set_name, task.template, str(task.results), key[2], model=model)
            item = out.setdefault(key, new)
            judge = str(row.get("filter", ""))
            item.by[judge] = task.verdict(row)
            item.scores[judge] = row.get("score")
            if texts:
                item.text = task.prefill + row["resps"][0][0]
    return list(out.values())


def human_labels(path: str | os.PathLike[str], items: Sequence[Labelled]) -> tuple[int, list[str]]:
    """Adds people's labels as judges ``human`` or ``human:<annotator>``.

    Args:
        path: A csv with `id` and `label` (1/0, yes/no: harmful, or refused for safe prompts), and
            where an id has several responses `set`, `template` and `model` (as `ptst score` prints
            it) to say whose it is; `annotator` for several people.
        items: What to add them to.

    Returns:
        How many were used, and the rows that match no response.

    Raises:
        DataError: If a column or a label is unknown, a label could be of several responses, or
            somebody labels one twice, or no id fits.
    """
    by_id: dict[str, list[Labelled]] = {}
    for item in items:
        by_id.setdefault(item.id, []).append(item)
    used, unused = 0, list[str]()
    for line, row in _read(path):
        mine = [item for item in by_id.get(row["id"], ()) if _fits(row, item)]
        if len(mine) > 1:
            raise DataError(f"{_named(path)}, line {line}: {_ambiguous(row, mine)}")
        if not mine:
            unused.append(f"line {line} (id {row['id']!r})")
            continue
        who = f"human:{row['annotator']}" if row.get("annotator") else "human"
        if who in mine[0].by:
            raise DataError(
                f"{_named(path)}, line {line}: {who} labels {row['id']!r} a second time"
            )
        mine[0].by[who] = _WORDS[row["label"].strip().lower()]
        used += 1
    if not used:
        why = f"none of its {len(unused)} ids is among the responses" if unused else "no labels"
        raise DataError(f"{_named(path)}: {why}")
    return used, unused


_SAYS = {"set": "set_name", "template": "template", "model": "model"}


def _fits(row: Mapping[str, str], item: Labelled) -> bool:
    return all(not row.get(c) or row[c] == getattr(item, name) for c, name in _SAYS.items())


def _ambiguous(row: Mapping[str, str], mine: Sequence[Labelled]) -> str:
    """Whose label is it? Names the columns that would tell, if any does."""
    tells = [c for c, name in _SAYS.items() if len({getattr(item, name) for item in mine}) > 1]
    say = f"fill in {' and '.join(tells)}" if tells else "label one run at a time"
    return f"id {row['id']!r} has {len(mine)} responses in these runs, and a label is of one; {say}"


def _read(path: str | os.PathLike[str]) -> Iterator[tuple[int, dict[str, str]]]:
    where = _named(path)
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as f:
            needs = "id and label, and each column once"
            for line, row in label_rows(f, where, COLUMNS, ("id", "label"), needs):
                if row["label"].strip().lower() not in _WORDS:
                    raise DataError(
                        f"{where}, line {line}: label {row['label'][:80]!r}, expected 1 or 0"
                    )
                yield line, row
    except FileNotFoundError as e:
        raise DataNotFoundError(f"{where} does not exist") from e
    except OSError as e:
        raise DataError(f"{where} cannot be read: {e.strerror or e}") from e
    except UnicodeDecodeError as e:
        byte = e.object[e.start]
        raise DataError(
            f"{where} cannot be read: not UTF-8 (byte {byte:#04x}); save it as UTF-8"
        ) from e


def _named(path: str | os.PathLike[str]) -> str:
    return f"--human {str(path)!r}"


def agreements(items: Sequence[Labelled]) -> list[Agreement]:
    """Compares every two judges, on all responses and per set and template.

    Raises:
        ConfigError: If there are fewer than two judges.
    """
    judges = sorted({judge for item in items for judge in item.by})
    check_two(judges)
    groups: dict[tuple[str, str], list[Labelled]] = {("all", "all"): list(items)}
    for item in items:
        groups.setdefault((item.set_name, item.template), []).append(item)
    return [
        _pair(where, group, a, b)
        for where, group in sorted(groups.items(), key=lambda g: (g[0] != ("all", "all"), g[0]))
        for a, b in itertools.combinations(judges, 2)
        if any(a in i.by and b in i.by for i in group)
    ]


def check_two(judges: Collection[str]) -> None:
    """Refuses to compare one with nobody.

    Raises:
        ConfigError: If there are fewer than two judges.
    """
    if len(judges) < 2:
        raise ConfigError(
            f"--compare needs two judges, found {', '.join(judges) or 'none'}; add --judge or --human"
        )


def _pair(where: tuple[str, str], group: Sequence[Labelled], a: str, b: str) -> Agreement:
    said = [[item.by.get(judge) for item in group] for judge in (a, b)]
    both = [(x, y) for x, y in zip(*said, strict=True) if x is not None and y is not None]
    same = sum(x == y for x, y in both) / len(both) if both else None
    return Agreement(where, a, b, len(both), same, *kappa(both), alpha(said))


def kappa(pairs: Sequence[tuple[bool, bool]]) -> tuple[float | None, float | None, float | None]:
    """Cohen's kappa with its 95 % interval; None where one label is all there is."""
    from statsmodels.stats.inter_rater import cohens_kappa

    table = [[sum(p == (x, y) for p in pairs) for y in (False, True)] for x in (False, True)]
    if not pairs or len({label for pair in pairs for label in pair}) < 2:
        return None, None, None
    if sum(table[0]) in (0, len(pairs)) or table[0][0] + table[1][0] in (0, len(pairs)):
        return 0.0, None, None  # one of them says always the same: agreement by chance alone
    found = cohens_kappa(table)
    return float(found.kappa), float(found.kappa_low), float(found.kappa_upp)


def alpha(said: Sequence[Sequence[bool | None]]) -> float | None:
    """Krippendorff's alpha for yes/no labels, one row per judge; None where it is not defined."""
    import krippendorff
    import numpy as np

    data = np.array([[np.nan if v is None else float(v) for v in row] for row in said])
    paired = data[:, (~np.isnan(data)).sum(axis=0) >= 2] if data.size else data
    if paired.size == 0 or len(np.unique(paired[~np.isnan(paired)])) < 2:
        return None
    return float(krippendorff.alpha(reliability_data=data, level_of_measurement="nominal"))


def disputed(items: Iterable[Labelled], most: int = 10) -> list[Labelled]:
    """The responses on which judges differ most: the evenest split, then the widest scores."""
    split = [(item, _split(item.by)) for item in items]
    ranked = sorted((pair for pair in split if pair[1]), key=lambda p: (-p[1], p[0].cell, p[0].id))
    return [item for item, _ in ranked[:most]]


def _split(by: Mapping[str, Any]) -> float:
    votes = [v for v in by.values() if v is not None]
    return min(sum(votes), len(votes) - sum(votes)) / len(votes) if votes else 0.0
