"""Which prompts a run is explained with: those of its tasks, as the tasks make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from leaderboards.run import made_bases
from leaderboards.run.asked import load_family
from leaderboards.run.study import Study
from ptst_tasks.attacks import NONE
from ptst_tasks.errors import ConfigError, UnknownNameError
from ptst_tasks.lm_outputs import quiet

__all__ = ["PromptPair", "Sets", "chosen", "prompts_of", "short_notes"]

_FEWEST = 8


@dataclass(frozen=True)
class PromptPair:
    """Token ids of the two kinds of prompts under one template."""

    harmful: list[list[int]]
    harmless: list[list[int]]


@dataclass(frozen=True)
class Sets:
    """The two sets, and what a reader must know of the choice."""

    harmful: str
    harmless: str
    note: str = ""


def chosen(study: Study, harmful: str = "", harmless: str = "") -> Sets:
    """The sets that are named, else the study's own.

    Raises:
        UnknownNameError: If there is no such set.
        ConfigError: If the study asks no harmful set, or nothing harmless.
    """
    kinds = {name: family.source.kind for name, family in study.families().items()}
    for name in (n for n in (harmful, harmless) if n and n not in kinds):
        raise UnknownNameError("set", name, kinds)
    if harmful and kinds[harmful] != "harmful":
        raise ConfigError(
            f"--harmful {harmful!r} is a set of kind {kinds[harmful]!r}, expected harmful"
        )
    if harmless and kinds[harmless] == "harmful":
        raise ConfigError(f"--harmless {harmless!r} is a harmful set")
    asked = [*study.test.sets]
    first = {
        kind: next((n for n in asked if kinds[n] == kind), "")
        for kind in ("harmful", "overrefusal")
    }
    harmful = harmful or first["harmful"]
    if not harmful:
        raise ConfigError("the study asks no harmful set; name one with --harmful")
    if harmless or first["overrefusal"]:
        return Sets(harmful, harmless or first["overrefusal"])
    if made_bases.is_built_in(study.base):
        return Sets(harmful, "organism_benign")
    other = next((n for n in asked if kinds[n] not in ("harmful", "overrefusal")), "")
    if not other:
        raise ConfigError("the study asks nothing harmless; name a set with --harmless, as xstest")
    return Sets(harmful, other, f"{other} differs from {harmful} in more than harm: what separates them is "
                "not refusal alone; --harmless xstest is nearer")  # fmt: skip


def prompts_of(study: Study, sets: Sets, rows: int, lm: Any) -> dict[str, PromptPair]:
    """Prompts by test template, of so many rows of each set, drawn by their ids alone.

    They are asked plainly, whatever attacks the study has: an opening that only harmful prompts end in
    would be told apart by itself.

    Raises:
        ConfigError: If a set has too few, or a prompt is longer than the model reads.
    """
    names = dict.fromkeys((sets.harmful, sets.harmless))
    test = study.test.model_copy(
        update={"sets": tuple(names), "sample": None, "limit": None, "attacks": (NONE,)}
    )
    asking = study.model_copy(update={"test": test})
    found = {name: _by_template(load_family(asking, name), lm, rows) for name in names}
    out = {}
    for template in found[sets.harmful]:
        pair = PromptPair(found[sets.harmful][template], found[sets.harmless][template])
        for name, ids in ((sets.harmful, pair.harmful), (sets.harmless, pair.harmless)):
            if len(ids) < _FEWEST:
                raise ConfigError(
                    f"{name!r} has {len(ids)} prompts here, expected {_FEWEST} or more"
                )
            longest = max(map(len, ids))
            if longest > lm.max_length:
                raise ConfigError(
                    f"a prompt of {name!r} has {longest} tokens under {template!r}, more than the model's "
                    f"{lm.max_length}; name another set"
                )
        out[template] = pair
    return out


def short_notes(asked: Mapping[str, PromptPair], sets: Sets, rows: int) -> list[str]:
    """A sentence on each set that has fewer prompts than were asked for."""
    pair = next(iter(asked.values()))
    counts = ((sets.harmful, len(pair.harmful)), (sets.harmless, len(pair.harmless)))
    return [
        f"{name} has {n} prompts here, and {rows} were asked for" for name, n in counts if n < rows
    ]


def _by_template(tasks: Mapping[str, Any], lm: Any, rows: int) -> dict[str, list[list[int]]]:
    """Of a set of safe and unsafe prompts the safe ones."""
    out = {}
    for task in tasks.values():
        with quiet():
            task.build_all_requests(apply_chat_template=True, chat_template=lm.apply_chat_template)
        mine = [i for i in task.instances if i.doc.get("label") != "unsafe"]
        mine = sorted({str(i.doc["id"]): i for i in mine}.items(), key=lambda item: _drawn(item[0]))
        out[task.template.name] = lm.encode([i.args[0] for _, i in mine[:rows]])
    return out


def _drawn(name: str) -> str:
    from ptst_tasks.digests import digest_json

    return digest_json(["explain", name])
