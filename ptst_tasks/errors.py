"""Errors a user can cause; each is also the standard-library error it specialises.

    PTSTError
    ├── UnknownNameError   (LookupError)        a name that no table holds, with near misses
    ├── TemplateError      (ValueError)         a prompt template that cannot be built or filled
    ├── ChatFormatError    (ValueError)         a chat template that would lose or change a prompt
    ├── DataError          (ValueError)         a data set that was found and cannot be used
    │   └── DataNotFoundError (FileNotFoundError)
    ├── ConfigError        (ValueError)         a setting, a flag or a file of settings
    ├── EngineError        (RuntimeError)       a model that cannot answer, or one task of it
    └── JudgeError         (RuntimeError)       a judge that cannot work at all

Every message is one line: what was seen, where, what was expected, what to do. The commands
print it and exit with code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "ChatFormatError",
    "ConfigError",
    "DataError",
    "DataNotFoundError",
    "EngineError",
    "JudgeError",
    "PTSTError",
    "TemplateError",
    "UnknownNameError",
    "did_you_mean",
]


class PTSTError(Exception):
    """Base of every error that a user can cause."""

    def __str__(self) -> str:  # LookupError and OSError would quote or reshape the message
        return " ".join(str(arg) for arg in self.args)


class UnknownNameError(PTSTError, LookupError):
    """A name that is not in its table.

    Args:
        kind: What the name names, in the reader's words ("prompt template").
        name: What was given.
        known: Every accepted name.
        where: Where the name was read, if that helps to find it.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], *, where: str = "") -> None:
        known = sorted(known)
        place = f" in {where}" if where else ""
        super().__init__(
            f"unknown {kind} {name!r}{place}; {did_you_mean(name, known)}known: {', '.join(known)}"
        )


class TemplateError(PTSTError, ValueError):
    """A prompt template that cannot be built or filled."""


class ChatFormatError(PTSTError, ValueError):
    """A chat template that is missing, or that would lose or change what is to be sent."""


class DataError(PTSTError, ValueError):
    """A data set that was found and cannot be used as it is."""


class DataNotFoundError(DataError, FileNotFoundError):
    """A data set that is in none of the places where it was looked for."""


class ConfigError(PTSTError, ValueError):
    """A setting, a flag or a file of settings that makes no sense."""


class EngineError(PTSTError, RuntimeError):
    """A model that cannot answer.

    Args:
        message: What happened.
        task: The one task that it concerns; empty if it concerns them all.
    """

    def __init__(self, message: str, task: str = "") -> None:
        super().__init__(f"{task}: {message}" if task else message)
        self.task = task


class JudgeError(PTSTError, RuntimeError):
    """A judge that cannot judge anything (a wrong key, no server), unlike one verdict missing."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns ``"did you mean 'x'? "`` for a near miss, else an empty string."""
    close = difflib.get_close_matches(name.lower(), [k.lower() for k in known], n=1, cutoff=0.6)
    original = next((k for k in known if close and k.lower() == close[0]), None)
    return f"did you mean {original!r}? " if original else ""
