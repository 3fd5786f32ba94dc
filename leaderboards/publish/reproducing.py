"""How to get a card's numbers again: the study's YAML without paths and keys, and the commands."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from leaderboards.publish.subject import Subject
from leaderboards.report.sendable import name_of
from ptst_tasks.files import dump_json
from ptst_tasks.keys import names_a_key

__all__ = ["study_yaml"]

_PLACE = re.compile(
    r"(?i)(?:^|[_-])(?:address|auth|cookies?|email|headers?|hosts?|hostname|ip|node|prox(?:y|ies)|secrets?"
    r"|urls?|user(?:name)?)$"
)
"""Settings that name a server or a person."""


def study_yaml(subject: Subject) -> tuple[str, bool]:
    """The study as YAML, and whether something of it was cut or left out because it names a place.

    Defaults are left out, as they would be in a study that somebody writes.
    """
    said = subject.study.model_dump(mode="json", exclude_defaults=True)
    said = {"base": said.pop("base"), **said}
    for gone in ("executor", "executor_args"):  # where it ran, which changes no number
        said.pop(gone, None)
    kept = _public(said)
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True), dump_json(kept) != dump_json(
        said
    )


def _public(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            name_of(str(name)): _public(inner)
            for name, inner in value.items()
            if not (names_a_key(str(name)) or _PLACE.search(str(name)))
        }
    if isinstance(value, list | tuple):
        return [_public(inner) for inner in value]
    return name_of(value) if isinstance(value, str) else value
