"""Does a policy mean what it says? A name that matches nothing would switch a limit off in silence.

Every glob and every metric of a user's rules is looked up among the names that were measured and
the names of this package. What is neither is a typing error and refused; what is ours and was not
measured here is noted, since one policy may serve many runs.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from typing import Literal

from leaderboards.board.fields import DIRECTIONS
from leaderboards.board.kinds import kind_of
from leaderboards.board.row import Row
from leaderboards.gate.limits import Limits, sign_meant
from leaderboards.gate.policy import Policy, Rule, default_policy, slug_of
from ptst_tasks.errors import ConfigError, did_you_mean

__all__ = ["check_names", "check_refused", "idle_rules"]

Key = tuple[str, str, str, str, str]
"""Task, template, judge, metric, kind of the set."""

_WILD = re.compile(r"[*?\[\]]")
_NEAR = 0.8  # a glob's literal part as close as this to a name is a typing error of it


def check_names(policy: Policy, rows: Iterable[Row]) -> list[str]:
    """Looks up every name of the user's rules.

    Returns:
        Notes on rules that limit nothing in this check.

    Raises:
        ConfigError: If a name is none that was measured and none of ours.
    """
    numbers = _numbers(rows)
    measured = _measured(numbers)
    ours = default_policy().rules
    idle: dict[str, None] = {}
    notes: list[str] = []
    for rule in (rule for rule in policy.rules if rule not in ours):
        unseen = {(kind, name) for kind, name in _named(rule)
                  if not _is_measured(kind, name, measured[kind])}  # fmt: skip
        idle |= dict.fromkeys(f"{kind} {name!r}" for kind, name in sorted(unseen))
        if not any(set(_of(kind, rule)) <= unseen for kind in ("task", "template", "judge")):
            notes += _idle(rule, numbers, {name for kind, name in unseen if kind == "metric"})
    if idle:
        notes.insert(
            0, f"not measured here, so these of the policy limit nothing: {', '.join(idle)}"
        )
    return notes


def idle_rules(policy: Policy, rows: Iterable[Row]) -> list[str]:
    """The user's rules that limit no number at all; ``off`` is no limit that could be missed."""
    numbers = _numbers(rows)
    ours = default_policy().rules
    out = []
    for rule in policy.rules:
        limited = {metric for metric, limits in rule.metrics.items() if limits is not None}
        if rule in ours or not limited or any(_limits(rule, key, limited) for key in numbers):
            continue
        where = ", ".join(
            name for name in (*rule.tasks, *rule.templates, *rule.judges) if name != "*"
        )
        out.append(f"the policy's rule for {', '.join(sorted(limited))} of {where or 'all'} limits "
                   "nothing here; measure what it names, or take it out")  # fmt: skip
    return out


def _limits(rule: Rule, key: Key, metrics: set[str]) -> bool:
    task, template, judge, metric, kind = key
    slug = slug_of(template)
    covered = rule.covers((task, f"ptst_{task}_{slug}"), (template, slug), judge, kind)
    return covered and not metrics.isdisjoint({metric, "unscored"})


def check_refused(row: Row, limits: Limits) -> None:
    """Refuses a limit on `refused` that is the wrong way round for the set.

    Refusing harmful queries is right, so there a fall is the worsening; on harmless ones a rise is.

    Raises:
        ConfigError: With the sign that was probably meant.
    """
    kind = kind_of(row)
    if row.metric != "refused" or kind not in ("harmful", "harmless", "misalignment"):
        return
    direction: Literal["higher", "lower"] = "lower" if kind == "harmful" else "higher"
    if meant := sign_meant(limits, direction):
        raise ConfigError(
            f"the policy limits 'refused' of {row.task!r} by '{limits}', but on {kind} prompts "
            f"{direction} is worse, so it would pass any worsening; write '{meant}', or name the "
            "sets that you mean in the rule's tasks"
        )


def _numbers(rows: Iterable[Row]) -> set[Key]:
    return {(r.task, r.test_template, r.judge, r.metric, kind_of(r)) for r in rows if r.metric}


def _named(rule: Rule) -> Iterator[tuple[str, str]]:
    for kind, names in (("task", rule.tasks), ("template", rule.templates),
                        ("judge", rule.judges), ("metric", tuple(rule.metrics))):  # fmt: skip
        yield from ((kind, name) for name in names)


def _of(kind: str, rule: Rule) -> list[tuple[str, str]]:
    return [named for named in _named(rule) if named[0] == kind]


