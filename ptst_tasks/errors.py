"""Errors a user can cause; each is also the standard-library error it specialises.

    PTSTError
    ├── UnknownNameError   (LookupError)        a name that no table holds, with near misses
    ├── TemplateError      (ValueError)         a prompt template that cannot be built or filled
    ├── ChatFormatError    (ValueError)         a chat template that would lose or change a prompt
    ├── DataError          (ValueError)         a data set that was found and cannot be used
    │   └── DataNotFoundError (FileNotFoundError)
    ├── ConfigError        (ValueError)         a setting, a flag or a file of settings
    ├── MissingExtraError  (ImportError)        a package that an extra brings
    ├── EngineError        (RuntimeError)       a model that cannot answer, or one task of it
    └── JudgeError         (RuntimeError)       a judge that cannot work at all

Every message is one line: what was seen, where, what was expected, what to do. The commands
print it and exit with code 2 (`ptst_tasks.command`).
"""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = [
    "ChatFormatError",
    "ConfigError",
    "DataError",
    "DataNotFoundError",
    "EngineError",
    "JudgeError",
    "MissingExtraError",
    "PTSTError",
    "TemplateError",
    "UnknownNameError",
    "check_choice",
    "did_you_mean",
    "one_line",
    "require",
    "said",
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


class MissingExtraError(PTSTError, ImportError):
    """A package that is not installed, with the extra that brings it.

    Args:
        package: What could not be imported.
        extra: The extra of ptst that it belongs to.
        who: What needs it, in the reader's words ("engine vllm", "--batch").
    """

    def __init__(self, package: str, extra: str, who: str) -> None:
        super().__init__(
            f"{who} needs {package}, which is not installed: pip install 'ptst[{extra}]'"
        )


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


def said(error: BaseException) -> str:
    """What an error says, on one line; its type where it says nothing of itself.

    An `OSError` of the system's is told by its words and its file; an error of a library's by its
    type too, since its words alone ("'prompt'") may say nothing.
    """
    if isinstance(error, PTSTError):
        return " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        file = f": {str(error.filename)!r}" if error.filename is not None else ""
        return f"{error.strerror}{file}"
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def require(extra: str, *packages: str, who: str) -> None:
    """Checks that an extra is installed, without importing it.

    Raises:
        MissingExtraError: If one of the packages is not there.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, extra, who)


def one_line(error: ValidationError, fields: tuple[str, ...] = ()) -> str:
    """Says what is wrong with a user's YAML: the first fault, where it is, and a near miss."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(p) for p in first["loc"]) or "the file"
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][-1])
        return f"{where}: unknown field {name!r}; {did_you_mean(name, fields)}known: {', '.join(fields)}"
    seen = repr(first["input"])
    more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{where}: {first['msg']}, got {seen[:80]}{more}"


def check_choice(value: str, known: tuple[str, ...], kind: str) -> str:
    """Returns `value` if it is one of `known`.

    Raises:
        UnknownNameError: With a near miss, otherwise.
        ConfigError: If it is not text at all.
    """
    if not isinstance(value, str):
        raise ConfigError(f"{kind} is {value!r}, expected one of {', '.join(known)}")
    if value not in known:
        raise UnknownNameError(kind, value, known)
    return value
