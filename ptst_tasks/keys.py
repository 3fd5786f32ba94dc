"""Secrets where none belong: values that look like keys are refused by name, and never shown.

What a user writes into a study or a flag ends up in the run's files, in a board and in messages. A
key belongs into an environment variable, whose name may be said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ptst_tasks.errors import ConfigError, did_you_mean

__all__ = ["INSTEAD", "check_no_keys", "find_keys", "hidden", "names_a_key"]

INSTEAD = (
    "put keys into the environment: $OPENAI_API_KEY for an endpoint (another name with api_key_env), "
    "$HF_TOKEN for the hub"
)

_NAMES = re.compile(
    r"(?:^|[_.-])(?:api[_-]?key|apikey|access[_-]?key|secret|secret[_-]?key|passw(?:or)?d|passphrase|"
    r"(?:proxy[_-])?authori[sz]ation|bearer|credentials?|(?:hf|hub|auth|access|api|bearer)[_-]?token)$"
    r"|^(?:key|token|auth)$",
    re.IGNORECASE,
)
_VALUES = re.compile(
    r"(?<![\w/-])(?:sk|rk|sess)-[A-Za-z0-9_*.-]{6,}"
    r"|(?<![\w/-])hf_[A-Za-z0-9]{8,}"
    r"|(?<![\w/-])gh[pousr]_[A-Za-z0-9]{16,}|(?<![\w/-])github_pat_\w{16,}"
    r"|(?<![\w/-])(?:AKIA|ASIA)[0-9A-Z]{12,}|(?<![\w/-])AIza[\w-]{20,}"
    r"|(?<![\w/-])eyJ[\w-]{10,}\.[\w-]{10,}"
    r"|\b(?:Bearer|Basic)\s+(?=\S*[\d=_-])[\w.~+/=-]{6,}"
    r"|\b[a-z][a-z0-9+.-]*://[^\s/@:]*:[^\s/@]+@",
    re.IGNORECASE,
)
_PAIRS = re.compile(
    r"\b(?:api[_-]?key|apikey|access[_-]?token|auth[_-]?token|hf[_-]?token|token|password|secret)"
    r"\s*=\s*[^\s,;]+",
    re.IGNORECASE,
)


def names_a_key(name: str) -> bool:
    """Whether a field of this name would hold a secret (``api_key``, not ``api_key_env``)."""
    return bool(_NAMES.search(name))


def find_keys(value: Any, where: str = "", *, free: tuple[str, ...] = ()) -> Iterator[str]:
    """The places below a value that look like secrets; never what stands there.

    Args:
        value: As read from YAML or JSON.
        where: Its own place, ``engine_args``.
        free: Places of free text, where only what has the very form of a key counts.
    """
    if isinstance(value, Mapping):
        for name, inner in value.items():
            name = str(name)
            place = f"{where}.{name}" if where else name
            if _VALUES.search(name):
                yield f"a field's name in {where or 'the file'}"
            elif names_a_key(name) and _says_something(inner):
                yield place
            else:
                yield from find_keys(inner, place, free=free)
    elif isinstance(value, list | tuple):
        for at, inner in enumerate(value):
            yield from find_keys(inner, f"{where}.{at}", free=free)
    elif isinstance(value, str):
        plain = bool(free) and where.startswith(free)
        if _VALUES.search(value) or (not plain and _PAIRS.search(value)):
            yield where


def check_no_keys(
    value: Any, where: str = "", *, known: Iterable[str] = (), free: tuple[str, ...] = ()
) -> None:
    """Refuses what looks like a key, by its place.

    Args:
        value: As read from YAML or JSON.
        where: Its place; empty for the whole file.
        known: Fields that may have been meant.
        free: Places of free text; see `find_keys`.

    Raises:
        ConfigError: With the place and what to use instead, and never with the value.
    """
    for place in find_keys(value, where, free=free):
        name = place.rpartition(".")[2]
        near = did_you_mean(name, known) if names_a_key(name) else ""
        raise ConfigError(f"{place} looks like a key (its value is not shown); {near}{INSTEAD}")


def hidden(text: str) -> str:
    """A text with stars where secrets stand, for messages that quote what a user wrote."""
    named = re.sub(r"(?i)\b((?:api[_-]?key|apikey|password|secret|authorization|token)['\"]?\s*[:=]\s*)"
                   r"(['\"]?)[^\s,;}'\"]+", r"\1\2***", text)  # fmt: skip
    return _VALUES.sub("***", named)


def _says_something(value: Any) -> bool:
    """Not of ``token: true``, which says that the one in the environment be used."""
    return isinstance(value, str | bytes | list | dict | int) and not isinstance(value, bool) and (
        value not in ("", [], {}))  # fmt: skip