def _measured(numbers: Iterable[Key]) -> dict[str, set[str]]:
    out: dict[str, set[str]] = {"task": set(), "template": set(), "judge": set(), "metric": set()}
    for task, template, judge, metric, _ in numbers:
        out["task"] |= {task, f"ptst_{task}_{slug_of(template)}"}
        out["template"] |= {template, slug_of(template)}
        out["judge"].add(judge)
        out["metric"].add(metric)
    out["metric"].add("unscored")
    return out


def _is_measured(kind: str, name: str, measured: set[str]) -> bool:
    """Whether `name` matches something here.

    Raises:
        ConfigError: If it is no name at all.
    """
    if any(fnmatchcase(seen, name) for seen in measured):
        return True
    known = _known()[kind]
    if any(fnmatchcase(one, name) for one in known) or (kind == "judge" and _is_judge(name)):
        return False
    everything = sorted(measured | known)
    if not _WILD.search(name) or kind == "metric":
        hint = did_you_mean(name, everything)
        seen = ", ".join(sorted(measured - {""})) or "none"
        other = (
            "" if hint or kind == "metric" else f"; if other runs measure it, write {name + '*'!r}"
        )
        raise ConfigError(
            f"the policy has a rule for {kind} {name!r}, which neither side nor this package knows, "
            f"so its limits would be off; {hint}measured here: {_few(seen)}{other}"
        )
    if near := _near(name, everything):
        raise ConfigError(
            f"the policy's rule for {kind} {name!r} matches nothing, so its limits would be off; "
            f"did you mean {near!r}?"
        )
    return False


def _near(glob: str, names: Iterable[str]) -> str:
    """The name that a glob's literal part nearly is (``*xtest*``, ``chat_lama*``)."""
    core = _WILD.sub("", glob)
    best = max(((_likeness(core, name), name) for name in names), default=(0.0, ""))
    return best[1] if best[0] >= _NEAR else ""


def _likeness(core: str, name: str) -> float:
    """How near a name, its beginning or its end comes, 0..1."""
    parts = {name, name.partition(":")[0] + ":", name[: len(core)], name[-len(core) :]}
    return max(
        difflib.SequenceMatcher(None, core.lower(), part.lower(), autojunk=False).ratio()
        if min(len(part), len(core)) > 3
        else 0.0
        for part in parts
    )


def _idle(rule: Rule, numbers: Iterable[Key], unseen: set[str]) -> Iterator[str]:
    """Notes on a rule whose names are all right and meet in no number."""
    met = {metric for task, template, judge, metric, kind in numbers
           if rule.covers((task, f"ptst_{task}_{slug_of(template)}"), (template, slug_of(template)),
                          judge, kind)}  # fmt: skip
    for metric in sorted(rule.metrics.keys() - met - unseen - {"unscored"}):
        where = ", ".join((*rule.tasks, *rule.templates, *rule.judges))
        yield f"the policy's rule for {metric!r} of {where} limits no number of this check"


@cache
def _known() -> dict[str, frozenset[str]]:
    """Names of this package, whether measured or not."""
    from ptst_tasks.errors import PTSTError
    from ptst_tasks.generate import FAMILIES, task_name
    from ptst_tasks.judges import REGISTRY as JUDGES
    from ptst_tasks.sets import REGISTRY
    from ptst_tasks.templates import builtin
    from ptst_tasks.user_templates import active

    try:
        rows = list(active())
    except PTSTError:  # a broken file of templates is for the commands that render them to report
        rows = list(builtin())
    templates = {row.name for row in rows}
    tasks = {task_name(family, row) for family in FAMILIES.values() for row in rows}
    return {
        "task": frozenset({*REGISTRY, *FAMILIES, *tasks}),
        "template": frozenset({*templates, *map(slug_of, templates)}),
        "judge": frozenset({*JUDGES, "paper", "strict-match", "flexible-extract", "bertscore"}),
        "metric": frozenset({*DIRECTIONS, "refused", "partial", "code", "score"}),
    }


def _is_judge(name: str) -> bool:
    """Whether ``keywords:zou`` is a judge of ours; rubrics and panels are named freely."""
    from ptst_tasks.judges import REGISTRY
    from ptst_tasks.judges.guards import GUARDS
    from ptst_tasks.judges.keywords import LISTS

    judge, colon, settings = name.partition(":")
    listed = {"keywords": set(LISTS), "guards": set(GUARDS)}.get(judge)
    first = settings.partition(",")[0]
    if listed is None or not colon:
        return judge in REGISTRY
    return any(fnmatchcase(known, first) for known in listed)


def _few(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:197]}..."
